/** Contract 02 §4: the current principal, logout, the list of sessions, ending one, another tenant. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { decodeJwt } from "jose";
import { sessions, users } from "../../db/schema/index.ts";
import { audited, counts, logIn, MINUTE, published, refresh } from "../auth/support.ts";
import {
  apiKey,
  assign,
  expectRefusal,
  member,
  ok,
  role,
  UNKNOWN_ID,
  type Workspace,
  workspace,
} from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let space: Workspace;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
});
afterAll(() => server.stop());

const get = (path: string, as: string) => server.call("GET", path, { as });
const end = (id: string, as: string) => server.call("DELETE", `/v1/auth/sessions/${id}`, { as });
const idsOf = async (as: string, query = "") =>
  ok(await get(`/v1/auth/sessions${query}`, as)).body.items.map(({ id }: { id: string }) => id);

async function rowOf(id: string) {
  const [row] = await server.deps.db.read.select().from(sessions).where(eq(sessions.id, id));
  return row!;
}

/** Somebody at home elsewhere who may be given a role here. */
async function guest(roleKeys: readonly string[]) {
  const person = await server.signUp();
  await server.deps.db.transaction(async (tx) => {
    await tx
      .update(users)
      .set({ emailVerifiedAt: server.clock.now() })
      .where(eq(users.id, person.userId));
  });
  const roleId = await role(server, space, roleKeys);
  ok(await assign(server, space.owner, { ...space, userId: person.userId, roleId }), 204);
  return person;
}

describe("GET /v1/auth/me", () => {
  test("a session, a bound key, an unbound key", async () => {
    const { userId, token } = space.owner;
    const { sid } = decodeJwt(token);
    expect(ok(await get("/v1/auth/me", token)).body).toEqual({
      user_id: userId,
      tenant_id: space.tenantId,
      session_id: sid,
      actor: "user",
      scopes: [],
    });
    const bound = await apiKey(server, space.owner, { user_id: userId, scopes: ["user.read"] });
    expect(ok(await get("/v1/auth/me", bound.authorization)).body).toEqual({
      user_id: userId,
      tenant_id: space.tenantId,
      session_id: null,
      actor: "api_key",
      scopes: ["user.read"],
    });
    const unbound = await apiKey(server, space.owner);
    expect(ok(await get("/v1/auth/me", unbound.authorization)).body).toMatchObject({
      user_id: null,
      session_id: null,
      actor: "api_key",
    });
  });
});

describe("logout", () => {
  test("02 §13: logout, then the same access token", async () => {
    const { token, refreshToken, sessionId, tenantId, userId } = await server.signUp();
    ok(await get("/v1/auth/me", token));
    ok(await server.call("POST", "/v1/auth/logout", { as: token }), 204);
    expectRefusal(await get("/v1/auth/me", token), 401);
    expectRefusal(await refresh(server, refreshToken), 401, "session revoked");
    expectRefusal(await server.call("POST", "/v1/auth/logout", { as: token }), 401);
    expect((await rowOf(sessionId)).revokedReason).toBe("logout");
    const [event] = await audited(server, tenantId, "auth.logged_out");
    expect(event).toMatchObject({ actorUserId: userId, resourceId: sessionId });
    expect((await published(server, sessionId)).at(-1)).toMatchObject({
      eventType: "session.revoked",
      payload: { reason: "logout", user_id: userId },
    });
    expect((await published(server, userId)).at(-1)?.eventType).toBe("user.signed_out");
  });

  test.each([
    ["none", undefined],
    ["{}", {}],
    ["any JSON", { all: [1, "x"] }],
  ])("02 §4.1: a body is ignored: %s", async (_, body) => {
    const { token } = await server.signUp();
    ok(await server.call("POST", "/v1/auth/logout", { as: token, body }), 204);
  });

  test("twice at once: 204 each, or 401 for the later; one event", async () => {
    const { token, tenantId } = await server.signUp();
    const answers = await Promise.all(
      [1, 2, 3].map(() => server.call("POST", "/v1/auth/logout", { as: token })),
    );
    for (const { status } of answers) expect([204, 401]).toContain(status);
    expect(await audited(server, tenantId, "auth.logged_out")).toHaveLength(1);
  });

  test("02 §13: logout with API key; sessions list with unbound / user-bound key", async () => {
    const bound = await apiKey(server, space.owner, { user_id: space.owner.userId });
    const unbound = await apiKey(server, space.owner);
    for (const { authorization } of [bound, unbound]) {
      const before = await counts(server);
      const answer = await server.call("POST", "/v1/auth/logout", { as: authorization });
      expectRefusal(answer, 401);
      expect(await counts(server)).toEqual(before);
    }
    expectRefusal(await get("/v1/auth/sessions", unbound.authorization), 401);
    const listed = ok(await get("/v1/auth/sessions", bound.authorization)).body.items;
    expect(listed.length).toBeGreaterThan(0);
    for (const one of listed)
      expect([one.user_id, one.current]).toEqual([space.owner.userId, false]);
  });
});

