/** Contract 03 §7.1, 04 §7.2: the hosted session slides for half an hour, and never past twelve. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  browserSessions,
  findHostedSession,
  withCurrent,
} from "../../src/modules/sessions/service.ts";
import { cookieOf, MINUTE } from "../auth/support.ts";
import { ok, workspace } from "../rbac/support.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const HOUR = 60 * MINUTE;

async function signIn(email?: string, headers: Record<string, string> = {}) {
  const account = email ?? (await server.signUp()).email;
  const body = { email: account, password: PASSWORD };
  const answer = ok(await server.call("POST", "/v1/auth/session", { body, headers }));
  return { email: account, userId: answer.body.user_id, token: cookieOf(answer, "qe_ls") };
}
const find = (token: string | undefined) => findHostedSession(server.deps, token);

describe("findHostedSession", () => {
  test("answers who is signed in, and how", async () => {
    const { token, email, userId } = await signIn();
    expect(await find(token)).toMatchObject({
      userId,
      email,
      amr: ["pwd"],
      mfaAt: null,
      pinnedTenantId: null,
      authTime: server.clock.now(),
      renewed: false,
    });
  });

  test("undefined for what is no session", async () => {
    for (const token of [undefined, "", "x", "A".repeat(43), `${"A".repeat(42)}\0`])
      expect(await find(token)).toBeUndefined();
  });

  test("is extended once less than 15 minutes are left, and ends after 30 idle ones", async () => {
    const { token } = await signIn();
    server.clock.advance(14 * MINUTE);
    expect((await find(token))?.renewed).toBe(false);
    server.clock.advance(2 * MINUTE);
    expect((await find(token))?.renewed).toBe(true);
    server.clock.advance(29 * MINUTE);
    expect((await find(token))?.renewed).toBe(true);
    server.clock.advance(30 * MINUTE);
    expect(await find(token)).toBeUndefined();
  });

  test("ends after twelve hours, however busy", async () => {
    const { token } = await signIn();
    for (let at = 0; at < 12 * HOUR - 20 * MINUTE; at += 20 * MINUTE) {
      server.clock.advance(20 * MINUTE);
      expect(await find(token)).toBeDefined();
    }
    server.clock.advance(20 * MINUTE);
    expect(await find(token)).toBeUndefined();
  });

  test("two extensions at once: both see a live session, one row is moved", async () => {
    const { token } = await signIn();
    server.clock.advance(20 * MINUTE);
    const found = await Promise.all([find(token), find(token), find(token)]);
    expect(found.every((one) => one !== undefined)).toBe(true);
    expect(found.filter((one) => one?.renewed)).toHaveLength(1);
  });

  test("a suspended, deleted or reset account has none", async () => {
    const space = await workspace(server);
    for (const change of ["suspended", "deleted"] as const) {
      const email = `${change}-hosted@example.com`;
      const as = space.owner.token;
      const body = { email, password: PASSWORD, tenant_id: space.tenantId };
      const { id } = ok(await server.call("POST", "/v1/users", { as, body }), 201).body;
      const { token } = await signIn(email);
      expect(await find(token)).toBeDefined();
      if (change === "deleted") ok(await server.call("DELETE", `/v1/users/${id}`, { as }), 204);
      else ok(await server.call("PATCH", `/v1/users/${id}`, { as, body: { status: "suspended" } }));
      expect(await find(token)).toBeUndefined();
    }
  });
});

describe("several accounts in one browser", () => {
  test("the current one, and the others; each user once, dead ones not at all", async () => {
    const [first, second, third] = [await signIn(), await signIn(), await signIn()];
    const again = await signIn(second.email);
    const cookie = `qe_ls=${first.token}; qe_accounts=${[second.token, again.token, third.token, "A".repeat(43)].join("~")}`;
    const found = await browserSessions(server.deps, new Headers({ cookie }));
    expect(found.current?.userId).toBe(first.userId);
    expect(found.others.map(({ userId }) => userId)).toEqual([second.userId, third.userId]);
    expect(found.doubles.map(({ token }) => token)).toEqual([again.token]);
    expect(withCurrent(found, found.others[1]!)).toEqual({
      current: third.token,
      others: [first.token, second.token],
      dropped: [again.token],
    });
  });

  test("a cookie of another shape is nothing", async () => {
    const { token } = await signIn();
    for (const value of [`${token}~x`, `~${token}`, token.slice(1)]) {
      const headers = new Headers({ cookie: `qe_accounts=${value}` });
      expect(await browserSessions(server.deps, headers)).toEqual({
        current: undefined,
        others: [],
        doubles: [],
      });
    }
  });
});
