import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { testConfig } from "../../src/config.ts";
import { findUser } from "../../src/modules/users/service.ts";
import { listMessages } from "../../src/platform/mail/service.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { chromiumPath, faultsOf, launch, openPage, PUBLIC_URL, WIDTHS } from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

/** The newest link to `path` that was mailed to `email`. */
async function linkTo(email: string, path: string): Promise<string> {
  for (const { recipient, content } of await listMessages(server.deps, 50)) {
    const url = content?.text.match(/https?:\/\/\S+/)?.[0];
    if (recipient === email && url?.startsWith(`${PUBLIC_URL}${path}`)) return url;
  }
  throw new Error(`no link to ${path} was mailed to ${email}`);
}

async function resetLink(email: string): Promise<string> {
  const { status } = await server.call("POST", "/v1/auth/forgot-password", { body: { email } });
  expect(status).toBe(202);
  return linkTo(email, "/reset?token=");
}

async function magicLink(email: string): Promise<string> {
  const { status } = await server.call("POST", "/v1/auth/magic-link/start", { body: { email } });
  expect(status).toBe(202);
  return linkTo(email, "/magic?token=");
}

const logIn = async (email: string, password: string) =>
  (await server.call("POST", "/v1/auth/login", { body: { email, password } })).status;
/** From the database: the first proof of an address ends every session that could ask. */
const isVerified = async (id: string) =>
  (await findUser(server.deps.db.read, id))!.emailVerifiedAt !== null;

