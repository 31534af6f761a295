/** Contract 02 §6. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { passwordResets, users } from "../../db/schema/index.ts";
import {
  audited,
  counts,
  logIn,
  MINUTE,
  mailedToken,
  mailTo,
  published,
  refresh,
  resetToken,
  timed,
  WRONG,
} from "../auth/support.ts";
import { apiKey, expectRefusal, member, ok, workspace } from "../rbac/support.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const forgot = (body: object, on = server) => on.call("POST", "/v1/auth/forgot-password", { body });
const reset = (body: object) => server.call("POST", "/v1/auth/reset-password", { body });

describe("forgot-password", () => {
  test("02 §13: forgot-password: {email} of an active user; unknown; suspended; foreign tenant_id; 4th request within 10 min", async () => {
    const limited = await startServer({
      rateLimits: { ...server.deps.config.rateLimits, mail: { ratePerSecond: 3 / 600, burst: 3 } },
    });
    try {
      const space = await workspace(limited);
      const person = await member(limited, space);
      const suspended = await member(limited, space);
      const deleted = await member(limited, space);
      const stranger = await limited.signUp();
      const as = space.owner.token;
      const path = `/v1/users/${suspended.userId}`;
      ok(await limited.call("PATCH", path, { as, body: { status: "suspended" } }));
      ok(await limited.call("DELETE", `/v1/users/${deleted.userId}`, { as }), 204);
      const before = await counts(limited);
      const silent = [
        { email: "unknown@example.com" },
        { email: suspended.email },
        { email: deleted.email },
        { email: person.email, tenant_id: stranger.tenantId },
        { email: person.email, tenant_id: crypto.randomUUID() },
      ];
      for (const body of silent) {
        const answer = await timed(() => forgot(body, limited));
        expect([answer.status, answer.body]).toEqual([202, undefined]);
        expect(answer.ms).toBeGreaterThanOrEqual(250);
      }
      expect(await counts(limited)).toEqual(before);

      // Two of its three are spent on the foreign tenants: nobody learns whether they were.
      const upper = { email: ` ${person.email.toUpperCase()}`, tenant_id: space.tenantId };
      const sent = await timed(() => forgot(upper, limited));
      expect([sent.status, sent.body]).toEqual([202, undefined]);
      expect(sent.ms).toBeGreaterThanOrEqual(250);
      expect(await mailTo(limited, person.email)).toEqual(["password_reset"]);
      const [event] = await audited(limited, null, "auth.password_reset_requested");
      expect(event).toMatchObject({
        actorType: "system",
        actorUserId: person.userId,
        resourceId: person.userId,
      });
      ok(await forgot({ email: person.email }, limited), 202);
      // Links to sign in count on the same bucket.
      const body = { email: person.email };
      ok(await limited.call("POST", "/v1/auth/magic-link/start", { body }), 202);
      expect(await mailTo(limited, person.email)).toEqual(["password_reset"]);
      limited.clock.advance(10 * MINUTE);
    } finally {
      await limited.stop();
    }
  });

  test("the link is to the page of the application; the token is stored as a hash, for an hour", async () => {
    const { email } = await server.signUp();
    const token = await resetToken(server, email);
    expect(token).toMatch(/^[\w-]{43}$/);
    const rows = await server.deps.db.read.select().from(passwordResets);
    expect(JSON.stringify(rows)).not.toContain(token);
    expect(rows.at(-1)!.expiresAt.getTime() - server.clock.now().getTime()).toBe(60 * MINUTE);
  });

  test.each([
    ["no address", { email: "x" }, 422],
    ["none at all", {}, 422],
    ["a tenant that is no UUID", { email: "x@example.com", tenant_id: "x" }, 400],
    ["a member that is not known", { email: "x@example.com", redirect: "https://evil" }, 400],
  ])("%s: refused", async (_, body, status) => {
    expectRefusal(await forgot(body), status);
  });
});

describe("reset-password", () => {
  test("sets the password, ends what the old one opened, and tells the user", async () => {
    const space = await workspace(server);
    const person = await member(server, space);
    await verify(person.userId);
    const session = ok(await logIn(server, person.email)).body;
    const key = await apiKey(server, space.owner, { user_id: space.owner.userId });
    const token = await resetToken(server, person.email);
    const other = await mailedToken(server, person.email, "/reset");
    expect(other).toBe(token);
    const answer = await reset({ token, new_password: WRONG });
    expect([answer.status, answer.body]).toEqual([204, undefined]);

    expectRefusal(await logIn(server, person.email), 401);
    ok(await logIn(server, person.email, { password: WRONG }));
    for (const as of [person.token, session.access_token])
      expectRefusal(await server.call("GET", "/v1/auth/me", { as }), 401);
    expectRefusal(await refresh(server, session.refresh_token), 401, "session revoked");
    ok(await server.call("GET", "/v1/auth/me", { as: key.authorization }));
    const [event] = await audited(server, null, "auth.password_reset_confirmed");
    expect(event).toMatchObject({
      actorType: "system",
      actorUserId: person.userId,
      resourceType: "user",
      resourceId: person.userId,
      metadata: { sessions_revoked: true },
    });
    expect(await mailTo(server, person.email)).toEqual(["password_changed", "password_reset"]);
    const types = (await published(server, person.userId)).map(({ eventType }) => eventType);
    expect(types).toContain("user.password.changed");
    expect((await published(server, session.session_id)).at(-1)).toMatchObject({
      eventType: "session.revoked",
      payload: { reason: "password_reset" },
    });
  });

  test("02 §13: reset: password alias; both different; reuse; expired; older token after a newer one; two in parallel", async () => {
    const { email } = await server.signUp();
    const alias = await resetToken(server, email);
    const before = await counts(server);
    expectRefusal(await reset({ token: alias, password: WRONG, new_password: PASSWORD }), 422);
    expectRefusal(await reset({ token: alias }), 422);
    expectRefusal(await reset({ token: alias, new_password: "" }), 422);
    expect(await counts(server)).toEqual(before);
    ok(await reset({ token: alias, password: WRONG }), 204);
    ok(await logIn(server, email, { password: WRONG }));
    expectRefusal(await reset({ token: alias, new_password: PASSWORD }), 400, "token already used");
    ok(await logIn(server, email, { password: WRONG }));

    const expired = await resetToken(server, email);
    server.clock.advance(60 * MINUTE);
    expectRefusal(await reset({ token: expired, new_password: PASSWORD }), 400, "token expired");

    const older = await resetToken(server, email);
    const newer = await resetToken(server, email);
    expectRefusal(await reset({ token: older, new_password: PASSWORD }), 400, "token expired");
    ok(await reset({ token: newer, password: PASSWORD, new_password: PASSWORD }), 204);

    const raced = await resetToken(server, email);
    const passwords = ["one of two herons", "two of two herons"];
    const answers = await Promise.all(
      passwords.map((password) => reset({ token: raced, new_password: password })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 400]);
    for (const [index, { status }] of answers.entries())
      expect((await logIn(server, email, { password: passwords[index]! })).status).toBe(
        status === 204 ? 200 : 401,
      );
    expect(await audited(server, null, "auth.password_reset_confirmed")).toBeDefined();
  });

  test("02 §13: reset with a policy-violating password, then a good one with the same token", async () => {
    const { email } = await server.signUp();
    const token = await resetToken(server, email);
    for (const password of ["kx7!qv2", "x".repeat(257), "password123", email]) {
      const before = await counts(server);
      const answer = await reset({ token, new_password: password });
      expect([answer.status, answer.body.error.fields[0].field]).toEqual([422, "new_password"]);
      expect(await counts(server)).toEqual(before);
    }
    ok(await logIn(server, email));
    ok(await reset({ token, new_password: WRONG }), 204);
    ok(await logIn(server, email, { password: WRONG }));
  });

  test("an invented token; the token of a user who is gone; of one who is suspended", async () => {
    expectRefusal(
      await reset({ token: "x".repeat(43), new_password: WRONG }),
      400,
      "invalid token",
    );
    expectRefusal(await reset({ token: "", new_password: WRONG }), 422);
    const person = await server.signUp();
    const token = await resetToken(server, person.email);
    // Not through the API, which would void the link.
    const set = (change: object) =>
      server.deps.db.transaction(async (tx) => {
        await tx.update(users).set(change).where(eq(users.id, person.userId));
      });
    await set({ status: "suspended" });
    const before = await counts(server);
    expectRefusal(await reset({ token, new_password: WRONG }), 403, "account suspended");
    await set({ status: "deleted", deletedAt: server.clock.now() });
    expectRefusal(await reset({ token, new_password: WRONG }), 400, "invalid token");
    expect(await counts(server)).toEqual(before);
    await set({ status: "active", deletedAt: null });
    ok(await reset({ token, new_password: WRONG }), 204);
  });

  async function verify(userId: string) {
    await server.deps.db.transaction(async (tx) => {
      await tx
        .update(users)
        .set({ emailVerifiedAt: server.clock.now() })
        .where(eq(users.id, userId));
    });
  }
});
