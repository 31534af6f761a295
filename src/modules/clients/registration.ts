/** Clients that register and manage themselves (RFC 7591, RFC 7592). */
import type { Reader, Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { hashToken, isSameText, newToken } from "../../platform/crypto/tokens.ts";
import { AppError, OAuthError } from "../../platform/errors.ts";
import type { Actor, Caller } from "../../platform/permissions.ts";
import { tenantOf } from "../rbac/service.ts";
import { inTheirWords, type Metadata } from "./registration-model.ts";
import { deleteClientIn, registerClient, settingsOf, writeSettings } from "./service.ts";
import {
  assertNoManagementScope,
  type ClientInput,
  type ClientSettings,
  DEVICE_GRANT,
  needsSecret,
  newSettings,
  settle,
} from "./settings.ts";
import * as store from "./store.ts";

/** What whoever registers may ask for. The others are an administrator's to give. */
const GRANTS = ["authorization_code", "refresh_token", "client_credentials", DEVICE_GRANT];

export interface Registered {
  readonly client: store.ClientRow;
  readonly secret?: string | undefined;
  readonly registrationToken: string;
}

/**
 * Registers a client in the actor's tenant, by RFC 7591 §3. It gets no management scope, has to use PKCE, and asks before
 * it signs anybody out. Throws `not_found` where the operator has not switched it on, and OAuthError.
 */
export async function selfRegister(
  deps: Deps,
  actor: Actor,
  metadata: Metadata,
): Promise<Registered> {
  assertSwitchedOn(deps);
  const settings = inTheirWords(() => {
    const made = newSettings(deps.config, newInput(metadata));
    assertNoManagementScope(made.scopes);
    return made;
  });
  const { token: registrationToken, hash: registrationTokenHash } = newToken(deps.random);
  const made = await registerClient(deps, actor, {
    tenantId: tenantOf(actor),
    settings,
    registration: "dynamic",
    registrationTokenHash,
  });
  return { ...made, registrationToken };
}

/** RFC 7592 §2.1. Throws OAuthError `invalid_token` for a token that is not this client's. */
export async function readRegistration(
  deps: Deps,
  authorization: string | null,
  clientId: string,
): Promise<Registered> {
  assertSwitchedOn(deps);
  return provenClient(deps.db.read, { authorization, clientId });
}

/**
 * RFC 7592 §2.2: what is left out is as if it had never been registered; what only an administrator can set stays. Throws
 * OAuthError as `selfRegister` and `readRegistration`.
 */
export async function replaceRegistration(
  deps: Deps,
  caller: Caller,
  {
    authorization,
    clientId,
    metadata,
  }: {
    readonly authorization: string | null;
    readonly clientId: string;
    readonly metadata: Metadata & { readonly client_id: string; readonly client_secret?: string };
  },
): Promise<Registered> {
  assertSwitchedOn(deps);
  const known = await provenClient(deps.db.read, { authorization, clientId });
  const work = async (tx: Tx): Promise<Registered> => {
    const { client, registrationToken } = await provenClient(tx, { authorization, clientId });
    if (metadata.client_id !== clientId) throw badMetadata("client_id is not this client's");
    const { client_secret: secret } = metadata;
    if (secret !== undefined && !(await store.hasSecret(tx, client.id, hashToken(secret))))
      throw badMetadata("client_secret is not this client's");
    const settings = inTheirWords(() => replaced(deps, client, metadata));
    return {
      client: await writeSettings(deps, tx, itself(caller), client, settings),
      registrationToken,
    };
  };
  return deps.db.transaction(work, { serializeOn: known.client.tenantId });
}

/** RFC 7592 §2.3. Throws OAuthError `invalid_token`. */
export async function endRegistration(
  deps: Deps,
  caller: Caller,
  { authorization, clientId }: { authorization: string | null; clientId: string },
): Promise<void> {
  assertSwitchedOn(deps);
  const { client } = await provenClient(deps.db.read, { authorization, clientId });
  const { id, tenantId } = client;
  await deps.db
    .transaction((tx) => deleteClientIn(deps, tx, itself(caller), { tenantId, id }), {
      serializeOn: tenantId,
    })
    .catch((error: unknown) => {
      // Somebody was faster: the token ended with the client.
      if (error instanceof AppError && error.code === "not_found") throw noSuchToken();
      throw error;
    });
}

/** Who holds the registration access token is the client, for all that we know. */
const itself = (caller: Caller) => ({ system: true, type: "service", caller }) as const;

function assertSwitchedOn({ config }: Pick<Deps, "config">): void {
  if (!config.dynamicRegistration)
    throw new AppError("not_found", "dynamic registration is not switched on");
}

const noSuchToken = () =>
  new OAuthError("invalid_token", "the registration access token is not this client's");
const badMetadata = (detail: string) => new OAuthError("invalid_client_metadata", detail);
/** Stands in for the hash of a client that does not exist or did not register itself. */
const NO_HASH = "-".repeat(43);

/** RFC 7592 §2: one answer for a client that is unknown and for a token that is wrong. */
async function provenClient(
  q: Reader,
  { authorization, clientId }: { authorization: string | null; clientId: string },
): Promise<Registered> {
  const [, registrationToken = ""] = /^Bearer +(\S+)$/i.exec(authorization ?? "") ?? [];
  const client = await store.findActiveClient(q, clientId);
  const isProven = isSameText(
    hashToken(registrationToken),
    client?.registrationTokenHash ?? NO_HASH,
  );
  if (!client || !isProven) throw noSuchToken();
  return { client, registrationToken };
}

function replaced(deps: Deps, row: store.ClientRow, metadata: Metadata): ClientSettings {
  const before = settingsOf(row);
  const fresh = newSettings(deps.config, newInput(metadata));
  if (needsSecret(fresh) !== needsSecret(before))
    throw badMetadata("token_endpoint_auth_method: to change to or from a secret, register anew");
  assertNoManagementScope(fresh.scopes);
  const { requirePkce, requireMembership, selfRegistration, logoutRequiresConfirmation } = before;
  const { refreshReuseLeewaySeconds } = before;
  return settle(deps.config, fresh, {
    requirePkce,
    requireMembership,
    selfRegistration,
    logoutRequiresConfirmation,
    // One that has become public has none (contract 00 §8).
    ...(fresh.type === before.type && { refreshReuseLeewaySeconds }),
  });
}

function newInput(metadata: Metadata): ClientInput & { readonly name: string } {
  // RFC 7591 §2 says client_secret_basic where nothing is said; widespread libraries say nothing and then post it.
  const method = metadata.token_endpoint_auth_method ?? null;
  // RFC 7591 §2.
  const grantTypes = metadata.grant_types ?? ["authorization_code"];
  assertGrants(grantTypes, metadata);
  return {
    name: metadata.client_name ?? nameOf(metadata),
    type: method === "none" ? "public" : "confidential",
    tokenEndpointAuthMethod: method,
    grantTypes,
    redirectUris: metadata.redirect_uris,
    postLogoutUris: metadata.post_logout_redirect_uris,
    scopes: scopesOf(metadata),
    requirePkce: true,
    logoutRequiresConfirmation: true,
    requirePar: metadata.require_pushed_authorization_requests,
    idTokenAlg: metadata.id_token_signed_response_alg,
    dpopBoundAccessTokens: metadata.dpop_bound_access_tokens,
    jwks: metadata.jwks,
    jwksUri: metadata.jwks_uri,
    backchannelLogoutUri: metadata.backchannel_logout_uri,
    backchannelLogoutSessionRequired: metadata.backchannel_logout_session_required,
    clientUri: metadata.client_uri,
    logoUri: metadata.logo_uri,
    policyUri: metadata.policy_uri,
    tosUri: metadata.tos_uri,
  };
}

/** RFC 7591 §2.1: grant types and response types must fit each other. */
function assertGrants(grantTypes: readonly string[], metadata: Metadata): void {
  const unknown = grantTypes.find((grant) => !GRANTS.includes(grant));
  if (unknown !== undefined)
    throw badMetadata(`grant_types: ${GRANTS.join(", ")} may be asked for`);
  const usesCode = grantTypes.includes("authorization_code");
  const responseTypes = metadata.response_types ?? (usesCode ? ["code"] : []);
  const fits = usesCode ? responseTypes.length > 0 : responseTypes.length === 0;
  if (!fits || responseTypes.some((type) => type !== "code"))
    throw badMetadata("response_types must be code with grant authorization_code, else empty");
  if (usesCode && !metadata.redirect_uris?.length)
    throw new OAuthError("invalid_redirect_uri", "redirect_uris: at least one is required");
}

const SCOPE_TOKEN = /^[\x21\x23-\x5B\x5D-\x7E]{1,128}$/;
const MAX_SCOPES = 100;

function scopesOf({ scope }: Metadata): string[] | undefined {
  if (scope === undefined) return undefined;
  const scopes = scope.split(" ").filter((one) => one !== "");
  if (scopes.length > MAX_SCOPES || !scopes.every((one) => SCOPE_TOKEN.test(one)))
    throw badMetadata(`scope must be at most ${MAX_SCOPES} tokens, separated by spaces`);
  return scopes;
}

/** People must be able to tell clients apart when they are asked to trust one. */
function nameOf({ redirect_uris: uris = [] }: Metadata): string {
  const [first = ""] = uris;
  return (URL.canParse(first) && new URL(first).hostname.slice(0, 200)) || "Unnamed client";
}
