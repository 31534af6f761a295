/** What other sites, other tabs and other people at the same computer try with the hosted pages. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { authorizationRequests, loginSessions } from "../../db/schema/index.ts";
import { PKCE, signIn } from "../authorization/support.ts";
import {
  authorizeUrl,
  basicOf,
  callbackOf,
  codeFlow,
  POST_LOGOUT_URI,
  type Screen,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";

let server: TestProvider;
let owner: SignedUp;
let other: SignedUp;
let client: TestClient;
beforeAll(async () => {
  server = await startProvider();
  owner = await server.signUp();
  other = await server.signUp();
  client = await server.createClient(owner, { require_membership: false });
});
afterAll(() => server.stop());

const has = (screen: Screen, id: string) => screen.forms.some(({ controls }) => id in controls);

/** As far as the consent page. */
async function toConsent(parameters = {}, browser = server.browser()) {
  const login = await browser.open(authorizeUrl(client, { prompt: "consent", ...parameters }));
  return { browser, screen: await browser.signIn(login, owner) };
}

describe("forms from elsewhere", () => {
  // Chromium sends Basic credentials of its own accord once a form of the attacker's had it use them at the token endpoint.
  test("credentials that a browser adds by itself do not stand in for the CSRF token", async () => {
    const { browser, screen } = await toConsent();
    const request_id = new URL(screen.url).searchParams.get("request_id");
    const elsewhere = {
      origin: "https://evil.example",
      "x-csrf-token": "",
      "content-type": "text/plain",
    };
    for (const authorization of [basicOf(client), "Digest x", "Negotiate x", "x"]) {
      const headers = { ...elsewhere, authorization };
      const body = JSON.stringify({ request_id, approve: true });
      const path = "/v1/oauth/authorize/decision";
      expect((await browser.call("POST", path, { headers, body })).status).toBe(403);
      const out = await browser.call("DELETE", "/v1/auth/session", { headers });
      expect(out.status).toBe(403);
    }
  });

  test("nor for the origin of a page's form", async () => {
    const { browser, screen } = await toConsent();
    const { fields } = screen.forms[0]!;
    const { status } = await browser.call("POST", "/consent", {
      headers: {
        accept: "text/html",
        authorization: basicOf(client),
        origin: "https://evil.example",
        "content-type": "application/x-www-form-urlencoded",
      },
      body: new URLSearchParams({ ...fields, decision: "allow" }).toString(),
    });
    expect(status).toBe(422);
  });
});

describe("two tabs", () => {
  test("a consent page decides for the account that it shows, and for no other", async () => {
    const { browser, screen } = await toConsent();
    expect(screen.body).toContain(owner.email);
    // In another tab: another account, and the same request.
    const login = await browser.visit("/login?another=1");
    await browser.signIn(login, other);
    const again = await browser.visit(screen.url);
    expect(again.body).toContain(other.email);
    const answer = await browser.allow(screen);
    expect(callbackOf(answer).code).toBeUndefined();
    expect(has(answer, "consent-allow")).toBe(true);
    expect(callbackOf(await browser.allow(answer)).code).toBeDefined();
  });

  test("an account that was chosen is the one that the client gets, or it is chosen again", async () => {
    const browser = server.browser();
    await codeFlow(browser, client, {}, { user: owner });
    await browser.signIn(await browser.visit("/login?another=1"), other);
    await codeFlow(browser, client, {});
    server.clock.advance(1_000);
    const chooser = await browser.open(
      authorizeUrl(client, { prompt: "select_account", scope: "openid email" }),
    );
    const choose = (screen: Screen, { email }: SignedUp) => {
      const buttons = [...screen.body.matchAll(/<button id="(account-\d)"[\s\S]*?<\/button>/g)];
      return browser.submit(screen, buttons.find(([html]) => html.includes(email))![1]!);
    };
    const consent = await choose(chooser, owner);
    expect(consent.body).toContain(owner.email);
    // In another tab the other one becomes current, who has nothing left to consent to.
    const device = new URLSearchParams({ choose: "1", return_to: `${server.base}/device` });
    const elsewhere = await choose(await browser.visit(`/login?${device}`), other);
    expect(elsewhere.body).toContain(other.email);
    const allowed = await browser.open(authorizeUrl(client, { scope: "openid email" }));
    await browser.allow(allowed);
    const answer = await browser.allow(consent);
    expect(callbackOf(answer).code).toBeUndefined();
    expect(has(answer, "account-1")).toBe(true);
    const again = await choose(answer, owner);
    expect(callbackOf(await browser.allow(again)).code).toBeDefined();
  });

  test("and so does the page for devices", async () => {
    const grant_types = ["urn:ietf:params:oauth:grant-type:device_code"];
    const television = await server.createClient(owner, { grant_types, redirect_uris: [] });
    const started = await server.postForm("/v1/oauth/device_authorization", television, {});
    const browser = server.browser();
    const login = await browser.open(started.body.verification_uri_complete);
    const screen = await browser.signIn(login, owner);
    expect(screen.body).toContain(owner.email);
    await browser.signIn(await browser.visit("/login?another=1"), other);
    const answer = await browser.submit(screen, "device-allow");
    expect(answer.body).toContain(other.email);
    const done = await browser.submit(answer, "device-deny");
    expect(done.url).toEndWith("/device/done?outcome=denied");
  });
});

