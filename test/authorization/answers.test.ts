/** How answers travel: the redirect, the form, the browser that a request is bound to (contract 03 §7.2, §17). */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { authorizationRequests } from "../../db/schema/index.ts";
import { hashToken } from "../../src/platform/crypto/tokens.ts";
import {
  authorizeUrl,
  type Browser,
  callbackOf,
  type Parameters,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";
import { allow, api, ask, comeBack, OPEN, PKCE, paramsOf, signIn, stageOf } from "./support.ts";

const WITH_QUERY = "https://app.example/cb?tenant=a%20b&x";
const LIFE_MS = 30 * 60_000;

let server: TestProvider;
let owner: SignedUp;
let client: TestClient;
let native: TestClient;
let other: TestClient;
let changing: TestClient;
let browser: Browser;
beforeAll(async () => {
  server = await startProvider();
  owner = await server.signUp();
  client = await server.createClient(owner, {
    redirect_uris: ["https://app.example/callback", WITH_QUERY],
    ...OPEN,
  });
  native = await server.createClient(owner, {
    type: "public",
    redirect_uris: ["com.example.app:/cb"],
    ...OPEN,
  });
  other = await server.createClient(owner);
  changing = await server.createClient(owner, OPEN);
  browser = server.browser();
  await signIn(server, browser, owner);
  server.clock.advance(1_000);
  await allow(server, browser, await ask(browser, client));
  await allow(server, browser, await ask(browser, native));
});
afterAll(() => server.stop());

const STRANGE = [
  "a&b=c+d %20",
  "ünïcode ☃ 🦊",
  "\"><script>alert('x')</script>",
  "a\r\nb: c",
  "#/?",
];

describe("03 §17: redirect URI with its own query; state with", () => {
  test.each(STRANGE)("%p: query kept, state byte-equal", async (state) => {
    for (const prompt of [undefined, "none", "none login"]) {
      const answer = await ask(browser, client, { state, redirect_uri: WITH_QUERY, prompt });
      const location = answer.headers.get("location")!;
      expect(location).toStartWith(`${WITH_QUERY}&`);
      expect(new URL(location).searchParams.get("state")).toBe(state);
      // No character that a header, or a reader of URLs, could stumble over.
      expect(location).toMatch(/^[\x21-\x7E]+$/);
      expect(location).not.toMatch(/[<>"\\#]/);
    }
  });

  test("a scheme of an application's own", async () => {
    const answer = await ask(browser, native);
    expect(answer.headers.get("location")).toMatch(
      /^com\.example\.app:\/cb\?code=[\w-]{43}&state=/,
    );
  });

  test("an encoded byte that is no UTF-8 is refused, not replaced", async () => {
    const url = `${authorizeUrl(client, { ...PKCE, state: undefined })}&state=%FF`;
    const answer = await browser.call("GET", url);
    expect(paramsOf(answer)).toMatchObject({ error: "invalid_request" });
    expect(paramsOf(answer).state).toBeUndefined();
  });
});

describe("RFC 9207: the issuer stands in every answer, against a mix-up", () => {
  test.each([
    ["a code", {}],
    ["a refusal", { scope: "admin" }],
    ["a silent refusal", { prompt: "none", max_age: "0" }],
  ] as [string, Parameters][])("%s", async (_, parameters) => {
    expect(paramsOf(await ask(browser, client, parameters)).iss).toBe(server.base);
    const page = await ask(browser, client, { ...parameters, response_mode: "form_post" });
    expect(page.body).toContain(`name="iss" value="${server.base}"`);
  });

  test("a denial", async () => {
    const { request_id } = paramsOf(await ask(browser, client, { prompt: "consent" }));
    const body = { request_id, decision: "deny" };
    const denied = await api(server, browser, "POST", "/v1/oauth/authorize/decision", body);
    expect(paramsOf({ headers: new Headers({ location: denied.body.redirect }) })).toEqual({
      error: "access_denied",
      error_description: "the user refused",
      state: "state",
      iss: server.base,
    });
  });
});

describe("repeated parameters (RFC 6749 §3.1)", () => {
  const url = () => authorizeUrl(client, PKCE);
  test.each([
    ["client_id", "x"],
    ["redirect_uri", "https://evil.example/"],
  ])("%s: a page", async (name, value) => {
    for (const one of [value, ""]) {
      const answer = await browser.call("GET", `${url()}&${name}=${encodeURIComponent(one)}`);
      expect([answer.status, answer.headers.get("location")]).toEqual([400, null]);
    }
  });

  test.each(["scope", "response_type", "nonce", "prompt", "code_challenge", "max_age"])(
    "%s: the client is told",
    async (name) => {
      const answer = await browser.call("GET", `${url()}&${name}=a&${name}=b`);
      expect(paramsOf(answer)).toMatchObject({ error: "invalid_request", state: "state" });
    },
  );

  test("state: neither value comes back", async () => {
    const answer = await browser.call("GET", `${url()}&state=other`);
    const { error, state } = paramsOf(answer);
    expect([error, state]).toEqual(["invalid_request", undefined]);
  });

  test("an unknown name says nothing that breaks the answer", async () => {
    const answer = await browser.call("GET", `${url()}&%22%0D%0A=1&%22%0D%0A=2`);
    expect(paramsOf(answer).error_description).toBe("repeated parameter '''");
  });

  test("RFC 8707 §2: resource alone may", async () => {
    const two = "&resource=https%3A%2F%2Fa.example%2F&resource=https%3A%2F%2Fb.example%2F";
    expect(stageOf(await browser.call("GET", url() + two))).toBe("callback");
    const eleven = "&resource=https%3A%2F%2Fa.example%2F".repeat(11);
    expect(paramsOf(await browser.call("GET", url() + eleven)).error).toBe("invalid_request");
  });

  test("in a form, and none of them from its query", async () => {
    const fields = new URLSearchParams(url().split("?")[1]);
    const post = (path: string, body: string) =>
      server.call("POST", path, {
        body,
        headers: { "content-type": "application/x-www-form-urlencoded" },
      });
    expect((await post("/v1/oauth/authorize", `${fields}&scope=openid`)).status).toBe(400);
    fields.delete("client_id");
    const mixed = await post(`/v1/oauth/authorize?client_id=${client.clientId}`, `${fields}`);
    expect([mixed.status, mixed.headers.get("location")]).toEqual([400, null]);
  });
});

describe("form_post", () => {
  test("a page that posts itself to the client, under a policy that lets in no stranger's script", async () => {
    const { status, headers, body } = await ask(browser, client, { response_mode: "form_post" });
    expect(status).toBe(200);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("cross-origin-opener-policy")).toBe("unsafe-none");
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain("form-action");
    expect(policy).not.toContain("unsafe-inline");
    expect(body).not.toMatch(/<script(?![^>]*\bsrc="\/assets\/form-post\.js\?v=\w+")[^>]*>/);
    const [script] = /\/assets\/form-post\.js\?v=\w+/.exec(body) ?? [];
    const served = await server.call("GET", script!);
    expect(served.headers.get("content-type")).toContain("text/javascript");
    expect(served.body).toContain('getElementById("form-post").submit()');
  });

  test.each(STRANGE)("state %p arrives as it was sent", async (state) => {
    const screen = await browser.open(
      authorizeUrl(client, { ...PKCE, state, response_mode: "form_post" }),
    );
    const { code, ...rest } = callbackOf(screen);
    // An HTML parser reads a line break in an attribute as one character.
    const read = state.replaceAll("\r\n", "\n");
    expect(rest.state?.replaceAll("\r\n", "\n")).toBe(read);
    expect(rest.iss).toBe(server.base);
    expect(code).toHaveLength(43);
    expect(screen.body).not.toContain("<script>alert");
    expect(screen.forms[0]).toMatchObject({ action: client.redirectUri, method: "POST" });
  });

  test("a refusal too", async () => {
    const answer = await ask(browser, client, { response_mode: "form_post", scope: "admin" });
    expect([answer.status, answer.headers.get("location")]).toEqual([200, null]);
    expect(answer.body).toContain('name="error" value="invalid_scope"');
  });

  test.each([true, false])("decided %p: the browser comes back for it, once", async (approve) => {
    const parameters = { response_mode: "form_post", prompt: "consent" };
    const request = paramsOf(await ask(browser, client, parameters));
    const answer = await api(server, browser, "POST", "/v1/oauth/authorize/decision", {
      request_id: request.request_id,
      approve,
    });
    const { redirect } = answer.body;
    expect(redirect).toBe(
      `${server.base}/v1/oauth/authorize?client_id=${client.clientId}&request_id=${request.request_id}`,
    );
    const again = await api(server, browser, "POST", "/v1/oauth/authorize/decision", {
      request_id: request.request_id,
      approve,
    });
    expect(again.status).toBe(400);
    const page = await browser.visit(redirect);
    expect(Object.keys(callbackOf(page))).toEqual(
      approve ? ["code", "state", "iss"] : ["error", "error_description", "state", "iss"],
    );
    expect((await browser.visit(redirect)).status).toBe(400);
  });

  test("decided by what the request holds: it comes back under a new name", async () => {
    const parameters = { response_mode: "form_post", prompt: "consent", state: "by match" };
    const { request_id, ...match } = paramsOf(await ask(browser, client, parameters));
    const body = { ...match, nonce: "", approve: true };
    const answer = await api(server, browser, "POST", "/v1/oauth/authorize/decision", body);
    const old = await browser.visit(
      `/v1/oauth/authorize?client_id=${client.clientId}&request_id=${request_id}`,
    );
    expect(old.status).toBe(400);
    expect(callbackOf(await browser.visit(answer.body.redirect)).code).toHaveLength(43);
  });
});

describe("POST /v1/oauth/authorize", () => {
  const fields = (parameters: Parameters = {}) =>
    Object.fromEntries(
      new URLSearchParams(authorizeUrl(client, { ...PKCE, ...parameters }).split("?")[1]),
    );

  test("brings the browser back with GET, and its cookies with it", async () => {
    const screen = await browser.postFrom("/v1/oauth/authorize", fields({ state: "posted" }));
    expect(screen.visited).toHaveLength(2);
    expect(screen.visited[1]).toMatch(
      /^\/v1\/oauth\/authorize\?client_id=[^&]+&request_id=[\w-]+$/,
    );
    expect(callbackOf(screen)).toMatchObject({ state: "posted", iss: server.base });
    expect(callbackOf(screen).code).toHaveLength(43);
  });

  test("303, and the browser's other requests stay its own", async () => {
    const first = await ask(browser, client, { prompt: "login" });
    const cookie = browser.cookies.get("qe_ar")?.value;
    await browser.postFrom("/v1/oauth/authorize", fields({ prompt: "login" }));
    expect(browser.cookies.get("qe_ar")?.value).toBe(cookie!);
    expect(stageOf(await comeBack(server, browser, first))).toBe("login");
  });

  test("a request that was posted is bound to the browser that comes for it first", async () => {
    const post = () =>
      server.call("POST", "/v1/oauth/authorize", {
        body: new URLSearchParams(fields({ prompt: "login" })).toString(),
        headers: {
          "content-type": "application/x-www-form-urlencoded",
          origin: "https://x.example",
        },
      });
    const { status, headers } = await post();
    expect(status).toBe(303);
    expect(headers.getSetCookie()).toEqual([]);
    const path = headers.get("location")!.slice(server.base.length);
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => server.browser().call("GET", path)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([302, 400, 400, 400]);
  });

  test("refuses what the GET refuses: a page, or the client is told, by 303", async () => {
    const post = (parameters: Parameters) =>
      server.call("POST", "/v1/oauth/authorize", {
        body: new URLSearchParams(fields(parameters)).toString(),
        headers: { "content-type": "application/x-www-form-urlencoded" },
      });
    const page = await post({ redirect_uri: "https://evil.example/" });
    expect([page.status, page.headers.get("location")]).toEqual([400, null]);
    const told = await post({ scope: "admin" });
    expect([told.status, paramsOf(told).error]).toEqual([303, "invalid_scope"]);
    const form = await post({ scope: "admin", response_mode: "form_post" });
    expect([form.status, form.body.includes("invalid_scope")]).toEqual([200, true]);
    const long = await post({ login_hint: "x".repeat(8_193) });
    expect(paramsOf(long).error).toBe("invalid_request");
  });
});

describe("03 §17: Host: evil on discovery and authorize", () => {
  test("04 §10: Host: evil or forged X-Forwarded-Proto never changes a redirect URI or return_to", async () => {
    const answer = await server.call("GET", authorizeUrl(client, PKCE), {
      headers: {
        host: "evil.example",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "https",
        forwarded: "host=evil.example;proto=https",
      },
    });
    expect(answer.headers.get("location")).not.toContain("evil");
    expect(answer.headers.get("location")).toStartWith(`${server.base}/login?return_to=`);
    const silent = await browser.call("GET", authorizeUrl(client, PKCE), {
      headers: { host: "evil.example" },
    });
    expect(paramsOf(silent).iss).toBe(server.base);
  });
});

describe("what waits", () => {
  const waiting = (of: Browser) => {
    server.clock.advance(1_000);
    return ask(of, client, { prompt: "login", login_hint: "a@b.c d", ui_locales: "de en" });
  };

  test("the sign-in page is told where to return to, and whom to expect", async () => {
    const answer = await waiting(browser);
    const { return_to, ...rest } = paramsOf(answer);
    expect(rest).toEqual({ login_hint: "a@b.c d", ui_locales: "de en" });
    expect(return_to).toMatch(
      new RegExp(
        `^${server.base}/v1/oauth/authorize\\?client_id=${client.clientId}&request_id=[\\w-]{43}$`,
      ),
    );
  });

  test("what is long does not make an address that no server takes", async () => {
    const one = server.browser();
    const post = (parameters: Parameters) =>
      one.postFrom("/v1/oauth/authorize", {
        client_id: client.clientId,
        redirect_uri: client.redirectUri,
        response_type: "code",
        ...(parameters as Record<string, string>),
      });
    const state = "☃".repeat(2_048);
    const signInPage = await post({ state, login_hint: "a".repeat(8_192) });
    expect([signInPage.status, signInPage.forms.length > 0]).toEqual([200, true]);
    await signIn(server, one, owner);
    server.clock.advance(1_000);
    const consentPage = await post({ state, prompt: "consent" });
    expect([consentPage.status, "consent-allow" in (consentPage.forms[0]?.controls ?? {})]).toEqual(
      [200, true],
    );
    expect(callbackOf(await one.allow(consentPage)).state).toBe(state);
  });

  test("cookie qe_ar: HttpOnly, Lax, half an hour, one for all requests of a browser", async () => {
    const one = server.browser();
    const first = await waiting(one);
    const [cookie] = first.headers.getSetCookie();
    expect(cookie).toMatch(/^qe_ar=[\w-]{43};/);
    for (const part of ["HttpOnly", "SameSite=Lax", "Max-Age=1800", "Path=/"])
      expect(cookie).toContain(part);
    const value = one.cookies.get("qe_ar")?.value;
    const second = await waiting(one);
    expect(one.cookies.get("qe_ar")?.value).toBe(value!);
    for (const answer of [first, second])
      expect(stageOf(await comeBack(server, one, answer))).toBe("login");
    // A value that is none of ours is replaced.
    one.cookies.set("qe_ar", { value: "x", path: "/", sameSite: "lax" });
    await waiting(one);
    expect(one.cookies.get("qe_ar")?.value).toMatch(/^[\w-]{43}$/);
  });

  test("no other browser, no other client, no made-up name", async () => {
    const first = await waiting(browser);
    const { return_to } = paramsOf(first);
    const path = return_to!.slice(server.base.length);
    for (const [who, where] of [
      [server.browser(), path],
      [browser, path.replace(client.clientId, other.clientId)],
      [browser, path.replace(/client_id=[^&]+&/, "")],
      [browser, path.replace(/request_id=[\w-]{3}/, "request_id=xyz")],
      [browser, `${path}&request_id=x`],
      [browser, `/v1/oauth/authorize?client_id=${client.clientId}&request_id=${"x".repeat(43)}`],
    ] as const) {
      const { status, headers } = await who.call("GET", where);
      expect([status, headers.get("location")]).toEqual([400, null]);
    }
    expect(stageOf(await comeBack(server, browser, first))).toBe("login");
  });

  test("the stored parameters win", async () => {
    const first = await waiting(browser);
    server.clock.advance(1_000);
    await signIn(server, browser, owner);
    const path = paramsOf(first).return_to!.slice(server.base.length);
    const answer = await browser.call(
      "GET",
      `${path}&redirect_uri=https%3A%2F%2Fevil.example%2F&state=other&scope=openid%20profile`,
    );
    expect(answer.headers.get("location")).toStartWith(`${client.redirectUri}?code=`);
    expect(paramsOf(answer).state).toBe("state");
  });

  test("a client that was changed since gets what it may have now", async () => {
    const one = server.browser();
    const change = (body: object) =>
      server.call("PATCH", `/v1/tenants/${owner.tenantId}/oidc/clients/${changing.id}`, {
        as: owner.token,
        body,
      });
    const first = await ask(one, changing, { scope: "openid email" });
    expect((await change({ scopes: ["openid"] })).status).toBe(200);
    expect(paramsOf(await comeBack(server, one, first)).error).toBe("invalid_scope");
    const second = await ask(one, changing);
    expect((await change({ redirect_uris: ["https://app.example/new"] })).status).toBe(200);
    expect((await comeBack(server, one, second)).status).toBe(400);
  });

  test("many at once with one request: one answer", async () => {
    const first = await waiting(browser);
    server.clock.advance(1_000);
    await signIn(server, browser, owner);
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => comeBack(server, browser, first)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([302, 400, 400, 400, 400, 400]);
  });

  test("03 §17: code or request_id after TTL; 129 KiB query: page; 414 or 400", async () => {
    const one = server.browser();
    const late = await waiting(one);
    const row = async () => {
      const requestId = new URL(paramsOf(late).return_to!).searchParams.get("request_id")!;
      const [found] = await server.deps.db.read
        .select()
        .from(authorizationRequests)
        .where(eq(authorizationRequests.requestHash, hashToken(requestId)));
      return found;
    };
    server.clock.advance(LIFE_MS - 1);
    expect(stageOf(await comeBack(server, one, late))).toBe("login");
    server.clock.advance(1);
    const gone = await comeBack(server, one, late);
    expect([gone.status, gone.headers.get("location")]).toEqual([400, null]);
    // And the sweeper takes it away.
    expect(await row()).toBeDefined();
    server.clock.advance(1_000);
    await server.runJob("janitor");
    expect(await row()).toBeUndefined();
    const { status } = await fetch(
      `${server.base}${authorizeUrl(client, { state: "x".repeat(129 * 1_024) })}`,
      { redirect: "manual" },
    );
    expect([400, 414, 431]).toContain(status);
  });
});
