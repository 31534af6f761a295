/** What people see and do on the hosted pages, in Chromium: contract 04 §7.2, 03 §7 and §16.2. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { dialect } from "../../db/dialect.ts";
import {
  authorizeUrl,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";
import {
  chromiumPath,
  faultsOf,
  inEveryLook,
  launch,
  openPage,
  press,
  shoot,
  startRelyingParty,
} from "./support.ts";

const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";
const EVERYTHING = "openid profile email address phone offline_access";
/** 200 characters without a place to break, and as many with. */
const LONG_NAME = "Ampersand".repeat(22).slice(0, 199);
const LONG_TENANT = "The Society for the Improvement of Very Long Names in Software "
  .repeat(3)
  .trim();
const LONG_EMAIL = `${"very-long-local-part-".repeat(3).slice(0, 62)}@${"long-domain-".repeat(4)}x.example.com`;

if (chromiumPath === null)
  console.warn("there is no Chromium on this machine: the browser tests of the pages are skipped");

/** What a page looks like is the same on either database. */
const onSqlite = test.skipIf(dialect === "postgres");

describe.skipIf(chromiumPath === null)("the hosted pages in a browser", () => {
  let server: TestProvider;
  let browser: Browser;
  let party: ReturnType<typeof startRelyingParty>;
  let ada: SignedUp;
  let client: TestClient;

  beforeAll(async () => {
    server = await startProvider();
    browser = await launch(server.port);
    party = startRelyingParty();
    ada = await server.fullUser();
    await rename(ada, "Analytical Engines");
    client = await register(ada, { name: "Engine Notes" });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await party?.stop();
    await server?.stop();
  });

  const rename = (owner: SignedUp, name: string) =>
    server.call("PATCH", `/v1/tenants/${owner.tenantId}`, { as: owner.token, body: { name } });
  const register = (owner: SignedUp, body: Record<string, unknown>) =>
    server.createClient(owner, {
      redirect_uris: [party.redirectUri],
      grant_types: ["authorization_code", "refresh_token", DEVICE_GRANT],
      self_registration: true,
      policy_uri: "https://app.example/privacy",
      tos_uri: "https://app.example/terms",
      ...body,
    });
  const beginDevice = async (of = client) =>
    (await server.postForm("/v1/oauth/device_authorization", of, { scope: "openid email" })).body;
  const at = (parameters: Record<string, string> = {}, of = client) =>
    server.base + authorizeUrl(of, parameters);
  const signIn = async (page: Page, { email, password }: { email: string; password: string }) => {
    await page.fill("#email", email);
    await page.fill("#password", password);
    await press(page, "#login-submit");
  };
  const words = (page: Page) => page.locator("main").textContent();
  const atParty = async (page: Page) => {
    await page.waitForURL(`${party.redirectUri}?**`);
    return new URL(page.url()).searchParams;
  };

  onSqlite(
    "every page in every look: accessible, fits, breaks no policy",
    async () => {
      const grace = await server.signUp();
      let run = 0;
      const faults = await inEveryLook(browser, async (page, see) => {
        run += 1;
        await page.goto(at({ scope: EVERYTHING, prompt: "consent" }));
        await see("login", "Sign in");
        await signIn(page, { email: ada.email, password: "wrong password" });
        await see("login-wrong", "Sign in");
        await press(page, page.getByRole("link", { name: "Forgot your password?" }));
        await see("forgot", "Forgot your password?");
        await page.fill("#email", `nobody${run}@example.com`);
        await press(page, "#forgot-submit");
        await see("forgot-sent", "Look into your mailbox");
        await press(page, page.getByRole("link", { name: "Back to sign-in" }));
        await press(page, page.getByRole("link", { name: "Sign up" }));
        await see("signup", "Create an account");
        await page.fill("#email", `look${run}@example.com`);
        await page.fill("#password", "password");
        await press(page, "#signup-submit");
        await see("signup-weak", "Create an account");
        await press(page, page.getByRole("link", { name: "Sign in" }));
        await signIn(page, ada);
        await see("consent", "Engine Notes wants access to your account");
        await page.goto(`${server.base}/`);
        await see("signed-in", "You are signed in");
        await press(page, "#another-account");
        await signIn(page, grace);
        await see("signed-in-two", "You are signed in");
        await page.goto(`${server.base}/v1/oauth/logout?ui_locales=en`);
        await see("logout", "Sign out?");
        server.clock.advance(1_000);
        await page.goto(at({ prompt: "select_account" }));
        await see("chooser", "Choose an account");
        await page.goto(`${server.base}/device`);
        await see("device", "Connect a device");
        await page.fill("#user_code", "bcdfghjk");
        await press(page, "#device-next");
        await see("device-unknown", "Connect a device");
        await page.goto((await beginDevice()).verification_uri_complete);
        await see("device-confirm", "Engine Notes wants access from a device");
        await press(page, "#device-allow");
        await see("device-done", "Your device is connected");
        await page.goto(`${server.base}/consent?request_id=x`);
        await see("consent-gone", "This request is over");
        await page.goto(`${server.base}/v1/oauth/authorize?client_id=x`);
        await see("authorize-refused", "That did not work");
        await page.goto(`${server.base}/signup`);
        await see("signup-closed", "No sign-up here");
        await page.goto(`${server.base}/`);
        await press(page, "#sign-out");
        await see("signed-out", "You are signed out");
        await page.goto(`${server.base}/`);
        await see("home", "Your identity server is running");
      });
      expect(faults).toEqual([]);
    },
    240_000,
  );

  onSqlite(
    "long names and addresses break nothing",
    async () => {
      const owner = await server.signUp(LONG_EMAIL);
      await rename(owner, LONG_TENANT);
      const body = { display_name: LONG_NAME };
      await server.call("PATCH", `/v1/users/${owner.userId}`, { as: owner.token, body });
      const long = await register(owner, { name: LONG_NAME });
      const faults = await inEveryLook(browser, async (page, see) => {
        await page.goto(at({ scope: EVERYTHING, prompt: "consent", ui_locales: "de" }, long));
        await see("long-login", "Anmelden");
        await signIn(page, owner);
        await see("long-consent", "möchte auf Ihr Konto zugreifen");
        await press(page, "#another-account");
        await see("long-chooser", "Konto auswählen");
        await page.goto((await beginDevice(long)).verification_uri_complete);
        await see("long-device", "wants access from a device");
      });
      expect(faults).toEqual([]);
    },
    120_000,
  );

  test.each([
    { script: "with", javaScriptEnabled: true },
    { script: "without", javaScriptEnabled: false },
  ])(
    "$script JavaScript: sign-in, consent, deny, chooser, device, sign-up, sign-out",
    async (row) => {
      const { javaScriptEnabled } = row;
      const { context, page, violations } = await openPage(browser, { javaScriptEnabled });

      await page.goto(at({ scope: "openid email", prompt: "consent", login_hint: ada.email }));
      expect(await page.inputValue("#email")).toBe(ada.email);
      await signIn(page, { email: ada.email, password: "a wrong password" });
      expect(await page.getByRole("alert").textContent()).toContain("password is not right");
      expect(await page.inputValue("#email")).toBe(ada.email);
      expect(await page.inputValue("#password")).toBe("");
      await page.fill("#password", ada.password);
      await page.keyboard.press("Enter");
      await press(page, "#consent-deny");
      expect((await atParty(page)).get("error")).toBe("access_denied");

      await page.goto(at({ scope: "openid email", prompt: "consent" }));
      expect(await words(page)).toContain(ada.email);
      await press(page, "#consent-allow");
      expect((await atParty(page)).get("code")).toBeTruthy();
      expect((await atParty(page)).get("iss")).toBe(server.base);

      const grace = await server.signUp();
      server.clock.advance(1_000);
      await page.goto(at({ prompt: "select_account" }));
      await press(page, "#another-account");
      await signIn(page, grace);
      expect(await words(page)).toContain(grace.email);
      await press(page, "#consent-allow");
      await atParty(page);
      server.clock.advance(1_000);
      await page.goto(at({ prompt: "select_account" }));
      await press(page, page.getByRole("button", { name: ada.email }));
      expect((await atParty(page)).get("code")).toBeTruthy();

      await page.goto(`${server.base}/device`);
      await page.fill(
        "#user_code",
        (await beginDevice()).user_code.toLowerCase().replace("-", " "),
      );
      await press(page, "#device-next");
      expect(await words(page)).toContain("Engine Notes wants access from a device");
      await press(page, "#device-allow");
      expect(await words(page)).toContain("Your device is connected");

      await page.goto(`${server.base}/`);
      await press(page, "#sign-out");
      expect(await words(page)).toContain("You are signed out");

      await page.goto(at());
      await press(page, page.getByRole("link", { name: "Sign up" }));
      const email = `${row.script}-script@example.com`;
      await page.fill("#display_name", "New Comer");
      await page.fill("#email", email);
      await page.fill("#password", "eight yellow herons");
      await press(page, "#signup-submit");
      expect(await words(page)).toContain(email);
      await press(page, "#consent-allow");
      expect((await atParty(page)).get("code")).toBeTruthy();
      expect(violations).toEqual([]);
      await context.close();
    },
    60_000,
  );

  test("by keyboard alone; the first thing that Enter finds on the consent page is no", async () => {
    const { context, page } = await openPage(browser);
    await page.goto(at({ prompt: "consent" }));
    await page.waitForSelector("#email:focus");
    await page.keyboard.type(ada.email);
    await page.keyboard.press("Tab");
    await page.keyboard.type(ada.password);
    await page.keyboard.press("Enter");
    await page.waitForSelector("#consent-deny");
    const seen: string[] = [];
    for (let n = 0; n < 12 && seen.at(-1) !== "consent-deny"; n += 1) {
      await page.keyboard.press("Tab");
      seen.push(await page.evaluate(() => document.activeElement?.id ?? ""));
    }
    expect(seen).not.toContain("consent-allow");
    await page.keyboard.press("Enter");
    expect((await atParty(page)).get("error")).toBe("access_denied");
    await context.close();
  }, 60_000);

  test("five wrong passwords lock, with the time that is left", async () => {
    const someone = await server.signUp();
    const { context, page, violations } = await openPage(browser);
    await page.goto(`${server.base}/login`);
    for (let n = 0; n < 5; n += 1) await signIn(page, { ...someone, password: "wrong" });
    await signIn(page, someone);
    expect(await page.getByRole("alert").textContent()).toContain("try again in 15 minutes");
    await shoot(page, "login-locked");
    expect([...(await faultsOf(page)), ...violations]).toEqual([]);
    await context.close();
  }, 60_000);

  test("what was wrong is said to a screen reader, and the field has the focus", async () => {
    const { context, page } = await openPage(browser);
    await page.goto(`${server.base}/login`);
    await page.waitForSelector("#email:focus");
    await signIn(page, { email: ada.email, password: "wrong" });
    await page.waitForSelector("#password:focus");
    const password = page.locator("#password");
    expect(await password.getAttribute("aria-invalid")).toBe("true");
    const id = await password.getAttribute("aria-describedby");
    expect(await page.locator(`#${id}`).textContent()).toContain("password is not right");
    expect(await page.getByLabel("Password", { exact: true }).getAttribute("autocomplete")).toBe(
      "current-password",
    );
    expect(await page.getByLabel("E-mail address").getAttribute("autocomplete")).toBe("username");
    await context.close();
  }, 60_000);

  test("a popup keeps the window that opened it (03 §2)", async () => {
    const { context, page } = await openPage(browser);
    await page.goto(party.origin);
    const [popup] = await Promise.all([
      context.waitForEvent("page"),
      page.evaluate((url) => void window.open(url, "login", "popup"), at({ prompt: "consent" })),
    ]);
    await signIn(popup, ada);
    await popup.waitForSelector("#consent-allow");
    expect(await popup.evaluate(() => window.opener !== null)).toBe(true);
    await press(popup, "#consent-allow");
    await popup.waitForURL(`${party.redirectUri}?**`);
    expect(await popup.evaluate(() => window.opener !== null)).toBe(true);
    await context.close();
  }, 60_000);

  test("in German for who asks for it, and with high contrast", async () => {
    const { context, page, violations } = await openPage(browser, {
      locale: "de-DE",
      forcedColors: "active",
    });
    await page.goto(at({ scope: EVERYTHING, prompt: "consent" }));
    expect(await page.locator("html").getAttribute("lang")).toBe("de");
    expect(await words(page)).toContain("weiter zu Engine Notes");
    await signIn(page, ada);
    expect(await words(page)).toContain("Engine Notes möchte auf Ihr Konto zugreifen");
    await shoot(page, "consent-german-high-contrast");
    await press(page, page.getByRole("button", { name: "Erlauben" }));
    await atParty(page);
    expect(violations).toEqual([]);
    await context.close();
  }, 60_000);
});
