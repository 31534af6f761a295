/** RFC 7662, contract 03 §11. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { decodeJwt } from "jose";
import { closeDeps, createDeps } from "../../src/create-deps.ts";
import { findOidcClient } from "../../src/modules/clients/service.ts";
import { revokeToken } from "../../src/modules/introspection/service.ts";
import { issueClientToken } from "../../src/platform/crypto/access-token.ts";
import { member, ok, workspace } from "../rbac/support.ts";
import { createClient, postForm, randomText, refresh } from "../support/provider.ts";
import { type Answer, PASSWORD, startServer, type TestServer } from "../support/server.ts";
import {
  expectOAuthError,
  hostedSession,
  newTokens,
  PUBLIC,
  type SignIn,
  signIn,
} from "../tokens/support.ts";
import { introspect, machineToken, principal, revoke } from "./support.ts";

let server: TestServer;
let one: Awaited<ReturnType<typeof signIn>>;
beforeAll(async () => {
  server = await startServer();
  one = await signIn(server);
});
afterAll(() => server.stop());

const INACTIVE = { active: false };
/** Exactly that: no reason, no member more. */
function expectInactive({ status, body }: Answer): void {
  expect([status, body]).toEqual([200, INACTIVE]);
}
const isActive = async (token: string, of: SignIn = one) =>
  (await introspect(server, of.client, token)).body.active;

describe("what is answered", () => {
  test("03 §11: an access token", async () => {
    const { access_token } = await newTokens(server, one);
    const answer = await introspect(server, one.client, access_token);
    const claims = decodeJwt(access_token);
    expect(answer.body).toEqual({
      active: true,
      token_type: "Bearer",
      sub: one.userId,
      username: one.user.email,
      scope: "openid profile",
      client_id: one.client.clientId,
      tenant_id: one.client.tenantId,
      sid: claims.sid,
      iss: server.deps.config.jwtIssuer,
      aud: server.deps.config.jwtAudience,
      exp: claims.exp,
      iat: claims.iat,
      nbf: claims.nbf,
      jti: claims.jti,
      actor_type: "user",
    });
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.get("pragma")).toBe("no-cache");
    expect(answer.headers.get("content-type")).toContain("application/json");
    // The second answer comes from memory.
    expect((await introspect(server, one.client, access_token)).body).toEqual(answer.body);
  });

  test("03 §11: a refresh token", async () => {
    const { refresh_token, access_token } = await newTokens(server, one);
    const { iat, sid } = decodeJwt(access_token);
    expect((await introspect(server, one.client, refresh_token)).body).toEqual({
      active: true,
      token_type: "refresh_token",
      sub: one.userId,
      username: one.user.email,
      scope: "openid profile",
      client_id: one.client.clientId,
      tenant_id: one.client.tenantId,
      sid,
      iss: server.deps.config.jwtIssuer,
      iat,
      exp: iat! + server.deps.config.refreshTokenTtlSeconds,
      actor_type: "user",
    });
  });

  test("a machine's token", async () => {
    const machine = await principal(server, one.user, ["reports:read"]);
    const token = await machineToken(server, machine);
    const { body } = await introspect(server, one.client, token);
    expect(body).toMatchObject({
      active: true,
      token_type: "Bearer",
      sub: machine.clientId,
      client_id: machine.clientId,
      tenant_id: one.client.tenantId,
      scope: "reports:read",
      actor_type: "service",
    });
    expect(body).not.toHaveProperty("username");
    expect(body).not.toHaveProperty("sid");
  });

  test("the token of a session of the tenant", async () => {
    const { body } = await introspect(server, one.client, one.user.token);
    expect(body).toMatchObject({ active: true, sub: one.userId, actor_type: "user" });
    expect(body).not.toHaveProperty("client_id");
  });

  test("RFC 8707: a token for somebody else says for whom", async () => {
    const resources = ["https://api.example/a", "https://api.example/b"];
    const { access_token } = await newTokens(server, one, { resources });
    expect((await introspect(server, one.client, access_token)).body).toMatchObject({
      active: true,
      aud: resources,
    });
    const [single] = resources;
    const narrow = await newTokens(server, one, { resources: [single!] });
    expect((await introspect(server, one.client, narrow.access_token)).body.aud).toBe(single);
  });

  test("RFC 9449 §6.2: a bound token says to which key", async () => {
    const dpopJkt = randomText();
    const { deps } = server;
    const machine = await principal(server, one.user);
    const { token } = await issueClientToken(deps, {
      clientId: machine.clientId,
      tenantId: machine.tenantId,
      scopes: [],
      resources: [],
      dpopJkt,
      holder: { kind: "service", subject: machine.clientId },
    });
    expect((await introspect(server, one.client, token)).body).toMatchObject({
      token_type: "DPoP",
      cnf: { jkt: dpopJkt },
    });
  });
});

