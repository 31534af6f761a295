/** RFC 6749 §4.1.3, RFC 7636, contract 03 §8.2 and §9: a code for tokens. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import { oauthGrants } from "../../db/schema/index.ts";
import { readLiveAccessToken } from "../../src/modules/tokens/service.ts";
import { audited } from "../auth/support.ts";
import { member, ok, workspace } from "../rbac/support.ts";
import {
  createClient,
  exchange,
  postForm,
  randomText,
  refresh,
  STANDARD_CLAIMS,
} from "../support/provider.ts";
import { type Answer, PASSWORD, startServer, type TestServer } from "../support/server.ts";
import {
  CHALLENGE,
  expectOAuthError,
  grantRow,
  hostedSession,
  newCode,
  newTokens,
  PUBLIC,
  type SignIn,
  signIn,
  VERIFIER,
} from "./support.ts";

let server: TestServer;
let one: Awaited<ReturnType<typeof signIn>>;
beforeAll(async () => {
  server = await startServer();
  one = await signIn(server);
});
afterAll(() => server.stop());

const seconds = () => Math.floor(server.clock.now().getTime() / 1000);
const grants = () => server.deps.db.read.$count(oauthGrants);
const isLive = async (answer: Answer) =>
  (await readLiveAccessToken(server.deps, answer.body.access_token)) !== undefined;

async function jwks() {
  return createLocalJWKSet((await server.call("GET", "/.well-known/jwks.json")).body);
}

describe("the answer", () => {
  test("03 §8.2, §9: tokens and their claims", async () => {
    const answer = ok(await exchange(server, one.client, await newCode(server, one)));
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.get("pragma")).toBe("no-cache");
    const { body } = answer;
    expect(body).toEqual({
      access_token: expect.any(String),
      id_token: expect.any(String),
      refresh_token: expect.stringMatching(/^[\w-]{43}$/),
      token_type: "Bearer",
      expires_in: 900,
      scope: "openid profile",
    });
    const { jwtIssuer: iss, jwtAudience } = server.deps.config;
    const keys = await jwks();
    const currentDate = server.clock.now();
    const access = await jwtVerify(body.access_token, keys, {
      currentDate,
      issuer: iss,
      typ: "at+jwt",
    });
    expect(access.protectedHeader).toMatchObject({ alg: "ES256", kid: expect.any(String) });
    const shared = {
      iss,
      sub: one.userId,
      tenant_id: one.client.tenantId,
      sid: expect.stringMatching(
        /^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/,
      ),
      auth_time: seconds(),
      acr: "urn:qeet:acr:1fa",
      amr: ["pwd"],
      iat: seconds(),
      exp: seconds() + 900,
    };
    expect(access.payload).toEqual({
      ...shared,
      aud: [jwtAudience],
      user_id: one.userId,
      client_id: one.client.clientId,
      scope: "openid profile",
      nbf: seconds(),
      jti: expect.any(String),
      grant_id: expect.any(String),
    });
    const id = await jwtVerify(body.id_token, keys, {
      currentDate,
      issuer: iss,
      audience: one.client.clientId,
      typ: "JWT",
    });
    // Contract 00 §30.
    expect(id.protectedHeader).toMatchObject({ alg: "RS256", kid: expect.any(String) });
    expect(id.payload).toEqual({
      ...shared,
      aud: one.client.clientId,
      nonce: "n-0S6_WzA2Mj",
      // OpenID Connect Core 1.0 §3.1.3.6.
      at_hash: createHash("sha256")
        .update(body.access_token)
        .digest()
        .subarray(0, 16)
        .toString("base64url"),
    });
    expect(id.payload.sid).toBe(access.payload.sid as string);
    expect(await isLive(answer)).toBe(true);
  });

  test("ES256 for a client that is registered for it; sid is one per session and client", async () => {
    const client = await createClient(server, one.user, { id_token_signed_response_alg: "ES256" });
    const first = await newTokens(server, { ...one, client });
    const second = await newTokens(server, { ...one, client });
    expect(decodeProtectedHeader(first.id_token).alg).toBe("ES256");
    const sid = (tokens: { id_token: string }) => decodeJwt(tokens.id_token).sid;
    expect(sid(second)).toBe(sid(first));
    expect(sid(await newTokens(server, one))).not.toBe(sid(first));
    const sessionId = await hostedSession(server, one.user);
    expect(sid(await newTokens(server, { ...one, client, sessionId }))).not.toBe(sid(first));
  });

  test("no openid: no ID token; no grant refresh_token: no refresh token; no scope: none named", async () => {
    const client = await createClient(server, one.user, { grant_types: ["authorization_code"] });
    const tokens = await newTokens(server, { ...one, client }, { scopes: [] });
    expect(Object.keys(tokens).sort()).toEqual(["access_token", "expires_in", "token_type"]);
    expect(decodeJwt(tokens.access_token)).not.toHaveProperty("scope");
  });

  test("OIDC Core §5.5: claims.id_token are filled, those that are unknown left out", async () => {
    ok(
      await server.call("PATCH", `/v1/users/${one.userId}`, {
        as: one.user.token,
        body: { display_name: "Ada", metadata: { standard_claims: STANDARD_CLAIMS } },
      }),
    );
    const tokens = await newTokens(server, one, {
      claims: {
        id_token: {
          name: { essential: true },
          given_name: null,
          address: null,
          phone_number: null,
          sub: null,
          iss: { value: "https://evil.example" },
          shoe_size: null,
        } as Record<string, unknown>,
      },
    });
    const claims = decodeJwt(tokens.id_token);
    expect(claims).toMatchObject({
      name: "Ada",
      given_name: STANDARD_CLAIMS.given_name,
      address: STANDARD_CLAIMS.address,
      iss: server.deps.config.jwtIssuer,
      sub: one.userId,
    });
    for (const name of ["phone_number", "shoe_size", "family_name", "email"])
      expect(claims).not.toHaveProperty(name);
  });

  test("ID_TOKEN_TENANT_CLAIM=false leaves tenant_id out", async () => {
    const other = await startServer({ idTokenTenantClaim: false });
    const tokens = await newTokens(other, await signIn(other));
    expect(decodeJwt(tokens.id_token)).not.toHaveProperty("tenant_id");
    expect(decodeJwt(tokens.access_token)).toHaveProperty("tenant_id");
    await other.stop();
  });

  test("RFC 8707: tokens for the resources that were authorised, or fewer; no others", async () => {
    const resources = ["https://a.example/api", "https://b.example"];
    const audience = (body: { access_token: string }) => decodeJwt(body.access_token).aud;
    expect(audience(await newTokens(server, one, { resources }))).toEqual(resources);
    const flow = await newCode(server, one, { resources });
    const bad = await exchange(server, one.client, flow, { resource: "https://c.example" });
    expectOAuthError(bad, "invalid_target");
    for (const resource of ["not-absolute", "https://a.example/api#x"])
      expectOAuthError(await exchange(server, one.client, flow, { resource }), "invalid_target");
    const narrow = ok(await exchange(server, one.client, flow, { resource: resources[1] }));
    expect(audience(narrow.body)).toEqual([resources[1]!]);
    // A later refresh may have all of the grant again.
    const next = ok(await refresh(server, one.client, narrow.body.refresh_token));
    expect(audience(next.body)).toEqual(resources);
    expectOAuthError(
      await refresh(server, one.client, next.body.refresh_token, { resource: "https://c.example" }),
      "invalid_target",
    );
    const last = await refresh(server, one.client, next.body.refresh_token, {
      resource: resources[0],
    });
    expect(audience(ok(last).body)).toEqual([resources[0]!]);
  });
});

describe("03 §17: code of client A by client B; wrong redirect; wrong, missing, uncalled-for verifier; expired", () => {
  test("client B: refused, and A can still redeem", async () => {
    const b = await createClient(server, one.user);
    const flow = await newCode(server, one);
    const before = await grants();
    expectOAuthError(await exchange(server, b, flow), "invalid_grant");
    expect(await grants()).toBe(before);
    const answer = ok(await exchange(server, one.client, flow));
    // Nor does B end anything by showing the code once it is used.
    expectOAuthError(await exchange(server, b, flow), "invalid_grant");
    expect(await isLive(answer)).toBe(true);
  });

  test.each([
    { name: "wrong redirect", fields: { redirect_uri: "https://app.example/callback/" } },
    { name: "wrong verifier", fields: { code_verifier: randomText() } },
    { name: "missing verifier", fields: { code_verifier: undefined } },
    { name: "a verifier that is too short", fields: { code_verifier: "short" } },
  ])("$name: refused, and the code is not burnt", async ({ fields }) => {
    const flow = await newCode(server, one);
    expectOAuthError(await exchange(server, one.client, flow, fields), "invalid_grant");
    ok(await exchange(server, one.client, flow));
  });

  test("RFC 9700 §2.1.1: a verifier where no challenge was", async () => {
    const flow = await newCode(server, one, { codeChallenge: null });
    expectOAuthError(await exchange(server, one.client, flow), "invalid_grant");
    ok(await exchange(server, one.client, { ...flow, verifier: "" }));
  });

  test("expired: good for 60 s, and then no more; unknown; empty", async () => {
    const flows = [await newCode(server, one), await newCode(server, one)] as const;
    server.clock.advance(59_999);
    ok(await exchange(server, one.client, flows[0]));
    server.clock.advance(1);
    expectOAuthError(await exchange(server, one.client, flows[1]), "invalid_grant");
    const unknown = { ...flows[1], code: randomText() };
    expectOAuthError(await exchange(server, one.client, unknown), "invalid_grant");
    const empty = await exchange(server, one.client, { ...flows[1], code: "" });
    expectOAuthError(empty, "invalid_request");
    const noRedirect = await exchange(server, one.client, flows[1], { redirect_uri: undefined });
    expectOAuthError(noRedirect, "invalid_request");
  });

  test("five wrong verifiers burn it", async () => {
    const flow = await newCode(server, one);
    const wrong = () => exchange(server, one.client, flow, { code_verifier: randomText() });
    for (let i = 0; i < 4; i += 1) expectOAuthError(await wrong(), "invalid_grant");
    const flow2 = await newCode(server, one);
    for (let i = 0; i < 4; i += 1)
      await exchange(server, one.client, flow2, { code_verifier: randomText() });
    ok(await exchange(server, one.client, flow2));
    expectOAuthError(await wrong(), "invalid_grant");
    expectOAuthError(await exchange(server, one.client, flow), "invalid_grant");
  });
});

test("RFC 7636 appendix B: the published verifier and challenge", async () => {
  const flow = await newCode(server, one, { codeChallenge: CHALLENGE });
  ok(await exchange(server, one.client, { ...flow, verifier: VERIFIER }));
});

describe("03 §8.2: a code is good once", () => {
  test("used again: what it gave ends, and that is written down; a third time changes nothing more", async () => {
    const flow = await newCode(server, one);
    const answer = ok(await exchange(server, one.client, flow));
    const grantId = String(decodeJwt(answer.body.access_token).grant_id);
    server.clock.advance(30_000);
    expectOAuthError(await exchange(server, one.client, flow), "invalid_grant");
    expect(await isLive(answer)).toBe(false);
    expectOAuthError(await refresh(server, one.client, answer.body.refresh_token), "invalid_grant");
    expect(await grantRow(server, grantId)).toMatchObject({ revokedReason: "code_reuse" });
    const events = await audited(server, one.client.tenantId, "oidc.code_reuse_detected");
    expect(events[0]).toMatchObject({
      actorType: "system",
      resourceType: "oidc_grant",
      resourceId: grantId,
      metadata: { client_id: one.client.clientId, grant_id: grantId },
    });
    expectOAuthError(await exchange(server, one.client, flow), "invalid_grant");
    const after = await audited(server, one.client.tenantId, "oidc.code_reuse_detected");
    expect(after.length).toBe(events.length);
  });

  test("03 §17: two parallel exchanges of one code", async () => {
    const flow = await newCode(server, one);
    const answers = await Promise.all([
      exchange(server, one.client, flow),
      exchange(server, one.client, flow),
    ]);
    const [winner, loser] = answers.sort((a, b) => a.status - b.status);
    ok(winner!);
    expectOAuthError(loser!, "invalid_grant");
    expect(await isLive(winner!)).toBe(false);
    expectOAuthError(
      await refresh(server, one.client, winner!.body.refresh_token),
      "invalid_grant",
    );
  });

  test("fifty at once: one wins", async () => {
    const flow = await newCode(server, one);
    const before = await grants();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => exchange(server, one.client, flow)),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 200))
      expectOAuthError(answer, "invalid_grant");
    expect(await grants()).toBe(before + 1);
  });
});

describe("who may no longer", () => {
  test("a user suspended between: the code is gone", async () => {
    const space = await workspace(server);
    const person = { ...(await member(server, space)), password: PASSWORD };
    const client = await createClient(server, space.owner);
    const sessionId = await hostedSession(server, person);
    const flow = await newCode(server, { client, userId: person.userId, sessionId });
    const suspend = (status: string) =>
      server.call("PATCH", `/v1/users/${person.userId}`, {
        as: space.owner.token,
        body: { status },
      });
    ok(await suspend("suspended"));
    expectOAuthError(await exchange(server, client, flow), "invalid_grant");
    ok(await suspend("active"));
    expectOAuthError(await exchange(server, client, flow), "invalid_grant");
  });

  test("a user who has signed out between; not where offline_access was given", async () => {
    const sessionId = await hostedSession(server, one.user);
    const client = await createClient(server, one.user, {
      scopes: ["openid", "offline_access"],
    });
    const at = { ...one, client, sessionId };
    const online = await newCode(server, at);
    const offline = await newCode(server, at, { scopes: ["openid", "offline_access"] });
    ok(
      await server.call("DELETE", `/v1/auth/sso-sessions/${sessionId}`, { as: one.user.token }),
      204,
    );
    expectOAuthError(await exchange(server, client, online), "invalid_grant");
    ok(await exchange(server, client, offline));
  });

  test("a user who is no member, where the client asks for that", async () => {
    const stranger = await server.signUp();
    const sessionId = await hostedSession(server, stranger);
    const strict: SignIn = {
      client: await createClient(server, one.user, { require_membership: true }),
      userId: stranger.userId,
      sessionId,
    };
    const refused = await exchange(server, strict.client, await newCode(server, strict));
    expectOAuthError(refused, "invalid_grant");
    const open = await createClient(server, one.user, { require_membership: false });
    await newTokens(server, { ...strict, client: open });
  });
});

describe("the request", () => {
  test("03 §17: JSON body or repeated grant_type at token", async () => {
    for (const path of ["/v1/oauth/token", "/v1/oauth/token-code"]) {
      const json = await server.call("POST", path, { body: { grant_type: "refresh_token" } });
      expectOAuthError(json, "invalid_request");
      const form = await server.call("POST", path, {
        body: "grant_type=refresh_token&grant_type=refresh_token",
        headers: { "content-type": "application/x-www-form-urlencoded" },
      });
      expectOAuthError(form, "invalid_request");
    }
  });

  test("no grant_type; an unknown one; one that the client is not registered for", async () => {
    const post = (fields: Record<string, string>, client = one.client) =>
      postForm(server, "/v1/oauth/token", client, fields);
    expectOAuthError(await post({}), "invalid_request");
    expectOAuthError(await post({ grant_type: "password" }), "unsupported_grant_type");
    expectOAuthError(await post({ grant_type: "client_credentials" }), "unauthorized_client");
    const machine = await createClient(server, one.user, { grant_types: ["client_credentials"] });
    const flow = await newCode(server, { ...one, client: machine });
    expectOAuthError(await exchange(server, machine, flow), "unauthorized_client");
  });

  test("unknown client and wrong secret: 401, one answer; a public client by its client_id", async () => {
    const wrong = await exchange(
      server,
      { ...one.client, secret: randomText() },
      await newCode(server, one),
    );
    expectOAuthError(wrong, "invalid_client", 401);
    expect(wrong.headers.get("www-authenticate")).toBe('Basic realm="qeet"');
    const client = await createClient(server, one.user, PUBLIC);
    ok(await exchange(server, client, await newCode(server, { ...one, client })));
  });

  test("both paths do the same, from any origin", async () => {
    for (const path of ["/v1/oauth/token", "/v1/oauth/token-code"]) {
      const flow = await newCode(server, one);
      const answer = await postForm(
        server,
        path,
        one.client,
        {
          grant_type: "authorization_code",
          code: flow.code,
          redirect_uri: flow.redirectUri,
          code_verifier: flow.verifier,
        },
        "post",
        { origin: "https://spa.example" },
      );
      expect(ok(answer).headers.get("access-control-allow-origin")).toBe("*");
    }
  });
});
