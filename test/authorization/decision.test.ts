/** `POST /v1/oauth/authorize/decision` and `GET /v1/oauth/login-context` (contract 03 §7.3, §7.4, §17). */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { and, desc, eq } from "drizzle-orm";
import { auditEvents, authorizationRequests, memberships } from "../../db/schema/index.ts";
import { findPendingRequest, isReturnTo } from "../../src/modules/authorization/service.ts";
import { hashToken } from "../../src/platform/crypto/tokens.ts";
import {
  type Browser,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";
import { api, ask, OPEN, paramsOf, signIn, stageOf } from "./support.ts";

const PATH = "/v1/oauth/authorize/decision";
const LOGIN = "https://login.example";

let server: TestProvider;
let owner: SignedUp;
let client: TestClient;
let members: TestClient;
let browser: Browser;
beforeAll(async () => {
  server = await startProvider();
  owner = await server.signUp();
  client = await server.createClient(owner, { name: "Suite & Söhne", ...OPEN });
  members = await server.createClient(owner, { self_registration: true, require_membership: true });
  browser = server.browser();
  await signIn(server, browser, owner);
  server.clock.advance(1_000);
});
afterAll(() => server.stop());

/** What the consent page is told of a new request. */
const waiting = async (of = browser, parameters = {}, at = client) => {
  const answer = await ask(of, at, { prompt: "consent", ...parameters });
  expect(stageOf(answer)).toBe("consent");
  return paramsOf(answer);
};
const decide = (body: unknown, of = browser) => api(server, of, "POST", PATH, body);
const leadsTo = (answer: { body: { redirect: string } }) => new URL(answer.body.redirect);
const lastAudit = async () => {
  const [row] = await server.deps.db.read
    .select()
    .from(auditEvents)
    .where(eq(auditEvents.resourceType, "oidc_client"))
    .orderBy(desc(auditEvents.seq))
    .limit(1);
  return row;
};

describe("03 §17: decision: foreign redirect_uri with approve:false; no pending request; replay; other user's request; no cookie; no CSRF token", () => {
  test("foreign redirect_uri with approve:false: 400, and nowhere to go", async () => {
    const { request_id, ...match } = await waiting();
    for (const foreign of [
      { ...match, nonce: "", redirect_uri: "https://evil.example/", approve: false },
      { request_id, redirect_uri: "https://evil.example/", approve: false },
      { request_id, client_id: members.clientId, approve: false },
    ]) {
      const answer = await decide(foreign);
      expect([answer.status, JSON.stringify(answer.body).includes("evil")]).toEqual([400, false]);
    }
    expect((await decide({ request_id, approve: false })).status).toBe(200);
  });

  test("no pending request: 400", async () => {
    for (const body of [
      { request_id: "x".repeat(43), decision: "allow" },
      { request_id: "", decision: "allow" },
      { client_id: client.clientId, redirect_uri: client.redirectUri, scope: "x", approve: true },
      { approve: true },
    ])
      expect((await decide(body)).status).toBe(400);
  });

  test("replay: 400", async () => {
    const { request_id } = await waiting();
    expect((await decide({ request_id, decision: "allow" })).status).toBe(200);
    expect((await decide({ request_id, decision: "allow" })).status).toBe(400);
    expect((await decide({ request_id, decision: "deny" })).status).toBe(400);
  });

  test("other user's request, another session's of the same user: 400", async () => {
    const { request_id, ...match } = await waiting();
    for (const user of [await server.signUp(), owner]) {
      const other = server.browser();
      await signIn(server, other, user);
      expect((await decide({ request_id, decision: "allow" }, other)).status).toBe(400);
      expect((await decide({ ...match, nonce: "", approve: true }, other)).status).toBe(400);
    }
    expect((await decide({ request_id, decision: "allow" })).status).toBe(200);
  });

  test("no cookie: 401; no CSRF token: 403", async () => {
    const { request_id } = await waiting();
    const body = { request_id, decision: "allow" };
    expect((await server.call("POST", PATH, { body })).status).toBe(401);
    expect((await decide(body, server.browser())).status).toBe(401);
    const cookie = [...browser.cookies].map(([name, { value }]) => `${name}=${value}`).join("; ");
    const bare = (headers: Record<string, string>) =>
      server.call("POST", PATH, { body, headers: { cookie, ...headers } });
    const token = browser.cookies.get("qe_csrf")!.value;
    for (const headers of [
      {},
      { origin: server.base },
      { origin: "https://evil.example", "x-csrf-token": token },
      { origin: server.base, "x-csrf-token": `${token.slice(0, -4)}abcd` },
    ] as Record<string, string>[]) {
      const answer = await bare(headers);
      expect([answer.status, answer.body.error?.code]).toEqual([403, "csrf_failed"]);
    }
    expect((await decide(body)).status).toBe(200);
  });

  test("many at once: one answer", async () => {
    const { request_id } = await waiting();
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, n) =>
        decide({ request_id, decision: n % 2 === 0 ? "allow" : "deny" }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400, 400, 400]);
  });
});

