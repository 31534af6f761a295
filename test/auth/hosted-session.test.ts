/** Contract 02 §5 and 00 §49: the session of a browser, behind cookie `qe_ls`. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { loginSessions } from "../../db/schema/index.ts";
import { hashToken } from "../../src/platform/crypto/tokens.ts";
import { apiKey, expectRefusal, member, ok, UNKNOWN_ID, workspace } from "../rbac/support.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";
import {
  audited,
  browser,
  cookieOf,
  counts,
  MINUTE,
  mailedToken,
  resetToken,
  setCookieOf,
  WRONG,
} from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ allowedOrigins: ["https://app.example.com"] });
});
afterAll(() => server.stop());

const credentials = (email: string, password = PASSWORD) => ({ email, password });
const rows = () => server.deps.db.read.select().from(loginSessions);
const hashes = async () => (await rows()).map(({ tokenHash }) => tokenHash);

/** As a program would, without a cookie. */
const start = (email: string, on = server) =>
  on.call("POST", "/v1/auth/session", { body: credentials(email) });

describe("POST /v1/auth/session", () => {
  test("answers the user and no token; only a hash is stored", async () => {
    const { email, userId } = await server.signUp();
    const before = await counts(server);
    const answer = ok(await start(email));
    expect(answer.body).toEqual({ user_id: userId });
    const token = cookieOf(answer, "qe_ls");
    expect(token).toMatch(/^[\w-]{43}$/);
    const row = (await rows()).find(({ tokenHash }) => tokenHash === hashToken(token))!;
    expect(row).toMatchObject({
      userId,
      method: "password",
      amr: ["pwd"],
      ip: "127.0.0.1",
      expiresAt: new Date(server.clock.now().getTime() + 30 * MINUTE),
    });
    const [event] = await audited(server, null, "auth.sso_session_created");
    expect(event).toMatchObject({
      actorUserId: userId,
      resourceType: "login_session",
      resourceId: row.id,
    });
    expect(await counts(server)).toEqual({
      ...before,
      loginSessions: before.loginSessions! + 1,
      audit: before.audit! + 1,
    });
    // It is no credential of the API.
    expectRefusal(await server.call("GET", "/v1/auth/me", { as: token }), 401);
    const cookie = `qe_ls=${token}`;
    expectRefusal(await server.call("GET", "/v1/auth/me", { headers: { cookie } }), 401);
  });

  test("02 §13: session cookie: attributes in dev and prod; login twice; fixed cookie sent along", async () => {
    const { email } = await server.signUp();
    const line = /^qe_ls=[\w-]{43}; Max-Age=1800; Path=\/; HttpOnly; SameSite=Lax$/;
    expect(setCookieOf(ok(await start(email)), "qe_ls")).toMatch(line);
    const production = await startServer({
      env: "production",
      publicUrl: "https://id.example.com",
    });
    try {
      const person = await production.signUp();
      const answer = ok(await start(person.email, production));
      expect(setCookieOf(answer, "qe_ls")).toMatch(
        /^qe_ls=[\w-]{43}; Max-Age=1800; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
      );
      expect(setCookieOf(answer, "qe_known")).toContain("; Secure;");
    } finally {
      await production.stop();
    }

    const { jar, send } = await browser(server);
    ok(await send("POST", "/v1/auth/session", credentials(email)));
    const first = jar.get("qe_ls")!;
    const old = await hashes();
    expect(old).toContain(hashToken(first));
    ok(await send("POST", "/v1/auth/session", credentials(email)));
    const now = await hashes();
    expect(now).not.toContain(hashToken(first));
    expect(now).toContain(hashToken(jar.get("qe_ls")!));
    expect(now).toHaveLength(old.length);

    // Somebody else's session that was planted in the browser: gone, and not taken over.
    const attacker = await server.signUp();
    const planted = cookieOf(ok(await start(attacker.email)), "qe_ls");
    jar.set("qe_ls", planted);
    ok(await send("POST", "/v1/auth/session", credentials(email)));
    expect(jar.get("qe_ls")).not.toBe(planted);
    expect(await hashes()).not.toContain(hashToken(planted));
    // One that never was: ignored.
    jar.set("qe_ls", "x".repeat(43));
    ok(await send("POST", "/v1/auth/session", credentials(email)));
    expect(jar.get("qe_ls")).toMatch(/^[\w-]{43}$/);
    expect(jar.get("qe_ls")).not.toBe("x".repeat(43));
  });

  test.each([
    ["a wrong password", WRONG, 401, "invalid credentials"],
    ["a suspended user", PASSWORD, 403, "account suspended"],
  ])(
    "%s: refused as a login, no cookie, and the old session stays",
    async (_, password, status, detail) => {
      const space = await workspace(server);
      const person = await member(server, space);
      const { jar, send } = await browser(server);
      const other = await server.signUp();
      ok(await send("POST", "/v1/auth/session", credentials(other.email)));
      const held = jar.get("qe_ls")!;
      if (status === 403)
        ok(
          await server.call("PATCH", `/v1/users/${person.userId}`, {
            as: space.owner.token,
            body: { status: "suspended" },
          }),
        );
      const answer = await send("POST", "/v1/auth/session", credentials(person.email, password));
      expectRefusal(answer, status, detail);
      expect(setCookieOf(answer, "qe_ls")).toBeUndefined();
      expect(await hashes()).toContain(hashToken(held));
    },
  );

  test("01 §20: CSRF: POST /v1/auth/session with good origin, no cookie; cookie≠header; forged cookie=header without valid MAC; Origin: null; evil origin + Authorization absent", async () => {
    const { email } = await server.signUp();
    const { jar } = await browser(server);
    const token = jar.get("qe_csrf")!;
    const { publicUrl: origin } = server.deps.config;
    const forged = `${token.slice(0, -4)}AAAA`;
    const post = (headers: Record<string, string>) =>
      server.call("POST", "/v1/auth/session", { body: credentials(email), headers });
    const good = { origin, cookie: `qe_csrf=${token}`, "x-csrf-token": token };
    ok(await post(good));
    const before = await counts(server);
    for (const [headers, isAllowed] of [
      [{ origin }, true],
      [{ origin, "x-csrf-token": token }, true],
      [{ origin, cookie: `qe_csrf=${token}` }, true],
      [{ ...good, "x-csrf-token": `${token.slice(0, -1)}_` }, true],
      [{ ...good, cookie: `qe_csrf=${forged}`, "x-csrf-token": forged }, true],
      [{ ...good, origin: "null" }, false],
      [{ ...good, origin: "https://evil.example" }, false],
      [{ cookie: good.cookie, "x-csrf-token": token }, false],
      [{ "sec-fetch-site": "same-origin" }, false],
    ] as const) {
      const answer = await post(headers);
      expect([headers, answer.status, answer.body.error.code]).toEqual([
        headers,
        403,
        "csrf_failed",
      ]);
      expect(answer.headers.get("access-control-allow-origin")).toBe(isAllowed ? origin : null);
    }
    expect(await counts(server)).toEqual(before);
  });

  test("01 §20: CSRF: POST /v1/auth/login from allowed origin without cookie; from curl (no Origin, no cookie); from evil origin", async () => {
    const { email } = await server.signUp();
    const post = (headers: Record<string, string>) =>
      server.call("POST", "/v1/auth/login", { body: credentials(email), headers });
    ok(await post({ origin: server.deps.config.publicUrl }));
    ok(await post({}));
    const before = await counts(server);
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { referer: "https://evil.example/page" },
      { "sec-fetch-site": "cross-site" },
    ] as Record<string, string>[]) {
      const answer = await post(headers);
      expect([answer.status, answer.body.error.code]).toEqual([403, "csrf_failed"]);
    }
    expect(await counts(server)).toEqual(before);
  });
});

