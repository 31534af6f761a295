/** Contract 02 §3. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { decodeJwt } from "jose";
import { refreshTokens, sessions } from "../../db/schema/index.ts";
import { audited, counts, logIn, MINUTE, mailTo, published, refresh } from "../auth/support.ts";
import { assign, expectRefusal, member, ok, role, unassign, workspace } from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";

const REUSED = "refresh token reuse — session revoked";
const TTL_MS = 720 * 60 * MINUTE;

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const me = (token: string) => server.call("GET", "/v1/auth/me", { as: token });

async function sessionRow(id: string) {
  const [row] = await server.deps.db.read.select().from(sessions).where(eq(sessions.id, id));
  return row!;
}

describe("refresh", () => {
  test("answers a new pair of the same session, good for the whole time from now", async () => {
    const person = await server.signUp();
    server.clock.advance(20 * MINUTE);
    const { body } = ok(await refresh(server, person.refreshToken));
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: "Bearer",
      expires_at: new Date(server.clock.now().getTime() + 15 * MINUTE).toISOString(),
      refresh_token: expect.stringMatching(/^[\w-]{43}$/),
      session_id: person.sessionId,
      user_id: person.userId,
      tenant_id: person.tenantId,
    });
    expect(body.refresh_token).not.toBe(person.refreshToken);
    ok(await me(body.access_token));
    // What the sign-in proved, and when, is carried over.
    const { auth_time: authTime, amr, iat } = decodeJwt(body.access_token);
    expect(Number(iat) - Number(authTime)).toBe(20 * 60);
    expect(amr).toEqual(["pwd"]);
    expect((await sessionRow(person.sessionId)).lastSeenAt).toEqual(server.clock.now());
    server.clock.advance(TTL_MS - 1);
    ok(await refresh(server, body.refresh_token));
  });

  test("02 §13: refresh: ok; replay old; then use newest", async () => {
    const { refreshToken, userId, tenantId, sessionId, email } = await server.signUp();
    const { body } = ok(await refresh(server, refreshToken));
    const before = await counts(server);
    const replayed = await server.call("POST", "/v1/auth/refresh", {
      body: { refresh_token: refreshToken },
      headers: { "user-agent": "thief/1.0" },
    });
    expectRefusal(replayed, 401, REUSED);
    expectRefusal(await refresh(server, body.refresh_token), 401, "session revoked");
    expectRefusal(await me(body.access_token), 401);
    expect((await sessionRow(sessionId)).revokedReason).toBe("refresh_reuse");

    const [event, ...more] = await audited(server, tenantId, "auth.token_reuse_detected");
    expect(more).toEqual([]);
    const [token] = await server.deps.db.read
      .select()
      .from(refreshTokens)
      .where(eq(refreshTokens.replacedBy, (await newest(sessionId)).id));
    expect(event).toMatchObject({
      actorType: "system",
      actorUserId: userId,
      resourceType: "session",
      resourceId: sessionId,
      metadata: {
        session_id: sessionId,
        refresh_token_id: token!.id,
        reason: "refresh_token_reuse",
        ip: "127.0.0.1",
        user_agent: "thief/1.0",
      },
    });
    const events = await published(server, sessionId);
    expect(events.map(({ topic, eventType }) => [topic, eventType])).toEqual([
      ["session.events", "session.created"],
      ["auth", "auth.session.revoked_for_reuse"],
      ["session.events", "session.revoked"],
    ]);
    expect(events[1]!.payload).toEqual({
      user_id: userId,
      tenant_id: tenantId,
      session_id: sessionId,
      ip: "127.0.0.1",
      user_agent: "thief/1.0",
    });
    expect(events[2]!.payload).toMatchObject({ reason: "refresh_reuse" });
    expect(await mailTo(server, email)).toEqual(["security_alert", "verify_email"]);
    // Again: the same answer, and nothing more.
    expectRefusal(await refresh(server, refreshToken), 401, REUSED);
    expect(await counts(server)).toEqual({
      ...before,
      audit: before.audit! + 1,
      outbox: before.outbox! + 2,
      mail: before.mail! + 1,
    });
  });

  const newest = async (sessionId: string) => {
    const rows = await server.deps.db.read
      .select()
      .from(refreshTokens)
      .where(eq(refreshTokens.sessionId, sessionId));
    return rows.find(({ usedAt }) => usedAt === null)!;
  };

  test("reuse without a tenant: `tenant_id: null`, in the platform's log", async () => {
    const alone = await startServer({ signupPersonalTenant: false });
    try {
      const { refreshToken, sessionId } = await alone.signUp();
      const { body } = ok(await refresh(alone, refreshToken));
      expect(body).not.toHaveProperty("tenant_id");
      expectRefusal(await refresh(alone, refreshToken), 401, REUSED);
      expect(await audited(alone, null, "auth.token_reuse_detected")).toHaveLength(1);
      const event = (await published(alone, sessionId)).find(({ topic }) => topic === "auth");
      expect(event!.payload).toMatchObject({ tenant_id: null });
    } finally {
      await alone.stop();
    }
  });

  test.each([2, 8])("02 §13: refresh same token twice in parallel (%i at once)", async (times) => {
    const { refreshToken, sessionId, tenantId } = await server.signUp();
    const answers = await Promise.all(
      Array.from({ length: times }, () => refresh(server, refreshToken)),
    );
    const won = answers.filter(({ status }) => status === 200);
    expect(won).toHaveLength(1);
    for (const answer of answers) if (answer.status !== 200) expectRefusal(answer, 401, REUSED);
    expect((await sessionRow(sessionId)).revokedReason).toBe("refresh_reuse");
    expectRefusal(await refresh(server, won[0]!.body.refresh_token), 401, "session revoked");
    expectRefusal(await me(won[0]!.body.access_token), 401);
    expect(await audited(server, tenantId, "auth.token_reuse_detected")).toHaveLength(1);
  });

  test("02 §13: refresh expired unused; expired *used*", async () => {
    const unused = await server.signUp();
    const used = await server.signUp();
    const { body } = ok(await refresh(server, used.refreshToken));
    server.clock.advance(TTL_MS);
    expectRefusal(await refresh(server, unused.refreshToken), 401, "refresh token expired");
    expect((await sessionRow(unused.sessionId)).revokedAt).toBeNull();
    // RFC 9700 §4.14.2: an old token that is replayed is a theft, however old.
    expectRefusal(await refresh(server, used.refreshToken), 401, REUSED);
    expectRefusal(await refresh(server, body.refresh_token), 401, "session revoked");
  });

  test.each(["suspend", "delete", "role removal", "tenant delete"])(
    "02 §13: refresh after suspend / delete / role removal / tenant delete: %s",
    async (what) => {
      const space = await workspace(server);
      const { owner, tenantId } = space;
      const home = what !== "role removal";
      const path = (userId: string) => `/v1/users/${userId}`;
      // Membership through a role ends with the role; then the home is elsewhere.
      const guest = home ? await member(server, space) : await server.signUp();
      const roleId = await role(server, space, ["user.read"]);
      const assignment = { userId: guest.userId, tenantId, roleId };
      if (!home) {
        await verify(guest.userId);
        ok(await assign(server, owner, assignment), 204);
      }
      const own = ok(await logIn(server, guest.email)).body;
      const { body } = home
        ? { body: own }
        : ok(
            await server.call("POST", "/v1/auth/switch-tenant", {
              as: own.access_token,
              body: { tenant_id: tenantId },
            }),
          );
      const rotated = ok(await refresh(server, body.refresh_token)).body;
      const as = owner.token;
      if (what === "suspend")
        ok(await server.call("PATCH", path(guest.userId), { as, body: { status: "suspended" } }));
      else if (what === "delete") ok(await server.call("DELETE", path(guest.userId), { as }), 204);
      else if (what === "role removal") ok(await unassign(server, owner, assignment), 204);
      else ok(await server.call("DELETE", `/v1/tenants/${tenantId}`, { as }), 204);
      expectRefusal(await refresh(server, rotated.refresh_token), 401, "session revoked");
      const revoked = await sessionRow(body.session_id);
      expect(revoked.revokedReason).toBe(
        {
          suspend: "user_suspended",
          delete: "user_deleted",
          "role removal": "membership_removed",
          "tenant delete": "tenant_deleted",
        }[what]!,
      );
    },
  );

  test("a session that outlived its user's access by another way ends at refresh", async () => {
    const { refreshToken, sessionId, userId } = await server.signUp();
    const { users } = await import("../../db/schema/index.ts");
    await server.deps.db.transaction(async (tx) => {
      await tx.update(users).set({ status: "suspended" }).where(eq(users.id, userId));
    });
    expectRefusal(await refresh(server, refreshToken), 401, "session revoked");
    expect((await sessionRow(sessionId)).revokedReason).toBe("policy");
    expect((await published(server, sessionId)).at(-1)?.eventType).toBe("session.revoked");
  });

  test("refresh while the tenant is suspended: 401, session revoked", async () => {
    const space = await workspace(server);
    const guest = await member(server, space);
    const { body } = ok(await logIn(server, guest.email));
    ok(
      await server.call("PATCH", `/v1/tenants/${space.tenantId}`, {
        as: space.owner.token,
        body: { status: "suspended" },
      }),
    );
    expectRefusal(await refresh(server, body.refresh_token), 401, "session revoked");
  });

  test("02 §13: refresh with an OIDC refresh token, an access token, 10 kB string", async () => {
    const { token } = await server.signUp();
    for (const text of [token, "x".repeat(10_240), "mfa_x", " "]) {
      const before = await counts(server);
      expectRefusal(await refresh(server, text), 401, "unknown refresh token");
      expect(await counts(server)).toEqual(before);
    }
  });

  test.each([
    ["no token", {}, 422],
    ["an empty token", { refresh_token: "" }, 422],
    ["a number", { refresh_token: 1 }, 400],
    ["a member that is not known", { refresh_token: "x", scope: "y" }, 400],
  ])("%s: refused", async (_, body, status) => {
    expectRefusal(await server.call("POST", "/v1/auth/refresh", { body }), status);
  });

  async function verify(userId: string) {
    const { users } = await import("../../db/schema/index.ts");
    await server.deps.db.transaction(async (tx) => {
      await tx
        .update(users)
        .set({ emailVerifiedAt: server.clock.now() })
        .where(eq(users.id, userId));
    });
  }
});