describe("what a decision is made of", () => {
  test.each([
    ["neither word", {}, 400],
    ["two that contradict", { decision: "allow", approve: false }, 400],
    ["an unknown word", { decision: "maybe" }, 422],
    ["an unknown member", { decision: "allow", user_id: "x" }, 400],
    ["a wrong type", { approve: "true" }, 400],
    ["a value of more than 8 KiB", { decision: "allow", state: "x".repeat(8_193) }, 422],
  ])("%s", async (_, body, status) => {
    const { request_id } = await waiting();
    expect((await decide({ request_id, ...body })).status).toBe(status);
  });

  test("03 §17: decision approves more scopes than requested: stored request wins", async () => {
    const { request_id, ...match } = await waiting(browser, { scope: "openid" });
    const more = { ...match, nonce: "", scope: "openid email" };
    expect((await decide({ ...more, approve: true })).status).toBe(400);
    const answer = await decide({ request_id, ...more, approve: true });
    const flow = {
      code: leadsTo(answer).searchParams.get("code") ?? "",
      redirectUri: client.redirectUri,
      verifier: "v".repeat(43),
    };
    const { status, body } = await server.exchange(client, flow);
    expect(status).toBe(200);
    expect((body.scope ?? "openid").split(" ")).toEqual(["openid"]);
    expect((await lastAudit())?.metadata).toContain('"scopes":["openid"]');
  });

  test("both shapes, and no more than the page knows", async () => {
    for (const parameters of [
      {},
      { nonce: "n", state: undefined },
      { scope: "openid email", state: "a&b=c+d %" },
    ]) {
      const { request_id: _, ...match } = await waiting(browser, parameters);
      const answer = await decide({ scope: "", state: "", nonce: "", ...match, approve: true });
      expect([answer.status, answer.headers.get("pragma")]).toEqual([200, "no-cache"]);
      expect(answer.headers.get("cache-control")).toBe("no-store");
      expect(leadsTo(answer).searchParams.get("code")).toHaveLength(43);
      expect(leadsTo(answer).searchParams.get("state")).toBe(match.state ?? null);
      expect(leadsTo(answer).searchParams.get("iss")).toBe(server.base);
    }
  });

  test("two alike are two: each is decided once", async () => {
    const first = await waiting(browser, { state: "twin" });
    await waiting(browser, { state: "twin" });
    const { request_id: _, ...match } = first;
    const codes = new Set<string | null>();
    for (let n = 0; n < 2; n += 1) {
      const answer = await decide({ ...match, nonce: "", approve: true });
      codes.add(leadsTo(answer).searchParams.get("code"));
    }
    expect(codes.size).toBe(2);
    expect((await decide({ ...match, nonce: "", approve: true })).status).toBe(400);
  });

  test.each([
    ["allow", "oauth.consent_granted"],
    ["deny", "oauth.consent_denied"],
  ])("%s is written down as %s", async (decision, action) => {
    const { request_id } = await waiting();
    await decide({ request_id, decision });
    const event = await lastAudit();
    expect(event).toMatchObject({
      action,
      tenantId: client.tenantId,
      actorUserId: owner.userId,
      resourceId: client.id,
    });
    expect(JSON.parse(event!.metadata)).toEqual({ client_id: client.clientId, scopes: ["openid"] });
  });

  test("a refusal leaves no consent", async () => {
    const user = await server.signUp();
    const one = server.browser();
    await signIn(server, one, user);
    server.clock.advance(1_000);
    const { request_id } = paramsOf(await ask(one, client));
    await decide({ request_id, decision: "deny" }, one);
    expect(stageOf(await ask(one, client))).toBe("consent");
  });

  test("who has left the tenant meanwhile is denied, whatever they say", async () => {
    const user = await server.signUp();
    const setMember = async (active: boolean) => {
      const values = { tenantId: owner.tenantId, userId: user.userId, active };
      await server.deps.db.transaction(async (tx) => {
        const [row] = await tx
          .select()
          .from(memberships)
          .where(eq(memberships.userId, user.userId));
        const of = and(
          eq(memberships.userId, user.userId),
          eq(memberships.tenantId, owner.tenantId),
        );
        if (active) await tx.insert(memberships).values({ ...row!, ...values });
        else await tx.update(memberships).set({ active }).where(of);
      });
    };
    await setMember(true);
    const one = server.browser();
    await signIn(server, one, user);
    server.clock.advance(1_000);
    const { request_id } = await waiting(one, {}, members);
    await setMember(false);
    const answer = await decide({ request_id, decision: "allow" }, one);
    expect(leadsTo(answer).searchParams.get("error")).toBe("access_denied");
    expect(JSON.parse((await lastAudit())!.metadata)).toMatchObject({ reason: "membership" });
  });

  test("after the request's life: 400", async () => {
    const one = server.browser();
    await signIn(server, one, owner);
    server.clock.advance(1_000);
    const { request_id } = await waiting(one);
    await server.deps.db.transaction(async (tx) => {
      await tx
        .update(authorizationRequests)
        .set({ expiresAt: server.clock.now() })
        .where(eq(authorizationRequests.requestHash, hashToken(request_id!)));
    });
    expect((await decide({ request_id, decision: "allow" }, one)).status).toBe(400);
  });
});

