import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startServer, type TestServer } from "../support/server.ts";
import {
  assign,
  auditActions,
  expectRefusal,
  member,
  ok,
  ownerRoleId,
  permissionId,
  role,
  UNKNOWN_ID,
  unassign,
  type Workspace,
  workspace,
} from "./support.ts";

let server: TestServer;
let space: Workspace;
let other: Workspace;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
  other = await workspace(server);
});
afterAll(() => server.stop());

const rolesPath = (tenantId: string) => `/v1/tenants/${tenantId}/roles`;
const createRole = (body: unknown, as = space.owner.token) =>
  server.call("POST", rolesPath(space.tenantId), { as, body });

describe("permissions", () => {
  test("are 25, ordered by key, with ids that are the same in every deployment", async () => {
    const { body } = ok(await server.call("GET", "/v1/permissions", { as: space.owner.token }));
    const keys = body.items.map(({ key }: { key: string }) => key);
    expect(keys).toHaveLength(25);
    expect(keys).toEqual([...keys].sort());
    expect(body.items.find((one: { key: string }) => one.key === "user.read")).toEqual({
      id: "d030c5d9-9234-5c1c-945d-e1800519535b",
      key: "user.read",
      description: "Read users, deleted users and invites",
    });
  });
});

describe("roles", () => {
  test("are listed by name whatever the case; the first is owner, a system role", async () => {
    const { tenantId, owner } = await workspace(server);
    for (const name of ["zeta", "Alpha", "beta"])
      ok(await server.call("POST", rolesPath(tenantId), { as: owner.token, body: { name } }), 201);
    const { body } = ok(await server.call("GET", rolesPath(tenantId), { as: owner.token }));
    const names = body.items.map(({ name }: { name: string }) => name);
    expect(names).toEqual(["Alpha", "beta", "owner", "zeta"]);
    expect(body.items[2]).toMatchObject({ is_system: true, tenant_id: tenantId });
    expect(body.items[0]).toMatchObject({ is_system: false, description: "" });
  });

  test("07 §12: role name blank, 65 characters; unknown body field; body not JSON", async () => {
    for (const body of [{ name: " " }, { name: "x".repeat(65) }, {}])
      expectRefusal(await createRole(body), 422);
    expectRefusal(await createRole({ name: "fine", is_system: true }), 400);
    expectRefusal(await createRole("{"), 400);
    expectRefusal(await createRole({ name: 5 }), 400);
    expect((await createRole({ name: ` ${"x".repeat(64)} ` })).body.name).toBe("x".repeat(64));
  });

  test("07 §12: role Editor then editor; role OWNER", async () => {
    const first = ok(await createRole({ name: "Editor" }), 201);
    expectRefusal(await createRole({ name: "editor" }), 409);
    expectRefusal(await createRole({ name: "OWNER" }), 409);
    // Another workspace has its own names.
    const there = await server.call("POST", rolesPath(other.tenantId), {
      as: other.owner.token,
      body: { name: "editor" },
    });
    ok(there, 201);
    expect(await auditActions(server, space, first.body.id)).toEqual(["role.created"]);
  });

  test("are made with permissions at once; an unknown key is 422, one not held 403", async () => {
    const created = ok(
      await createRole({ name: "Reader", permissions: ["user:read", "role.read"] }),
      201,
    );
    const { body } = ok(
      await server.call("GET", `/v1/roles/${created.body.id}/permissions`, {
        as: space.owner.token,
      }),
    );
    expect(body.items.map(({ key }: { key: string }) => key)).toEqual(["role.read", "user.read"]);
    expectRefusal(await createRole({ name: "Odd", permissions: ["user.reed"] }), 422);

    const manager = await member(server, space, ["role.write"]);
    const wanted = { name: "Too much", permissions: ["role.write", "user.read"] };
    expectRefusal(await createRole(wanted, manager.token), 403, "missing permission: user.read");
    ok(await createRole({ name: "Too much" }), 201); // the refusal left no role of that name
  });

  test("of at once, one name: exactly one is made", async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => createRole({ name: "Contended" })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
  });

  test("are renamed and described; the system role and a foreign one are not", async () => {
    const id = await role(server, space, ["user.read"]);
    const path = `${rolesPath(space.tenantId)}/${id}`;
    const patch = (to: string, body: unknown) =>
      server.call("PATCH", to, { as: space.owner.token, body });
    expect(ok(await patch(path, { name: "Renamed" })).body).toMatchObject({
      id,
      name: "Renamed",
      description: "",
    });
    expect(ok(await patch(path, { description: "now" })).body).toMatchObject({
      name: "Renamed",
      description: "now",
    });
    ok(await patch(path, {}));
    expect(await auditActions(server, space, id)).toEqual([
      "role.updated",
      "role.updated",
      "role.permission_granted",
      "role.created",
    ]);
    expectRefusal(await patch(path, { name: "owner" }), 409);
    expectRefusal(await patch(path, { is_system: true }), 400);
    const system = await ownerRoleId(server, space);
    expectRefusal(
      await patch(`${rolesPath(space.tenantId)}/${system}`, { name: "boss" }),
      403,
      "system role",
    );
    const foreign = await role(server, other, []);
    expectRefusal(await patch(`${rolesPath(space.tenantId)}/${foreign}`, { name: "mine" }), 404);
  });

  test("are deleted, and their holders lose them", async () => {
    const person = await member(server, space, ["user.read"]);
    const list = () => server.call("GET", "/v1/users", { as: person.token });
    ok(await list());
    const remove = (id: string) =>
      server.call("DELETE", `${rolesPath(space.tenantId)}/${id}`, { as: space.owner.token });
    ok(await remove(person.roleId!), 204);
    expectRefusal(await list(), 403, "missing permission: user.read");
    expectRefusal(await remove(person.roleId!), 404);
    expectRefusal(await remove(await ownerRoleId(server, space)), 403, "system role");
    expect(await auditActions(server, space, person.userId)).toContain("role.unassigned");
    expect((await auditActions(server, space, person.roleId!))[0]).toBe("role.deleted");
  });
});

