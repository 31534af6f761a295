/** RFC 8628 §3.3 and contract 03 §16.2: who types a code in, what they see, what they decide. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { and, eq } from "drizzle-orm";
import {
  auditEvents,
  deviceAuthorizations,
  loginSessions,
  oidcConsents,
} from "../../db/schema/index.ts";
import { testConfig } from "../../src/config.ts";
import { newUserCode, readUserCode, showUserCode } from "../../src/modules/devices/user-code.ts";
import { audited, browser } from "../auth/support.ts";
import { member, ok, type Workspace, workspace } from "../rbac/support.ts";
import { startProvider, type TestClient, type TestProvider } from "../support/provider.ts";
import type { Answer } from "../support/server.ts";
import { expectOAuthError } from "../tokens/support.ts";
import {
  codes,
  DAY_SECONDS,
  deviceClient,
  poll,
  pollLater,
  SECOND,
  type SignedIn,
  signedIn,
  startDevice,
} from "./support.ts";

let server: TestProvider;
let space: Workspace;
let client: TestClient;
let person: SignedIn;
beforeAll(async () => {
  // The owner stays signed in while the clock runs.
  server = await startProvider({ accessTokenTtlSeconds: DAY_SECONDS });
  space = await workspace(server);
  client = await deviceClient(server, space.owner);
});
afterAll(() => server.stop());

const signInOwner = async () => {
  person = await signedIn(server, space.owner);
};
const consentOf = async (userId: string) => {
  const [row] = await server.deps.db.read
    .select()
    .from(oidcConsents)
    .where(and(eq(oidcConsents.userId, userId), eq(oidcConsents.clientRowId, client.id)));
  return row;
};
const audits = () => server.deps.db.read.$count(auditEvents);

/** Contract 03 §16.2: the dotted name stands at the beginning of the detail. */
function expectNamed(answer: Answer, status: number, code: string, name: string): void {
  const { error } = answer.body;
  expect([answer.status, error.code, error.detail.split(":")[0]]).toEqual([status, code, name]);
}