describe("GET /v1/auth/sessions", () => {
  test("newest first, revoked ones included, one of them current", async () => {
    const { email, token, sessionId, userId, tenantId } = await server.signUp();
    server.clock.advance(1_000);
    const second = ok(await logIn(server, email, { headers: { "user-agent": "phone/2" } })).body;
    server.clock.advance(1_000);
    const third = ok(await logIn(server, email)).body;
    ok(await end(third.session_id, token), 204);
    const { items } = ok(await get("/v1/auth/sessions", second.access_token)).body;
    expect(items.map(({ id }: { id: string }) => id)).toEqual([
      third.session_id,
      second.session_id,
      sessionId,
    ]);
    expect(items[1]).toEqual({
      id: second.session_id,
      user_id: userId,
      tenant_id: tenantId,
      ip: "127.0.0.1",
      user_agent: "phone/2",
      created_at: expect.stringMatching(/^2026-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/),
      last_seen_at: expect.any(String),
      revoked_at: null,
      current: true,
    });
    expect(items[0]).toMatchObject({
      revoked_at: server.clock.now().toISOString(),
      current: false,
    });
    expect(await idsOf(second.access_token, "?active=true")).toEqual([
      second.session_id,
      sessionId,
    ]);
    // 720 hours without use, and its refresh token is gone.
    server.clock.advance(720 * 60 * MINUTE);
    const fresh = ok(await logIn(server, email)).body;
    expect(await idsOf(fresh.access_token, "?active=true")).toEqual([fresh.session_id]);
    expect(await idsOf(fresh.access_token)).toHaveLength(4);
  });

  test("at most 100", async () => {
    const { email } = await server.signUp();
    let token = "";
    for (let round = 0; round < 11; round++) {
      const answers = await Promise.all(Array.from({ length: 10 }, () => logIn(server, email)));
      token = ok(answers[0]!).body.access_token;
    }
    expect(await idsOf(token)).toHaveLength(100);
  });
});

