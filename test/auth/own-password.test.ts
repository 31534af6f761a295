/** Contract 02 §12: one's own password, without knowing one's id. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { apiKey, expectRefusal, member, ok, type Workspace, workspace } from "../rbac/support.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";
import {
  audited,
  counts,
  logIn,
  MINUTE,
  magicToken,
  mailTo,
  published,
  refresh,
  WRONG,
} from "./support.ts";

let server: TestServer;
let space: Workspace;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
});
afterAll(() => server.stop());

const change = (as: string, body: object) => server.call("POST", "/v1/auth/password", { as, body });
const hasPassword = async (as: string) =>
  ok(await server.call("GET", "/v1/auth/password", { as })).body;

/** Signed in by a mailed link, to an account that never had a password. */
async function withoutPassword() {
  const email = `link-${crypto.randomUUID()}@example.com`;
  const { access_token: as } = ok(await logIn(server, space.owner.email)).body;
  ok(await server.call("POST", "/v1/users", { as, body: { email } }), 201);
  const body = { token: await magicToken(server, email) };
  const signedIn = ok(await server.call("POST", "/v1/auth/magic-link/consume", { body })).body;
  return { email, token: signedIn.access_token as string };
}

describe("POST /v1/auth/password", () => {
  test("02 §13: set own password without / with wrong / right current_password", async () => {
    const person = await member(server, space);
    const other = ok(await logIn(server, person.email)).body;
    expect(await hasPassword(person.token)).toEqual({ has_password: true });
    const before = await counts(server);
    expectRefusal(await change(person.token, { new_password: WRONG }), 403);
    expect(await counts(server)).toEqual(before);
    expectRefusal(
      await change(person.token, { new_password: WRONG, current_password: "not that one" }),
      401,
      "invalid credentials",
    );
    expect(await counts(server)).toEqual({
      ...before,
      audit: before.audit! + 1,
      outbox: before.outbox! + 1,
    });
    ok(await change(person.token, { new_password: WRONG, current_password: PASSWORD }), 204);
    // Other sessions end, this one stays.
    ok(await server.call("GET", "/v1/auth/me", { as: person.token }));
    expectRefusal(await server.call("GET", "/v1/auth/me", { as: other.access_token }), 401);
    expectRefusal(await refresh(server, other.refresh_token), 401, "session revoked");
    expectRefusal(await logIn(server, person.email), 401);
    ok(await logIn(server, person.email, { password: WRONG }));
    const [event] = await audited(server, space.tenantId, "user.password_set");
    expect(event).toMatchObject({
      actorUserId: person.userId,
      resourceId: person.userId,
      metadata: { by: "user" },
    });
    const types = (await published(server, person.userId)).map(({ eventType }) => eventType);
    expect(types).toContain("user.password.changed");
    expect(await mailTo(server, person.email)).toContain("password_changed");
  });

  test("a wrong current_password counts as a failed sign-in", async () => {
    const person = await member(server, space);
    const guess = { new_password: WRONG, current_password: "not that one" };
    for (let count = 0; count < 5; count++) expectRefusal(await change(person.token, guess), 401);
    const right = { new_password: WRONG, current_password: PASSWORD };
    expectRefusal(await change(person.token, right), 429);
    expectRefusal(await logIn(server, person.email), 429);
  });

  test("00 §24: without a password, a sign-in of the last 15 minutes is the proof", async () => {
    const fresh = await withoutPassword();
    expect(await hasPassword(fresh.token)).toEqual({ has_password: false });
    ok(await change(fresh.token, { new_password: WRONG }), 204);
    expect(await hasPassword(fresh.token)).toEqual({ has_password: true });
    ok(await logIn(server, fresh.email, { password: WRONG }));

    const body = { email: (await withoutPassword()).email };
    const token = await magicToken(server, body.email);
    const consumed = await server.call("POST", "/v1/auth/magic-link/consume", { body: { token } });
    const { refresh_token: refreshToken } = ok(consumed).body;
    server.clock.advance(15 * MINUTE + 1);
    // A new token of an old sign-in proves nothing.
    const { access_token: as } = ok(await refresh(server, refreshToken)).body;
    const answer = await change(as, { new_password: WRONG });
    expect([answer.status, answer.body.error.code]).toEqual([403, "step_up_required"]);
  });

  test.each([
    ["7 characters", { new_password: "kx7!qv2" }, 422],
    ["a common one", { new_password: "password123" }, 422],
    ["none", {}, 422],
    ["a member that is not known", { new_password: WRONG, password: WRONG }, 400],
  ])("%s: refused", async (_, body, status) => {
    const person = await server.signUp();
    const before = await counts(server);
    const full = { current_password: PASSWORD, ...body };
    const answer = await change(person.token, full);
    expect(answer.status).toBe(status);
    if (status === 422) expect(answer.body.error.fields[0].field).toBe("new_password");
    expect(await counts(server)).toEqual(before);
  });

  test("no key sets it, whoever the key is bound to; nor does anybody read it", async () => {
    const { access_token: token } = ok(await logIn(server, space.owner.email)).body;
    const owner = { ...space.owner, token };
    const bound = await apiKey(server, owner, { user_id: owner.userId });
    const unbound = await apiKey(server, owner);
    for (const { authorization } of [bound, unbound])
      expectRefusal(
        await change(authorization, { new_password: WRONG, current_password: PASSWORD }),
        403,
      );
    expect(await hasPassword(bound.authorization)).toEqual({ has_password: true });
    expectRefusal(
      await server.call("GET", "/v1/auth/password", { as: unbound.authorization }),
      401,
    );
    expectRefusal(await server.call("GET", "/v1/auth/password"), 401);
  });

  test("01 §10: the sensitive bucket bounds it, for each user", async () => {
    const limited = await startServer({
      rateLimits: {
        ...server.deps.config.rateLimits,
        sensitive: { ratePerSecond: 0.1, burst: 5 },
      },
    });
    try {
      const [one, two] = [await limited.signUp(), await limited.signUp()];
      const attempt = (as: string) =>
        limited.call("POST", "/v1/auth/password", { as, body: { new_password: WRONG } });
      for (let count = 0; count < 5; count++) expectRefusal(await attempt(one.token), 403);
      const refused = await attempt(one.token);
      expectRefusal(refused, 429);
      expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
      expectRefusal(await attempt(two.token), 403);
    } finally {
      await limited.stop();
    }
  });
});