describe("user codes", () => {
  const all = (byte: number) => ({ bytes: (length: number) => new Uint8Array(length).fill(byte) });

  test("eight letters of twenty, none more often than another", () => {
    expect(newUserCode(all(0))).toBe("BBBBBBBB");
    expect(newUserCode(all(239))).toBe("ZZZZZZZZ");
    const counts = new Map<string, number>();
    for (let n = 0; n < 2_000; n += 1)
      for (const letter of newUserCode(server.deps.random))
        counts.set(letter, (counts.get(letter) ?? 0) + 1);
    expect([...counts.keys()].sort().join("")).toBe("BCDFGHJKLMNPQRSTVWXZ");
    // 800 each on average; five standard deviations are 138.
    for (const count of counts.values()) expect(Math.abs(count - 800)).toBeLessThan(138);
  });

  test("a byte beyond the last whole alphabet is thrown away, not folded", () => {
    const bytes = [255, 240, 19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    expect(newUserCode({ bytes: () => Uint8Array.from(bytes) })).toBe("ZBBBBBBB");
  });

  test.each([
    ["BCDF-GHJK", "BCDFGHJK"],
    ["bcdfghjk", "BCDFGHJK"],
    [" bcdf – ghjk ", "BCDFGHJK"],
    ["b-c-d-f-g-h-j-k", "BCDFGHJK"],
    ["BCDF-GHJ", undefined],
    ["BCDF-GHJKL", undefined],
    ["ACDF-GHJK", undefined],
    ["BCDF.GHJK", undefined],
    ["", undefined],
  ])("%p is read as %p", (text, code) => expect(readUserCode(text)).toBe(code as string));

  test("people read it in two halves", () => expect(showUserCode("BCDFGHJK")).toBe("BCDF-GHJK"));

  test("one that is taken is not given out again", async () => {
    const bytes = server.deps.random.bytes;
    const taken = new Uint8Array(16).fill(7);
    let left = 3;
    server.deps.random.bytes = (length) => (length === 16 && left-- > 0 ? taken : bytes(length));
    try {
      const one = await codes(server, client);
      const other = await codes(server, client);
      expect(one.user_code).toBe("KKKK-KKKK");
      expect(other.user_code).not.toBe(one.user_code);
    } finally {
      server.deps.random.bytes = bytes;
    }
  });
});

describe("GET /v1/oauth/device", () => {
  test("says which client asks, and for what; however the code is typed", async () => {
    await signInOwner();
    const { user_code } = await codes(server, client, { scope: "openid" });
    for (const typed of [user_code, user_code.toLowerCase(), user_code.replace("-", " ")])
      expect(ok(await person.find(typed)).body).toEqual({
        client_name: "Television",
        scopes: ["openid"],
      });
  });

  test("without a session, and with one that has ended: 401", async () => {
    const { user_code } = await codes(server, client);
    const path = `/v1/oauth/device?user_code=${user_code}`;
    expect((await server.call("GET", path)).status).toBe(401);
    expect((await server.call("GET", path, { as: space.owner.token })).status).toBe(401);
    const other = await signedIn(server, space.owner);
    const cookie = `qe_ls=${other.jar.get("qe_ls")}`;
    ok(await other.send("DELETE", "/v1/auth/session"), 204);
    expect((await server.call("GET", path, { headers: { cookie } })).status).toBe(401);
  });

  test("a session that is used lives on: its cookie is set again", async () => {
    const other = await signedIn(server, space.owner);
    const token = other.jar.get("qe_ls")!;
    server.clock.advance(16 * 60 * SECOND);
    const { user_code } = await codes(server, client);
    const answer = ok(await other.find(user_code));
    expect(answer.headers.getSetCookie().join()).toContain(`qe_ls=${token}; Max-Age=1800`);
  });

  test.each([
    ["no code", "", 400, "bad_request", "oidc.user_code_required"],
    ["blanks", "%20%20", 400, "bad_request", "oidc.user_code_required"],
    ["no code at all like this", "HELLO", 404, "not_found", "oidc.user_code_invalid"],
    ["nobody's code", "ZZZZ-ZZZZ", 404, "not_found", "oidc.user_code_invalid"],
  ])("%s (%p): %p", async (_, text, status, code, name) => {
    await signInOwner();
    const answer = await person.send("GET", `/v1/oauth/device?user_code=${text}`);
    expectNamed(answer, status, code, name);
    if (text === "") expectNamed(await person.send("GET", "/v1/oauth/device"), status, code, name);
  });

  test("expired: 400; decided: 409; its client is gone: 404", async () => {
    const short = await deviceClient(server, space.owner);
    const [late, decided, orphan] = [
      await codes(server, client),
      await codes(server, client),
      await codes(server, short),
    ];
    await signInOwner();
    ok(await person.decide(decided.user_code, false));
    expectNamed(
      await person.find(decided.user_code),
      409,
      "conflict",
      "oidc.device_already_decided",
    );
    ok(await server.call("DELETE", `/v1/oidc/clients/${short.id}`, { as: space.owner.token }), 204);
    expectNamed(await person.find(orphan.user_code), 404, "not_found", "oidc.user_code_invalid");
    server.clock.advance(600 * SECOND);
    expectNamed(await person.find(late.user_code), 400, "bad_request", "oidc.user_code_expired");
    const answer = await person.decide(late.user_code);
    expectNamed(answer, 400, "bad_request", "oidc.user_code_expired");
  });
});

describe("POST /v1/oauth/device/decision", () => {
  test("approved: consent is kept, the session is named, the log says so", async () => {
    const user = await member(server, space);
    const { user_code, device_code } = await codes(server, client);
    const other = await signedIn(server, user);
    const answer = ok(await other.decide(user_code.toLowerCase()));
    expect(answer.body).toEqual({ status: "authorized" });
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(await consentOf(user.userId)).toMatchObject({ scopes: ["openid", "profile"] });
    const [event] = await audited(server, space.tenantId, "oauth.device_authorized");
    expect(event).toMatchObject({
      actorUserId: user.userId,
      metadata: { client_id: client.clientId, user_code, scopes: ["openid", "profile"] },
    });
    expect(JSON.stringify(event)).not.toContain(device_code);
    ok(await poll(server, client, { device_code }));
  });

  test("refused: no consent", async () => {
    const user = await member(server, space);
    const { user_code } = await codes(server, client);
    const other = await signedIn(server, user);
    expect(ok(await other.decide(user_code, false)).body).toEqual({ status: "denied" });
    expect(await consentOf(user.userId)).toBeUndefined();
  });

  test("a second decision: 409, and the first one holds", async () => {
    await signInOwner();
    const given = await codes(server, client);
    ok(await person.decide(given.user_code, false));
    const answer = await person.decide(given.user_code, true);
    expectNamed(answer, 409, "conflict", "oidc.device_already_decided");
    expectOAuthError(await pollLater(server, client, given), "access_denied");
  });

  test("eight decisions at once: one counts", async () => {
    await signInOwner();
    const given = await codes(server, client);
    const before = await audits();
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) => person.decide(given.user_code, n % 2 === 0)),
    );
    const made = answers.filter(({ status }) => status === 200);
    expect(made).toHaveLength(1);
    for (const answer of answers.filter((one) => one !== made[0]))
      expectNamed(answer, 409, "conflict", "oidc.device_already_decided");
    const [row] = await server.deps.db.read
      .select()
      .from(deviceAuthorizations)
      .where(eq(deviceAuthorizations.userCode, readUserCode(given.user_code)!));
    expect(row?.status).toBe(made[0]!.body.status);
    expect(await audits()).toBe(before + 1);
  });

  test("without a session 401, without the CSRF token or from elsewhere 403; nothing is decided", async () => {
    await signInOwner();
    const { user_code } = await codes(server, client);
    const path = "/v1/oauth/device/decision";
    const body = { user_code, approve: true };
    const stranger = await browser(server);
    expect((await stranger.send("POST", path, body)).status).toBe(401);
    const cookie = [...person.jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const { publicUrl } = server.deps.config;
    const csrf = person.jar.get("qe_csrf")!;
    const requests: Record<string, string>[] = [
      { cookie, origin: publicUrl },
      { cookie, "x-csrf-token": csrf },
      { cookie, "x-csrf-token": csrf, origin: "https://evil.example" },
      { cookie, "x-csrf-token": "x".repeat(64), origin: publicUrl },
    ];
    for (const headers of requests) {
      const answer = await server.call("POST", path, { body, headers });
      expect([answer.status, answer.body.error.code]).toEqual([403, "csrf_failed"]);
    }
    ok(await person.find(user_code));
  });

  test.each([
    ["no code", { approve: true }, 400],
    ["no decision", { user_code: "BCDF-GHJK" }, 422],
    ["a word for the decision", { user_code: "BCDF-GHJK", approve: "yes" }, 400],
    ["an unknown member", { user_code: "BCDF-GHJK", approve: true, scope: "openid" }, 400],
    ["nobody's code", { user_code: "ZZZZ-ZZZZ", approve: true }, 404],
  ])("%s: refused", async (_, body, status) => {
    await signInOwner();
    expect((await person.send("POST", "/v1/oauth/device/decision", body)).status).toBe(status);
  });

  test("require_membership: no member is 403 and may refuse; a member passes", async () => {
    const closed = await deviceClient(server, space.owner, { require_membership: true });
    const guest = await signedIn(server, await server.signUp());
    const given = await codes(server, closed);
    const before = await audits();
    const answer = await guest.decide(given.user_code);
    expectNamed(answer, 403, "forbidden", "oidc.user_tenant_mismatch");
    expect(await audits()).toBe(before);
    const inside = await signedIn(server, await member(server, space));
    ok(await inside.decide(given.user_code));
    ok(await poll(server, closed, given));
    const again = await codes(server, closed);
    expect(ok(await guest.decide(again.user_code, false)).body.status).toBe("denied");
  });

  test("00 §23: a session from another tenant's identity provider serves that tenant alone", async () => {
    const open = await deviceClient(server, space.owner, { require_membership: false });
    const elsewhere = await workspace(server);
    const user = await member(server, elsewhere);
    const pinTo = (pinnedTenantId: string) =>
      server.deps.db.transaction(async (tx) => {
        await tx
          .update(loginSessions)
          .set({ pinnedTenantId })
          .where(eq(loginSessions.userId, user.userId));
      });
    const other = await signedIn(server, user);
    const given = await codes(server, open);
    await pinTo(elsewhere.tenantId);
    const answer = await other.decide(given.user_code);
    expectNamed(answer, 403, "forbidden", "oidc.user_tenant_mismatch");
    await pinTo(space.tenantId);
    ok(await other.decide(given.user_code));
  });
});