describe("who may ask", () => {
  test("03 §17: introspect: public client; other tenant's token; garbage; wrong hint; missing token", async () => {
    const tokens = await newTokens(server, one);
    const open = await createClient(server, one.user, PUBLIC);
    const refused = await introspect(server, open, tokens.access_token);
    expectOAuthError(refused, "invalid_client", 401);
    expect(refused.headers.get("www-authenticate")).toContain("Basic");

    const other = await signIn(server);
    expectInactive(await introspect(server, other.client, tokens.access_token));
    expectInactive(await introspect(server, other.client, tokens.refresh_token));
    expect(await isActive(tokens.access_token)).toBe(true);
    expectInactive(await introspect(server, other.client, tokens.access_token));

    for (const garbage of ["x", "a.b.c", "....", randomText(), "é", `${tokens.access_token}x`])
      expectInactive(await introspect(server, one.client, garbage));

    for (const hint of ["access_token", "refresh_token", "pta", ""])
      for (const token of [tokens.access_token, tokens.refresh_token])
        expect((await introspect(server, one.client, token, hint)).body.active).toBe(true);

    for (const missing of [undefined, ""])
      expectOAuthError(await introspect(server, one.client, missing), "invalid_request");
  });

  test("a public client with a made-up secret is public all the same", async () => {
    const { access_token: token } = await newTokens(server, one);
    const open = await createClient(server, one.user, PUBLIC);
    for (const how of ["basic", "post"] as const)
      expectOAuthError(
        await introspect(server, { ...open, secret: "dummy" }, token, undefined, how),
        "invalid_client",
        401,
      );
  });

  test.each(["basic", "post"] as const)("a service principal, by %s", async (how) => {
    const machine = await principal(server, one.user);
    const { access_token } = await newTokens(server, one);
    expect((await introspect(server, machine, access_token, undefined, how)).body.active).toBe(
      true,
    );
  });

  test("nobody without a proof, and a wrong one tells nothing of the token", async () => {
    const { access_token: token } = await newTokens(server, one);
    const nobody = { ...one.client, clientId: `qci_${server.deps.random.uuid()}` };
    const answers = [
      await introspect(server, { ...one.client, secret: randomText() }, token),
      await introspect(server, nobody, token),
      await introspect(server, one.client, token, undefined, "none"),
    ];
    for (const answer of answers) expectOAuthError(answer, "invalid_client", 401);
    const words = answers.map(({ body }) => body.error_description);
    expect(new Set(words.slice(0, 2)).size).toBe(1);
    // RFC 6750 tokens are no client credentials.
    const asUser = await server.call("POST", "/oauth/introspect", {
      as: one.user.token,
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ token }).toString(),
    });
    expectOAuthError(asUser, "invalid_client", 401);
  });

  test("another client of the tenant may", async () => {
    const sibling = await createClient(server, one.user);
    const { access_token, refresh_token } = await newTokens(server, one);
    expect((await introspect(server, sibling, access_token)).body.active).toBe(true);
    expect((await introspect(server, sibling, refresh_token)).body.active).toBe(true);
  });

  test.each([
    ["JSON", { "content-type": "application/json" }, `{"token":"x"}`],
    [
      "a repeated parameter",
      { "content-type": "application/x-www-form-urlencoded" },
      "token=a&token=b",
    ],
  ])("%s: 400", async (_, headers, body) => {
    expectOAuthError(
      await server.call("POST", "/oauth/introspect", { headers, body }),
      "invalid_request",
    );
  });

  test("no page of another origin reads it", async () => {
    const { headers } = await postForm(
      server,
      "/oauth/introspect",
      one.client,
      { token: "x" },
      "basic",
      { origin: "https://spa.example" },
    );
    expect(headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("what has ended is inactive at once", () => {
  /** Looked at once before, so that it is remembered. */
  async function remembered(of: SignIn = one) {
    const tokens = await newTokens(server, of);
    expect(await isActive(tokens.access_token, of)).toBe(true);
    expect(await isActive(tokens.refresh_token, of)).toBe(true);
    return tokens;
  }

  test("expired", async () => {
    const { access_token, refresh_token } = await remembered();
    server.clock.advance(server.deps.config.accessTokenTtlSeconds * 1000);
    expectInactive(await introspect(server, one.client, access_token));
    expect(await isActive(refresh_token)).toBe(true);
    server.clock.advance(server.deps.config.refreshTokenTtlSeconds * 1000);
    expectInactive(await introspect(server, one.client, refresh_token));
    one = await signIn(server);
  });

  test("rotated", async () => {
    const { access_token, refresh_token } = await remembered();
    ok(await refresh(server, one.client, refresh_token));
    expectInactive(await introspect(server, one.client, refresh_token));
    expect(await isActive(access_token)).toBe(true);
  });

  test.each(["access_token", "refresh_token"] as const)("the %s was revoked", async (kind) => {
    const tokens = await remembered();
    expect((await revoke(server, one.client, tokens[kind])).status).toBe(200);
    expectInactive(await introspect(server, one.client, tokens.access_token));
    expect(await isActive(tokens.refresh_token)).toBe(kind === "access_token");
  });

  test("the grant was revoked", async () => {
    const { access_token, refresh_token } = await remembered();
    const { tenantId } = one.client;
    const { body } = await server.call("GET", `/v1/tenants/${tenantId}/oauth/grants`, {
      as: one.user.token,
    });
    const path = `/v1/tenants/${tenantId}/oauth/grants/${body.items[0].id}`;
    ok(await server.call("DELETE", path, { as: one.user.token }), 204);
    expectInactive(await introspect(server, one.client, access_token));
    expectInactive(await introspect(server, one.client, refresh_token));
  });

  test("the password was reset", async () => {
    const space = await workspace(server);
    const client = await createClient(server, space.owner);
    const user = await member(server, space);
    const signedIn = { ...user, password: PASSWORD };
    const of = { client, userId: user.userId, sessionId: await hostedSession(server, signedIn) };
    const { access_token, refresh_token } = await remembered(of);
    const session = user.token;
    expect(await isActive(session, of)).toBe(true);
    ok(
      await server.call("POST", `/v1/users/${user.userId}/password`, {
        as: space.owner.token,
        body: { password: "seven grey geese" },
      }),
      204,
    );
    for (const token of [access_token, refresh_token, session])
      expectInactive(await introspect(server, client, token));
  });

  test.each(["PATCH", "DELETE"])("the user was suspended or deleted: %s", async (method) => {
    const space = await workspace(server);
    const client = await createClient(server, space.owner);
    const user = await member(server, space);
    const signedIn = { ...user, password: PASSWORD };
    const of = { client, userId: user.userId, sessionId: await hostedSession(server, signedIn) };
    const { access_token, refresh_token } = await remembered(of);
    const { status } = await server.call(method, `/v1/users/${user.userId}`, {
      as: space.owner.token,
      ...(method === "PATCH" && { body: { status: "suspended" } }),
    });
    expect(status).toBeLessThan(300);
    for (const token of [access_token, refresh_token, user.token])
      expectInactive(await introspect(server, client, token));
  });

  test("the client was deleted", async () => {
    const space = await signIn(server);
    const asker = await createClient(server, space.user);
    const { access_token, refresh_token } = await newTokens(server, space);
    expect((await introspect(server, asker, access_token)).body.active).toBe(true);
    ok(
      await server.call("DELETE", `/v1/oidc/clients/${space.client.id}`, { as: space.user.token }),
      204,
    );
    expectInactive(await introspect(server, asker, access_token));
    expectInactive(await introspect(server, asker, refresh_token));
    expectOAuthError(await introspect(server, space.client, "x"), "invalid_client", 401);
  });

  test("the machine was disabled", async () => {
    const machine = await principal(server, one.user);
    const token = await machineToken(server, machine);
    expect(await isActive(token)).toBe(true);
    const path = `/v1/service-principals/${machine.clientId}`;
    ok(await server.call("DELETE", path, { as: one.user.token }), 204);
    expectInactive(await introspect(server, one.client, token));
  });

  test("another instance forgets within five seconds", async () => {
    const { access_token } = await remembered();
    const elsewhere = await createDeps(server.deps.config, { clock: server.deps.clock });
    try {
      const client = (await findOidcClient(elsewhere, one.client.clientId))!;
      const caller = { requestId: "r", ip: null, userAgent: null };
      const credential = { client, method: "client_secret_basic" } as const;
      await revokeToken(elsewhere, caller, credential, access_token);
    } finally {
      await closeDeps(elsewhere);
    }
    const deadline = performance.now() + 7_000;
    while ((await isActive(access_token)) && performance.now() < deadline) await Bun.sleep(100);
    expectInactive(await introspect(server, one.client, access_token));
  }, 10_000);
});

describe("tokens of one kind sent as another", () => {
  test("an ID token is none of ours to introspect", async () => {
    const { id_token } = await newTokens(server, one);
    for (const hint of [undefined, "access_token", "id_token"])
      expectInactive(await introspect(server, one.client, id_token, hint));
  });

  test("nor are secrets, codes, API keys and hosted sessions", async () => {
    const key = await server.call("POST", "/v1/api-keys", {
      as: one.user.token,
      body: { name: "k" },
    });
    for (const token of [one.client.secret!, key.body.secret, one.user.refreshToken])
      expectInactive(await introspect(server, one.client, token));
  });
});
