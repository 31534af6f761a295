import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { ListQuery, Page } from "../../platform/http/page.ts";
import type { ClientCredential } from "../../platform/oauth-client.ts";
import type { Caller } from "../../platform/permissions.ts";

/** The `claims` parameter (OpenID Connect Core 1.0 §5.5): claims by where they are wanted. */
export type ClaimsRequest = Record<string, Record<string, unknown>>;

/** What a user has authorised a client to do, before there are tokens. */
export interface Authorization {
  readonly clientRowId: string;
  readonly userId: string;
  /** The client's. */
  readonly tenantId: string;
  readonly scopes: readonly string[];
  readonly nonce: string | null;
  readonly claims: ClaimsRequest | null;
  readonly resources: readonly string[];
  /** RFC 9449: of a code, the key that it is bound to; of a grant, the one that its tokens are. */
  readonly dpopJkt: string | null;
  readonly loginSessionId: string;
  readonly sid: string;
  readonly authTime: Date;
  readonly amr: readonly string[];
  readonly acr: string;
}

/** Contract 03 §7.5: one factor, two, a passkey with user verification. */
export const ACR_VALUES = ["urn:qeet:acr:1fa", "urn:qeet:acr:2fa", "phr"] as const;

/** How strong a sign-in was (contract 03 §7.5). A passkey whose user was verified is `phr`, which stands above two factors. */
export function acrOf({ amr, mfaAt }: { amr: readonly string[]; mfaAt: Date | null }): string {
  const isKey = amr.includes("hwk") || amr.includes("swk");
  if (isKey && !amr.includes("pwd")) return "phr";
  return mfaAt !== null || amr.includes("mfa") ? "urn:qeet:acr:2fa" : "urn:qeet:acr:1fa";
}

/** RFC 6749 §5.1 and its extensions. */
export interface TokenResponse {
  access_token: string;
  token_type: "Bearer" | "DPoP";
  /** Seconds. */
  expires_in: number;
  /** For machines: the same as an instant. */
  expires_at?: string;
  refresh_token?: string;
  id_token?: string;
  scope?: string;
  /** RFC 8693 §2.2.1. */
  issued_token_type?: string;
}

export const TokenAnswer = t.Object({
  access_token: t.String(),
  token_type: t.String({ description: "`Bearer`, or `DPoP` where the token is bound to a key" }),
  expires_in: t.Integer({ description: "Seconds" }),
  expires_at: t.Optional(t.String({ format: "date-time", description: "`client_credentials`" })),
  refresh_token: t.Optional(t.String({ description: "Replaces the one that was sent" })),
  id_token: t.Optional(t.String({ description: "With scope `openid`" })),
  scope: t.Optional(t.String()),
  issued_token_type: t.Optional(t.String({ description: "RFC 8693" })),
});

/** Contract 03 §2: any parameter is at most 8 KiB. */
const parameter = (description?: string) =>
  t.Optional(t.String({ maxLength: 8192, ...(description !== undefined && { description }) }));

/** What the grants read of the form; who the client is stands beside it. */
export const tokenFields = {
  grant_type: t.String({ maxLength: 8192 }),
  code: parameter("`authorization_code`"),
  redirect_uri: parameter("`authorization_code`: the one that the code was asked for with"),
  code_verifier: parameter("RFC 7636"),
  refresh_token: parameter("`refresh_token`"),
  scope: parameter("Narrows what the grant holds"),
  resource: t.Optional(
    t.Array(t.String({ maxLength: 8192 }), { maxItems: 10, description: "RFC 8707; repeatable" }),
  ),
  device_code: parameter("RFC 8628"),
  subject_token: parameter("RFC 8693"),
  subject_token_type: parameter("RFC 8693"),
  requested_token_type: parameter("RFC 8693"),
  actor_token: parameter("RFC 8693"),
  actor_token_type: parameter("RFC 8693"),
  audience: parameter("RFC 8693"),
};

const tokenForm = t.Object(tokenFields);
export type TokenForm = typeof tokenForm.static;

/** A token request whose client has proved who it is. */
export interface GrantRequest {
  readonly credential: ClientCredential;
  readonly form: TokenForm;
  readonly caller: Caller;
  /** Thumbprint of the key whose proof came along (RFC 9449 §5). */
  readonly dpopJkt: string | null;
  /** RFC 8707: absolute, without fragment, each once. */
  readonly resources: readonly string[];
}

/** One grant type of the token endpoint. That the client may use it was looked at before. */
export interface GrantHandler {
  readonly grantType: string;
  exchange(deps: Deps, request: GrantRequest): Promise<TokenResponse>;
}

export const OAuthGrant = t.Object({
  id: t.String({ format: "uuid" }),
  client_id: t.String(),
  client_name: t.String(),
  user_id: t.String({ format: "uuid" }),
  user_email: t.String(),
  scopes: t.Array(t.String()),
  offline: t.Boolean({ description: "Outlives the sign-out" }),
  issued_at: t.String({ format: "date-time" }),
  expires_at: t.String({ format: "date-time" }),
});

export const OAuthGrantPage = Page(OAuthGrant);

export const OAuthGrantQuery = t.Object({
  ...ListQuery.properties,
  limit: t.Optional(t.String({ description: "1 to 200 rows; 1000 when absent or not a number" })),
  client_id: t.Optional(t.String({ maxLength: 200 })),
  user_id: t.Optional(t.String({ format: "uuid" })),
});
