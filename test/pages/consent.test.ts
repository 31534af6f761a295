/** Contract 04 §7.1, 00 §35: the consent page, and what leads to it, without a browser. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ALL_SCOPES,
  authorizeUrl,
  type Browser,
  callbackOf,
  challengeOf,
  type Screen,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";

let server: TestProvider;
let owner: SignedUp;
let client: TestClient;
beforeAll(async () => {
  server = await startProvider({ dynamicRegistration: true });
  owner = await server.fullUser();
  await server.call("PATCH", `/v1/tenants/${owner.tenantId}`, {
    as: owner.token,
    body: { name: "Analytical Engines" },
  });
  client = await server.createClient(owner, { name: "Engine <Notes>", require_membership: false });
});
afterAll(() => server.stop());

const has = (screen: Screen, id: string) => screen.forms.some(({ controls }) => id in controls);
const cookie = (browser: Browser, name: string) => browser.cookies.get(name)?.value;

/** As far as the consent page. */
async function toConsent(parameters = {}, user = owner, browser = server.browser()) {
  const login = await browser.open(authorizeUrl(client, { prompt: "consent", ...parameters }));
  const screen = await browser.signIn(login, user);
  expect(has(screen, "consent-allow")).toBe(true);
  return { browser, screen };
}

describe("sign-in for a client", () => {
  test("names the client and its tenant, and follows login_hint and ui_locales of the request", async () => {
    const browser = server.browser({ "accept-language": "en" });
    const screen = await browser.open(
      authorizeUrl(client, { login_hint: "ada@example.com", ui_locales: "de en" }),
    );
    expect(screen.url).toStartWith(`${server.base}/login?return_to=`);
    expect(screen.body).toContain('<html lang="de"');
    expect(screen.body).toContain("weiter zu <strong>Engine &lt;Notes&gt;</strong>");
    expect(screen.body).toContain("<title>Anmelden · Analytical Engines</title>");
    expect(screen.forms[0]!.fields.email).toBe("ada@example.com");
    expect(screen.headers.get("cross-origin-opener-policy")).toBe("unsafe-none");
    // The request says it, even where the address does not.
    const { return_to } = screen.forms[0]!.fields;
    const bare = await browser.visit(`/login?${new URLSearchParams({ return_to: return_to! })}`);
    expect(bare.body).toContain('<html lang="de"');
    expect(bare.forms[0]!.fields.email).toBe("ada@example.com");
  });

  test("04 §10: Host: evil or forged X-Forwarded-Proto never changes a redirect URI or return_to.", async () => {
    const forged = { host: "evil.example", "x-forwarded-proto": "https" };
    const browser = server.browser({ ...forged, "x-forwarded-host": "evil.example" });
    const login = await browser.open(authorizeUrl(client, { prompt: "consent" }));
    const { return_to } = login.forms[0]!.fields;
    expect(return_to).toStartWith(`${server.base}/v1/oauth/authorize?`);
    expect(login.body).not.toContain("evil");
    const consent = await browser.signIn(login, owner);
    expect(consent.url).toStartWith(`${server.base}/consent?`);
    const answer = await browser.allow(consent);
    expect(answer.location).toStartWith(client.redirectUri);
    expect(callbackOf(answer).iss).toBe(server.base);
  });

  test("of a request that is over, the client is still named", async () => {
    const browser = server.browser();
    const return_to = `${server.base}/v1/oauth/authorize?client_id=${client.clientId}&request_id=x`;
    const screen = await browser.visit(`/login?${new URLSearchParams({ return_to })}`);
    expect(screen.body).toContain("<strong>Engine &lt;Notes&gt;</strong>");
  });

  test("prompt=login with a session: the form, with that address; signing in goes on", async () => {
    const { browser } = await toConsent();
    server.clock.advance(1_000);
    const again = await browser.open(authorizeUrl(client, { prompt: "login" }));
    expect(again.forms[0]!.fields.email).toBe(owner.email);
    expect(has(again, "account-1")).toBe(false);
    const screen = await browser.signIn(again, owner);
    expect(has(screen, "consent-allow") || screen.location !== undefined).toBe(true);
  });

  test("prompt=select_account: the chooser answers it, once", async () => {
    const { browser, screen: first } = await toConsent();
    await browser.allow(first);
    server.clock.advance(1_000);
    const chooser = await browser.open(authorizeUrl(client, { prompt: "select_account" }));
    expect(has(chooser, "account-1")).toBe(true);
    const done = await browser.submit(chooser, "account-1");
    expect(callbackOf(done).code).toBeDefined();
    expect(callbackOf(done).state).toBe("state");
  });

  test("select_account and a session that is too old: chosen, then the password, and no circle", async () => {
    const { browser, screen: first } = await toConsent();
    await browser.allow(first);
    server.clock.advance(120_000);
    const chooser = await browser.open(
      authorizeUrl(client, { prompt: "select_account", max_age: "60" }),
    );
    expect(has(chooser, "account-1")).toBe(true);
    const form = await browser.submit(chooser, "account-1");
    expect(has(form, "login-submit")).toBe(true);
    expect(form.forms[0]!.fields.email).toBe(owner.email);
    expect(callbackOf(await browser.signIn(form, owner)).code).toBeDefined();
  });

  test("select_account with another account: the request goes on as the other", async () => {
    const other = await server.signUp();
    const { browser } = await toConsent();
    server.clock.advance(1_000);
    const chooser = await browser.open(authorizeUrl(client, { prompt: "select_account" }));
    const form = await browser.visit(
      /id="another-account"[^>]*href="([^"]+)"/.exec(chooser.body)![1]!.replaceAll("&amp;", "&"),
    );
    const consent = await browser.signIn(form, other);
    expect(consent.body).toContain(other.email);
    expect(consent.body).not.toContain(owner.email);
  });
});

