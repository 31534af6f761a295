/** `private_key_jwt`: a client proves itself with a signature (OpenID Connect Core 1.0 §9, RFC 7523). */
import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
} from "jose";
import type { Deps } from "../../deps.ts";
import type { KeySet } from "../../platform/crypto/remote-jwks.ts";
import type { OAuthClient } from "../../platform/oauth-client.ts";
import { presentOnce } from "../../platform/presented.ts";
import { ASSERTION_ALGORITHMS } from "./jwks.ts";

/** RFC 7523 §2.2. */
export const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const LEEWAY_SECONDS = 60;
/** Contract 00 §50. */
const MAX_LIFE_SECONDS = 300;
const MAX_JTI_LENGTH = 256;
/** Beside the issuer: where an assertion may be meant for, each under the public origin. */
const ENDPOINTS = [
  "/v1/oauth/token-code",
  "/v1/oauth/token",
  "/oauth/introspect",
  "/oauth/revoke",
  "/v1/oauth/par",
  "/v1/oauth/device_authorization",
];

/** Whose an assertion claims to be. Nothing is proved yet; undefined for what is no JWT. */
export function assertedClientId(assertion: string): string | undefined {
  try {
    return decodeJwt(assertion).sub;
  } catch {
    return undefined;
  }
}

/**
 * Whether `client` signed this assertion, for us, within the last minutes, and it was not presented before. Keys are the
 * registered ones alone: what the header offers (`jku`, `jwk`, `x5u`) is the presenter's own word.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7523#section-3
 */
export async function isGenuineAssertion(
  deps: Deps,
  client: OAuthClient,
  assertion: string,
): Promise<boolean> {
  const payload = await verifiedPayload(deps, client, assertion);
  if (!payload) return false;
  const { exp = 0, iat, jti } = payload;
  const now = deps.clock.now().getTime() / 1000;
  if (exp > now + MAX_LIFE_SECONDS + LEEWAY_SECONDS) return false;
  // Else a client with a fast clock, or a generous one, keeps its assertions good for longer.
  if (iat !== undefined && (exp - iat > MAX_LIFE_SECONDS || iat > now + LEEWAY_SECONDS))
    return false;
  if (typeof jti !== "string" || jti === "" || jti.length > MAX_JTI_LENGTH) return false;
  return presentOnce(deps, {
    kind: "client_assertion",
    issuer: client.clientId,
    jti,
    expiresAt: new Date((Math.ceil(exp) + LEEWAY_SECONDS) * 1000),
  });
}

async function verifiedPayload(
  deps: Deps,
  client: OAuthClient,
  assertion: string,
): Promise<JWTPayload | undefined> {
  const { config, clock } = deps;
  const options: JWTVerifyOptions = {
    // No HS*: a public key would be its secret. No `none`.
    algorithms: [...ASSERTION_ALGORITHMS],
    issuer: client.clientId,
    subject: client.clientId,
    audience: [config.jwtIssuer, ...ENDPOINTS.map((path) => config.publicUrl + path)],
    requiredClaims: ["exp", "jti"],
    clockTolerance: LEEWAY_SECONDS,
    currentDate: clock.now(),
  };
  try {
    const { kid } = decodeProtectedHeader(assertion);
    const keys = await keysOf(deps, client, kid);
    return keys && (await verifyWith(keys, assertion, options));
  } catch (error) {
    // A key that is none, or of another kind than its name says, is a TypeError of the key's import.
    if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
    if (error instanceof DOMException) return undefined;
    throw error;
  }
}

async function keysOf(
  { remoteJwks }: Deps,
  { jwks, jwksUri }: OAuthClient,
  kid: string | undefined,
): Promise<KeySet | undefined> {
  if (jwksUri !== null) return remoteJwks.keysAt(jwksUri, kid);
  return jwks === null ? undefined : createLocalJWKSet(jwks as JSONWebKeySet);
}

/** Without a `kid`, several keys may suit the algorithm: one of them has signed, or none. */
async function verifyWith(
  keys: KeySet,
  assertion: string,
  options: JWTVerifyOptions,
): Promise<JWTPayload | undefined> {
  try {
    return (await jwtVerify(assertion, keys, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return (await jwtVerify(assertion, key, options)).payload;
      } catch (failure) {
        if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure;
      }
    }
    return undefined;
  }
}