describe("between the decision and the tokens", () => {
  const suspend = (userId: string) =>
    server.call("PATCH", `/v1/users/${userId}`, {
      as: space.owner.token,
      body: { status: "suspended" },
    });

  test("the user is suspended: access_denied, also after they are back", async () => {
    const user = await member(server, space);
    const given = await codes(server, client);
    ok(await (await signedIn(server, user)).decide(given.user_code));
    ok(await suspend(user.userId));
    expectOAuthError(await pollLater(server, client, given), "access_denied");
    ok(
      await server.call("PATCH", `/v1/users/${user.userId}`, {
        as: space.owner.token,
        body: { status: "active" },
      }),
    );
    expectOAuthError(await pollLater(server, client, given), "access_denied");
  });

  test("an administrator takes the client's access away: access_denied", async () => {
    const user = await member(server, space);
    const [first, second] = [await codes(server, client), await codes(server, client)];
    const other = await signedIn(server, user);
    ok(await other.decide(first.user_code));
    ok(await other.decide(second.user_code));
    ok(await poll(server, client, first));
    const path = `/v1/tenants/${space.tenantId}/oauth/grants`;
    const { body } = ok(
      await server.call("GET", `${path}?user_id=${user.userId}`, { as: space.owner.token }),
    );
    expect(body.items).toHaveLength(1);
    ok(await server.call("DELETE", `${path}/${body.items[0].id}`, { as: space.owner.token }), 204);
    expectOAuthError(await poll(server, client, second), "access_denied");
  });

  test("the user signs out: access_denied; with offline_access the device keeps its way in", async () => {
    const lasting = await deviceClient(server, space.owner, {
      scopes: ["openid", "offline_access"],
    });
    const [short, long] = [await codes(server, client), await codes(server, lasting)];
    const other = await signedIn(server, space.owner);
    ok(await other.decide(short.user_code));
    ok(await other.decide(long.user_code));
    ok(await other.send("DELETE", "/v1/auth/session"), 204);
    expectOAuthError(await poll(server, client, short), "access_denied");
    ok(await poll(server, lasting, long));
  });
});