describe("consent", () => {
  test("names client, tenant, account, scopes and where it goes on", async () => {
    const { screen } = await toConsent({ scope: ALL_SCOPES });
    expect(screen.url).toStartWith(`${server.base}/consent?request_id=`);
    for (const words of [
      "Engine &lt;Notes&gt; wants access to your account",
      "Registered by an administrator of <strong>Analytical Engines</strong>",
      "Recognise you when you come back",
      "See your name, your picture and the rest of your profile",
      "See your e-mail address",
      "See your postal address",
      "See your phone number",
      "Keep this access while you are away",
      owner.email,
      "Ada Lovelace",
      "<strong>app.example</strong>",
    ])
      expect(screen.body).toContain(words);
    expect(screen.headers.get("cross-origin-opener-policy")).toBe("unsafe-none");
    expect(screen.headers.get("content-security-policy")).not.toContain("form-action");
  });

  test("scopes of the client's own are shown raw, single claims in words, no scope as signing in", async () => {
    const raw = await server.createClient(owner, {
      name: "Raw",
      scopes: ["openid", "notes:read"],
      require_membership: false,
    });
    const browser = server.browser();
    const claims = JSON.stringify({ userinfo: { birthdate: null, name: { essential: true } } });
    const login = await browser.open(authorizeUrl(raw, { scope: "openid notes:read", claims }));
    const { body } = await browser.signIn(login, owner);
    expect(body).toContain("<code>notes:read</code>");
    expect(body).toContain("See these details: date of birth, name");
    const { body: bare } = await browser.open(
      authorizeUrl(raw, { scope: undefined, prompt: "consent" }),
    );
    expect(bare).toContain("Sign you in");
  });

  test("allow and deny: 303 to the client, and never twice", async () => {
    for (const [approve, key, value] of [
      [true, "code", undefined],
      [false, "error", "access_denied"],
    ] as const) {
      const { browser, screen } = await toConsent();
      const answer = await (approve ? browser.allow(screen) : browser.deny(screen));
      expect(answer.status).toBe(303);
      expect(answer.location).toStartWith(client.redirectUri);
      expect(callbackOf(answer)[key]).toEqual(value ?? expect.any(String));
      const again = await browser.allow(screen);
      expect([again.status, again.body.includes("This request is over")]).toEqual([400, true]);
      expect(again.location).toBeUndefined();
    }
  });

  test("04 §10: Consent with unknown client or unregistered redirect_uri → error page, no redirect, also on deny. Session expired between page and decision → back to /login, then consent again.", async () => {
    const browser = server.browser();
    for (const parameters of [
      { client_id: "qci_unknown" },
      { redirect_uri: "https://evil.example/callback" },
    ]) {
      const refused = await browser.open(authorizeUrl(client, parameters));
      expect([refused.status, refused.location]).toEqual([400, undefined]);
    }
    for (const query of ["", "?request_id=", "?request_id=x", `?request_id=${"A".repeat(43)}`]) {
      const gone = await browser.visit(
        `/consent${query}${query === "" ? "?" : "&"}client_id=x&redirect_uri=https%3A%2F%2Fevil.example`,
      );
      expect([gone.status, gone.location]).toEqual([400, undefined]);
      expect(gone.body).not.toContain("evil");
      const csrf_token = cookie(browser, "qe_csrf") ?? "";
      for (const decision of ["allow", "deny"]) {
        const fields = { csrf_token, decision, redirect_uri: "https://evil.example" };
        const form = { action: "/consent", method: "POST", fields, controls: {} };
        const posted = await browser.submit(
          {
            ...gone,
            forms: [{ ...form, controls: { go: { name: "", value: "", isButton: true } } }],
          },
          "go",
        );
        expect([posted.status, posted.location]).toEqual([400, undefined]);
      }
    }
    const { browser: late, screen } = await toConsent();
    late.cookies.delete("qe_ls");
    const login = await late.deny(screen);
    expect(has(login, "login-submit")).toBe(true);
    const consent = await late.signIn(login, owner);
    expect(has(consent, "consent-allow")).toBe(true);
    expect(callbackOf(await late.allow(consent)).code).toBeDefined();
  });

  test("a stale form, or one without an answer, is shown again", async () => {
    const { browser, screen } = await toConsent();
    browser.cookies.delete("qe_csrf");
    const stale = await browser.allow(screen);
    expect([stale.status, stale.body.includes("open for too long")]).toEqual([422, true]);
    expect(callbackOf(await browser.allow(stale)).code).toBeDefined();
    const other = await toConsent();
    const [form] = other.screen.forms;
    const silent = { ...form!, controls: { go: { name: "", value: "", isButton: true } } };
    const nothing = await other.browser.submit({ ...other.screen, forms: [silent] }, "go");
    expect([nothing.status, has(nothing, "consent-allow")]).toEqual([422, true]);
  });

  test("another account signs in meanwhile: what it sees is its own consent", async () => {
    const other = await server.signUp();
    const { browser, screen } = await toConsent();
    await browser.signIn(await browser.visit("/login?another=1"), other);
    const moved = await browser.allow(screen);
    expect(moved.body).toContain(other.email);
    expect(has(moved, "consent-allow")).toBe(true);
    expect(callbackOf(moved).code).toBeUndefined();
  });

  test("another browser can't see it", async () => {
    const { screen } = await toConsent();
    const stranger = server.browser();
    await stranger.signIn(await stranger.visit("/login"), owner);
    expect((await stranger.visit(screen.url)).status).toBe(400);
  });

  test("a client that registered itself: a warning in place of a name to trust, and no picture", async () => {
    const as = owner.token;
    const registered = await server.call("POST", "/v1/oauth/register", {
      as,
      body: {
        client_name: "Your Bank",
        redirect_uris: ["https://stranger.example/callback"],
        logo_uri: "https://cdn.example/bank.png",
      },
    });
    expect(registered.status).toBe(201);
    const { client_id: clientId } = registered.body;
    const stranger = { ...client, clientId, redirectUri: "https://stranger.example/callback" };
    const browser = server.browser();
    const screen = await browser.signIn(
      await browser.open(
        authorizeUrl(stranger, {
          scope: undefined,
          code_challenge: challengeOf("v".repeat(43)),
          code_challenge_method: "S256",
        }),
      ),
      owner,
    );
    expect(screen.body).toContain("nobody has checked who is behind it");
    expect(screen.body).not.toContain("Registered by an administrator");
    expect(screen.body).toContain("<strong>stranger.example</strong>");
    expect(screen.body).not.toContain("<img");
    expect(screen.headers.get("content-security-policy")).toContain("img-src 'self';");
  });

  test("a picture of an administrator's client is let in, by its origin alone", async () => {
    const pictured = await server.createClient(owner, {
      name: "Pictured",
      logo_uri: "https://cdn.example/logo.png",
      policy_uri: "https://app.example/privacy",
      require_membership: false,
    });
    const browser = server.browser();
    const screen = await browser.signIn(await browser.open(authorizeUrl(pictured)), owner);
    expect(screen.body).toContain('src="https://cdn.example/logo.png"');
    expect(screen.headers.get("content-security-policy")).toContain(
      "img-src 'self' https://cdn.example;",
    );
    expect(screen.body).toContain('href="https://app.example/privacy"');
  });

  test("response_mode=form_post: the answer comes as a form, in the end", async () => {
    const { browser, screen } = await toConsent({ response_mode: "form_post" });
    const answer = await browser.allow(screen);
    expect(answer.status).toBe(200);
    expect(callbackOf(answer).code).toBeDefined();
  });
});
