/** Contract 00 §21 and 02 §9: whose home is another tenant. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { audited, logIn, published, resetToken } from "../auth/support.ts";
import {
  apiKey,
  assign,
  expectRefusal,
  member,
  ok,
  ownerRoleId,
  type Workspace,
  workspace,
} from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { getUser, guest, patchUser, setPassword, switchTo } from "./support.ts";

let server: TestServer;
let host: Workspace;
let home: Workspace;
beforeAll(async () => {
  server = await startServer();
  host = await workspace(server);
  home = await workspace(server);
});
afterAll(() => server.stop());

const ELSEWHERE = "user is managed by another tenant";
const NEW = { password: "eight green herons" };
const purge = (as: string, id: string) => server.call("DELETE", `/v1/users/${id}/purge`, { as });
const restore = (as: string, id: string) => server.call("POST", `/v1/users/${id}/restore`, { as });
const remove = (as: string, id: string) => server.call("DELETE", `/v1/users/${id}`, { as });
const opens = async (as: string) => (await server.call("GET", "/v1/auth/me", { as })).status;
const idsOf = async (space: Workspace): Promise<string[]> =>
  ok(await server.call("GET", "/v1/users?limit=200", { as: space.owner.token })).body.items.map(
    ({ id }: { id: string }) => id,
  );

describe("an administrator of the host", () => {
  test("02 §13: admin of T: get/patch/password/purge of a user homed in U who has a role in T; who has none", async () => {
    const as = host.owner.token;
    const { userId } = await guest(server, { home, host });
    ok(await getUser(server, as, userId));
    const changes = [
      { display_name: "Renamed" },
      { phone: "+41791234567" },
      { metadata: {} },
      { display_name: "Renamed", status: "suspended" },
      {},
    ];
    for (const change of changes)
      expectRefusal(await patchUser(server, as, userId, change), 403, ELSEWHERE);
    expectRefusal(await setPassword(server, as, userId, NEW), 403, ELSEWHERE);
    expectRefusal(await purge(as, userId), 404);
    for (const what of ["email/start", "email/confirm", "phone/start", "phone/confirm"]) {
      const body = what.endsWith("confirm") ? { code: "123456" } : {};
      const path = `/v1/users/${userId}/verify/${what}`;
      expectRefusal(await server.call("POST", path, { as, body }), 403, ELSEWHERE);
    }

    const { userId: stranger, email } = await member(server, home);
    expectRefusal(await getUser(server, as, stranger), 404);
    expectRefusal(await patchUser(server, as, stranger, { display_name: "Renamed" }), 404);
    expectRefusal(await patchUser(server, as, stranger, { status: "suspended" }), 404);
    expectRefusal(await setPassword(server, as, stranger, NEW), 404);
    expectRefusal(await remove(as, stranger), 404);
    expectRefusal(await restore(as, stranger), 404);
    expectRefusal(await purge(as, stranger), 404);
    ok(await logIn(server, email));
  });

  test("in whose bin nobody else's users are", async () => {
    const { userId } = await guest(server, { home, host });
    ok(await remove(home.owner.token, userId), 204);
    const as = host.owner.token;
    const bin = ok(await server.call("GET", "/v1/users/deleted", { as })).body;
    expect(bin.items).toEqual([]);
    expectRefusal(await restore(as, userId), 404);
    expectRefusal(await purge(as, userId), 404);
    expect(await idsOf(host)).not.toContain(userId);
    ok(await restore(home.owner.token, userId));
    expect(await idsOf(host)).toContain(userId);
  });

  test("removes them from the tenant and no more: roles, sessions and keys there", async () => {
    const person = await guest(server, { home, host }, ["user.read", "apikey.write"]);
    const { userId, token, guestToken } = person;
    const body = { user_id: userId, scopes: ["user.read"] };
    const { authorization } = await apiKey(server, { ...person, token: guestToken }, body);
    ok(await server.call("GET", "/v1/users", { as: authorization }));
    ok(await remove(host.owner.token, userId), 204);
    expect([await opens(guestToken), await opens(authorization), await opens(token)]).toEqual([
      401, 401, 200,
    ]);
    expectRefusal(await getUser(server, host.owner.token, userId), 404);
    expectRefusal(await remove(host.owner.token, userId), 404);
    expect(await idsOf(host)).not.toContain(userId);
    expect(await idsOf(home)).toContain(userId);
    const [event] = await audited(server, host.tenantId, "role.unassigned");
    expect(event).toMatchObject({ resourceId: userId, metadata: { role_id: person.roleId } });
    const [left] = await audited(server, host.tenantId, "user.updated");
    expect(left).toMatchObject({ resourceId: userId, metadata: { fields: ["membership"] } });
    expect(await audited(server, home.tenantId, "user.deleted")).not.toContainEqual(
      expect.objectContaining({ resourceId: userId }),
    );
  });

  test("does not remove the last owner, who is at home elsewhere", async () => {
    const space = await workspace(server);
    const person = await guest(server, { home, host: space }, []);
    const roleId = await ownerRoleId(server, space);
    const { userId, token } = person;
    ok(await assign(server, space.owner, { userId, tenantId: space.tenantId, roleId }), 204);
    const as = await switchTo(server, token, space.tenantId);
    ok(await remove(as, space.owner.userId), 204);
    for (const answer of [
      await remove(as, userId),
      // Suspending oneself is refused for another reason.
      await remove((await apiKey(server, { ...person, token: as })).authorization, userId),
      await patchUser(
        server,
        (await apiKey(server, { ...person, token: as })).authorization,
        userId,
        { status: "suspended" },
      ),
    ])
      expectRefusal(answer, 409, "tenant must keep an owner");
    expect(await opens(as)).toBe(200);
  });
});

describe("contract 00 §21: suspending a guest", () => {
  test("ends their sessions and keys in the tenant, and nothing elsewhere", async () => {
    const person = await guest(server, { home, host }, ["user.read", "apikey.write"]);
    const { userId, token, guestToken, email } = person;
    const { authorization } = await apiKey(
      server,
      { ...person, token: guestToken },
      { user_id: userId, scopes: ["user.read"] },
    );
    const as = host.owner.token;
    const suspended = ok(await patchUser(server, as, userId, { status: "suspended" })).body;
    expect(suspended).toMatchObject({ id: userId, status: "suspended" });
    expect([await opens(guestToken), await opens(authorization), await opens(token)]).toEqual([
      401, 401, 200,
    ]);
    const refused = await server.call("POST", "/v1/auth/switch-tenant", {
      as: token,
      body: { tenant_id: host.tenantId },
    });
    expectRefusal(refused, 403, "not a member of this tenant");
    ok(await logIn(server, email));

    // The tenant sees it, on the page too; home and the user do not.
    expect(ok(await getUser(server, as, userId)).body.status).toBe("suspended");
    const { items } = ok(await server.call("GET", "/v1/users?limit=200", { as })).body;
    expect(items).toContainEqual(expect.objectContaining({ id: userId, status: "suspended" }));
    for (const other of [home.owner.token, token])
      expect(ok(await getUser(server, other, userId)).body.status).toBe("active");

    const [event] = await audited(server, host.tenantId, "user.updated");
    expect(event).toMatchObject({ resourceId: userId, metadata: { fields: ["status"] } });
    const updates = (await published(server, userId)).filter(
      ({ eventType }) => eventType === "user.updated",
    );
    expect(updates.at(-1)).toMatchObject({
      eventType: "user.updated",
      tenantId: host.tenantId,
      payload: { status: "suspended", changed: ["status"] },
    });
  });

  test("again changes nothing; activating lets them in again, with their roles", async () => {
    const { userId, token } = await guest(server, { home, host });
    const as = host.owner.token;
    const set = (status: string) => patchUser(server, as, userId, { status });
    ok(await set("suspended"));
    const before = (await audited(server, host.tenantId, "user.updated")).length;
    ok(await set("suspended"));
    expect(await audited(server, host.tenantId, "user.updated")).toHaveLength(before);
    expect(ok(await set("active")).body.status).toBe("active");
    const again = await switchTo(server, token, host.tenantId);
    ok(await server.call("GET", "/v1/users", { as: again }));
  });

  test("outlives a role, the bin at home and the way back", async () => {
    const { userId } = await guest(server, { home, host });
    const as = host.owner.token;
    ok(await patchUser(server, as, userId, { status: "suspended" }));
    const second = await ownerRoleId(server, host);
    ok(await assign(server, host.owner, { userId, tenantId: host.tenantId, roleId: second }), 204);
    ok(await remove(home.owner.token, userId), 204);
    ok(await restore(home.owner.token, userId));
    expect(ok(await getUser(server, as, userId)).body.status).toBe("suspended");
    const path = `/v1/check?user_id=${userId}&tenant_id=${host.tenantId}&permission=user.read`;
    expect(ok(await server.call("GET", path, { as })).body.allowed).toBe(false);
  });

  test("who holds more than the administrator is not suspended by them", async () => {
    const admin = await member(server, host, ["user.write"]);
    const { userId } = await guest(server, { home, host }, ["role.write"]);
    expect((await patchUser(server, admin.token, userId, { status: "suspended" })).status).toBe(
      403,
    );
    expect(ok(await getUser(server, host.owner.token, userId)).body.status).toBe("active");
  });

  test("oneself is refused", async () => {
    const person = await guest(server, { home, host }, ["user.write"]);
    expectRefusal(
      await patchUser(server, person.guestToken, person.userId, { status: "suspended" }),
      409,
      "cannot suspend yourself",
    );
  });
});

describe("contract 00 §21: at home, while a member of another tenant", () => {
  test("password and phone are their own; a reset mail, and the end of sessions, are not refused", async () => {
    const { userId, email, token } = await guest(server, { home, host });
    const as = home.owner.token;
    const answer = await setPassword(server, as, userId, NEW);
    expectRefusal(answer, 403, "user belongs to another tenant as well: send a reset mail instead");
    expectRefusal(
      await patchUser(server, as, userId, { phone: "+41791234567" }),
      403,
      "user belongs to another tenant as well: only they may change their phone",
    );
    ok(await patchUser(server, as, userId, { display_name: "Renamed" }));
    expect(await resetToken(server, email)).toBeString();
    const [session] = ok(await server.call("GET", `/v1/users/${userId}/sessions`, { as })).body
      .items;
    ok(await server.call("DELETE", `/v1/auth/sessions/${session.id}`, { as }), 204);
    // The newest is the one that the test opened last: the guest's own at the host.
    expect(await opens(token)).toBe(200);
  });

  test("a personal workspace is no other tenant", async () => {
    const space = await workspace(server);
    const second = await member(server, space);
    const roleId = await ownerRoleId(server, space);
    const { tenantId, owner } = space;
    ok(await assign(server, owner, { userId: second.userId, tenantId, roleId }), 204);
    const own = ok(await server.call("GET", "/v1/tenants", { as: owner.token })).body.items;
    expect(own).toHaveLength(2);
    ok(await setPassword(server, second.token, owner.userId, NEW), 204);
    ok(await logIn(server, owner.email, NEW));
  });
});
