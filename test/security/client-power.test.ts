/** What clients, their tokens and those who administer them can't take for themselves. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { and, eq } from "drizzle-orm";
import { oidcClients, userRoles } from "../../db/schema/index.ts";
import { assign, expectRefusal, member, ok, ownerRoleId, workspace } from "../rbac/support.ts";
import { createClient, exchange, postForm } from "../support/provider.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";
import { hostedSession, newCode } from "../tokens/support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

let count = 0;
const name = () => `n${++count}`;

/** As another instance does it: this one is told nothing. */
const takeRolesAway = (userId: string, tenantId: string) =>
  server.deps.db.transaction(async (tx) => {
    await tx
      .delete(userRoles)
      .where(and(eq(userRoles.userId, userId), eq(userRoles.tenantId, tenantId)));
  });

describe("a role that another instance has taken away hands out nothing, within the five seconds", () => {
  test("an administrator's", async () => {
    const space = await workspace(server);
    const { tenantId, owner } = space;
    const keys = ["apikey.write", "connection.write", "role.write", "user.write"];
    const admin = await member(server, space, keys);
    const accomplice = await member(server, space);
    const client = await createClient(server, owner);
    const principal = ok(
      await server.call("POST", "/v1/service-principals", {
        as: owner.token,
        body: { name: name() },
      }),
      201,
    ).body;
    const as = admin.token;
    const base = `/v1/tenants/${tenantId}`;
    const scopes = ["user.write"];
    const attempts = async () => [
      await server.call("POST", "/v1/api-keys", { as, body: { name: name(), scopes } }),
      await server.call("POST", "/v1/service-principals", { as, body: { name: name(), scopes } }),
      await server.call("POST", `${base}/service-principals/${principal.id}/rotate-secret`, { as }),
      await server.call("POST", "/v1/oidc/clients", { as, body: { name: name(), scopes } }),
      await server.call("PATCH", `${base}/oidc/clients/${client.id}`, {
        as,
        body: { redirect_uris: ["https://elsewhere.example/cb"] },
      }),
      await server.call("POST", `${base}/oidc/clients/${client.id}/rotate-secret`, { as }),
      await assign(server, admin, {
        userId: accomplice.userId,
        tenantId,
        roleId: admin.roleId!,
      }),
    ];
    ok(await server.call("GET", `${base}/oidc/clients`, { as }));
    await takeRolesAway(admin.userId, tenantId);
    expect((await attempts()).map(({ status }) => status)).toEqual(Array(7).fill(403));
  });

  test("an owner's who holds everything by another role", async () => {
    const space = await workspace(server);
    const { tenantId, owner } = space;
    const accomplice = await member(server, space);
    const roleId = await ownerRoleId(server, space);
    await server.deps.db.transaction(async (tx) => {
      await tx.delete(userRoles).where(eq(userRoles.roleId, roleId));
    });
    expectRefusal(
      await assign(server, owner, { userId: accomplice.userId, tenantId, roleId }),
      403,
    );
  });
});

test("a user's token of a client that another instance has deleted hands out nothing, within the five seconds", async () => {
  const owner = await server.signUp();
  const scopes = ["openid", "connection.write"];
  const client = await createClient(server, owner, { scopes });
  const sessionId = await hostedSession(server, owner);
  const code = await newCode(server, { client, userId: owner.userId, sessionId }, { scopes });
  const as: string = ok(await exchange(server, client, code)).body.access_token;
  const make = () => server.call("POST", "/v1/oidc/clients", { as, body: { name: name() } });
  ok(await make(), 201);
  await server.deps.db.transaction(async (tx) => {
    await tx
      .update(oidcClients)
      .set({ deletedAt: server.clock.now() })
      .where(eq(oidcClients.id, client.id));
  });
  expectRefusal(await make(), 401);
});

test("contract 07 §2: a client learns what its user holds in its own tenant, and of no other", async () => {
  const visitor = await workspace(server);
  const { owner: stranger } = await workspace(server);
  const client = await createClient(server, stranger, { require_membership: false });
  const sessionId = await hostedSession(server, { ...visitor.owner, password: PASSWORD });
  const { userId } = visitor.owner;
  const code = await newCode(server, { client, userId, sessionId });
  const as: string = ok(await exchange(server, client, code)).body.access_token;
  const ask = (token: string, tenantId: string) =>
    server.call(
      "GET",
      `/v1/check?user_id=${userId}&tenant_id=${tenantId}&permission=tenant.write&explain=true`,
      { as: token },
    );
  expectRefusal(await ask(as, visitor.tenantId), 403);
  expect(ok(await ask(as, client.tenantId)).body.allowed).toBe(false);
  expect(ok(await ask(visitor.owner.token, visitor.tenantId)).body.allowed).toBe(true);
});

test("what is taken from a client's scopes, its tokens have no more, at once", async () => {
  const owner = await server.signUp();
  const scopes = ["openid", "user.read", "reports:read"];
  const grant_types = ["authorization_code", "client_credentials"];
  const client = await createClient(server, owner, { scopes, grant_types });
  const sessionId = await hostedSession(server, owner);
  const code = await newCode(server, { client, userId: owner.userId, sessionId }, { scopes });
  const users: string = ok(await exchange(server, client, code)).body.access_token;
  const form = { grant_type: "client_credentials" };
  const own: string = ok(await postForm(server, "/v1/oauth/token", client, form)).body.access_token;
  const read = async () => [
    (await server.call("GET", "/v1/users", { as: users })).status,
    (await server.call("GET", "/v1/users", { as: own })).status,
  ];
  const scopeOf = async (token: string) =>
    ok(await postForm(server, "/oauth/introspect", client, { token })).body.scope;
  expect(await read()).toEqual([200, 200]);
  expect(await scopeOf(users)).toBe("openid user.read reports:read");
  const late = await newCode(server, { client, userId: owner.userId, sessionId }, { scopes });
  const path = `/v1/tenants/${owner.tenantId}/oidc/clients/${client.id}`;
  ok(await server.call("PATCH", path, { as: owner.token, body: { scopes: ["openid"] } }));
  expect(ok(await exchange(server, client, late)).body.scope).toBe("openid");
  expect(await read()).toEqual([403, 403]);
  expect([await scopeOf(users), await scopeOf(own)]).toEqual(["openid", undefined]);
  ok(await server.call("GET", "/v1/oauth/userinfo", { as: users }));
});
