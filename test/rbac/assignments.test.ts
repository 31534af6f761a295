import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { unassignRole } from "../../src/modules/rbac/service.ts";
import { authenticate } from "../../src/modules/sessions/service.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  apiKey,
  assign,
  auditActions,
  expectRefusal,
  member,
  ok,
  ownerRoleId,
  type Person,
  permissionId,
  role,
  signIn,
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

const effective = (as: string, userId: string, tenantId = space.tenantId) =>
  server.call("GET", `/v1/users/${userId}/tenants/${tenantId}/permissions`, { as });

describe("no escalation", () => {
  test("07 §12: member without role.write assigns itself owner", async () => {
    const person = await member(server, space);
    const roleId = await ownerRoleId(server, space);
    const answer = await assign(server, person, { userId: person.userId, roleId, ...space });
    expectRefusal(answer, 403, "missing permission: role.write");
    expect((await effective(person.token, person.userId)).body.permissions).toEqual([]);
  });

  test("07 §12: owner of A assigns a role in B with an A-scoped token", async () => {
    const roleId = await ownerRoleId(server, other);
    const target = { userId: space.owner.userId, roleId, tenantId: other.tenantId };
    expectRefusal(await assign(server, space.owner, target), 403, "tenant mismatch");
    expectRefusal(await unassign(server, space.owner, target), 403, "tenant mismatch");
  });

  test("07 §12: assign a role of tenant B under tenant A's path; unknown user; deleted user", async () => {
    const { userId } = await member(server, space);
    const foreign = await role(server, other, []);
    const own = await role(server, space, []);
    expectRefusal(await assign(server, space.owner, { userId, roleId: foreign, ...space }), 404);
    expectRefusal(await assign(server, space.owner, { userId, roleId: UNKNOWN_ID, ...space }), 404);
    expectRefusal(
      await assign(server, space.owner, { userId: UNKNOWN_ID, roleId: own, ...space }),
      404,
    );
    ok(await server.call("DELETE", `/v1/users/${userId}`, { as: space.owner.token }), 204);
    expectRefusal(await assign(server, space.owner, { userId, roleId: own, ...space }), 404);
    expectRefusal(await assign(server, space.owner, { userId: "x", roleId: own, ...space }), 400);
    expectRefusal(await unassign(server, space.owner, { userId, roleId: own, ...space }), 404);
    const path = `/v1/users/${UNKNOWN_ID}/tenants/${space.tenantId}/roles/${own}`;
    expectRefusal(await server.call("PUT", path, { as: space.owner.token }), 404);
  });

  test("07 §12: role manager grants a key it lacks; assigns a role holding such a key; assigns owner", async () => {
    const manager = await member(server, space, ["role.write", "user.write"]);
    const { userId } = await member(server, space);
    const empty = await role(server, space, []);
    const audits = await role(server, space, ["audit.read"]);
    const as = manager.token;

    const auditRead = await permissionId(server, space.owner, "audit.read");
    const grant = (key: string) =>
      server.call("POST", `/v1/roles/${empty}/permissions/${key}`, { as });
    expectRefusal(await grant(auditRead), 403, "missing permission: audit.read");
    // Implied keys count: user.write stands for user.read and for group.read.
    ok(await grant(await permissionId(server, space.owner, "user.read")), 204);
    ok(await grant(await permissionId(server, space.owner, "group.read")), 204);

    expectRefusal(
      await assign(server, manager, { userId, roleId: audits, ...space }),
      403,
      "missing permission: audit.read",
    );
    ok(await assign(server, manager, { userId, roleId: empty, ...space }), 204);
    const owner = await ownerRoleId(server, space);
    const itself = { userId: manager.userId, roleId: owner, ...space };
    expectRefusal(await assign(server, manager, itself), 403);
    const ownersRole = { userId: space.owner.userId, roleId: owner, ...space };
    expectRefusal(await unassign(server, manager, ownersRole), 403);
    expect((await effective(space.owner.token, manager.userId)).body.items).toEqual([
      "role.write",
      "user.write",
    ]);
  });

  test("role owner is given by an owner's session, not by an owner's key", async () => {
    const { userId } = await member(server, space);
    const roleId = await ownerRoleId(server, space);
    const { authorization } = await apiKey(server, space.owner);
    const path = `/v1/users/${userId}/tenants/${space.tenantId}/roles/${roleId}`;
    expectRefusal(await server.call("POST", path, { as: authorization }), 403);
    ok(await assign(server, space.owner, { userId, roleId, ...space }), 204);
    expect((await effective(space.owner.token, userId)).body.items).toHaveLength(25);
    ok(await unassign(server, space.owner, { userId, roleId, ...space }), 204);
  });
});

