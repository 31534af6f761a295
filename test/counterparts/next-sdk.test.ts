/** `@qeetid/nextjs` and `@qeetid/sdk`, request by request as contract 03 §1 and 04 §8 have them on the wire. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createPublicKey, verify } from "node:crypto";
import { answerPages, callbackOf, challengeOf, randomText } from "../support/provider.ts";
import type { Answer } from "../support/server.ts";
import { type Issuer, type Person, startIssuer } from "./support.ts";

const APP = "http://localhost:3000";

let issuer: Issuer;
let ada: Person;
beforeAll(async () => {
  issuer = await startIssuer();
  ada = await issuer.person();
}, 30_000);
afterAll(() => issuer.stop());

interface App {
  readonly client_id: string;
  readonly client_secret: string;
}

const register = async (body: Record<string, unknown> = {}): Promise<App> => {
  const { clientId, secret = "" } = await issuer.createClient(ada, {
    redirect_uris: [`${APP}/api/auth/callback`],
    post_logout_uris: [APP],
    ...body,
  });
  return { client_id: clientId, client_secret: secret };
};

/** `/api/auth/login`: PKCE and state, no nonce. */
async function logIn(app: App, browser = issuer.browser()) {
  const [state, verifier] = [randomText(), randomText()];
  const query = new URLSearchParams({
    response_type: "code",
    client_id: app.client_id,
    redirect_uri: `${APP}/api/auth/callback`,
    scope: "openid profile email",
    state,
    code_challenge: challengeOf(verifier),
    code_challenge_method: "S256",
  });
  const first = await browser.open(`/v1/oauth/authorize?${query}`);
  const { screen, asked } = await answerPages(browser, first, { user: ada });
  const { code = "", state: returned } = callbackOf(screen);
  expect(returned).toBe(state);
  return { code, verifier, asked, browser };
}

const post = (app: App, fields: Record<string, string>): Promise<Answer> =>
  issuer.call("POST", "/v1/oauth/token-code", {
    body: new URLSearchParams({ ...fields, ...app }).toString(),
    headers: { "content-type": "application/x-www-form-urlencoded" },
  });

/** `/api/auth/callback`. */
const redeem = (app: App, { code, verifier }: { code: string; verifier: string }) =>
  post(app, {
    grant_type: "authorization_code",
    code,
    redirect_uri: `${APP}/api/auth/callback`,
    code_verifier: verifier,
  });

/** The middleware, 60 s before the access token ends. */
const refresh = (app: App, refresh_token: string) =>
  post(app, { grant_type: "refresh_token", refresh_token });

/** `Sessions.verify` of the SDKs: ES256 only, raw 64-byte signature, 30 s of leeway, whatever `typ` says. */
async function verifyAsSdk(token: string) {
  const { keys } = (await issuer.call("GET", "/.well-known/jwks.json")).body;
  const [head = "", body = "", signature = ""] = token.split(".");
  const { alg, kid } = JSON.parse(Buffer.from(head, "base64url").toString());
  expect(alg).toBe("ES256");
  const jwk = keys.find(
    (key: Record<string, string>) => key.kty === "EC" && key.crv === "P-256" && key.kid === kid,
  );
  expect(jwk).toBeDefined();
  const raw = Buffer.from(signature, "base64url");
  expect(raw).toHaveLength(64);
  const key = createPublicKey({ key: jwk, format: "jwk" });
  const input = Buffer.from(`${head}.${body}`);
  expect(verify("sha256", input, { key, dsaEncoding: "ieee-p1363" }, raw)).toBe(true);
  const claims = JSON.parse(Buffer.from(body, "base64url").toString());
  const now = Date.now() / 1000;
  expect(claims.exp).toBeGreaterThan(now - 30);
  expect(claims.nbf).toBeLessThan(now + 30);
  return claims;
}