describe("what clients may send", () => {
  test("a login_hint and ui_locales as long as any parameter", async () => {
    const browser = server.browser();
    const long = { login_hint: "h".repeat(8_000), ui_locales: "de ".repeat(2_000).trim() };
    const screen = await browser.open(authorizeUrl(client, { ...PKCE, ...long }));
    expect(screen.status).toBe(200);
    const done = await browser.signIn(screen, owner);
    expect(has(done, "consent-allow") || done.location !== undefined).toBe(true);
  });

  test("by POST, more than an address may hold", async () => {
    const browser = server.browser();
    const long = {
      state: "語".repeat(2_048),
      nonce: "語".repeat(2_048),
      login_hint: "語".repeat(2_000),
    };
    const flow = await codeFlow(
      browser,
      client,
      { ...long, prompt: "login consent" },
      {
        user: owner,
        method: "POST",
      },
    );
    expect(flow.asked).toEqual(["login", "consent"]);
    expect(flow.answer.state).toBe(long.state);
    expect(flow.code).not.toBe("");
  });

  test("names of JavaScript's own are parameters like any other", async () => {
    const browser = server.browser();
    const names = { constructor: "c".repeat(10_000), toString: "t", ["__proto__"]: "p" };
    const screen = await browser.open(authorizeUrl(client, { ...PKCE, ...names } as never));
    expect(screen.status).toBe(200);
    const kept = await server.deps.db.read.select().from(authorizationRequests);
    expect(kept.map(({ parameters }) => Object.hasOwn(parameters, "constructor"))).not.toContain(
      true,
    );
  });
});

describe("another person at the same computer", () => {
  const MINUTE_MS = 60_000;
  const live = async ({ userId }: Pick<SignedUp, "userId">) =>
    (await server.deps.db.read.select().from(loginSessions)).filter(
      (session) => session.userId === userId && session.expiresAt > server.clock.now(),
    ).length;

  /** A browser with several accounts, the last one current, and what a client got in the name of the first. */
  async function shared(count: number) {
    const browser = server.browser();
    const people: SignedUp[] = [];
    for (let at = 0; at < count; at += 1) people.push(await server.signUp());
    const [first, ...rest] = people as [SignedUp, ...SignedUp[]];
    const flow = await codeFlow(browser, client, {}, { user: first });
    const { refresh_token } = (await server.exchange(client, flow)).body;
    for (const person of rest)
      await browser.signIn(await browser.visit("/login?another=1"), person);
    return { browser, people, first, refresh_token };
  }
  const isOver = async ({ people, refresh_token }: Awaited<ReturnType<typeof shared>>) => {
    for (const person of people) expect(await live(person)).toBe(0);
    expect((await server.refresh(client, refresh_token)).status).toBe(400);
  };

  test("the API signs the browser out of the accounts beside the current one too", async () => {
    const used = await shared(2);
    expect((await used.browser.call("DELETE", "/v1/auth/session")).status).toBe(204);
    expect((await used.browser.visit("/login")).body).not.toContain(used.first.email);
    await isOver(used);
  });

  test("an account that the chooser has no room for ends, and what it gave", async () => {
    const used = await shared(6);
    expect(await live(used.first)).toBe(0);
    await used.browser.submit(await used.browser.visit("/"), "sign-out");
    await isOver(used);
  });

  test.each(["page", "client"])(
    "a second session of somebody ends with the first: by %s",
    async (by) => {
      const used = await shared(2);
      await signIn(server, used.browser, used.first);
      expect(await live(used.first)).toBe(2);
      if (by === "page") await used.browser.submit(await used.browser.visit("/"), "sign-out");
      else
        await used.browser.open(
          `/v1/oauth/logout?${new URLSearchParams({ client_id: client.clientId, post_logout_redirect_uri: POST_LOGOUT_URI })}`,
        );
      await isOver(used);
    },
  );

  test("an account that nobody has used for half an hour ends, whoever else is here", async () => {
    const { browser, first, people } = await shared(2);
    for (let at = 0; at < 4; at += 1) {
      server.clock.advance(10 * MINUTE_MS);
      expect((await browser.visit("/")).body).toContain(people[1]!.email);
    }
    expect(await live(first)).toBe(0);
    expect((await browser.visit("/login?choose=1")).body).not.toContain(first.email);
  });
});