describe("RFC 8628 §5.1: guessing", () => {
  test("five codes a minute for each session, and for each address, right or wrong", async () => {
    const limits = { ...testConfig().rateLimits, device: { ratePerSecond: 1 / 12, burst: 5 } };
    const other = await startProvider({ rateLimits: limits });
    try {
      const home = await workspace(other);
      const device = await deviceClient(other, home.owner);
      const { user_code } = await codes(other, device);
      const user = await signedIn(other, home.owner);
      for (let n = 0; n < 5; n += 1) expect((await user.find("ZZZZ-ZZZZ")).status).toBe(404);
      // Nobody learns from a sixth that it would have been right.
      for (const answer of [await user.find(user_code), await user.decide(user_code)]) {
        expect(answer.status).toBe(429);
        expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      }
      // Another session at the same address: its own guesses are left, the address has none.
      const neighbour = await signedIn(other, home.owner);
      expect((await neighbour.find(user_code)).status).toBe(429);
      other.clock.advance(60 * SECOND);
      ok(await user.find(user_code));
      ok(await user.decide(user_code));
    } finally {
      await other.stop();
    }
  });

  test("no guess without a session", async () => {
    const path = "/v1/oauth/device?user_code=ZZZZ-ZZZZ";
    for (let n = 0; n < 8; n += 1) expect((await server.call("GET", path)).status).toBe(401);
  });
});

test("03 §2: sign-in pages of another origin may ask and decide, with credentials; nobody else", async () => {
  const pages = "https://login.example";
  const app = "https://app.example";
  const other = await startProvider({ loginBaseUrl: pages, allowedOrigins: [app] });
  try {
    const home = await workspace(other);
    const device = await deviceClient(other, home.owner);
    const asked = ok(await startDevice(other, device)).body;
    expect(asked.verification_uri).toBe(`${pages}/device`);
    const user = await signedIn(other, home.owner);
    const cookie = [...user.jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const csrf = { "x-csrf-token": user.jar.get("qe_csrf")! };
    const body = { user_code: asked.user_code, approve: true };
    const find = (origin: string) =>
      other.call("GET", `/v1/oauth/device?user_code=${asked.user_code}`, {
        headers: { cookie, origin },
      });
    const decide = (origin: string) =>
      other.call("POST", "/v1/oauth/device/decision", {
        body,
        headers: { cookie, origin, ...csrf },
      });
    for (const origin of [app, "https://evil.example"])
      expect((await find(origin)).headers.get("access-control-allow-origin")).toBeNull();
    expect((await decide("https://evil.example")).status).toBe(403);
    for (const answer of [await find(pages), await decide(pages)]) {
      ok(answer);
      expect(answer.headers.get("access-control-allow-origin")).toBe(pages);
      expect(answer.headers.get("access-control-allow-credentials")).toBe("true");
    }
  } finally {
    await other.stop();
  }
});