/** A browser without a browser: keeps cookies, follows nothing, says who it is. */
function client(origin: string | null = PUBLIC_URL) {
  const jar = new Map<string, string>();
  const send = async (path: string, form?: Record<string, string>) => {
    const response = await fetch(server.base + path, {
      redirect: "manual",
      headers: {
        cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; "),
        ...(form && {
          "content-type": "application/x-www-form-urlencoded",
          ...(origin !== null && { origin }),
        }),
      },
      ...(form && { method: "POST", body: new URLSearchParams(form).toString() }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ""] = cookie.split(";", 1);
      jar.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
    }
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  return { jar, send };
}

const hidden = (html: string, name: string): string =>
  new RegExp(`name="${name}" value="([^"]*)"`).exec(html)?.[1] ?? "";
const pathOf = (url: string) => url.slice(PUBLIC_URL.length);

describe("headers", () => {
  test.each(["/", "/reset?token=x", "/magic", "/verify?id=1&code=2", "/reset/done"])(
    "%s: strict policy without form-action, no referrer to others, not kept, not indexed, not for other origins",
    async (path) => {
      const { headers } = await client().send(path);
      expect(headers.get("content-security-policy")).toBe(
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'",
      );
      expect(headers.get("referrer-policy")).toBe("same-origin");
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("x-robots-tag")).toBe("noindex");
      expect(headers.get("x-frame-options")).toBe("DENY");
      expect(headers.get("access-control-allow-origin")).toBeNull();
    },
  );

  test("neither script nor style stands in a page", async () => {
    for (const path of ["/", "/reset?token=x", "/magic?token=x", "/verify?id=1&code=2", "/magic"])
      expect((await client().send(path)).text).not.toMatch(/<script|<style|style=|javascript:/i);
  });
});

describe("forms", () => {
  const weak = "password";
  const good = "seven green herons";

  test("02 §13: magic link, GET by a mail scanner: nothing consumed; the form then works, once", async () => {
    const { email } = await server.signUp();
    const path = pathOf(await magicLink(email));
    for (let n = 0; n < 3; n += 1) expect((await client().send(path)).status).toBe(200);
    const browser = client();
    const { text } = await browser.send(path);
    const form = { csrf_token: hidden(text, "csrf_token"), token: hidden(text, "token") };
    const done = await browser.send("/magic", form);
    expect([done.status, done.headers.get("location"), done.text]).toEqual([
      303,
      "/magic/done",
      "",
    ]);
    expect(browser.jar.get("qe_ls")).toMatch(/^[\w-]{43}$/);
    const again = await browser.send("/magic", form);
    expect([again.status, again.text.includes("has been used already")]).toEqual([400, true]);
  });

  test("magic link, in a browser where somebody else is signed in: both are", async () => {
    const [ada, grace] = [await server.signUp(), await server.signUp()];
    const browser = client();
    for (const { email } of [ada, grace]) {
      const { text } = await browser.send(pathOf(await magicLink(email)));
      const form = { csrf_token: hidden(text, "csrf_token"), token: hidden(text, "token") };
      expect((await browser.send("/magic", form)).status).toBe(303);
    }
    const { text } = await browser.send("/");
    expect([text.includes(ada.email), text.includes(grace.email)]).toEqual([true, true]);
    expect(text.indexOf(grace.email)).toBeLessThan(text.indexOf(ada.email));
  });

  test("a form without its cookie, with another's token, or a forged pair is shown again; nothing happens", async () => {
    const { email, password } = await server.signUp();
    const path = pathOf(await resetLink(email));
    const browser = client();
    const { text } = await browser.send(path);
    const token = hidden(text, "token");
    const good_token = hidden(text, "csrf_token");
    const other = hidden((await client().send(path)).text, "csrf_token");
    const forged = "A".repeat(64);
    for (const [cookie, field] of [
      [undefined, good_token],
      [good_token, other],
      [good_token, ""],
      [forged, forged],
    ]) {
      const attempt = client();
      if (cookie !== undefined) attempt.jar.set("qe_csrf", cookie);
      const form = { csrf_token: field!, token, new_password: good };
      const answer = await attempt.send("/reset", form);
      expect([answer.status, answer.headers.get("location")]).toEqual([422, null]);
      expect(answer.text).toContain("open for too long");
      expect(hidden(answer.text, "token")).toBe(token);
      expect(answer.text).not.toContain(good);
    }
    expect(await logIn(email, password)).toBe(200);
    // The page that came back carries a good pair.
    const late = client();
    const shown = await late.send("/reset", { csrf_token: "", token, new_password: good });
    const csrf_token = hidden(shown.text, "csrf_token");
    expect((await late.send("/reset", { csrf_token, token, new_password: good })).status).toBe(303);
    expect(await logIn(email, good)).toBe(200);
  });

  test("from another site: refused as a page", async () => {
    for (const origin of ["https://evil.example", "null"]) {
      const { status, text, headers } = await client(origin).send("/reset", { token: "x" });
      expect([status, headers.get("content-type")]).toEqual([403, "text/html; charset=utf-8"]);
      expect(text).toContain("This form was not sent from this site.");
    }
  });

  test("reset: a weak password is 422 and not filled in again; the token stays good", async () => {
    const { email, token: accessToken } = await server.signUp();
    const browser = client();
    const { text } = await browser.send(pathOf(await resetLink(email)));
    const form = { csrf_token: hidden(text, "csrf_token"), token: hidden(text, "token") };
    for (const [password, words] of [
      [weak, "too easy to guess"],
      ["short", "too short"],
      ["", "too short"],
      ["x".repeat(257), "too long"],
    ]) {
      const answer = await browser.send("/reset", { ...form, new_password: password! });
      expect([answer.status, answer.text.includes(words!)]).toEqual([422, true]);
      expect(answer.text).not.toContain(`value="${password}"`);
      expect(answer.text).toContain('aria-invalid="true"');
    }
    const done = await browser.send("/reset", { ...form, new_password: good });
    expect([done.status, done.headers.get("location")]).toEqual([303, "/reset/done"]);
    expect(await logIn(email, good)).toBe(200);
    expect((await server.call("GET", "/v1/auth/me", { as: accessToken })).status).toBe(401);
    const again = await browser.send("/reset", { ...form, new_password: good });
    expect([again.status, again.text.includes("has been used already")]).toEqual([400, true]);
  });

  test("reset and magic link expire", async () => {
    const { email } = await server.signUp();
    const [reset, magic] = [await resetLink(email), await magicLink(email)];
    server.clock.advance(61 * 60_000);
    for (const url of [reset, magic]) {
      const browser = client();
      const { text } = await browser.send(pathOf(url));
      const answer = await browser.send(new URL(url).pathname, {
        csrf_token: hidden(text, "csrf_token"),
        token: hidden(text, "token"),
        new_password: good,
      });
      expect([answer.status, answer.text.includes("has expired")]).toEqual([400, true]);
    }
  });

  test("verify: the button confirms, once; a wrong code says no more than that", async () => {
    const { email, userId } = await server.signUp();
    const url = await linkTo(email, "/verify?id=");
    const browser = client();
    const { text } = await browser.send(pathOf(url));
    const form = {
      csrf_token: hidden(text, "csrf_token"),
      id: hidden(text, "id"),
      code: hidden(text, "code"),
    };
    expect(await isVerified(userId)).toBe(false);
    const wrong = form.code === "000000" ? "000001" : "000000";
    const refused = await browser.send("/verify", { ...form, code: wrong });
    expect([refused.status, refused.text.includes("incomplete")]).toEqual([400, true]);
    const stranger = await browser.send("/verify", { ...form, id: "not-an-id" });
    expect(stranger.status).toBe(400);
    const done = await browser.send("/verify", form);
    expect([done.status, done.headers.get("location")]).toEqual([303, "/verify/done"]);
    expect(await isVerified(userId)).toBe(true);
    expect((await browser.send("/verify", form)).status).toBe(400);
  });

  test.each(["/reset", "/reset?token=", "/magic", "/verify", "/verify?id=1", "/verify?code=1"])(
    "%s is a page that says so",
    async (path) => {
      const { status, text } = await client().send(path);
      expect([status, text.includes("This link no longer works")]).toEqual([400, true]);
    },
  );

  test("the ip bucket holds for pages, and answers with one", async () => {
    const strict = testConfig().rateLimits;
    const limited = await startServer({
      rateLimits: { ...strict, ip: { ratePerSecond: 1, burst: 3 } },
    });
    const answers = [];
    for (let n = 0; n < 4; n += 1) answers.push(await fetch(`${limited.base}/reset?token=x`));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers[3]!.headers.get("retry-after")).toBe("1");
    expect(await answers[3]!.text()).toContain("too often in a short time");
    await limited.stop();
  });

  test("in production the front page names neither mailbox nor first steps", async () => {
    const { text } = await client().send("/");
    expect(text).toContain("/dev/mailbox");
    const production = await startServer({ env: "production" });
    const page = await (await fetch(`${production.base}/`)).text();
    expect(page).not.toContain("/dev/mailbox");
    expect(page).not.toContain("curl");
    expect(page).toContain("/docs");
    await production.stop();
  });
});

