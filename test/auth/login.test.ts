import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import bcrypt from "bcryptjs";
import { eq } from "drizzle-orm";
import { passwordCredentials } from "../../db/schema/index.ts";
import { expectRefusal, member, ok, type Workspace, workspace } from "../rbac/support.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";
import {
  audited,
  counts,
  logIn,
  MINUTE,
  published,
  refresh,
  resetToken,
  timed,
  WRONG,
} from "./support.ts";

let server: TestServer;
let space: Workspace;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
});
afterAll(() => server.stop());

/** A user of the workspace who has no password. */
async function withoutPassword(email: string): Promise<string> {
  const created = await server.call("POST", "/v1/users", {
    as: space.owner.token,
    body: { email },
  });
  return ok(created, 201).body.id;
}

const storedHash = async (userId: string) => {
  const [row] = await server.deps.db.read
    .select()
    .from(passwordCredentials)
    .where(eq(passwordCredentials.userId, userId));
  return row!.passwordHash;
};

const patch = (path: string, body: object) =>
  server.call("PATCH", path, { as: space.owner.token, body });

describe("login", () => {
  test("answers a pair for the home tenant; address in any case, with spaces around it", async () => {
    const person = await member(server, space);
    for (const email of [person.email, ` ${person.email.toUpperCase()} `]) {
      const answer = await logIn(server, email);
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({
        access_token: expect.any(String),
        token_type: "Bearer",
        expires_at: "2026-01-01T00:15:00.000Z",
        refresh_token: expect.stringMatching(/^[\w-]{43}$/),
        session_id: expect.any(String),
        user_id: person.userId,
        tenant_id: space.tenantId,
      });
    }
    const [event] = await audited(server, space.tenantId, "auth.login_succeeded");
    expect(event).toMatchObject({ actorUserId: person.userId, metadata: { method: "password" } });
    expect((await published(server, person.userId)).map(({ eventType }) => eventType)).toContain(
      "user.signed_in",
    );
  });

  test("02 §13: login unknown e-mail / wrong password / user without password", async () => {
    const known = await member(server, space);
    await withoutPassword("passwordless@example.com");
    const verify = spyOn(server.deps.passwords, "verify");
    const before = await counts(server);
    const answers = [
      await logIn(server, "nobody@example.com", { password: WRONG }),
      await logIn(server, known.email, { password: WRONG }),
      await logIn(server, "passwordless@example.com", { password: WRONG }),
    ];
    // A dummy is hashed where there is nothing to compare with: one hash each, no more, no less.
    expect(verify.mock.calls.map(([hash]) => hash !== null)).toEqual([false, true, false]);
    verify.mockRestore();
    const stripped = answers.map(({ status, body, headers }) => {
      const names = [...headers.keys()].sort();
      return JSON.stringify([status, { ...body.error, request_id: undefined }, names]);
    });
    expect(new Set(stripped).size).toBe(1);
    expectRefusal(answers[0]!, 401, "invalid credentials");
    const after = await counts(server);
    expect([after.sessions, after.mail]).toEqual([before.sessions!, before.mail!]);

    const failures = [
      ...(await audited(server, space.tenantId, "auth.login_failed")),
      ...(await audited(server, null, "auth.login_failed")),
    ];
    expect(failures.map(({ metadata }) => metadata.reason).sort()).toEqual([
      "bad_credentials",
      "bad_credentials",
      "unknown_user",
    ]);
    for (const { metadata, seals } of failures) {
      expect(metadata.method).toBe("password");
      expect(metadata.identifier).toContain("@example.com");
      expect(Object.keys(seals)).toContain("metadata.identifier");
    }
    expect((await published(server, known.userId)).at(-1)?.eventType).toBe("user.sign_in_failed");
  });

  test("02 §13: login unknown e-mail / wrong password: similar time (± 20 %)", async () => {
    const real = await startServer({
      passwordHashing: { memoryKib: 19_456, iterations: 2, parallelism: 1 },
    });
    try {
      const { email } = await real.signUp();
      // The shortest of many: what the machine does besides only adds.
      const best = { known: Number.POSITIVE_INFINITY, unknown: Number.POSITIVE_INFINITY };
      const ratio = () => best.known / best.unknown;
      // On a busy machine the undisturbed one may take a while to come.
      for (let round = 0; round < 60; round++) {
        if (round >= 12 && ratio() > 0.8 && ratio() < 1.2) break;
        real.clock.advance(16 * MINUTE); // no lock
        const known = await timed(() => logIn(real, email, { password: WRONG }));
        const unknown = await timed(() => logIn(real, "x@example.com", { password: WRONG }));
        best.known = Math.min(best.known, known.ms);
        best.unknown = Math.min(best.unknown, unknown.ms);
      }
      expect(ratio()).toBeGreaterThan(0.8);
      expect(ratio()).toBeLessThan(1.2);
    } finally {
      await real.stop();
    }
  }, 30_000);

  test("02 §13: login suspended user: wrong password / right password", async () => {
    const person = await member(server, space);
    ok(await patch(`/v1/users/${person.userId}`, { status: "suspended" }));
    expectRefusal(await logIn(server, person.email, { password: WRONG }), 401);
    const before = await counts(server);
    expectRefusal(await logIn(server, person.email), 403, "account suspended");
    expect((await counts(server)).sessions).toBe(before.sessions);
    const [event] = await audited(server, space.tenantId, "auth.login_failed");
    expect(event!.metadata).toMatchObject({ method: "password", reason: "suspended" });
  });

  test("02 §13: bcrypt hash user logs in", async () => {
    const { userId, email } = await member(server, space);
    const hash = await bcrypt.hash(PASSWORD, 5);
    await server.deps.db.transaction(async (tx) => {
      await tx
        .update(passwordCredentials)
        .set({ passwordHash: hash })
        .where(eq(passwordCredentials.userId, userId));
    });
    expectRefusal(await logIn(server, email, { password: WRONG }), 401);
    expect(await storedHash(userId)).toBe(hash);
    // Two at once: the first stores a better hash, which must not refuse the second.
    const both = await Promise.all([logIn(server, email), logIn(server, email)]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    expect(await storedHash(userId)).toStartWith("$argon2id$v=19$");
    expect((await logIn(server, email)).status).toBe(200);
  });

  test("02 §13: login when home tenant has password_enabled=false / denied IP / is suspended / deleted", async () => {
    const other = await workspace(server);
    const person = await member(server, other);
    const path = `/v1/tenants/${other.tenantId}`;
    const as = other.owner.token;
    ok(await server.call("PATCH", path, { as, body: { status: "suspended" } }));
    expectRefusal(await logIn(server, person.email), 403, "tenant suspended");
    const [event] = await audited(server, other.tenantId, "auth.login_failed");
    expect(event!.metadata).toMatchObject({ reason: "policy" });

    // 00 §42: who can lift the suspension gets in, for just that.
    const owner = ok(await logIn(server, other.owner.email));
    expect(owner.body.tenant_id).toBe(other.tenantId);
    const lifted = { as: owner.body.access_token, body: { status: "active" } };
    expectRefusal(
      await server.call("GET", "/v1/users", { as: lifted.as }),
      403,
      "tenant suspended",
    );
    expect((await server.call("GET", "/v1/auth/me", { as: lifted.as })).status).toBe(200);
    ok(await server.call("PATCH", path, lifted));
    ok(await logIn(server, person.email));

    // Deleted: with no other tenant the session has none.
    ok(await server.call("DELETE", path, { as: lifted.as }), 204);
    expect(ok(await logIn(server, person.email)).body).not.toHaveProperty("tenant_id");
    // The owner has the workspace of the sign-up left.
    const fallen = ok(await logIn(server, other.owner.email)).body.tenant_id;
    const tenants = await server.call("GET", "/v1/tenants", {
      as: ok(await logIn(server, other.owner.email)).body.access_token,
    });
    expect(tenants.body.items.map(({ id }: { id: string }) => id)).toEqual([fallen]);
  });

  test("02 §1: no home: the tenant of the latest session, else the oldest membership", async () => {
    const person = await server.signUp();
    const add = async (name: string) =>
      ok(await server.call("POST", "/v1/tenants", { as: person.token, body: { name } }), 201).body;
    const home = await add("Home");
    server.clock.advance(1_000);
    const second = await add("Second");
    server.clock.advance(1_000);
    const third = await add("Third");
    ok(
      await server.call("DELETE", `/v1/tenants/${home.tenant_id}`, { as: home.access_token }),
      204,
    );
    server.clock.advance(1_000);
    // Its session is the latest that still holds.
    expect(ok(await logIn(server, person.email)).body.tenant_id).toBe(third.tenant_id);
    const switched = await server.call("POST", "/v1/auth/switch-tenant", {
      as: second.access_token,
      body: { tenant_id: second.tenant_id },
    });
    server.clock.advance(1_000);
    ok(switched);
    expect(ok(await logIn(server, person.email)).body.tenant_id).toBe(second.tenant_id);
  });

  test("a login that is under way when the password is reset does not survive it", async () => {
    const { email } = await server.signUp();
    const token = await resetToken(server, email);
    const real = server.deps.passwords.verify.bind(server.deps.passwords);
    let reset: number | undefined;
    // The reset commits between the proof of the old password and the session.
    const verify = spyOn(server.deps.passwords, "verify").mockImplementation(
      async (hash, password) => {
        const isRight = await real(hash, password);
        if (reset === undefined) {
          const body = { token, new_password: WRONG };
          reset = (await server.call("POST", "/v1/auth/reset-password", { body })).status;
        }
        return isRight;
      },
    );
    const answer = await logIn(server, email);
    verify.mockRestore();
    expect(reset).toBe(204);
    expectRefusal(answer, 401, "invalid credentials");
    ok(await logIn(server, email, { password: WRONG }));
  });

  test.each([
    ["no address", { email: "nobody", password: PASSWORD }, 422],
    ["no password", { email: "x@example.com" }, 422],
    ["an empty password", { email: "x@example.com", password: "" }, 422],
    ["a password of 1,025 characters", { email: "x@example.com", password: "p".repeat(1025) }, 422],
    ["a number for a password", { email: "x@example.com", password: 12345678 }, 400],
    ["a member that is not known", { email: "x@example.com", password: PASSWORD, otp: "1" }, 400],
  ])("%s: refused before anything is looked at", async (_, body, status) => {
    const before = await counts(server);
    expectRefusal(await server.call("POST", "/v1/auth/login", { body }), status);
    expect(await counts(server)).toEqual(before);
  });

  test("an invited user becomes active by signing in", async () => {
    const { userId, email } = await member(server, space);
    const { users } = await import("../../db/schema/index.ts");
    await server.deps.db.transaction(async (tx) => {
      await tx.update(users).set({ status: "invited" }).where(eq(users.id, userId));
    });
    const { body } = ok(await logIn(server, email));
    const self = await server.call("GET", `/v1/users/${userId}`, { as: body.access_token });
    expect(self.body.status).toBe("active");
    ok(await refresh(server, body.refresh_token));
  });
});
