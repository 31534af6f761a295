/** Contract 04 §7, 00 §35: the pages that sign a browser in, without a browser. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { listMessages } from "../../src/platform/mail/service.ts";
import {
  type Browser,
  type Screen,
  startProvider,
  type TestProvider,
} from "../support/provider.ts";
import { PASSWORD } from "../support/server.ts";

let server: TestProvider;
beforeAll(async () => {
  server = await startProvider();
});
afterAll(() => server.stop());

const back = (path: string) => server.base + path;
const loginAt = (parameters: Record<string, string>) => `/login?${new URLSearchParams(parameters)}`;
/** Signs `user` in at `/login`, beside whoever is there. */
async function signInAs(browser: Browser, user: { email: string; password: string }) {
  return browser.signIn(await browser.visit("/login?another=1"), user);
}
const cookie = (browser: Browser, name: string) => browser.cookies.get(name)?.value;
const isSignedIn = (browser: Browser) => cookie(browser, "qe_ls") !== undefined;
const pathOf = ({ url }: Screen) => url.slice(server.base.length);

describe("headers", () => {
  test.each(["/login", "/forgot-password", "/forgot-password/sent"])(
    "%s: strict policy without form-action; its opener may hold on to it (03 §2)",
    async (path) => {
      const { headers, body } = await server.browser().visit(path);
      expect(headers.get("content-security-policy")).toBe(
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'",
      );
      expect(headers.get("cross-origin-opener-policy")).toBe("unsafe-none");
      expect(headers.get("referrer-policy")).toBe("same-origin");
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("x-frame-options")).toBe("DENY");
      expect(headers.get("access-control-allow-origin")).toBeNull();
      expect(body).not.toMatch(/<script|<style|style=|javascript:/i);
    },
  );
});