describe("ending sessions", () => {
  test("02 §13: revoke another user's session as plain user / as admin of its home tenant / unknown id / own twice", async () => {
    const owner = await renewed();
    const victim = await member(server, { ...space, owner });
    const { session_id: id, access_token: token } = ok(await logIn(server, victim.email)).body;
    const plain = await member(server, { ...space, owner });
    const helper = await member(server, { ...space, owner }, ["user.write"]);
    const reader = await member(server, { ...space, owner }, ["user.read"]);
    const stranger = await workspace(server);
    const machine = await apiKey(server, owner, { scopes: ["user.read"] });
    const bound = await apiKey(server, owner, { user_id: victim.userId, scopes: ["user.read"] });
    const before = await counts(server);
    const others = [plain.token, reader.token, stranger.owner.token];
    for (const as of [...others, machine.authorization, bound.authorization])
      for (const path of [`/v1/auth/sessions/${id}`, `/v1/sessions/${id}`])
        expectRefusal(await server.call("DELETE", path, { as }), 404);
    expectRefusal(await end(UNKNOWN_ID, owner.token), 404);
    expectRefusal(await end("not-a-uuid", owner.token), 400);
    expectRefusal(await server.call("DELETE", `/v1/auth/sessions/${id}`), 401);
    expect(await counts(server)).toEqual(before);
    ok(await get("/v1/auth/me", token));

    ok(await end(id, helper.token), 204);
    expectRefusal(await get("/v1/auth/me", token), 401);
    expect((await rowOf(id)).revokedReason).toBe("admin");
    const [event] = await audited(server, space.tenantId, "session.revoked");
    expect(event).toMatchObject({
      actorUserId: helper.userId,
      resourceId: id,
      metadata: { user_id: victim.userId, reason: "admin" },
    });
    expect((await published(server, id)).at(-1)).toMatchObject({
      eventType: "session.revoked",
      payload: { user_id: victim.userId, reason: "admin" },
    });

    const own = ok(await logIn(server, victim.email)).body;
    const other = ok(await logIn(server, victim.email)).body;
    ok(await end(other.session_id, own.access_token), 204);
    const after = await counts(server);
    ok(await end(other.session_id, own.access_token), 204);
    expect(await counts(server)).toEqual(after);
    expect((await rowOf(other.session_id)).revokedReason).toBe("user");
  });

  test("07 §1.7: nobody ends a session of who holds a key that they lack", async () => {
    const owner = await renewed();
    const helper = await member(server, { ...space, owner }, ["user.write"]);
    const { sid } = decodeJwt(owner.token);
    expectRefusal(await end(String(sid), helper.token), 403);
    expectRefusal(await get(`/v1/users/${owner.userId}/sessions`, helper.token), 403);
    ok(await get("/v1/auth/me", owner.token));
  });

  test("a member with another home is not theirs to end", async () => {
    const owner = await renewed();
    space = { ...space, owner };
    const person = await guest(["user.read"]);
    expectRefusal(await end(person.sessionId, owner.token), 404);
    expectRefusal(await get(`/v1/users/${person.userId}/sessions`, owner.token), 404);
    ok(await get("/v1/auth/me", person.token));
  });

  test("02 §12: DELETE /v1/auth/sessions ends all but the current one", async () => {
    const { email, token, sessionId } = await server.signUp();
    const others = [ok(await logIn(server, email)).body, ok(await logIn(server, email)).body];
    const bystander = await server.signUp();
    ok(await server.call("DELETE", "/v1/auth/sessions", { as: token }), 204);
    for (const { access_token: as, refresh_token: old } of others) {
      expectRefusal(await get("/v1/auth/me", as), 401);
      expectRefusal(await refresh(server, old), 401, "session revoked");
    }
    expect(await idsOf(token, "?active=true")).toEqual([sessionId]);
    ok(await get("/v1/auth/me", bystander.token));
    const before = await counts(server);
    ok(await server.call("DELETE", "/v1/auth/sessions", { as: token }), 204);
    expect(await counts(server)).toEqual(before);
  });

  test("02 §12: GET /v1/users/{id}/sessions: oneself, or with user.write; DELETE /v1/sessions/{id}", async () => {
    const owner = await renewed();
    const person = await member(server, { ...space, owner });
    const reader = await member(server, { ...space, owner }, ["user.read"]);
    const helper = await member(server, { ...space, owner }, ["user.write"]);
    const path = `/v1/users/${person.userId}/sessions`;
    const own = ok(await get(path, person.token)).body.items;
    expect(own).toMatchObject([{ user_id: person.userId, current: true }]);
    const seen = ok(await get(path, helper.token)).body.items;
    expect(seen).toEqual([{ ...own[0], current: false }]);
    expectRefusal(await get(path, reader.token), 403, "missing permission: user.write");
    expectRefusal(await get(`/v1/users/${UNKNOWN_ID}/sessions`, helper.token), 404);
    const [{ id }] = own;
    ok(await server.call("DELETE", `/v1/sessions/${id}`, { as: helper.token }), 204);
    expectRefusal(await get("/v1/auth/me", person.token), 401);
  });

  /** The owner, signed in again: the clock has moved. */
  async function renewed() {
    const { access_token: token } = ok(await logIn(server, space.owner.email)).body;
    return { ...space.owner, token };
  }
});

