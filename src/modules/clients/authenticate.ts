/** Client authentication at every endpoint for clients (RFC 6749 §2.3, contract 03 §2). */
import type { Deps } from "../../deps.ts";
import { hashToken, isSameText } from "../../platform/crypto/tokens.ts";
import { OAuthError } from "../../platform/errors.ts";
import { rateKeyOf } from "../../platform/http/address.ts";
import type {
  CachedClient,
  ClientAuthMethod,
  ClientCredential,
} from "../../platform/oauth-client.ts";
import type { Caller } from "../../platform/permissions.ts";
import { ASSERTION_TYPE, assertedClientId, isGenuineAssertion } from "./assertion.ts";
import { findClient, isClientId } from "./find.ts";

/** What of a form says who the client is. */
export interface ClientForm {
  readonly client_id?: string;
  readonly client_secret?: string;
  readonly client_assertion?: string;
  readonly client_assertion_type?: string;
  readonly [more: string]: unknown;
}

/** A claim to be a client, and what is brought as its proof. */
type Claim =
  | {
      readonly method: "client_secret_basic" | "client_secret_post";
      clientId: string;
      secret: string;
    }
  | { readonly method: "private_key_jwt"; clientId: string; assertion: string }
  | { readonly method: "none"; clientId: string };

/** A failed proof costs this many attempts more. */
const PENALTY = 4;
/** Stands in for the hash that an unknown client has not: to be compared with, and never equal. */
const NO_HASH = "-".repeat(43);

/** One text for all: nobody learns which clients there are. */
const refused = () => new OAuthError("invalid_client", "client authentication failed");

/**
 * Who the client of a request is. Counts the attempt by client and address. Throws OAuthError: `invalid_client`, the same
 * for unknown, disabled and wrong; `invalid_request` for two methods at once or a malformed one;
 * `temporarily_unavailable` (429) when there were too many.
 */
export async function authenticateClient(
  deps: Deps,
  { headers, form, caller }: { headers: Headers; form: ClientForm; caller: Caller },
): Promise<ClientCredential> {
  const claim = claimOf(headers, form);
  const address = rateKeyOf(caller.ip);
  // An id of any other shape is nobody's: no bucket of its own for each.
  const name = isClientId(claim.clientId) ? claim.clientId : "";
  const key = `${name}|${address}`;
  await take(deps, "client", key);
  const credential = await prove(deps, claim);
  if (credential) {
    if (credential.client.kind === "principal")
      deps.touches.note("service_principal", credential.client.id);
    return credential;
  }
  for (let count = 0; count < PENALTY; count += 1) await deps.rate.take("client", key);
  await take(deps, "ip", address);
  throw refused();
}

/**
 * For a request that leaves a row behind: a client that proves nothing is anybody who has read its client_id, so that the
 * address pays as for any other request without a credential. Throws `temporarily_unavailable`.
 */
export async function spendUnproved(
  deps: Deps,
  { method }: ClientCredential,
  { ip }: Caller,
): Promise<void> {
  if (method === "none") await take(deps, "ip", rateKeyOf(ip));
}

async function take(deps: Deps, bucket: "client" | "ip", key: string): Promise<void> {
  const { waitSeconds } = await deps.rate.take(bucket, key);
  if (waitSeconds === 0) return;
  deps.metrics.rateLimitDenied(bucket);
  throw new OAuthError("temporarily_unavailable", "too many requests", {
    headers: { "retry-after": String(waitSeconds) },
  });
}