describe("the last owner", () => {
  /** Two owners of a new workspace, and what each needs to take the other's role away. */
  async function twoOwners() {
    const shared = await workspace(server);
    const { tenantId } = shared;
    const roleId = await ownerRoleId(server, shared);
    const [first, second] = [shared.owner, await member(server, shared)];
    ok(await assign(server, first, { userId: second.userId, tenantId, roleId }), 204);
    return [
      { by: first, target: { userId: second.userId, tenantId, roleId } },
      { by: second, target: { userId: first.userId, tenantId, roleId } },
    ];
  }

  test("07 §12: two owners unassign each other at once", async () => {
    for (let round = 0; round < 5; round += 1) {
      const both = await Promise.all(
        (await twoOwners()).map(async ({ by, target }) => ({ actor: await actorOf(by), target })),
      );
      // Both have passed the gate: what decides is the transaction.
      const outcomes = await Promise.allSettled(
        both.map(({ actor, target }) => unassignRole(server.deps, actor, target)),
      );
      expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      const lost = outcomes.find((outcome) => outcome.status === "rejected");
      expect(lost?.reason).toMatchObject({ status: 409, detail: "tenant must keep an owner" });
    }
  });

  test("two owners unassign each other over HTTP: the later one may find itself no owner any more", async () => {
    for (let round = 0; round < 3; round += 1) {
      const answers = await Promise.all(
        (await twoOwners()).map(({ by, target }) => unassign(server, by, target)),
      );
      const statuses = answers.map(({ status }) => status).sort();
      expect([204, statuses[1]]).toEqual(statuses);
      expect([403, 409]).toContain(statuses[1]!);
    }
  });

  test("cannot give the role away; the last but one can", async () => {
    const shared = await workspace(server);
    const roleId = await ownerRoleId(server, shared);
    const itself = { userId: shared.owner.userId, roleId, ...shared };
    expectRefusal(await unassign(server, shared.owner, itself), 409, "tenant must keep an owner");
    const second = await member(server, shared);
    ok(await assign(server, shared.owner, { ...itself, userId: second.userId }), 204);
    // An owner who is suspended keeps no tenant.
    const status = (value: string) =>
      server.call("PATCH", `/v1/users/${second.userId}`, {
        as: shared.owner.token,
        body: { status: value },
      });
    ok(await status("suspended"));
    expectRefusal(await unassign(server, shared.owner, itself), 409, "tenant must keep an owner");
    ok(await status("active"));
    ok(await unassign(server, shared.owner, itself), 204);
  });

  test("07 §12: suspend, delete, purge the last owner", async () => {
    const shared = await workspace(server);
    const second = await member(server, shared, ["user.read", "user.write"]);
    const { authorization: as } = await apiKey(server, shared.owner);
    const path = `/v1/users/${shared.owner.userId}`;
    const suspend = { as, body: { status: "suspended" } };
    expectRefusal(await server.call("PATCH", path, suspend), 409, "tenant must keep an owner");
    expectRefusal(await server.call("DELETE", path, { as }), 409, "tenant must keep an owner");
    expectRefusal(await server.call("DELETE", `${path}/purge`, { as }), 404); // only once it is deleted
    expectRefusal(await server.call("DELETE", path, { as: second.token }), 403);
  });
});

