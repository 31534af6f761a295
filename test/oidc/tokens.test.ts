/** Which tokens userinfo takes, and what they get (OpenID Connect Core 1.0 §5, contract 03 §9, §10). */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHmac, createPublicKey } from "node:crypto";
import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  generateKeyPair,
  jwtVerify,
  SignJWT,
} from "jose";
import { rotateSigningKey } from "../../src/modules/keys/service.ts";
import { issueClientToken } from "../../src/platform/crypto/access-token.ts";
import { introspect, machineToken, principal, revoke } from "../introspection/support.ts";
import { member, workspace } from "../rbac/support.ts";
import { bearerChallenge } from "../support/bearer-challenge.ts";
import {
  ALL_SCOPES,
  DISPLAY_NAME,
  POST_LOGOUT_URI,
  STANDARD_CLAIMS,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import { type Answer, PASSWORD, type SignedUp } from "../support/server.ts";

let site: TestProvider;
let user: SignedUp;
let client: TestClient;
beforeAll(async () => {
  site = await startProvider();
  user = await site.fullUser();
  client = await site.createClient(user);
});
afterAll(() => site.stop());

const PATH = "/v1/oauth/userinfo";

async function tokensOf(parameters: Record<string, string> = {}, at = client, as = user) {
  const flow = await site.codeFlow(site.browser(), at, parameters, { user: as });
  const { status, body } = await site.exchange(at, flow);
  if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)} ${flow.screen.body}`);
  return body as { access_token: string; refresh_token: string; id_token: string };
}
const userinfo = (as: string) => site.call("GET", PATH, { as });

function expectRefused({ status, body, headers }: Answer): void {
  expect([status, body.error.code]).toEqual([401, "unauthorized"]);
  expect(headers.get("www-authenticate")).toBe(bearerChallenge("invalid_token", site.base));
}

const own = () => ({ sub: user.userId, tenant_id: client.tenantId });
const { address, ...profileTexts } = STANDARD_CLAIMS;
const CLAIMS: Record<string, () => Record<string, unknown>> = {
  openid: () => ({}),
  email: () => ({ email: user.email, email_verified: true }),
  phone: () => ({
    phone_number: expect.stringMatching(/^\+4930\d+$/),
    phone_number_verified: true,
  }),
  profile: () => ({ name: DISPLAY_NAME, updated_at: expect.any(Number), ...profileTexts }),
  address: () => ({ address }),
  offline_access: () => ({}),
};

describe("claims", () => {
  test.each(Object.keys(CLAIMS))("03 §10: scope %s", async (scope) => {
    const { access_token, id_token } = await tokensOf({ scope: `openid ${scope}` });
    const { status, body, headers } = await userinfo(access_token);
    expect(status).toBe(200);
    expect(body).toEqual({ ...own(), ...CLAIMS[scope]!() });
    expect(body.sub).toBe(decodeJwt(id_token).sub);
    expect(headers.get("pragma")).toBe("no-cache");
    for (const name of ["email", "name", "address", "phone_number"])
      expect(decodeJwt(id_token)).not.toHaveProperty(name);
  });

  test("all scopes, in any order; no claim is null or empty", async () => {
    const { access_token } = await tokensOf({ scope: ALL_SCOPES.split(" ").reverse().join(" ") });
    const { body } = await userinfo(access_token);
    expect(body).toEqual(
      Object.assign(own(), ...Object.values(CLAIMS).map((claimsOf) => claimsOf())),
    );
    for (const value of Object.values(body)) expect([null, ""]).not.toContain(value as never);
  });

  test("what is not known is left out", async () => {
    const plain = await site.signUp();
    const at = await site.createClient(plain);
    const { access_token } = await tokensOf({ scope: ALL_SCOPES }, at, plain);
    expect((await userinfo(access_token)).body).toEqual({
      sub: plain.userId,
      tenant_id: at.tenantId,
      email: plain.email,
      email_verified: false,
      updated_at: expect.any(Number),
    });
  });

  test("Core §5.5: the claims parameter, for userinfo alone", async () => {
    const claims = JSON.stringify({
      userinfo: { name: { essential: true }, email: null, x: null },
    });
    const { access_token, id_token } = await tokensOf({ claims });
    expect((await userinfo(access_token)).body).toEqual({
      ...own(),
      name: DISPLAY_NAME,
      email: user.email,
    });
    expect(decodeJwt(id_token)).not.toHaveProperty("name");
  });

  test("a client that exchanged the token learns what the scope says, not what the first one named", async () => {
    const claims = JSON.stringify({ userinfo: { email: null } });
    const { access_token } = await tokensOf({ scope: "openid phone", claims });
    expect((await userinfo(access_token)).body.email).toBe(user.email);
    const grant_type = "urn:ietf:params:oauth:grant-type:token-exchange";
    const other = await site.createClient(user, { grant_types: [grant_type] });
    const { status, body } = await site.postForm("/v1/oauth/token", other, {
      grant_type,
      subject_token: access_token,
      subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
    });
    expect(status).toBe(200);
    expect((await userinfo(body.access_token)).body).toEqual({ ...own(), ...CLAIMS.phone!() });
  });

  test("POST, with the token in the header or the form", async () => {
    const { access_token } = await tokensOf({ scope: "openid email" });
    const wanted = { ...own(), ...CLAIMS.email!() };
    expect((await site.call("POST", PATH, { as: access_token })).body).toEqual(wanted);
    const inForm = await site.call("POST", PATH, {
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ access_token }).toString(),
    });
    expect(inForm.body).toEqual(wanted);
  });

  test("a changed profile is seen at once", async () => {
    const { access_token } = await tokensOf({ scope: "openid profile" });
    expect((await userinfo(access_token)).body.name).toBe(DISPLAY_NAME);
    const display_name = "Augusta Ada King";
    await site.call("PATCH", `/v1/users/${user.userId}`, {
      as: user.token,
      body: { display_name },
    });
    expect((await userinfo(access_token)).body.name).toBe(display_name);
    await site.call("PATCH", `/v1/users/${user.userId}`, {
      as: user.token,
      body: { display_name: DISPLAY_NAME },
    });
  });

  test("without openid: 403 insufficient_scope", async () => {
    for (const scope of ["profile email", undefined]) {
      const flow = await site.codeFlow(site.browser(), client, { scope } as never, { user });
      const { access_token, id_token } = (await site.exchange(client, flow)).body;
      expect(id_token).toBeUndefined();
      const { status, body, headers } = await userinfo(access_token);
      expect([status, body.error.code]).toEqual([403, "forbidden"]);
      const challenge = headers.get("www-authenticate")!;
      expect(challenge).toContain('error="insufficient_scope"');
      expect(challenge).toContain('scope="openid"');
    }
  });

  test("a scope that the refresh gave up is not answered", async () => {
    const { refresh_token } = await tokensOf({ scope: "openid email" });
    const { body } = await site.refresh(client, refresh_token, { scope: "openid" });
    expect((await userinfo(body.access_token)).body).toEqual(own());
  });
});

describe("03 §17: userinfo: expired, ID token as bearer, refresh token, service token, revoked jti", () => {
  test("expired", async () => {
    const { access_token } = await tokensOf();
    expect((await userinfo(access_token)).status).toBe(200);
    site.clock.advance(site.deps.config.accessTokenTtlSeconds * 1000);
    expectRefused(await userinfo(access_token));
    const { email, password } = user;
    const login = await site.call("POST", "/v1/auth/login", { body: { email, password } });
    user = { ...user, token: login.body.access_token };
  });

  test("tokens of another kind", async () => {
    const { id_token, refresh_token } = await tokensOf();
    const flow = await site.codeFlow(site.browser(), client, {}, { user });
    for (const other of [id_token, refresh_token, flow.code, client.secret!, user.refreshToken])
      expectRefused(await userinfo(other));
  });

  test("a service token: it is nobody's", async () => {
    const machine = await principal(site, user, ["openid", "*"]);
    expectRefused(await userinfo(await machineToken(site, machine)));
  });

  test("a client that acts for itself", async () => {
    const at = await site.createClient(user, {
      grant_types: ["client_credentials"],
      redirect_uris: [],
    });
    expectRefused(await userinfo(await machineToken(site, at)));
  });

  test("a revoked jti", async () => {
    const { access_token } = await tokensOf();
    expect((await userinfo(access_token)).status).toBe(200);
    await revoke(site, client, access_token);
    expectRefused(await userinfo(access_token));
  });

  test("a token for somebody else (RFC 8707)", async () => {
    const { access_token } = await tokensOf({ resource: "https://api.example/" });
    expect((await introspect(site, client, access_token)).body.active).toBe(true);
    expectRefused(await userinfo(access_token));
  });

  test("alg:none, HS256 keyed with the public key, unknown kid, another key, another issuer, a typ of JWT", async () => {
    const { access_token } = await tokensOf();
    const [header = "", payload = ""] = access_token.split(".");
    const { kid } = decodeProtectedHeader(access_token);
    const claims = decodeJwt(access_token);
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const { body: jwks } = await site.call("GET", "/.well-known/jwks.json");
    const jwk = jwks.keys.find((key: { kid: string }) => key.kid === kid);
    const pem = createPublicKey({ key: jwk, format: "jwk" }).export({
      type: "spki",
      format: "pem",
    });
    const hs256 = (secret: string) => {
      const input = `${encode({ alg: "HS256", kid, typ: "at+jwt" })}.${payload}`;
      return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
    };
    const { privateKey } = await generateKeyPair("ES256");
    const signed = (head: object, body = claims) =>
      new SignJWT(body).setProtectedHeader({ alg: "ES256", ...head } as never).sign(privateKey);
    for (const forgery of [
      `${encode({ alg: "none", typ: "at+jwt" })}.${payload}.`,
      `${encode({ alg: "none", kid, typ: "at+jwt" })}.${payload}.x`,
      hs256(pem.toString()),
      hs256(JSON.stringify(jwk)),
      await signed({ kid: "unknown", typ: "at+jwt" }),
      await signed({ kid, typ: "at+jwt" }),
      await signed({ typ: "at+jwt", jwk }),
      await site.deps.keyring.sign(
        "ES256",
        { typ: "at+jwt" },
        { ...claims, iss: "https://evil.example" },
      ),
      await site.deps.keyring.sign("ES256", { typ: "JWT" }, claims),
      await site.deps.keyring.sign("ES256", { typ: "logout+jwt" }, claims),
      await site.deps.keyring.sign("RS256", { typ: "at+jwt" }, claims),
      `${header}.${payload}.`,
    ])
      expectRefused(await userinfo(forgery));
    expect((await userinfo(access_token)).status).toBe(200);
  });

  test("a DPoP-bound token as Bearer, and one in the form", async () => {
    const { access_token } = await tokensOf();
    const { grant_id, sid, acr } = decodeJwt(access_token) as Record<string, string>;
    const { token } = await issueClientToken(site.deps, {
      clientId: client.clientId,
      tenantId: client.tenantId,
      scopes: ["openid"],
      resources: [],
      dpopJkt: "x".repeat(43),
      holder: {
        kind: "user",
        userId: user.userId,
        grantId: grant_id!,
        sid: sid!,
        acr: acr!,
        amr: ["pwd"],
        authTime: site.clock.now(),
      },
    });
    for (const answer of [
      await userinfo(token),
      await site.call("POST", PATH, {
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ access_token: token }).toString(),
      }),
    ])
      expect(answer.status).toBe(401);
  });
});

describe("03 §17: third-party token of a non-member on GET /v1/tenants/{client's tenant}/…", () => {
  test("403, whatever its scopes, and nothing of the tenant is told", async () => {
    const stranger = await site.signUp();
    const at = await site.createClient(user, {
      require_membership: false,
      scopes: ["openid", "profile"],
    });
    const { access_token } = await tokensOf({ scope: "openid profile" }, at, stranger);
    expect((await userinfo(access_token)).body).toEqual({
      sub: stranger.userId,
      tenant_id: at.tenantId,
      updated_at: expect.any(Number),
    });
    for (const path of [
      `/v1/tenants/${at.tenantId}`,
      `/v1/tenants/${at.tenantId}/roles`,
      `/v1/tenants/${at.tenantId}/oidc/clients`,
      `/v1/tenants/${at.tenantId}/oauth/grants`,
      `/v1/tenants/${at.tenantId}/service-principals`,
      `/v1/tenants/${at.tenantId}/api-keys`,
      "/v1/users",
    ])
      expect([path, (await site.call("GET", path, { as: access_token })).status]).toEqual([
        path,
        403,
      ]);
    expect((await site.call("GET", "/v1/auth/me", { as: access_token })).status).toBe(200);
  });

  test("nor does the token of a member, or of the owner, do more than its scope says", async () => {
    const space = await workspace(site);
    const at = await site.createClient(space.owner);
    const plain = await member(site, space);
    for (const { email } of [plain, space.owner]) {
      const as = { ...user, email, password: PASSWORD };
      const { access_token } = await tokensOf({ scope: "openid" }, at, as);
      const path = `/v1/tenants/${space.tenantId}/roles`;
      expect((await site.call("GET", path, { as: access_token })).status).toBe(403);
    }
  });
});

describe("03 §17: rotation: token signed by retired key; by removed key; SDK with cached JWKS", () => {
  const DAY = 24 * 3_600_000;
  const jwksNow = async () =>
    createLocalJWKSet((await site.call("GET", "/.well-known/jwks.json")).body);

  test("valid; 401; a refetch works", async () => {
    const old = await tokensOf();
    // Good for longer than its key: what ends it is the key alone.
    const claims = decodeJwt(old.access_token);
    const exp = claims.exp! + (40 * DAY) / 1000;
    const [long, unseen] = await Promise.all(
      [1, 2].map((n) =>
        site.deps.keyring.sign("ES256", { typ: "at+jwt" }, { ...claims, exp, jti: `${n}` }),
      ),
    );
    const cached = await jwksNow();
    await rotateSigningKey(site.deps, { system: true }, "ES256");
    await rotateSigningKey(site.deps, { system: true }, "RS256");
    for (const token of [old.access_token, long!]) expect((await userinfo(token)).status).toBe(200);

    const next = await tokensOf();
    const options = { currentDate: site.clock.now(), issuer: site.base };
    for (const kind of ["access_token", "id_token"] as const) {
      expect(decodeProtectedHeader(next[kind]).kid).not.toBe(decodeProtectedHeader(old[kind]).kid);
      // What the SDK knew does not verify it; what it fetches on an unknown kid does, old and new.
      expect(jwtVerify(next[kind], cached, options)).rejects.toThrow();
      await jwtVerify(next[kind], await jwksNow(), options);
      await jwtVerify(old[kind], await jwksNow(), options);
    }

    // Contract 03 §4: 30 days, because an ID token is a hint long after it has expired.
    const logout = (id_token_hint: string) => {
      const parameters = { id_token_hint, post_logout_redirect_uri: POST_LOGOUT_URI };
      return site.browser().open(`/v1/oauth/logout?${new URLSearchParams(parameters)}`);
    };
    site.clock.advance(29 * DAY);
    expect((await userinfo(long!)).status).toBe(200);
    expect((await logout(old.id_token)).location).toBe(POST_LOGOUT_URI);
    site.clock.advance(1 * DAY);
    // Not one that was remembered a moment ago.
    expectRefused(await userinfo(unseen!));
    expect((await logout(old.id_token)).status).toBe(400);
    const kids = (await site.call("GET", "/.well-known/jwks.json")).body.keys.map(
      (key: { kid: string }) => key.kid,
    );
    expect(kids).not.toContain(decodeProtectedHeader(old.access_token).kid);
    expect(kids).toContain(decodeProtectedHeader(next.access_token).kid);
  });
});