/** RFC 6749 §2.3: a client MUST NOT use more than one method in each request. */
function claimOf(headers: Headers, form: ClientForm): Claim {
  const basic = basicOf(headers);
  // RFC 6749 §3.1: a parameter without a value is one that was left out.
  const clientId = form.client_id || undefined;
  const secret = form.client_secret || undefined;
  const assertion = assertionOf(form);
  if ([basic, secret, assertion].filter((one) => one !== undefined).length > 1)
    throw new OAuthError("invalid_request", "authenticate by one method only");
  const provenId = basic?.clientId ?? (assertion && assertedClientId(assertion));
  if (clientId !== undefined && provenId !== undefined && clientId !== provenId)
    throw new OAuthError("invalid_request", "client_id is not the one that is authenticated");
  if (basic) return basic;
  if (assertion !== undefined)
    return { method: "private_key_jwt", clientId: provenId ?? "", assertion };
  if (clientId === undefined) throw refused();
  return secret === undefined
    ? { method: "none", clientId }
    : { method: "client_secret_post", clientId, secret };
}

function assertionOf({ client_assertion, client_assertion_type }: ClientForm): string | undefined {
  const assertion = client_assertion || undefined;
  const type = client_assertion_type || undefined;
  if (assertion === undefined && type === undefined) return undefined;
  if (assertion === undefined || type === undefined)
    throw new OAuthError(
      "invalid_request",
      "client_assertion and client_assertion_type come together",
    );
  if (type !== ASSERTION_TYPE)
    throw new OAuthError("invalid_client", `client_assertion_type must be ${ASSERTION_TYPE}`);
  return assertion;
}

/** RFC 6749 §2.3.1: both parts are form-encoded, and then RFC 7617 applies. */
function basicOf(headers: Headers): (Claim & { method: "client_secret_basic" }) | undefined {
  const authorization = headers.get("authorization") ?? "";
  if (authorization === "") return undefined;
  const [, scheme = "", value = ""] = /^(\S+) +(\S+) *$/.exec(authorization) ?? [];
  // RFC 6749 §5.2: a method that is not supported.
  if (scheme.toLowerCase() !== "basic") throw refused();
  const text = Buffer.from(value, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon === -1) throw malformed();
  return {
    method: "client_secret_basic",
    clientId: formDecoded(text.slice(0, colon)),
    secret: formDecoded(text.slice(colon + 1)),
  };
}

function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw malformed();
  }
}

const malformed = () =>
  new OAuthError("invalid_request", "Authorization: Basic needs base64 of client_id:client_secret");

async function prove(deps: Deps, claim: Claim): Promise<ClientCredential | undefined> {
  const found = await findClient(deps, claim.clientId);
  switch (claim.method) {
    case "none":
      return found && isPublic(found) ? { client: found.client, method: "none" } : undefined;
    case "private_key_jwt": {
      if (found?.client.kind !== "client" || !mayUse(found, claim.method)) return undefined;
      const isGenuine = await isGenuineAssertion(deps, found.client, claim.assertion);
      return isGenuine ? { client: found.client, method: claim.method } : undefined;
    }
    default: {
      const isRight = isSecretOf(deps, found, claim.secret);
      if (!found) return undefined;
      // SDKs that can't start without a secret send a made-up one (contract 03 §2).
      if (isPublic(found)) return { client: found.client, method: "none" };
      return isRight && mayUse(found, claim.method)
        ? { client: found.client, method: claim.method }
        : undefined;
    }
  }
}

const isPublic = ({ client }: CachedClient) => client.kind === "client" && client.type === "public";

/** A client that registered a method uses that one; the others, and principals, either way of bringing a secret. */
function mayUse({ client }: CachedClient, method: ClientAuthMethod): boolean {
  const registered = client.kind === "client" ? client.tokenEndpointAuthMethod : null;
  if (registered !== null) return registered === method;
  return method === "client_secret_basic" || method === "client_secret_post";
}

/** Takes the same time for an unknown client as for a wrong secret. */
function isSecretOf({ clock }: Deps, found: CachedClient | undefined, secret: string): boolean {
  const now = clock.now();
  const hash = hashToken(secret);
  const secrets = (found?.secrets ?? []).filter(
    ({ expiresAt }) => expiresAt === null || expiresAt > now,
  );
  let isRight = false;
  for (const one of secrets.length > 0 ? secrets : [{ hash: NO_HASH }])
    isRight = isSameText(hash, one.hash) || isRight;
  return isRight;
}