describe("permissions of a role", () => {
  const path = (roleId: string, permId: string) => `/v1/roles/${roleId}/permissions/${permId}`;

  test("07 §12: grant and assign twice; revoke and unassign twice", async () => {
    const roleId = await role(server, space, []);
    const permId = await permissionId(server, space.owner, "user.read");
    const { userId } = await member(server, space);
    const as = space.owner.token;
    for (const method of ["POST", "PUT", "POST"])
      ok(await server.call(method, path(roleId, permId), { as }), 204);
    for (let n = 0; n < 2; n += 1)
      ok(await assign(server, space.owner, { userId, roleId, ...space }), 204);
    for (let n = 0; n < 2; n += 1)
      ok(await server.call("DELETE", path(roleId, permId), { as }), 204);
    for (let n = 0; n < 2; n += 1)
      ok(await unassign(server, space.owner, { userId, roleId, ...space }), 204);
    expect(await auditActions(server, space, roleId)).toEqual([
      "role.permission_revoked",
      "role.permission_granted",
      "role.created",
    ]);
    expect(await auditActions(server, space, userId)).toEqual([
      "role.unassigned",
      "role.assigned",
      "user.created",
    ]);
  });

  test("granted by eight at once: one audit row", async () => {
    const roleId = await role(server, space, []);
    const permId = await permissionId(server, space.owner, "user.read");
    const grants = Array.from({ length: 8 }, () =>
      server.call("POST", path(roleId, permId), { as: space.owner.token }),
    );
    for (const answer of await Promise.all(grants)) ok(answer, 204);
    const actions = await auditActions(server, space, roleId);
    expect(actions.filter((action) => action === "role.permission_granted")).toHaveLength(1);
  });

  test("07 §12: revoke from / grant to owner", async () => {
    const owner = await ownerRoleId(server, space);
    const permId = await permissionId(server, space.owner, "user.read");
    const as = space.owner.token;
    expectRefusal(await server.call("DELETE", path(owner, permId), { as }), 403, "system role");
    ok(await server.call("POST", path(owner, permId), { as }), 204);
    const { body } = ok(await server.call("GET", `/v1/roles/${owner}/permissions`, { as }));
    expect(body.items).toHaveLength(25);
  });

  test.each([
    ["a role of another tenant", () => role(server, other, []), "user.read"],
    ["an unknown role", async () => UNKNOWN_ID, "user.read"],
    ["an unknown permission", () => role(server, space, []), undefined],
  ])("of %s: 404, to grant, revoke and list", async (_, roleOf, key) => {
    const roleId = await roleOf();
    const permId = key ? await permissionId(server, space.owner, key) : UNKNOWN_ID;
    const as = space.owner.token;
    for (const method of ["POST", "PUT", "DELETE"])
      expectRefusal(await server.call(method, path(roleId, permId), { as }), 404);
    if (key)
      expectRefusal(await server.call("GET", `/v1/roles/${roleId}/permissions`, { as }), 404);
  });

  test("of a role that is no UUID: 400", async () => {
    const as = space.owner.token;
    expectRefusal(await server.call("POST", path("x", UNKNOWN_ID), { as }), 400);
    expectRefusal(await server.call("POST", path(UNKNOWN_ID, "x"), { as }), 400);
  });

  test("07 §12: permission revoked, same access token again", async () => {
    const person = await member(server, space, ["user.read"]);
    const permId = await permissionId(server, space.owner, "user.read");
    const list = () => server.call("GET", "/v1/users", { as: person.token });
    ok(await list());
    ok(await server.call("DELETE", path(person.roleId!, permId), { as: space.owner.token }), 204);
    expectRefusal(await list(), 403, "missing permission: user.read");
    ok(await server.call("POST", path(person.roleId!, permId), { as: space.owner.token }), 204);
    ok(await list());
  });
});
