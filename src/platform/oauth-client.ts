/** OAuth clients as every part of the protocol sees them. */
import type { TokenAlgorithm } from "./crypto/keyring.ts";

/** An OAuth client, an OpenID relying party, as it is registered (RFC 7591 §2). */
export interface OAuthClient {
  readonly kind: "client";
  /** Of its row. */
  readonly id: string;
  /** `qci_` and a UUID. */
  readonly clientId: string;
  readonly tenantId: string;
  readonly tenantName: string;
  readonly type: "confidential" | "public";
  readonly name: string;
  readonly redirectUris: readonly string[];
  readonly postLogoutUris: readonly string[];
  readonly grantTypes: readonly string[];
  readonly scopes: readonly string[];
  readonly registration: "admin" | "dynamic";
  readonly requirePkce: boolean;
  readonly requirePar: boolean;
  readonly idTokenAlg: TokenAlgorithm;
  /** Null: Basic and post both work. */
  readonly tokenEndpointAuthMethod:
    | "client_secret_basic"
    | "client_secret_post"
    | "private_key_jwt"
    | "none"
    | null;
  readonly requireMembership: boolean;
  readonly selfRegistration: boolean;
  readonly logoutRequiresConfirmation: boolean;
  readonly dpopBoundAccessTokens: boolean;
  readonly refreshReuseLeewaySeconds: number;
  readonly jwks: { readonly keys: readonly Record<string, unknown>[] } | null;
  readonly jwksUri: string | null;
  readonly backchannelLogoutUri: string | null;
  readonly backchannelLogoutSessionRequired: boolean;
  readonly clientUri: string | null;
  readonly logoUri: string | null;
  readonly policyUri: string | null;
  readonly tosUri: string | null;
}

/** A machine that acts for itself. */
export interface ServicePrincipal {
  readonly kind: "principal";
  /** Its client_id too. */
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly scopes: readonly string[];
}

export type ClientAuthMethod =
  | "client_secret_basic"
  | "client_secret_post"
  | "private_key_jwt"
  | "none";

/** Who has proved to be a client, and how. */
export interface ClientCredential {
  readonly client: OAuthClient | ServicePrincipal;
  readonly method: ClientAuthMethod;
}

/** What `deps.clients` keeps. Only active ones of active tenants. */
export interface CachedClient {
  readonly tags: readonly string[];
  readonly client: OAuthClient | ServicePrincipal;
  /** Hashes of what it may authenticate with; null `expiresAt` for the current one. */
  readonly secrets: readonly { readonly hash: string; readonly expiresAt: Date | null }[];
}

/** The client_id: what tokens and other parties call it. */
export const clientIdOf = (client: OAuthClient | ServicePrincipal): string =>
  client.kind === "client" ? client.clientId : client.id;