describe("03 §2: who may call it from elsewhere", () => {
  test.each([PATH, "/v1/oauth/login-context?client_id=x"])(
    "%s: the sign-in pages alone, with credentials",
    async (path) => {
      const elsewhere = await startProvider({
        loginBaseUrl: LOGIN,
        allowedOrigins: ["https://app.example"],
      });
      const method = path === PATH ? "POST" : "GET";
      const granted = async (origin: string) => {
        const { headers } = await fetch(elsewhere.base + path, { method, headers: { origin } });
        const preflight = await fetch(elsewhere.base + path, {
          method: "OPTIONS",
          headers: { origin, "access-control-request-method": method },
        });
        return [headers, preflight.headers].map((one) => [
          one.get("access-control-allow-origin"),
          one.get("access-control-allow-credentials"),
        ]);
      };
      const none = [null, null];
      expect(await granted(LOGIN)).toEqual([
        [LOGIN, "true"],
        [LOGIN, "true"],
      ]);
      for (const origin of ["https://app.example", "https://evil.example", `${LOGIN}.evil`])
        expect(await granted(origin)).toEqual([none, none]);
      await elsewhere.stop();
    },
  );

  test("authorize: nobody", async () => {
    const { headers } = await server.call("GET", "/v1/oauth/authorize", {
      headers: { origin: server.base },
    });
    expect(headers.get("access-control-allow-origin")).toBeNull();
  });

  test("a decision of the sign-in pages elsewhere", async () => {
    const elsewhere = await startProvider({ loginBaseUrl: LOGIN });
    const user = await elsewhere.signUp();
    const itsClient = await elsewhere.createClient(user);
    const one = elsewhere.browser();
    await signIn(elsewhere, one, user);
    elsewhere.clock.advance(1_000);
    const answer = await ask(one, itsClient);
    expect(answer.headers.get("location")).toStartWith(`${LOGIN}/consent?request_id=`);
    const body = { request_id: paramsOf(answer).request_id, decision: "allow" };
    const decided = await api(elsewhere, one, "POST", PATH, body, { origin: LOGIN });
    expect(decided.status).toBe(200);
    await elsewhere.stop();
  });
});

