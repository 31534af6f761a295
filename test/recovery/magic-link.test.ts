/** Contract 02 §7. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { decodeJwt } from "jose";
import { magicLinks, users } from "../../db/schema/index.ts";
import {
  audited,
  counts,
  logIn,
  MINUTE,
  magicToken,
  mailedToken,
  mailTo,
  published,
  setCookieOf,
  timed,
} from "../auth/support.ts";
import { assign, expectRefusal, member, ok, role, workspace } from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const start = (body: object) => server.call("POST", "/v1/auth/magic-link/start", { body });
const consume = (token: unknown) =>
  server.call("POST", "/v1/auth/magic-link/consume", { body: { token } });

async function verify(userId: string) {
  await server.deps.db.transaction(async (tx) => {
    await tx.update(users).set({ emailVerifiedAt: server.clock.now() }).where(eq(users.id, userId));
  });
}

describe("magic link", () => {
  test("signs in to the home tenant, proves the address, and is written down", async () => {
    const space = await workspace(server);
    const person = await member(server, space);
    const token = await magicToken(server, person.email);
    const answer = ok(await consume(token));
    expect(answer.body).toEqual({
      access_token: expect.any(String),
      token_type: "Bearer",
      expires_at: expect.any(String),
      refresh_token: expect.stringMatching(/^[\w-]{43}$/),
      session_id: expect.any(String),
      user_id: person.userId,
      tenant_id: space.tenantId,
    });
    expect(setCookieOf(answer, "qe_known")).toBeDefined();
    expect(decodeJwt(answer.body.access_token).amr).toEqual(["email"]);
    const self = await server.call("GET", `/v1/users/${person.userId}`, {
      as: answer.body.access_token,
    });
    expect(self.body.email_verified_at).toBe(server.clock.now().toISOString());
    const [sent] = await audited(server, space.tenantId, "auth.magic_link_sent");
    expect(sent).toMatchObject({ actorType: "system", resourceId: person.userId });
    const [used] = await audited(server, space.tenantId, "auth.magic_link_consumed");
    expect(used).toMatchObject({
      actorType: "system",
      actorUserId: person.userId,
      resourceType: "user",
      resourceId: person.userId,
    });
    const [signedIn] = await audited(server, space.tenantId, "auth.login_succeeded");
    expect(signedIn!.metadata).toEqual({ method: "magic_link" });
    expect(signedIn!.seq).toBeGreaterThan(used!.seq);
    expect((await published(server, person.userId)).at(-1)).toMatchObject({
      eventType: "user.signed_in",
      payload: { method: "magic_link" },
    });
  });

  test("02 §13: magic link: unknown e-mail; disabled by policy; consume twice; suspended user; expired; GET by a mail scanner", async () => {
    const space = await workspace(server);
    const before = await counts(server);
    const unknown = await timed(() => start({ email: "unknown@example.com" }));
    expect([unknown.status, unknown.body]).toEqual([202, undefined]);
    expect(unknown.ms).toBeGreaterThanOrEqual(250);
    expect(await counts(server)).toEqual(before);

    const twice = await member(server, space);
    await verify(twice.userId);
    const token = await magicToken(server, twice.email);
    // Whoever only looks at it uses nothing up.
    for (let count = 0; count < 2; count++) {
      const scanned = await server.call("GET", `/magic?token=${token}`);
      expect(scanned.status).toBe(200);
      expect(scanned.headers.getSetCookie().join()).not.toContain("qe_ls");
    }
    expectRefusal(await server.call("GET", "/v1/auth/magic-link/consume"), 405);
    ok(await consume(token));
    expectRefusal(await consume(token), 400, "token already used");

    const suspended = await member(server, space);
    const held = await magicToken(server, suspended.email);
    const set = (status: "active" | "suspended") =>
      server.deps.db.transaction(async (tx) => {
        await tx.update(users).set({ status }).where(eq(users.id, suspended.userId));
      });
    await set("suspended"); // not through the API, which would void the link
    ok(await start({ email: suspended.email }), 202);
    expect(await mailTo(server, suspended.email)).toEqual(["magic_link"]);
    const sessions = (await counts(server)).sessions;
    expectRefusal(await consume(held), 403, "account suspended");
    expect((await counts(server)).sessions).toBe(sessions!);
    await set("active"); // and it was not used up
    ok(await consume(held));

    const expired = await magicToken(server, twice.email);
    server.clock.advance(60 * MINUTE - 1);
    const older = await magicToken(server, twice.email);
    const newer = await magicToken(server, twice.email);
    expectRefusal(await consume(expired), 400, "token expired");
    expectRefusal(await consume(older), 400, "token expired");
    server.clock.advance(60 * MINUTE);
    expectRefusal(await consume(newer), 400, "token expired");
  });

  test("eight at once: one signs in", async () => {
    const { email, userId } = await server.signUp();
    await verify(userId);
    const token = await magicToken(server, email);
    const before = await counts(server);
    const answers = await Promise.all(Array.from({ length: 8 }, () => consume(token)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(400)]);
    expect((await counts(server)).sessions).toBe(before.sessions! + 1);
  });

  test.each([
    ["an invented token", "x".repeat(43), 400, "invalid token"],
    ["an empty one", "", 422, undefined],
    ["none", undefined, 422, undefined],
    ["a number", 1, 400, undefined],
  ])("%s: refused", async (_, token, status, detail) => {
    const before = await counts(server);
    expectRefusal(await consume(token), status, detail);
    expect(await counts(server)).toEqual(before);
  });

  test("another tenant of the user by name; one that is not theirs: nothing is sent", async () => {
    const space = await workspace(server);
    const person = await server.signUp();
    await verify(person.userId);
    const roleId = await role(server, space, ["user.read"]);
    ok(await assign(server, space.owner, { ...space, userId: person.userId, roleId }), 204);
    ok(await start({ email: person.email, tenant_id: space.tenantId }), 202);
    const token = await mailedToken(server, person.email, "/magic");
    expect(ok(await consume(token)).body.tenant_id).toBe(space.tenantId);

    const stranger = await workspace(server);
    const before = await counts(server);
    ok(await start({ email: person.email, tenant_id: stranger.tenantId }), 202);
    expect(await counts(server)).toEqual(before);

    // Between mail and use the membership ends.
    ok(await start({ email: person.email, tenant_id: space.tenantId }), 202);
    const late = await mailedToken(server, person.email, "/magic");
    const path = `/v1/users/${person.userId}`;
    ok(await server.call("DELETE", path, { as: space.owner.token }), 204);
    expectRefusal(await consume(late), 403, "not a member of this tenant");
  });

  test("a link to an address that is no longer the account's opens nothing", async () => {
    const { email, userId } = await server.signUp();
    const token = await magicToken(server, email);
    await server.deps.db.transaction(async (tx) => {
      const change = { email: `new-${email}`, emailKey: `new-${email}` };
      await tx.update(users).set(change).where(eq(users.id, userId));
    });
    expectRefusal(await consume(token), 400, "invalid token");
    const rows = await server.deps.db.read
      .select()
      .from(magicLinks)
      .where(eq(magicLinks.userId, userId));
    expect(rows.map(({ usedAt }) => usedAt)).toEqual([null]);
  });

  test("a tenant that is suspended: 403", async () => {
    const space = await workspace(server);
    const person = await member(server, space);
    const token = await magicToken(server, person.email);
    ok(
      await server.call("PATCH", `/v1/tenants/${space.tenantId}`, {
        as: space.owner.token,
        body: { status: "suspended" },
      }),
    );
    expectRefusal(await consume(token), 403, "tenant suspended");
  });

  test("does not count against a lock, and clears it", async () => {
    const { email } = await server.signUp();
    for (let count = 0; count < 5; count++) await logIn(server, email, { password: "wrong one" });
    expectRefusal(await logIn(server, email), 429);
    for (let count = 0; count < 10; count++) expectRefusal(await consume("x".repeat(43)), 400);
    const { userId } = { userId: ok(await consume(await magicToken(server, email))).body.user_id };
    expect(userId).toBeString();
    // The first proof has taken the password away: 401 now, no longer 429.
    expectRefusal(await logIn(server, email), 401);
  });
});