describe("DELETE /v1/auth/session", () => {
  const CLEARED = "qe_ls=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax";

  test("ends the session of the cookie", async () => {
    const { email, userId } = await server.signUp();
    const { jar, send } = await browser(server);
    ok(await send("POST", "/v1/auth/session", credentials(email)));
    const hash = hashToken(jar.get("qe_ls")!);
    const answer = ok(await send("DELETE", "/v1/auth/session"), 204);
    expect(setCookieOf(answer, "qe_ls")).toBe(CLEARED);
    expect(await hashes()).not.toContain(hash);
    const [event] = await audited(server, null, "auth.sso_session_ended");
    expect(event).toMatchObject({ actorUserId: userId, resourceType: "login_session" });
  });

  test("02 §13: DELETE /v1/auth/session without cookie / with forged cookie", async () => {
    const bare = ok(await server.call("DELETE", "/v1/auth/session"), 204);
    expect(setCookieOf(bare, "qe_ls")).toBe(CLEARED);
    const { jar, send } = await browser(server);
    jar.set("qe_ls", "x".repeat(43));
    const before = await counts(server);
    const forged = ok(await send("DELETE", "/v1/auth/session"), 204);
    expect(setCookieOf(forged, "qe_ls")).toBe(CLEARED);
    expect(await counts(server)).toEqual(before);
  });

  test("another site can't sign a browser out", async () => {
    const { email } = await server.signUp();
    const token = cookieOf(ok(await start(email)), "qe_ls");
    const headers = { cookie: `qe_ls=${token}`, origin: "https://evil.example" };
    expectRefusal(await server.call("DELETE", "/v1/auth/session", { headers }), 403);
    expect(await hashes()).toContain(hashToken(token));
  });
});