describe.skipIf(chromiumPath === null)("in a browser", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(server.port);
  }, 60_000);
  afterAll(() => browser?.close());

  const shoot = async (
    page: Page,
    name: string,
    { colorScheme = "light" }: BrowserContextOptions,
  ) => {
    const folder = process.env.SCREENSHOTS;
    if (folder)
      await page.screenshot({ path: `${folder}/${name}-${colorScheme}.png`, fullPage: true });
  };

  test.each(WIDTHS)(
    "every page: accessible, fits, breaks no policy (%#)",
    async (width) => {
      const { email } = await server.signUp();
      const [verify, reset, magic] = [
        await linkTo(email, "/verify?id="),
        await resetLink(email),
        await magicLink(email),
      ];
      const { context, page, violations } = await openPage(browser, width);
      for (const [name, url] of [
        ["home", `${PUBLIC_URL}/`],
        ["verify", verify],
        ["reset", reset],
        ["magic", magic],
        ["fault", `${PUBLIC_URL}/reset`],
        ["reset-done", `${PUBLIC_URL}/reset/done`],
        ["verify-done", `${PUBLIC_URL}/verify/done`],
        ["magic-done", `${PUBLIC_URL}/magic/done`],
      ] as const) {
        await page.goto(url);
        expect([name, await faultsOf(page)]).toEqual([name, []]);
        await shoot(page, name, width);
      }
      await page.goto(reset);
      await page.getByLabel("New password", { exact: true }).fill("password");
      await page.getByRole("button").click();
      expect(await faultsOf(page)).toEqual([]);
      await shoot(page, "reset-weak", width);
      expect(await page.getByLabel("New password", { exact: true }).inputValue()).toBe("");
      expect(violations).toEqual([]);
      await context.close();
    },
    90_000,
  );

  test("the three links, by keyboard, without JavaScript", async () => {
    const { email, userId } = await server.signUp();
    const { context, page } = await openPage(browser, { javaScriptEnabled: false });

    await page.goto(await linkTo(email, "/verify?id="));
    await page.keyboard.press("Tab"); // the name of the service
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/verify/done");
    expect(await page.getByRole("status").textContent()).toContain("Ask for a new password");
    expect(await isVerified(userId)).toBe(true);

    await page.goto(await resetLink(email));
    await page.getByLabel("New password", { exact: true }).focus();
    await page.keyboard.type("eight yellow herons");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/reset/done");
    expect(await logIn(email, "eight yellow herons")).toBe(200);

    const magic = await magicLink(email);
    await page.goto(magic);
    await page.getByRole("button", { name: "Sign me in" }).press("Enter");
    await page.waitForURL("**/magic/done");
    const cookie = (await context.cookies()).find(({ name }) => name === "qe_ls");
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Lax", path: "/" });
    expect(await page.content()).not.toContain(cookie!.value);
    await page.reload();
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("You are signed in");

    await page.goto(magic);
    await page.getByRole("button").click();
    expect(await page.getByRole("alert").textContent()).toContain("has been used already");
    await context.close();
  }, 60_000);

  test("in German for those who ask for it", async () => {
    const { email } = await server.signUp();
    const { context, page } = await openPage(browser, { locale: "de-DE" });
    await page.goto(await resetLink(email));
    expect(await page.locator("html").getAttribute("lang")).toBe("de");
    await page.getByLabel("Neues Passwort", { exact: true }).fill("passwort");
    await page.getByRole("button", { name: "Passwort setzen" }).click();
    expect(await page.locator(".field-error").textContent()).toStartWith("Dieses Passwort ist zu");
    await context.close();
  }, 60_000);
});
