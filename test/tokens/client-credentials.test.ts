/** RFC 6749 §4.4, contract 03 §8.1: machines for themselves. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { decodeJwt } from "jose";
import { oauthGrants, oidcRefreshTokens } from "../../db/schema/index.ts";
import { readLiveAccessToken } from "../../src/modules/tokens/service.ts";
import { counts } from "../auth/support.ts";
import { ok, type Workspace, workspace } from "../rbac/support.ts";
import { createClient, postForm, type TestClient } from "../support/provider.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { expectOAuthError, PUBLIC } from "./support.ts";

let server: TestServer;
let space: Workspace;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
});
afterAll(() => server.stop());

let count = 0;
async function principal(scopes: string[], at = server, of = space): Promise<TestClient> {
  const { body } = ok(
    await at.call("POST", "/v1/service-principals", {
      as: of.owner.token,
      body: { name: `machine ${++count}`, scopes },
    }),
    201,
  );
  const { client_id: clientId, client_secret: secret } = body;
  return { id: clientId, tenantId: of.tenantId, clientId, secret, redirectUri: "" };
}

const ask = (
  client: TestClient,
  fields: Record<string, string> = {},
  path = "/v1/oauth/token",
  at = server,
) => postForm(at, path, client, { grant_type: "client_credentials", ...fields }, "post");

test("03 §9: the answer and the claims of a service principal's token; nothing is written", async () => {
  const machine = await principal(["user.read", "reports:read"]);
  const before = await counts(server);
  const answer = ok(await ask(machine));
  expect(answer.headers.get("pragma")).toBe("no-cache");
  const now = server.clock.now();
  expect(answer.body).toEqual({
    access_token: expect.any(String),
    token_type: "Bearer",
    expires_in: 900,
    expires_at: new Date(now.getTime() + 900_000).toISOString(),
    scope: "user.read reports:read",
  });
  const iat = Math.floor(now.getTime() / 1000);
  expect(decodeJwt(answer.body.access_token)).toEqual({
    iss: server.deps.config.jwtIssuer,
    sub: machine.clientId,
    aud: [server.deps.config.jwtAudience],
    tenant_id: space.tenantId,
    client_id: machine.clientId,
    actor_type: "service",
    scope: "user.read reports:read",
    iat,
    nbf: iat,
    exp: iat + 900,
    jti: expect.any(String),
  });
  expect(await counts(server)).toEqual(before);
  expect(await server.deps.db.read.$count(oauthGrants)).toBe(0);
  expect(await server.deps.db.read.$count(oidcRefreshTokens)).toBe(0);
  ok(await server.call("GET", "/v1/users", { as: answer.body.access_token }));
});

test("03 §17: client_credentials: disabled principal, non-UUID id, excess scope, through token-code, without Origin/CSRF outside dev", async () => {
  const machine = await principal(["user.read"]);
  ok(await ask(machine, {}, "/v1/oauth/token-code"));
  expectOAuthError(await ask(machine, { scope: "user.read user.write" }), "invalid_scope");
  expectOAuthError(await ask({ ...machine, clientId: "machine" }), "invalid_client", 401);
  const { access_token: token } = ok(await ask(machine)).body;
  ok(
    await server.call("DELETE", `/v1/service-principals/${machine.id}`, { as: space.owner.token }),
    204,
  );
  expectOAuthError(await ask(machine), "invalid_client", 401);
  expect(await readLiveAccessToken(server.deps, token)).toBeUndefined();
  const production = await startServer({ env: "production" });
  const elsewhere = await principal(["user.read"], production, await workspace(production));
  ok(await ask(elsewhere, {}, "/v1/oauth/token", production));
  await production.stop();
});

test("scope narrows; an empty list grants nothing; * is the whole catalogue and nothing beside it", async () => {
  const machine = await principal(["user.read", "group.read"]);
  expect(ok(await ask(machine, { scope: "group.read" })).body.scope).toBe("group.read");
  expect(ok(await ask(await principal([]))).body.scope).toBe("");
  const all = await principal(["*"]);
  expect(ok(await ask(all)).body.scope).toBe("*");
  expect(ok(await ask(all, { scope: "user.read tenant:write" })).body.scope).toBe(
    "user.read tenant:write",
  );
  expectOAuthError(await ask(all, { scope: "reports:read" }), "invalid_scope");
});

test("an OAuth client with the grant: for itself, with none of the scopes that speak of a user", async () => {
  const client = await createClient(server, space.owner, {
    grant_types: ["client_credentials"],
    scopes: ["openid", "profile", "reports:read"],
  });
  const { body } = ok(await ask(client));
  expect(body.scope).toBe("reports:read");
  expect(decodeJwt(body.access_token)).toMatchObject({
    sub: client.id,
    client_id: client.clientId,
    actor_type: "service",
  });
  expect(await readLiveAccessToken(server.deps, body.access_token)).toMatchObject({
    clientId: client.clientId,
    grant: null,
  });
  expectOAuthError(await ask(client, { scope: "openid" }), "invalid_scope");
  ok(await server.call("DELETE", `/v1/oidc/clients/${client.id}`, { as: space.owner.token }), 204);
  expect(await readLiveAccessToken(server.deps, body.access_token)).toBeUndefined();
});

test("without the grant, or public: unauthorized_client", async () => {
  const client = await createClient(server, space.owner);
  expectOAuthError(await ask(client), "unauthorized_client");
  const open = await createClient(server, space.owner, PUBLIC);
  expectOAuthError(await ask(open), "unauthorized_client");
  const machine = await principal(["user.read"]);
  const refreshing = await ask(machine, { grant_type: "refresh_token", refresh_token: "x" });
  expectOAuthError(refreshing, "unauthorized_client");
});

test("RFC 8707: a token for a resource is not for this server's own API", async () => {
  const machine = await principal(["user.read"]);
  const { body } = ok(await ask(machine, { resource: "https://api.example/v2" }));
  expect(decodeJwt(body.access_token).aud).toEqual(["https://api.example/v2"]);
  expect((await server.call("GET", "/v1/users", { as: body.access_token })).status).toBe(401);
  expect(await readLiveAccessToken(server.deps, body.access_token)).toBeDefined();
});

test("03 §8.1: each token stands in the audit log, where the operator wants that", async () => {
  const audited = await startServer({ auditTokenIssued: true });
  const there = await workspace(audited);
  const machine = await principal(["user.read", "reports:read"], audited, there);
  const client = await createClient(audited, there.owner, { grant_types: ["client_credentials"] });
  ok(await ask(machine, { scope: "user.read" }, "/v1/oauth/token", audited));
  ok(await ask(client, {}, "/v1/oauth/token-code", audited));
  expectOAuthError(
    await ask(machine, { scope: "user.write" }, "/v1/oauth/token", audited),
    "invalid_scope",
  );
  const { body } = ok(
    await audited.call("GET", `/v1/tenants/${there.tenantId}/audit?action=oauth.token_issued`, {
      as: there.owner.token,
    }),
  );
  expect(body.items).toMatchObject([
    {
      actor_type: "service",
      resource_type: "oidc_client",
      resource_id: client.id,
      metadata: { client_id: client.clientId, scopes: [] },
    },
    {
      actor_type: "service",
      resource_type: "service_principal",
      resource_id: machine.clientId,
      metadata: { client_id: machine.clientId, scopes: ["user.read"] },
    },
  ]);
  await audited.stop();
});