describe("00 §49: GET /v1/auth/sso-sessions, DELETE …/{id}", () => {
  test("lists one's own browsers, marks the one that asks, and ends them", async () => {
    const person = await server.signUp();
    const { jar, send } = await browser(server);
    ok(await send("POST", "/v1/auth/session", credentials(person.email)));
    server.clock.advance(1_000);
    const other = cookieOf(ok(await start(person.email)), "qe_ls");
    const { items } = ok(await send("GET", "/v1/auth/sso-sessions", undefined, person.token)).body;
    const createdAt = server.clock.now().getTime();
    expect(items).toEqual([
      {
        id: expect.any(String),
        ip: "127.0.0.1",
        user_agent: expect.any(String),
        created_at: new Date(createdAt).toISOString(),
        last_seen_at: new Date(createdAt).toISOString(),
        expires_at: new Date(createdAt + 30 * MINUTE).toISOString(),
        current: false,
      },
      expect.objectContaining({ current: true }),
    ]);
    const path = `/v1/auth/sso-sessions/${items[0].id}`;
    const stranger = await server.signUp();
    expectRefusal(await server.call("DELETE", path, { as: stranger.token }), 404);
    expect(
      ok(await server.call("GET", "/v1/auth/sso-sessions", { as: stranger.token })).body,
    ).toEqual({ items: [] });
    expectRefusal(
      await server.call("DELETE", `/v1/auth/sso-sessions/${UNKNOWN_ID}`, { as: person.token }),
      404,
    );
    ok(await server.call("DELETE", path, { as: person.token }), 204);
    expect(await hashes()).not.toContain(hashToken(other));
    expect(await hashes()).toContain(hashToken(jar.get("qe_ls")!));
    expectRefusal(await server.call("DELETE", path, { as: person.token }), 404);
    // Never mixed into the sessions of tokens.
    const { body } = await server.call("GET", "/v1/auth/sessions", { as: person.token });
    expect(body.items).toHaveLength(1);
    server.clock.advance(30 * MINUTE);
    const again = ok(
      await server.call("POST", "/v1/auth/refresh", {
        body: { refresh_token: person.refreshToken },
      }),
    ).body.access_token;
    expect(ok(await server.call("GET", "/v1/auth/sso-sessions", { as: again })).body.items).toEqual(
      [],
    );
  });

  test("a bound key sees its user's; an unbound one has none", async () => {
    const space = await workspace(server);
    ok(await start(space.owner.email));
    const bound = await apiKey(server, space.owner, { user_id: space.owner.userId });
    const unbound = await apiKey(server, space.owner);
    const list = (as: string) => server.call("GET", "/v1/auth/sso-sessions", { as });
    expect(ok(await list(bound.authorization)).body.items).toHaveLength(1);
    expectRefusal(await list(unbound.authorization), 401);
  });
});

test("02 §13: hosted session after password reset: it is gone", async () => {
  const { email } = await server.signUp();
  const token = cookieOf(ok(await start(email)), "qe_ls");
  const body = { token: await resetToken(server, email), new_password: WRONG };
  ok(await server.call("POST", "/v1/auth/reset-password", { body }), 204);
  expect(await hashes()).not.toContain(hashToken(token));
});

test.each(["suspended", "deleted"])(
  "a user who is %s: hosted sessions and links end",
  async (what) => {
    const space = await workspace(server);
    const person = await member(server, space);
    const token = cookieOf(ok(await start(person.email)), "qe_ls");
    await server.call("POST", "/v1/auth/magic-link/start", { body: { email: person.email } });
    const link = await mailedToken(server, person.email, "/magic");
    const [method, body] =
      what === "suspended" ? ["PATCH", { status: "suspended" }] : ["DELETE", undefined];
    const path = `/v1/users/${person.userId}`;
    const done = await server.call(method as string, path, { as: space.owner.token, body });
    expect(done.status).toBeLessThan(300);
    expect(await hashes()).not.toContain(hashToken(token));
    expectRefusal(
      await server.call("POST", "/v1/auth/magic-link/consume", { body: { token: link } }),
      400,
    );
  },
);
