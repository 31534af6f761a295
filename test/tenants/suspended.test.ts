/** Contract 01 §5: what still works in a workspace that is suspended, and who lifts that. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { audited, counts, logIn, MINUTE, published, refresh } from "../auth/support.ts";
import { apiKey, expectRefusal, member, ok, type Workspace, workspace } from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const SUSPENDED = "tenant suspended";
const tenant = (method: "GET" | "PATCH" | "DELETE", id: string, as: string, body?: object) =>
  server.call(method, `/v1/tenants/${id}`, { as, body });

async function suspend({ tenantId, owner }: Workspace, as = owner.token): Promise<void> {
  const { body } = ok(await tenant("PATCH", tenantId, as, { status: "suspended" }));
  expect(body.status).toBe("suspended");
}

describe("while it is suspended", () => {
  test("01 §5: reading and changing it, me, switch, logout and the list answer; all else is 403", async () => {
    const space = await workspace(server);
    const { tenantId, owner } = space;
    const { token: as } = owner;
    await suspend(space);
    ok(await tenant("GET", tenantId, as));
    ok(await server.call("GET", "/v1/auth/me", { as }));
    const { body: list } = ok(await server.call("GET", "/v1/tenants", { as }));
    expect(list.items).toContainEqual(
      expect.objectContaining({ id: tenantId, status: "suspended" }),
    );
    ok(await tenant("PATCH", tenantId, as, { name: "Renamed meanwhile" }));

    const before = await counts(server);
    const refused: readonly (readonly [string, string, object?])[] = [
      ["DELETE", `/v1/tenants/${tenantId}`],
      ["POST", "/v1/tenants", { name: "Another" }],
      ["GET", "/v1/users"],
      ["POST", "/v1/users", { email: "new@example.com" }],
      ["GET", `/v1/users/${owner.userId}`],
      ["PATCH", `/v1/users/${owner.userId}`, { display_name: "x" }],
      ["POST", `/v1/users/${owner.userId}/verify/email/start`],
      ["POST", "/v1/me/email/change/start", { email: "other@example.com" }],
      ["GET", `/v1/tenants/${tenantId}/roles`],
      ["GET", `/v1/tenants/${tenantId}/audit`],
      ["POST", "/v1/api-keys", { name: "key" }],
      ["GET", "/v1/auth/sessions"],
    ];
    for (const [method, path, body] of refused)
      expectRefusal(await server.call(method, path, { as, body }), 403, SUSPENDED);
    expect(await counts(server)).toEqual(before);
    ok(await server.call("POST", "/v1/auth/logout", { as }), 204);
  });

  test("a member without tenant.write reads it, changes nothing and signs in no more", async () => {
    const space = await workspace(server);
    const person = await member(server, space, ["tenant.read"]);
    const login = ok(await logIn(server, person.email)).body;
    await suspend(space);
    ok(await tenant("GET", space.tenantId, person.token));
    const lift = { status: "active" };
    expectRefusal(
      await tenant("PATCH", space.tenantId, person.token, lift),
      403,
      "missing permission: tenant.write",
    );
    expectRefusal(await logIn(server, person.email), 403, SUSPENDED);
    expectRefusal(await refresh(server, login.refresh_token), 401);
  });

  test("keys are as shut out as sessions; one with tenant.write lifts the suspension", async () => {
    const space = await workspace(server);
    const scoped = async (scope: string) =>
      (await apiKey(server, space.owner, { scopes: [scope] })).authorization;
    const [users, reads, writes] = [
      await scoped("user.read"),
      await scoped("tenant.read"),
      await scoped("tenant.write"),
    ];
    await suspend(space);
    expectRefusal(await server.call("GET", "/v1/users", { as: users }), 403, SUSPENDED);
    const { tenantId } = space;
    expectRefusal(await tenant("GET", tenantId, users), 403, "missing permission: tenant.read");
    ok(await tenant("GET", tenantId, reads));
    const lift = { status: "active" };
    expectRefusal(await tenant("PATCH", tenantId, reads, lift), 403);
    ok(await tenant("PATCH", tenantId, writes, lift));
    ok(await server.call("GET", "/v1/users", { as: users }));
  });

  test("its owner suspends and lifts from another workspace; there nothing is shut", async () => {
    const space = await workspace(server);
    const second = ok(
      await server.call("POST", "/v1/tenants", { as: space.owner.token, body: { name: "Second" } }),
      201,
    ).body;
    const there: string = second.access_token;
    await suspend(space, there);
    expectRefusal(await server.call("GET", "/v1/users", { as: space.owner.token }), 403, SUSPENDED);
    ok(await server.call("GET", "/v1/users", { as: there }));
    ok(await tenant("PATCH", space.tenantId, there, { status: "active" }));
    ok(await server.call("GET", "/v1/users", { as: space.owner.token }));
  });

  test("both ways are audited and published, each once", async () => {
    const space = await workspace(server);
    const { tenantId, owner } = space;
    await suspend(space);
    server.clock.advance(MINUTE);
    await suspend(space); // again: nothing to change, nothing to tell
    ok(await tenant("PATCH", tenantId, owner.token, { status: "active" }));
    const events = await audited(server, tenantId, "tenant.updated");
    expect(events).toMatchObject(
      [1, 2].map(() => ({ actorUserId: owner.userId, metadata: { fields: ["status"] } })),
    );
    const told = (await published(server, tenantId)).filter(
      ({ eventType }) => eventType === "tenant.updated",
    );
    expect(told.map(({ payload }) => payload)).toMatchObject([
      { status: "suspended", changed: ["status"] },
      { status: "active", changed: ["status"] },
    ]);
  });
});

test("02 §10.2: the next login lands in the first workspace, not in the one that sign-up made", async () => {
  const person = await server.signUp();
  expect(ok(await logIn(server, person.email)).body.tenant_id).toBe(person.tenantId);
  const founded = { as: person.token, body: { name: "Real" } };
  const { tenant_id: real } = ok(await server.call("POST", "/v1/tenants", founded), 201).body;
  expect(ok(await logIn(server, person.email)).body.tenant_id).toBe(real);
  // Deleted, it is nobody's home any more; the personal one is left to fall back to (02 §1).
  const { access_token: as } = ok(await logIn(server, person.email)).body;
  ok(await tenant("DELETE", real, as), 204);
  const back = ok(await logIn(server, person.email)).body;
  expect(back.tenant_id).toBe(person.tenantId);
  const self = { as: back.access_token };
  expect(
    ok(await server.call("GET", `/v1/users/${person.userId}`, self)).body.tenant_id,
  ).toBeNull();
});