describe("password", () => {
  test("signs in; without an address to return to, one sees who one is, and the way out", async () => {
    const user = await server.signUp();
    const browser = server.browser();
    const screen = await browser.signIn(await browser.visit("/login"), user);
    expect([screen.status, pathOf(screen)]).toEqual([200, "/"]);
    expect(screen.body).toContain("You are signed in");
    expect(screen.body).toContain(user.email);
    expect(cookie(browser, "qe_ls")).toMatch(/^[\w-]{43}$/);
    expect(screen.body).not.toContain(cookie(browser, "qe_ls")!);
    // Who is signed in need not sign in.
    expect(pathOf(await browser.visit("/login"))).toBe("/");
    const out = await browser.submit(screen, "sign-out");
    expect([out.status, pathOf(out)]).toEqual([200, "/logged-out"]);
    expect(out.body).toContain("You are signed out");
    expect(isSignedIn(browser)).toBe(false);
    expect((await browser.visit("/")).body).not.toContain(user.email);
  });

  test.each([
    ["/device?user_code=BCDFGHJK", true],
    ["/v1/oauth/authorize?client_id=x&request_id=y", true],
    ["/saml/idp/sso?id=1", true],
    ["/account", true],
    ["/invite/accept?token=1", true],
    ["/v1/auth/me", false],
    ["/v1/oauth/authorize/", false],
    ["/login", false],
  ])("return_to %s: %p", async (path, isReturned) => {
    const browser = server.browser();
    const user = await server.signUp();
    const screen = await browser.signIn(
      await browser.visit(loginAt({ return_to: back(path) })),
      user,
    );
    expect(screen.visited.slice(1)[0]).toBe(isReturned ? path : "/");
  });

  test.each([
    "https://evil.example/v1/oauth/authorize",
    "//evil.example/device",
    "/device",
    "javascript:alert(1)",
    "http://localhost@evil.example/device",
    "\\\\evil.example/device",
    "x",
  ])("return_to %p is nothing", async (return_to) => {
    const browser = server.browser();
    const page = await browser.visit(loginAt({ return_to }));
    expect(page.status).toBe(200);
    expect(page.body).not.toContain("evil");
    const form = page.forms[0]!;
    expect(form.fields.return_to).toBeUndefined();
    // Nor when it is slipped into the form.
    const user = await server.signUp();
    const forged = { ...page, forms: [{ ...form, fields: { ...form.fields, return_to } }] };
    expect(pathOf(await browser.signIn(forged, user))).toBe("/");
  });

  test("one answer for an unknown address and a wrong password; the password does not come back", async () => {
    const user = await server.signUp();
    const browser = server.browser();
    const bodies = [];
    for (const email of [user.email, "nobody-here@example.com"]) {
      const page = await browser.visit(loginAt({ return_to: back("/device") }));
      const screen = await browser.signIn(page, { email, password: "a wrong password" });
      expect(screen.status).toBe(422);
      expect(screen.body).not.toContain("a wrong password");
      expect(screen.forms[0]!.fields).toMatchObject({ email, return_to: back("/device") });
      bodies.push(screen.body.replaceAll(email, "…"));
    }
    expect(bodies[0]).toBe(bodies[1]!);
    expect(isSignedIn(browser)).toBe(false);
  });

  test("five failures lock the address, known or not, in the same words and for the right password too", async () => {
    const user = await server.signUp();
    const bodies = [];
    for (const email of [user.email, `unknown-${user.email}`]) {
      const browser = server.browser();
      const page = await browser.visit("/login");
      for (let n = 0; n < 5; n += 1)
        expect((await browser.signIn(page, { email, password: "wrong" })).status).toBe(422);
      const locked = await browser.signIn(page, { email, password: PASSWORD });
      expect([locked.status, locked.headers.get("retry-after")]).toEqual([429, "900"]);
      expect(locked.body).toContain("Too many failed attempts. Please try again in 15 minutes.");
      expect(isSignedIn(browser)).toBe(false);
      bodies.push(locked.body.replaceAll(email, "…"));
    }
    expect(bodies[0]!.replace(/csrf_token" value="[^"]*"/, "")).toBe(
      bodies[1]!.replace(/csrf_token" value="[^"]*"/, ""),
    );
    // It is the API's lock as well.
    const body = { email: user.email, password: PASSWORD };
    expect((await server.call("POST", "/v1/auth/login", { body })).status).toBe(429);
  });

  test("what is no address, or no password, is said at its field", async () => {
    const browser = server.browser();
    const page = await browser.visit("/login");
    const noAddress = await browser.signIn(page, { email: "someone", password: PASSWORD });
    expect([noAddress.status, noAddress.body.includes('id="email-error"')]).toEqual([422, true]);
    const noPassword = await browser.signIn(page, { email: "a@example.com", password: "" });
    expect([noPassword.status, noPassword.body.includes('id="password-error"')]).toEqual([
      422,
      true,
    ]);
  });

  test("a stale form comes back with its fields, not the password, and works then", async () => {
    const user = await server.signUp();
    const browser = server.browser();
    const page = await browser.visit(loginAt({ return_to: back("/account") }));
    browser.cookies.delete("qe_csrf");
    const stale = await browser.signIn(page, user);
    expect([stale.status, isSignedIn(browser)]).toEqual([422, false]);
    expect(stale.body).toContain("open for too long");
    expect(stale.body).not.toContain(user.password);
    expect(stale.forms[0]!.fields).toMatchObject({
      email: user.email,
      return_to: back("/account"),
    });
    expect((await browser.signIn(stale, user)).visited[1]).toBe("/account");
  });

  test("from another site: refused", async () => {
    const user = await server.signUp();
    const browser = server.browser();
    await browser.visit("/login");
    const form = { email: user.email, password: user.password, csrf_token: "x" };
    expect((await browser.postFrom("/login", form)).status).toBe(403);
  });

  test("a suspended account is told so only with the right password", async () => {
    const user = await server.signUp();
    await server.deps.db.transaction(async (tx) => {
      const { updateUserRow } = await import("../../src/modules/users/service.ts");
      await updateUserRow(tx, user.userId, { status: "suspended" });
    });
    const browser = server.browser();
    const page = await browser.visit("/login");
    const wrong = await browser.signIn(page, { ...user, password: "wrong" });
    expect([wrong.status, wrong.body.includes("suspended")]).toEqual([422, false]);
    const right = await browser.signIn(page, user);
    expect([right.status, right.body.includes("This account is suspended")]).toEqual([403, true]);
    expect(isSignedIn(browser)).toBe(false);
  });

  test("login_hint fills the address in; error is said in words of ours", async () => {
    const { forms, body } = await server
      .browser()
      .visit(loginAt({ login_hint: "ada@example.com", error: "<b>social</b>" }));
    expect(forms[0]!.fields.email).toBe("ada@example.com");
    expect(body).toContain("Signing in did not work");
    expect(body).not.toContain("social");
  });

  test("ui_locales comes before the browser's language, and stays", async () => {
    const browser = server.browser({ "accept-language": "en" });
    const page = await browser.visit(loginAt({ ui_locales: "fr de-AT en" }));
    expect(page.body).toContain('<html lang="de"');
    const wrong = await browser.signIn(page, { email: "nobody@example.com", password: "wrong" });
    expect(wrong.body).toContain("E-Mail-Adresse oder Passwort stimmen nicht.");
    const german = server.browser({ "accept-language": "de" });
    expect((await german.visit(loginAt({ ui_locales: "fr" }))).body).toContain('<html lang="de"');
    expect((await german.visit(loginAt({ ui_locales: "en" }))).body).toContain('<html lang="en"');
  });
});

describe("several accounts", () => {
  test("each keeps its session; the chooser makes one current, and signing out ends all", async () => {
    const browser = server.browser();
    const [ada, grace] = [await server.signUp(), await server.signUp()];
    await signInAs(browser, ada);
    const first = cookie(browser, "qe_ls");
    await signInAs(browser, grace);
    expect(cookie(browser, "qe_accounts")).toBe(first!);
    const chooser = await browser.visit(loginAt({ return_to: back("/device"), choose: "1" }));
    expect(chooser.body).toContain("Choose an account");
    expect(chooser.body.indexOf(grace.email)).toBeLessThan(chooser.body.indexOf(ada.email));
    const chosen = await browser.submit(chooser, "account-2");
    expect(chosen.visited[1]).toBe("/device");
    expect(cookie(browser, "qe_ls")).toBe(first!);
    const home = await browser.visit("/");
    const tokens = [cookie(browser, "qe_ls"), cookie(browser, "qe_accounts")];
    await browser.submit(home, "sign-out");
    expect([cookie(browser, "qe_ls"), cookie(browser, "qe_accounts")]).toEqual([
      undefined,
      undefined,
    ]);
    for (const token of tokens) {
      const other = server.browser();
      other.cookies.set("qe_ls", { value: token!, path: "/", sameSite: "lax" });
      expect((await other.visit("/")).body).not.toContain("You are signed in");
    }
  });

  test("the page of the sign-out names whoever is left, and lets them out", async () => {
    const browser = server.browser();
    const [ada, grace] = [await server.signUp(), await server.signUp()];
    await signInAs(browser, ada);
    await signInAs(browser, grace);
    browser.cookies.delete("qe_ls");
    const left = await browser.visit("/logged-out");
    expect(left.body).toContain("Still signed in");
    expect(left.body).toContain(ada.email);
    expect(left.body).not.toContain(grace.email);
    expect(pathOf(await browser.visit("/"))).toBe("/login"); // the chooser
    const out = await browser.submit(left, "sign-out");
    expect(pathOf(out)).toBe("/logged-out");
    expect(out.body).toContain("You are signed out");
  });

  test("the same person again takes the place of their session", async () => {
    const browser = server.browser();
    const [ada, grace] = [await server.signUp(), await server.signUp()];
    await signInAs(browser, ada);
    const old = cookie(browser, "qe_ls")!;
    await signInAs(browser, grace);
    await signInAs(browser, { ...ada, email: ada.email.toUpperCase() });
    expect(cookie(browser, "qe_accounts")).not.toContain(old);
    const other = server.browser();
    other.cookies.set("qe_ls", { value: old, path: "/", sameSite: "lax" });
    expect(pathOf(await other.visit("/login"))).toBe("/login");
  });

  test("one that has ended, or was never there, can't be chosen", async () => {
    const browser = server.browser();
    const [ada, grace] = [await server.signUp(), await server.signUp()];
    await signInAs(browser, ada);
    await signInAs(browser, grace);
    const chooser = await browser.visit(loginAt({ return_to: back("/device"), choose: "1" }));
    browser.cookies.delete("qe_accounts");
    const gone = await browser.submit(chooser, "account-2");
    expect([gone.status, gone.body.includes("no longer signed in with this account")]).toEqual([
      422,
      true,
    ]);
    browser.cookies.delete("qe_csrf");
    const stale = await browser.submit(chooser, "account-1");
    expect([stale.status, stale.body.includes("open for too long")]).toEqual([422, true]);
  });
});

describe("forgotten password", () => {
  const messagesTo = async (email: string) =>
    (await listMessages(server.deps, 50)).filter(({ recipient }) => recipient === email).length;

  test("the same for known and unknown addresses; the way back keeps its aim", async () => {
    const user = await server.signUp();
    const before = await messagesTo(user.email);
    const bodies = [];
    for (const email of [user.email, "nobody-at-all@example.com"]) {
      const browser = server.browser();
      const page = await browser.visit(
        `/forgot-password?${new URLSearchParams({ return_to: back("/device") })}`,
      );
      const sent = await browser.submit(page, "forgot-submit", { email });
      expect([sent.status, sent.url.split("?")[0]]).toEqual([200, back("/forgot-password/sent")]);
      expect(sent.body).toContain(`/login?return_to=${encodeURIComponent(back("/device"))}`);
      bodies.push(sent.body);
    }
    expect(bodies[0]).toBe(bodies[1]!);
    expect(await messagesTo(user.email)).toBe(before + 1);
  });

  test("no address, a stale form", async () => {
    const browser = server.browser();
    const page = await browser.visit("/forgot-password");
    const wrong = await browser.submit(page, "forgot-submit", { email: "someone" });
    expect([wrong.status, wrong.body.includes('id="email-error"')]).toEqual([422, true]);
    browser.cookies.clear();
    const stale = await browser.submit(page, "forgot-submit", { email: "someone@example.com" });
    expect([stale.status, stale.forms[0]!.fields.email]).toEqual([422, "someone@example.com"]);
  });
});
