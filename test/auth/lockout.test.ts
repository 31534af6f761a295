/** Contract 02 §1 and 00 §54: five failures lock an address, known or not; a known browser has a count of its own. */
import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { AppError } from "../../src/platform/errors.ts";
import { expectRefusal, member, ok, signIn, type Workspace, workspace } from "../rbac/support.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";
import {
  attempts,
  audited,
  cookieOf,
  counts,
  logIn,
  MINUTE,
  resetToken,
  setCookieOf,
  WRONG,
} from "./support.ts";

const LOCKED = "too many failed attempts — account temporarily locked";

let server: TestServer;
let space: Workspace;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
});
afterAll(() => server.stop());

/** A new user of the workspace. The owner signs in again: the clock has moved. */
async function known(): Promise<string> {
  const token = await signIn(server, space.owner.email);
  return (await member(server, { ...space, owner: { ...space.owner, token } })).email;
}

async function fail(email: string, times: number, headers: Record<string, string> = {}) {
  for (let count = 0; count < times; count++)
    expectRefusal(await logIn(server, email, { password: WRONG, headers }), 401);
}

describe("lockout", () => {
  test("a right password beside another right one is no lock, though failures were on record", async () => {
    const email = await known();
    // The first to finish clears the record that the others have seen: it must not look like one that is full.
    for (let round = 0; round < 6; round += 1) {
      await fail(email, 1);
      const many = await Promise.all(Array.from({ length: 4 }, () => logIn(server, email)));
      expect(many.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    }
  });

  test("02 §13: 5 failures then right password; 4 failures, success, 4 failures; 5 failures on an unknown e-mail", async () => {
    const locked = await known();
    await fail(locked, 5);
    const answer = await logIn(server, locked);
    expectRefusal(answer, 429, LOCKED);
    expect(answer.headers.get("retry-after")).toBe("900");
    const [event, ...more] = await audited(server, space.tenantId, "auth.account_locked");
    expect(event).toMatchObject({
      actorType: "system",
      metadata: { until: "2026-01-01T00:15:00.000Z" },
    });
    expect(more).toEqual([]);

    const open = await known();
    await fail(open, 4);
    ok(await logIn(server, open));
    await fail(open, 4);
    ok(await logIn(server, open));

    await fail("unknown@example.com", 5);
    const unknown = await logIn(server, "Unknown@Example.com ");
    expectRefusal(unknown, 429, LOCKED);
    expect(unknown.headers.get("retry-after")).toBe("900");
    expect(await audited(server, null, "auth.account_locked")).toHaveLength(1);
  });

  test("no address is stored in clear", async () => {
    for (const { key } of await attempts(server)) expect(key).toMatch(/^[\w-]{43}$/);
  });

  test("02 §1: attempts while locked are not checked, do not extend the lock, and it ends", async () => {
    const email = await known();
    await fail(email, 5);
    const verify = spyOn(server.deps.passwords, "verify");
    server.clock.advance(14 * MINUTE);
    for (let count = 0; count < 3; count++) {
      const answer = await logIn(server, email, { password: WRONG });
      expectRefusal(answer, 429);
      expect(answer.headers.get("retry-after")).toBe("60");
    }
    expect(verify).not.toHaveBeenCalled();
    verify.mockRestore();
    const [event] = await audited(server, null, "auth.login_failed");
    expect(event!.metadata).toMatchObject({ reason: "locked", identifier: email });
    server.clock.advance(MINUTE);
    // The count begins anew, too.
    await fail(email, 4);
    ok(await logIn(server, email));
  });

  test("02 §1: a gap of more than 15 minutes restarts the count", async () => {
    const email = await known();
    await fail(email, 4);
    server.clock.advance(15 * MINUTE + 1);
    await fail(email, 4);
    server.clock.advance(15 * MINUTE);
    await fail(email, 1);
    expectRefusal(await logIn(server, email), 429);
  });

  test.each(["known", "unknown"])(
    "02 §13: 20 parallel wrong passwords: a %s address",
    async (kind) => {
      const email = kind === "known" ? await known() : "stranger@example.com";
      const before = new Set((await attempts(server)).map(({ key }) => key));
      const tenantId = kind === "known" ? space.tenantId : null;
      const audits = (await audited(server, tenantId, "auth.account_locked")).length;
      const verify = spyOn(server.deps.passwords, "verify");
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => logIn(server, email, { password: WRONG })),
      );
      expect(verify.mock.calls.length).toBe(5);
      verify.mockRestore();
      const statuses = answers.map(({ status }) => status);
      expect(statuses.filter((status) => status === 401)).toHaveLength(5);
      expect(statuses.filter((status) => status === 429)).toHaveLength(15);
      const [row] = (await attempts(server)).filter(({ key }) => !before.has(key));
      expect(row!.failedCount).toBe(5);
      expect(await audited(server, tenantId, "auth.account_locked")).toHaveLength(audits + 1);
    },
  );

  // Each may have one guess under way that began before any failure was on record.
  test("two instances judge five together, and at most one more", async () => {
    const { config } = server.deps;
    const { dataDir, databaseUrl } = config;
    const second = await startServer({ dataDir, databaseUrl });
    second.clock.advance(server.clock.now().getTime() - second.clock.now().getTime());
    try {
      const both = [server, second];
      const email = await known();
      const spies = both.map(({ deps }) => spyOn(deps.passwords, "verify"));
      const before = new Set((await attempts(server)).map(({ key }) => key));
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, n) => logIn(both[n % 2]!, email, { password: WRONG })),
      );
      const judged = spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
      for (const spy of spies) spy.mockRestore();
      expect([5, 6]).toContain(judged);
      expect(answers.filter(({ status }) => status === 429)).toHaveLength(20 - judged);
      const [row] = (await attempts(server)).filter(({ key }) => !before.has(key));
      expect(row!.failedCount).toBe(judged);
      for (const instance of both) expectRefusal(await logIn(instance, email), 429, LOCKED);
    } finally {
      await second.app.server?.stop(true);
      await second.deps.db.close();
    }
  });

  test("a right password among failures gives back what it took, also where the account is refused", async () => {
    const owner = await signIn(server, space.owner.email);
    const person = await member(server, { ...space, owner: { ...space.owner, token: owner } });
    await fail(person.email, 4);
    const path = `/v1/users/${person.userId}`;
    ok(await server.call("PATCH", path, { as: owner, body: { status: "suspended" } }));
    for (let count = 0; count < 3; count++)
      expectRefusal(await logIn(server, person.email), 403, "account suspended");
    await fail(person.email, 1);
    expectRefusal(await logIn(server, person.email), 429);
  });

  test("an attempt that found no room for its hash is no failure", async () => {
    const email = await known();
    await fail(email, 4);
    const full = new AppError("service_unavailable", undefined, {
      headers: { "retry-after": "1" },
    });
    const verify = spyOn(server.deps.passwords, "verify").mockRejectedValueOnce(full);
    expectRefusal(await logIn(server, email, { password: WRONG }), 503);
    verify.mockRestore();
    ok(await logIn(server, email));
  });

  test("many right ones at once all pass", async () => {
    const email = await known();
    const answers = await Promise.all(Array.from({ length: 12 }, () => logIn(server, email)));
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200));
  });

  test("02 §13: lock + password reset → login", async () => {
    const email = await known();
    await fail(email, 5);
    expectRefusal(await logIn(server, email), 429);
    const body = { token: await resetToken(server, email), new_password: WRONG };
    ok(await server.call("POST", "/v1/auth/reset-password", { body }), 204);
    ok(await logIn(server, email, { password: WRONG }));
  });

  test("the hosted sign-in counts on the same counter", async () => {
    const email = await known();
    await fail(email, 3);
    const body = { email, password: WRONG };
    for (let count = 0; count < 2; count++)
      expectRefusal(await server.call("POST", "/v1/auth/session", { body }), 401);
    expectRefusal(await logIn(server, email), 429, LOCKED);
    expectRefusal(
      await server.call("POST", "/v1/auth/session", { body: { email, password: PASSWORD } }),
      429,
      LOCKED,
    );
  });
});