describe("switch-tenant", () => {
  const to = (tenantId: unknown, as: string) =>
    server.call("POST", "/v1/auth/switch-tenant", { as, body: { tenant_id: tenantId } });

  test('02 §13: switch-tenant: member; non-member; unknown uuid; "x"; via API key bound to the user; via OIDC-issued token', async () => {
    const { access_token: token } = ok(await logIn(server, space.owner.email)).body;
    space = { ...space, owner: { ...space.owner, token } };
    const person = await guest(["user.read"]);
    server.clock.advance(5 * MINUTE);
    const { body } = ok(await to(space.tenantId.toUpperCase(), person.token));
    expect(body).toMatchObject({ user_id: person.userId, tenant_id: space.tenantId });
    expect(body.session_id).not.toBe(person.sessionId);
    // The old one stays; what it proved, and when, goes with the new one.
    ok(await get("/v1/auth/me", person.token));
    ok(await get("/v1/users", body.access_token));
    const { auth_time: authTime, iat, amr } = decodeJwt(body.access_token);
    expect([Number(iat) - Number(authTime), amr]).toEqual([5 * 60, ["pwd"]]);
    expect(await rowOf(body.session_id)).toMatchObject({ method: "tenant_switch" });
    const [event] = await audited(server, space.tenantId, "auth.login_succeeded");
    expect(event!.metadata).toEqual({ method: "tenant_switch" });
    const events = await published(server, person.userId);
    expect(events.filter(({ eventType }) => eventType === "user.signed_in")).toHaveLength(1);

    const stranger = await workspace(server);
    const key = await apiKey(server, stranger.owner, { user_id: stranger.owner.userId });
    const unbound = await apiKey(server, stranger.owner);
    const before = await counts(server);
    expectRefusal(
      await to(stranger.tenantId, body.access_token),
      403,
      "not a member of this tenant",
    );
    expectRefusal(await to(UNKNOWN_ID, body.access_token), 403, "not a member of this tenant");
    expectRefusal(await to("x", body.access_token), 422);
    expectRefusal(await to(undefined, body.access_token), 422);
    expectRefusal(await to(5, body.access_token), 400);
    for (const { authorization } of [key, unbound])
      expectRefusal(await to(stranger.tenantId, authorization), 403);
    expect(await counts(server)).toEqual(before);
  });

  test("02 §4.5: a deleted tenant: 403; a suspended membership: 403", async () => {
    const person = await server.signUp();
    const made = await server.call("POST", "/v1/tenants", {
      as: person.token,
      body: { name: "Gone" },
    });
    const { tenant_id: gone, access_token: as } = ok(made, 201).body;
    ok(await to(gone, person.token));
    ok(await server.call("DELETE", `/v1/tenants/${gone}`, { as }), 204);
    expectRefusal(await to(gone, person.token), 403, "not a member of this tenant");
  });

  test("a session that was ended meanwhile opens no other", async () => {
    const person = await server.signUp();
    const results = await Promise.all([
      server.call("POST", "/v1/auth/logout", { as: person.token }),
      to(person.tenantId, person.token),
    ]);
    // Whichever came first: the switched one lives only if it was opened before the logout.
    expect(results[0]!.status).toBe(204);
    expect([200, 401]).toContain(results[1]!.status);
    expectRefusal(await to(person.tenantId, person.token), 401);
  });
});