describe("membership", () => {
  test("comes with a first role and needs user.write; goes with the last one", async () => {
    const guest = await workspace(server);
    await proveAddress(guest.owner.userId);
    const first = await role(server, space, ["user.read"]);
    const second = await role(server, space, []);
    const { userId } = guest.owner;
    const manager = await member(server, space, ["role.write", "user.read"]);
    expectRefusal(
      await assign(server, manager, { userId, roleId: first, ...space }),
      403,
      "missing permission: user.write",
    );
    for (const roleId of [first, second])
      ok(await assign(server, space.owner, { userId, roleId, ...space }), 204);

    const switched = await server.call("POST", "/v1/auth/switch-tenant", {
      as: guest.owner.token,
      body: { tenant_id: space.tenantId },
    });
    const token: string = ok(switched).body.access_token;
    ok(await server.call("GET", "/v1/users", { as: token }));

    ok(await unassign(server, space.owner, { userId, roleId: first, ...space }), 204);
    ok(await server.call("GET", "/v1/auth/me", { as: token })); // a member still, by the second role
    ok(await unassign(server, space.owner, { userId, roleId: second, ...space }), 204);
    expectRefusal(await server.call("GET", "/v1/auth/me", { as: token }), 401);
    ok(await server.call("GET", "/v1/auth/me", { as: guest.owner.token }));
    expect(await auditActions(server, space, userId)).toEqual([
      "role.unassigned",
      "role.unassigned",
      "role.assigned",
      "role.assigned",
    ]);
  });

  test("of whom the tenant made goes with no role", async () => {
    const person = await member(server, space, ["user.read"]);
    const given = { userId: person.userId, roleId: person.roleId!, ...space };
    ok(await unassign(server, space.owner, given), 204);
    ok(await server.call("GET", "/v1/auth/me", { as: person.token }));
    await signIn(server, person.email);
  });

  test("of an account whose address nobody proved is not given", async () => {
    const squatter = await workspace(server);
    const roleId = await role(server, space, []);
    const answer = await assign(server, space.owner, {
      userId: squatter.owner.userId,
      roleId,
      ...space,
    });
    expectRefusal(answer, 409);
    const path = `/v1/users/${squatter.owner.userId}/tenants/${space.tenantId}/roles/${roleId}`;
    expectRefusal(await server.call("PUT", path, { as: space.owner.token }), 409);
    expect(
      (await server.call("GET", "/v1/tenants", { as: squatter.owner.token })).body.items.map(
        ({ id }: { id: string }) => id,
      ),
    ).not.toContain(space.tenantId);
  });
});

describe("effective permissions", () => {
  test("are exact, ascending, twice; of an owner all; of a stranger none", async () => {
    const person = await member(server, space, ["user.write", "apikey.read"]);
    const { body } = ok(await effective(space.owner.token, person.userId));
    expect(body).toEqual({
      permissions: ["apikey.read", "user.write"],
      items: ["apikey.read", "user.write"],
    });
    expect(ok(await effective(space.owner.token, space.owner.userId)).body.items).toHaveLength(25);
    expect(ok(await effective(space.owner.token, other.owner.userId)).body.items).toEqual([]);
    expect(ok(await effective(space.owner.token, UNKNOWN_ID)).body.items).toEqual([]);
    expectRefusal(await effective(space.owner.token, "x"), 400);
  });

  test("about oneself in any tenant; about others with role.read, in the own one", async () => {
    const person = await member(server, space);
    const reader = await member(server, space, ["role.read"]);
    expect(ok(await effective(person.token, person.userId)).body.items).toEqual([]);
    expect(ok(await effective(person.token, person.userId, other.tenantId)).body.items).toEqual([]);
    expectRefusal(
      await effective(person.token, reader.userId),
      403,
      "missing permission: role.read",
    );
    expect(ok(await effective(reader.token, person.userId)).body.items).toEqual([]);
    expectRefusal(
      await effective(reader.token, person.userId, other.tenantId),
      403,
      "tenant mismatch",
    );
  });

  test("by a key bound to oneself: role.read all the same", async () => {
    const { userId, authorization } = await boundKey(["apikey.write", "user.read"], ["user.read"]);
    expectRefusal(await effective(authorization, userId), 403, "missing permission: role.read");
  });
});

/** As the gate finds them. */
const actorOf = async ({ token }: Person) =>
  authenticate(
    server.deps,
    `Bearer ${token}`,
    { requestId: "req_test", ip: null, userAgent: null },
    { whileSuspended: false },
  );

/** A key bound to its maker, whose role has `keys`. */
async function boundKey(keys: readonly string[], scopes: readonly string[]) {
  const person = await member(server, space, keys);
  const key = await apiKey(server, person, { user_id: person.userId, scopes });
  return { ...person, ...key };
}

/** As the mailed code does it. */
async function proveAddress(userId: string): Promise<void> {
  const { eq } = await import("drizzle-orm");
  const { users } = await import("../../db/schema/index.ts");
  await server.deps.db.transaction((tx) =>
    tx.update(users).set({ emailVerifiedAt: server.clock.now() }).where(eq(users.id, userId)),
  );
}
