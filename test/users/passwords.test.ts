/** Contract 02 §9.9: passwords by whom; and by which key. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  audited,
  logIn,
  MINUTE,
  magicToken,
  mailTo,
  published,
  refresh,
  resetToken,
  WRONG,
} from "../auth/support.ts";
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
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";
import { patchUser, setPassword, verify } from "./support.ts";

let server: TestServer;
let space: Workspace;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
});
afterAll(() => server.stop());

const LAST_OWNER = "tenant must keep an owner";
const _fresh = () => `new-${crypto.randomUUID()}@example.com`;
const _create = (as: string, body: object) => server.call("POST", "/v1/users", { as, body });
const remove = (as: string, id: string) => server.call("DELETE", `/v1/users/${id}`, { as });
const opens = async (as: string) => (await server.call("GET", "/v1/auth/me", { as })).status;

describe("who manages whom", () => {
  test("a key does what its scopes allow, whoever made it", async () => {
    const { authorization: as } = await apiKey(server, space.owner, { scopes: ["user.write"] });
    const { userId } = await member(server, space, ["role.write"]);
    const lacks = "the user holds a permission that you lack: role.write";
    expectRefusal(await patchUser(server, as, userId, { display_name: "x" }), 403, lacks);
    expectRefusal(await remove(as, userId), 403, lacks);
    expectRefusal(await setPassword(server, as, userId, { password: WRONG }), 403, lacks);
    // In the bin, too: the roles of who is in it are still there.
    ok(await remove(space.owner.token, userId), 204);
    expectRefusal(await server.call("POST", `/v1/users/${userId}/restore`, { as }), 403, lacks);
    expectRefusal(await server.call("DELETE", `/v1/users/${userId}/purge`, { as }), 403, lacks);
  });

  test("an owner who is suspended, or in the bin, keeps no tenant", async () => {
    const shared = await workspace(server);
    const { tenantId, owner } = shared;
    const { authorization: as } = await apiKey(server, owner); // oneself is refused for another reason
    const roleId = await ownerRoleId(server, shared);
    const suspend = () => patchUser(server, as, owner.userId, { status: "suspended" });
    const second = await member(server, shared);
    ok(await assign(server, owner, { userId: second.userId, tenantId, roleId }), 204);
    ok(await patchUser(server, as, second.userId, { status: "suspended" }));
    expectRefusal(await suspend(), 409, LAST_OWNER);
    ok(await remove(as, second.userId), 204);
    expectRefusal(await remove(as, owner.userId), 409, LAST_OWNER);
    ok(await server.call("POST", `/v1/users/${second.userId}/restore`, { as }));
    // Restored as suspended.
    expectRefusal(await remove(as, owner.userId), 409, LAST_OWNER);
    expect(await opens(owner.token)).toBe(200);
    ok(await patchUser(server, as, second.userId, { status: "active" }));
    ok(await remove(as, owner.userId), 204);
  });
});

describe("POST /v1/users/{id}/password", () => {
  test("by an administrator: ends every session, voids reset links, tells the user", async () => {
    const admin = await member(server, space, ["user.write"]);
    const person = await member(server, space);
    const { refresh_token: token } = ok(await logIn(server, person.email)).body;
    const link = await resetToken(server, person.email);
    ok(await setPassword(server, admin.token, person.userId, { password: WRONG }), 204);
    expect(await opens(person.token)).toBe(401);
    expectRefusal(await refresh(server, token), 401, "session revoked");
    expectRefusal(await logIn(server, person.email), 401);
    ok(await logIn(server, person.email, { password: WRONG }));
    const body = { token: link, new_password: PASSWORD };
    expectRefusal(await server.call("POST", "/v1/auth/reset-password", { body }), 400);
    const [event] = await audited(server, space.tenantId, "user.password_set");
    expect(event).toMatchObject({
      actorUserId: admin.userId,
      resourceId: person.userId,
      metadata: { by: "admin", sessions_revoked: 2 },
    });
    expect(await mailTo(server, person.email)).toContain("password_changed");
    expect(await published(server, person.userId)).toContainEqual(
      expect.objectContaining({
        eventType: "user.password.changed",
        payload: { user_id: person.userId, by: "admin" },
      }),
    );
  });

  test("unknown, deleted, foreign user: 404; a password too weak: 422, and the old one stays", async () => {
    const as = space.owner.token;
    const gone = await member(server, space);
    ok(await remove(as, gone.userId), 204);
    const foreign = (await workspace(server)).owner;
    for (const id of [gone.userId, foreign.userId, crypto.randomUUID()])
      expectRefusal(await setPassword(server, as, id, { password: WRONG }), 404);
    ok(await logIn(server, foreign.email));
    const person = await member(server, space);
    const weak = await setPassword(server, as, person.userId, { password: "password123" });
    expectRefusal(weak, 422);
    ok(await logIn(server, person.email));
  });

  test("02 §13: set own password without / with wrong / right current_password", async () => {
    const person = await member(server, space);
    const { access_token: other } = ok(await logIn(server, person.email)).body;
    const own = (body: object) => setPassword(server, person.token, person.userId, body);
    expectRefusal(await own({ password: WRONG }), 403, "current_password is required");
    const wrong = { password: WRONG, current_password: "not that one" };
    expectRefusal(await own(wrong), 401, "invalid credentials");
    expect([await opens(person.token), await opens(other)]).toEqual([200, 200]);
    ok(await own({ password: WRONG, current_password: PASSWORD }), 204);
    expect([await opens(person.token), await opens(other)]).toEqual([200, 401]);
    expectRefusal(await logIn(server, person.email), 401);
    ok(await logIn(server, person.email, { password: WRONG }));
  });

  test("02 §9.9: with user.write one's own needs no proof, but of a tenant beside it", async () => {
    const admin = await member(server, space, ["user.write"]);
    const own = (as: string) => setPassword(server, as, admin.userId, { password: WRONG });
    ok(await own(admin.token), 204);
    expect(await opens(admin.token)).toBe(200);
    const shared = await workspace(server);
    await verify(server, admin.userId);
    const roleId = await ownerRoleId(server, shared);
    const target = { userId: admin.userId, tenantId: shared.tenantId, roleId };
    ok(await assign(server, shared.owner, target), 204);
    const { access_token: as } = ok(await logIn(server, admin.email, { password: WRONG })).body;
    expectRefusal(await own(as), 403, "current_password is required");
  });

  // The clock moves: tokens of the tests before have expired.
  test("02 §9.9: without a password: within 15 minutes of the sign-in; then 403", async () => {
    const email = `link-${crypto.randomUUID()}@example.com`;
    const as = ok(await logIn(server, space.owner.email)).body.access_token;
    const { id } = ok(await server.call("POST", "/v1/users", { as, body: { email } }), 201).body;
    const body = { token: await magicToken(server, email) };
    const signedIn = ok(await server.call("POST", "/v1/auth/magic-link/consume", { body })).body;
    server.clock.advance(15 * MINUTE + 1);
    const { access_token: late } = ok(await refresh(server, signedIn.refresh_token)).body;
    expectRefusal(await setPassword(server, late, id, { password: WRONG }), 403);
    expectRefusal(await logIn(server, email, { password: WRONG }), 401);
    const again = { token: await magicToken(server, email) };
    const { access_token: soon } = ok(
      await server.call("POST", "/v1/auth/magic-link/consume", { body: again }),
    ).body;
    ok(await setPassword(server, soon, id, { password: WRONG }), 204);
    ok(await logIn(server, email, { password: WRONG }));
  });
});