describe("GET /v1/oauth/login-context", () => {
  const context = (query: string) => server.call("GET", `/v1/oauth/login-context${query}`);

  test("by client_id: what a sign-in page shows, and no more", async () => {
    const { status, body } = await context(`?client_id=${client.clientId}`);
    expect(status).toBe(200);
    expect(body).toEqual({
      client_id: client.clientId,
      client_name: "Suite & Söhne",
      tenant_id: client.tenantId,
      providers: [],
      scopes: [],
      methods: { password: true, passkey: false, magic_link: true },
      self_registration_enabled: false,
      remember_device_enabled: false,
      branding: null,
      locale: "en",
    });
    const open = await context(`?client_id=${members.clientId}`);
    expect(open.body.self_registration_enabled).toBe(true);
  });

  test("by request_id: what is asked for as well", async () => {
    const parameters = { scope: "openid email", login_hint: "a@b.c", ui_locales: "de en" };
    const { request_id } = await waiting(browser, parameters);
    const { body } = await context(`?request_id=${request_id}&client_id=${client.clientId}`);
    expect(body).toMatchObject({
      request_id,
      client_id: client.clientId,
      scopes: ["openid", "email"],
      login_hint: "a@b.c",
      prompt: "consent",
      ui_locales: "de en",
      locale: "de",
    });
    expect(JSON.stringify(body)).not.toContain(client.redirectUri);
    expect((await context(`?request_id=${request_id}&client_id=${members.clientId}`)).status).toBe(
      404,
    );
  });

  test("unknown: 404; neither: 400", async () => {
    expect((await context("?client_id=qci_00000000-0000-4000-8000-000000000000")).status).toBe(404);
    expect((await context(`?request_id=${"x".repeat(43)}`)).status).toBe(404);
    expect((await context("")).status).toBe(400);
  });
});

describe("what the pages ask", () => {
  test("a request that waits, for the browser that it waits in", async () => {
    const claims = JSON.stringify({ userinfo: { name: null } });
    const { request_id } = await waiting(browser, { claims, display: "popup" });
    const cookie = browser.cookies.get("qe_ar")?.value;
    const found = await findPendingRequest(server.deps, request_id!, cookie);
    expect(found).toMatchObject({
      requestId: request_id,
      scopes: ["openid"],
      claimNames: ["userinfo.name"],
      display: "popup",
      prompt: ["consent"],
      redirectHost: "app.example",
    });
    expect(found?.client.clientId).toBe(client.clientId);
    for (const other of [undefined, "x", "y".repeat(43)])
      expect(await findPendingRequest(server.deps, request_id!, other)).toBeUndefined();
    expect(await findPendingRequest(server.deps, "x", cookie)).toBeUndefined();
  });

  test("00 §35: where the browser may return to", () => {
    const { base, deps } = server;
    const good = [
      "/v1/oauth/authorize?a=b",
      "/saml/idp/sso?x",
      "/device",
      "/account",
      "/invite/accept?token=t",
    ];
    for (const path of good) expect([path, isReturnTo(deps, base + path)]).toEqual([path, true]);
    for (const url of [
      "",
      "/v1/oauth/authorize",
      base,
      `${base}/`,
      `${base}/login`,
      `${base}/v1/oauth/authorize/decision`,
      `${base}/v1/oauth/authorizes`,
      `${base}/device/../login`,
      `${base}/account#x`,
      `${base}/device?\nx`,
      `${base}/device?a\\b`,
      `${base}.evil.example/device`,
      `${base}@evil.example/device`,
      `${base}:1/device`,
      `//${base.slice(7)}/device`,
      `https://evil.example/device?${base}/device`,
      `${base.toUpperCase()}/device`,
      "javascript:alert(1)//device",
      `${base}/device?${"x".repeat(8_192)}`,
    ])
      expect([url, isReturnTo(deps, url)]).toEqual([url, false]);
  });
});
