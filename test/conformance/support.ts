/** What the OpenID Foundation's suite sets up before each module, and what it asks of every one (contract 03 §15). */

import { expect } from "bun:test";
import { createHash } from "node:crypto";
import { createLocalJWKSet, decodeProtectedHeader, type JWTPayload, jwtVerify } from "jose";
import type { Config } from "../../src/config.ts";
import {
  type Flow,
  type Parameters,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";

export interface Suite {
  readonly server: TestProvider;
  readonly user: SignedUp;
  readonly client: TestClient;
  readonly client2: TestClient;
  readonly clientSecretPost: TestClient;
}

/** Static clients as the plan's configuration names them. Tenants stay out of ID tokens, as for certification. */
export async function startSuite(overrides: Partial<Config> = {}): Promise<Suite> {
  const server = await startProvider({ idTokenTenantClaim: false, ...overrides });
  const user = await server.fullUser();
  const register = (name: string, body = {}) => server.createClient(user, { name, ...body });
  return {
    server,
    user,
    client: await register("client"),
    client2: await register("client2", { token_endpoint_auth_method: "client_secret_basic" }),
    clientSecretPost: await register("client_secret_post", {
      token_endpoint_auth_method: "client_secret_post",
    }),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: tests assert on the shape
export type Json = Record<string, any>;

export async function discovery({ server }: Suite): Promise<Json> {
  const { status, body } = await server.call("GET", "/.well-known/openid-configuration");
  expect(status).toBe(200);
  return body;
}

async function keysOf({ server }: Suite) {
  const { body } = await server.call("GET", "/.well-known/jwks.json");
  const keys = body.keys as Record<string, string>[];
  for (const key of keys)
    for (const secret of ["d", "p", "q", "dp", "dq", "qi", "k", "oth"])
      expect(key[secret]).toBeUndefined();
  const ids = keys.map(({ kid }) => kid);
  expect(ids.every(Boolean) && new Set(ids).size === ids.length).toBe(true);
  return createLocalJWKSet(body);
}

/** The claims of a genuine ID token for `client`, signed by a key of the JWKS. */
export async function idTokenOf(suite: Suite, client: TestClient, token: string) {
  const { issuer } = await discovery(suite);
  expect(decodeProtectedHeader(token).kid).toBeString();
  const { payload } = await jwtVerify(token, await keysOf(suite), {
    issuer,
    audience: client.clientId,
    currentDate: suite.server.clock.now(),
    requiredClaims: ["exp", "iat", "sub"],
  });
  const now = suite.server.clock.now().getTime() / 1000;
  expect(Math.abs(now - payload.iat!)).toBeLessThan(300);
  // What nobody asked for costs a warning; profile and address belong into userinfo.
  const unknown = Object.keys(payload).filter((claim) => !ID_TOKEN_CLAIMS.has(claim));
  expect(unknown).toEqual([]);
  return payload;
}

const ID_TOKEN_CLAIMS = new Set(
  "iss sub aud exp iat auth_time nonce acr amr azp at_hash sid".split(" "),
);

/** An estimate from below: as many bits as the characters would have, were they drawn from those that occur. */
export const bitsOf = (text: string): number => text.length * Math.log2(new Set(text).size);

export interface Signed {
  readonly tokens: Json;
  readonly claims: JWTPayload;
  readonly userinfo: Json;
}

/** A flow through authorize, token and userinfo, with all that the suite checks in each of its tests. */
export async function signedIn(
  suite: Suite,
  flow: Flow,
  client = suite.client,
  how?: "basic" | "post",
): Promise<Signed> {
  const { issuer } = await discovery(suite);
  expect(flow.answer.error_description ?? flow.answer.error).toBeUndefined();
  expect(bitsOf(flow.code)).toBeGreaterThanOrEqual(128);
  expect(flow.answer.state).toBe(flow.state);
  expect(flow.answer.iss).toBe(issuer);
  const { status, headers, body } = await suite.server.exchange(client, flow, {}, how);
  expect({ status, error: body?.error }).toEqual({ status: 200, error: undefined });
  expect(headers.get("content-type")).toStartWith("application/json");
  expect(headers.get("cache-control")).toContain("no-store");
  expect(headers.get("pragma")).toBe("no-cache");
  expect(body.token_type.toLowerCase()).toBe("bearer");
  expect(body.expires_in).toBeInteger();
  const claims = await idTokenOf(suite, client, body.id_token);
  expect(claims.nonce).toBe(flow.nonce === "" ? undefined : flow.nonce);
  expect(claims.at_hash).toBe(atHashOf(body.access_token));
  expect(claims.auth_time).toBeInteger();
  const userinfo = await userinfoOf(suite, body.access_token);
  expect(userinfo.sub).toBe(claims.sub);
  return { tokens: body, claims, userinfo };
}

/** OpenID Connect Core §3.1.3.6, for algorithms with SHA-256. */
const atHashOf = (accessToken: string): string =>
  createHash("sha256").update(accessToken).digest().subarray(0, 16).toString("base64url");

export async function userinfoOf({ server }: Suite, accessToken: string): Promise<Json> {
  const answer = await server.call("GET", "/v1/oauth/userinfo", { as: accessToken });
  expect(answer.status).toBe(200);
  checkUserinfo(answer);
  return answer.body;
}

/** OpenID Connect Core §5.1: types of the standard claims; §5.3.2: what is not known is left out. */
export function checkUserinfo({ headers, body }: { headers: Headers; body: Json }): void {
  expect(headers.get("content-type")).toStartWith("application/json");
  expect(headers.get("cache-control")).toContain("no-store");
  for (const [claim, value] of Object.entries(body)) {
    const type = claim.endsWith("_verified")
      ? "boolean"
      : claim === "updated_at"
        ? "number"
        : claim === "address"
          ? "object"
          : "string";
    expect({ claim, type: typeof value }).toEqual({ claim, type });
    expect(value).not.toBeNull();
    expect(value).not.toBe("");
  }
}

/** The usual flow of the suite: by a confidential client, without PKCE. */
export const WITHOUT_PKCE: Parameters = {
  code_challenge: undefined,
  code_challenge_method: undefined,
};

/** A browser of its own, signed in and having consented to what `parameters` ask; answers its first flow too. */
export async function signInFirst(suite: Suite, parameters: Parameters = {}) {
  const browser = suite.server.browser();
  const { user, client } = suite;
  const flow = await suite.server.codeFlow(
    browser,
    client,
    { ...WITHOUT_PKCE, ...parameters },
    { user },
  );
  expect(flow.asked).toContain("login");
  return { browser, flow, first: await signedIn(suite, flow) };
}

/** An error page: no way out, nothing that leads to the client. */
export function expectErrorPage(flow: Pick<Flow, "screen">): void {
  const { status, location, headers, forms } = flow.screen;
  expect({ status, location }).toEqual({ status: 400, location: undefined });
  expect(headers.get("content-type")).toStartWith("text/html");
  expect(forms.filter(({ action }) => !action.startsWith("/"))).toEqual([]);
}