describe("00 §54: a browser that signed in before", () => {
  async function remembered(email: string) {
    const answer = ok(await logIn(server, email));
    expect(setCookieOf(answer, "qe_known")).toMatch(
      /^qe_known=[\w.~-]+; Max-Age=31536000; Path=\/; HttpOnly; SameSite=Lax$/,
    );
    return { cookie: `qe_known=${cookieOf(answer, "qe_known")}` };
  }

  test("is not locked out by strangers, nor are others by it", async () => {
    const email = await known();
    const headers = await remembered(email);
    await fail(email, 5);
    expectRefusal(await logIn(server, email), 429);
    ok(await logIn(server, email, { headers }));
    // Its success has cleared the count of the strangers, too.
    await fail(email, 5, headers);
    expectRefusal(await logIn(server, email, { headers }), 429);
    ok(await logIn(server, email));
  });

  test("is remembered for the account that it signed in to, and for nobody else", async () => {
    const [email, other] = [await known(), await known()];
    const headers = await remembered(email);
    await fail(other, 5, headers);
    expectRefusal(await logIn(server, other), 429);
    expectRefusal(await logIn(server, other, { headers }), 429);
  });

  test("keeps several accounts in one cookie", async () => {
    const [email, other] = [await known(), await known()];
    const first = await remembered(email);
    const both = {
      cookie: `qe_known=${cookieOf(ok(await logIn(server, other, { headers: first })), "qe_known")}`,
    };
    await fail(email, 5);
    await fail(other, 5);
    ok(await logIn(server, email, { headers: both }));
    ok(await logIn(server, other, { headers: both }));
  });

  test.each([
    ["forged", (value: string) => `${value.slice(0, -4)}AAAA`],
    ["empty", () => ""],
    ["garbage", () => "a.b~c~~d.e.f"],
    ["of ten thousand characters", () => "x".repeat(10_000)],
  ])("a cookie that is %s is none", async (_, forge) => {
    const email = await known();
    const value = (await remembered(email)).cookie.slice("qe_known=".length);
    const headers = { cookie: `qe_known=${forge(value)}` };
    await fail(email, 5, headers);
    expectRefusal(await logIn(server, email), 429);
  });

  test("a reset clears the count of the browser that asks", async () => {
    const email = await known();
    const headers = await remembered(email);
    await fail(email, 5, headers);
    expectRefusal(await logIn(server, email, { headers }), 429);
    const body = { token: await resetToken(server, email), new_password: WRONG };
    ok(await server.call("POST", "/v1/auth/reset-password", { body, headers }), 204);
    ok(await logIn(server, email, { password: WRONG, headers }));
  });
});

test("a refusal opens nothing", async () => {
  const email = await known();
  await fail(email, 5);
  const before = await counts(server);
  await logIn(server, email);
  const after = await counts(server);
  // The failure itself is on record.
  expect(after).toEqual({ ...before, audit: before.audit! + 1 });
});