describe("@qeetid/nextjs", () => {
  test("04 §10: Full Next flow: authorize → `/login` → session → `/consent` → code → token → userinfo → refresh → logout", async () => {
    const app = await register();
    const flow = await logIn(app);
    expect(flow.asked).toEqual(["login", "consent"]);
    const tokens = await redeem(app, flow);
    expect(tokens.status).toBe(200);
    const { access_token, refresh_token, id_token, expires_in } = tokens.body;
    // A refresh token without offline_access: the client holds the grant.
    for (const token of [access_token, refresh_token, id_token]) expect(token).toBeString();
    expect(expires_in).toBe(900);
    const claims = await verifyAsSdk(access_token);
    expect(claims).toMatchObject({
      user_id: ada.userId,
      sub: ada.userId,
      tenant_id: ada.tenantId,
      scope: "openid profile email",
      iss: issuer.base,
      aud: ["qeet-identity"],
    });
    expect(claims.sid).toMatch(/^[0-9a-f]{8}-/);

    const user = await issuer.call("GET", "/v1/oauth/userinfo", { as: access_token });
    expect(user.body).toMatchObject({
      sub: ada.userId,
      tenant_id: ada.tenantId,
      email: ada.email,
      name: "Ada Lovelace",
    });
    const renewed = await refresh(app, refresh_token);
    expect(renewed.status).toBe(200);
    expect(renewed.body.refresh_token).not.toBe(refresh_token);
    expect((await verifyAsSdk(renewed.body.access_token)).sid).toBe(claims.sid);

    // The second authorize skips consent, and the sign-in too.
    const again = await logIn(app, flow.browser);
    expect(again.asked).toEqual([]);

    const query = new URLSearchParams({ client_id: app.client_id, post_logout_redirect_uri: APP });
    const out = await flow.browser.open(`/v1/oauth/logout?${query}`);
    expect({ status: out.status, location: out.location }).toEqual({ status: 302, location: APP });
    expect((await logIn(app, flow.browser)).asked).toEqual(["login"]);
  });

  test("errors come back as `error=` on the redirect, with the state", async () => {
    const app = await register();
    const browser = issuer.browser();
    const query = new URLSearchParams({
      response_type: "code",
      client_id: app.client_id,
      redirect_uri: `${APP}/api/auth/callback`,
      scope: "openid profile unheard-of",
      state: "s",
    });
    const screen = await browser.open(`/v1/oauth/authorize?${query}`);
    expect(callbackOf(screen)).toMatchObject({ error: "invalid_scope", state: "s" });
  });

  test("a public client sends its dummy secret", async () => {
    const { client_id } = await register({ type: "public" });
    const app = { client_id, client_secret: "not-a-secret" };
    const { status, body } = await redeem(app, await logIn(app));
    expect(status).toBe(200);
    expect((await refresh(app, body.refresh_token)).status).toBe(200);
  });

  test("04 §10: Sealed session cookie < 4096 bytes with the longest allowed claims", async () => {
    const app = await register();
    const { body } = await redeem(app, await logIn(app));
    // AES-256-GCM over the JSON, then base64url with the nonce before it (04 §8).
    const json = JSON.stringify({ ...body, expires_at: 1_800_000_000_000 });
    const sealed =
      Buffer.alloc(12).toString("base64url") + Buffer.alloc(json.length + 16).toString("base64url");
    expect(
      sealed.length + "qeetid_session=.; Path=/; HttpOnly; SameSite=Lax; Secure".length,
    ).toBeLessThan(4_096);
    const { access_token, refresh_token, id_token } = body;
    expect(access_token.length + refresh_token.length + id_token.length).toBeLessThan(2_700);
  });

  test("04 §10: Ten parallel refreshes within 10 s → user stays signed in", async () => {
    const app = await register();
    const { body } = await redeem(app, await logIn(app));
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => refresh(app, body.refresh_token)),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    const last = answers.at(-1)!.body;
    const user = await issuer.call("GET", "/v1/oauth/userinfo", { as: last.access_token });
    expect(user.status).toBe(200);
    expect((await refresh(app, last.refresh_token)).status).toBe(200);
  });
});

test("04 §10: `Host: evil` or forged `X-Forwarded-Proto` never changes a redirect URI or `return_to`", async () => {
  const app = await register();
  const query = new URLSearchParams({
    response_type: "code",
    client_id: app.client_id,
    redirect_uri: `${APP}/api/auth/callback`,
    scope: "openid",
  });
  const { headers } = await issuer.call("GET", `/v1/oauth/authorize?${query}`, {
    headers: { host: "evil.example", "x-forwarded-proto": "https", "x-forwarded-host": "evil" },
  });
  expect(headers.get("location")).toStartWith(`${issuer.base}/login?return_to=`);
  expect(decodeURIComponent(headers.get("location")!)).toContain(
    `return_to=${issuer.base}/v1/oauth/authorize?`,
  );
  const discovery = await issuer.call("GET", "/.well-known/openid-configuration", {
    headers: { host: "evil.example", "x-forwarded-proto": "https" },
  });
  expect(JSON.stringify(discovery.body)).not.toContain("evil");
  expect(discovery.body.issuer).toBe(issuer.base);
});
