/** The other side of client authentication: keys, assertions, and a place to bring them. */
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import type { Answer, TestServer } from "../support/server.ts";

export const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

export interface ClientKey {
  readonly alg: string;
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** The public half, as a client registers it. */
  readonly jwk: Record<string, unknown>;
}

export async function clientKey(alg = "ES256", kid = `${alg}-key`): Promise<ClientKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return {
    alg,
    kid,
    privateKey,
    publicKey,
    jwk: { ...(await exportJWK(publicKey)), kid, use: "sig" },
  };
}

let count = 0;

/** What a client signs to prove itself; `claims` and `header` replace the usual members, undefined leaves one out. */
export async function assertionOf(
  server: TestServer,
  clientId: string,
  key:
    | Pick<ClientKey, "alg" | "kid" | "privateKey">
    | { alg: string; kid?: string; privateKey: Uint8Array },
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const now = Math.floor(server.clock.now().getTime() / 1000);
  const usual = {
    iss: clientId,
    sub: clientId,
    aud: server.deps.config.jwtIssuer,
    jti: `assertion-${++count}`,
    iat: now,
    exp: now + 60,
  };
  return new SignJWT({ ...usual, ...claims } as JWTPayload)
    .setProtectedHeader({ alg: key.alg, ...(key.kid !== undefined && { kid: key.kid }), ...header })
    .sign(key.privateKey);
}

/** A request of a client to the token endpoint. */
export function post(
  server: TestServer,
  form: Record<string, string> | string,
  headers: Record<string, string> = {},
  path = "/v1/oauth/token-code",
): Promise<Answer> {
  return server.call("POST", path, {
    body: typeof form === "string" ? form : new URLSearchParams(form).toString(),
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
  });
}

export const basic = (clientId: string, secret: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString("base64")}`,
});

/** Asks for a token with an assertion for a proof. */
export const postAssertion = (
  server: TestServer,
  assertion: string,
  more: Record<string, string> = {},
): Promise<Answer> =>
  post(server, {
    grant_type: "client_credentials",
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: assertion,
    ...more,
  });
