import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { testConfig } from "../../src/config.ts";
import type { Deps } from "../../src/deps.ts";
import { isLocalCall } from "../../src/modules/mailbox/guard.ts";
import { mailboxRoutes } from "../../src/modules/mailbox/routes.ts";
import { mailJob } from "../../src/platform/mail/sender.ts";
import { queueMail } from "../../src/platform/mail/service.ts";
import {
  chromiumPath,
  faultsOf,
  launch,
  openPage,
  PUBLIC_URL,
  pageServer,
  WIDTHS,
} from "./support.ts";

let server: Awaited<ReturnType<typeof pageServer>>;
beforeAll(async () => {
  server = await pageServer([mailboxRoutes]);
});
afterAll(() => server.stop());

const VERIFY_URL = `${PUBLIC_URL}/verify?id=0199aaaa-0000-7000-8000-000000000011&code=482913`;

async function queueSome() {
  const { deps, db } = server;
  await db.transaction(async (tx) => {
    const to = "ann@example.com";
    const code = { code: "482913", ttl: "10 minutes" };
    await queueMail(deps, tx, {
      template: "verify_email",
      to,
      variables: { ...code, verify_url: VERIFY_URL },
    });
    await queueMail(deps, tx, {
      template: "security_alert",
      to: "bob@example.com",
      variables: { what: '<script>alert(1)</script> & "quotes"' },
    });
    await queueMail(deps, tx, {
      template: "sms_code",
      channel: "sms",
      to: "+4915123456789",
      variables: code,
    });
  });
  await mailJob.run(deps, new AbortController().signal);
}

describe("00 §31: dev mode is local", () => {
  test("answers a loopback peer that calls it by its name, without CORS headers, not cacheable", async () => {
    const response = await server.get("/dev/mailbox", { origin: PUBLIC_URL });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const names = [...response.headers.keys()];
    expect(names.filter((name) => name.startsWith("access-control-"))).toEqual([]);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.text()).toContain("No messages yet");
  });

  test.each([
    ["a name that was pointed here (DNS rebinding)", { host: "evil.example" }],
    ["the address instead of the name", { host: "127.0.0.1:4000" }],
    ["another port", { host: "localhost:4001" }],
    ["X-Forwarded-For", { "x-forwarded-for": "127.0.0.1" }],
    ["X-Forwarded-Proto", { "x-forwarded-proto": "https" }],
    ["X-Forwarded-Host", { "x-forwarded-host": "localhost:4000" }],
    ["Forwarded", { forwarded: "for=127.0.0.1" }],
  ])("refuses %s", async (_, headers) => {
    const { status } = await server.get("/dev/mailbox", headers as Record<string, string>);
    expect(status).toBe(404);
    const one = await server.get(
      "/dev/mailbox/0199aaaa-0000-7000-8000-000000000011",
      headers as never,
    );
    expect(one.status).toBe(404);
  });

  test.each([
    ["192.0.2.1", false],
    ["10.0.0.1", false],
    ["::ffff:192.0.2.1", false],
    ["127.0.0.1", true],
    ["127.8.9.1", true],
    ["::1", true],
    ["::ffff:127.0.0.1", true],
  ])("a peer at %s: %p", (address, expected) => {
    const request = new Request("http://localhost:4000/dev/mailbox", {
      headers: { host: "localhost:4000" },
    });
    const peer = { requestIP: () => ({ address }) };
    expect(isLocalCall({ config: testConfig() }, request, peer)).toBe(expected);
    expect(isLocalCall({ config: testConfig() }, request, null)).toBe(false);
  });

  test("in production the route does not exist", async () => {
    const production = await pageServer([], { env: "production" });
    expect((await production.get("/dev/mailbox")).status).toBe(404);
    await production.stop();
    const deps = { config: testConfig({ env: "production" }) } as Deps;
    expect(() => mailboxRoutes(deps, undefined as never)).toThrow("development");
  });

  test("an id that is none, or of no message", async () => {
    expect((await server.get("/dev/mailbox/x")).status).toBe(400);
    const unknown = await server.get("/dev/mailbox/0199aaaa-0000-7000-8000-000000000011");
    expect(unknown.status).toBe(404);
    expect(await unknown.text()).toContain("There is nothing at this address.");
  });
});

describe.skipIf(chromiumPath === null)("in a browser", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(server.port);
  }, 60_000);
  afterAll(() => browser?.close());

  test.each(WIDTHS)(
    "empty, list and message: accessible, no policy violation (%#)",
    async (width) => {
      const { context, page, violations } = await openPage(browser, width);
      await page.goto(`${PUBLIC_URL}/dev/mailbox`);
      expect(await faultsOf(page)).toEqual([]);
      await queueSome();
      await page.reload();
      expect(await faultsOf(page)).toEqual([]);
      const shot = process.env.SCREENSHOTS;
      const suffix = width.colorScheme ?? "light";
      if (shot) await page.screenshot({ path: `${shot}/mailbox-${suffix}.png`, fullPage: true });
      await page.getByText("482913 is your code").first().click();
      expect(await faultsOf(page)).toEqual([]);
      if (shot) await page.screenshot({ path: `${shot}/message-${suffix}.png`, fullPage: true });
      expect(await page.getByRole("link", { name: VERIFY_URL }).getAttribute("href")).toBe(
        VERIFY_URL,
      );
      expect(await page.getByText("482913", { exact: false }).count()).toBeGreaterThan(0);
      expect(violations).toEqual([]);
      await context.close();
    },
    60_000,
  );

  test("newest first; a message can't bring markup in", async () => {
    await queueSome();
    const { context, page } = await openPage(browser, { javaScriptEnabled: false });
    await page.goto(`${PUBLIC_URL}/dev/mailbox`);
    const subjects = await page.locator(".subject").allTextContents();
    expect(subjects.slice(0, 3)).toEqual([
      "Text message",
      "Security notice from qeet-identity",
      "482913 is your code for qeet-identity",
    ]);
    await page.getByText("Security notice").first().click();
    expect(await page.locator(".message").textContent()).toStartWith("<script>alert(1)</script> &");
    expect(await page.locator("script").count()).toBe(0);
    await context.close();
  }, 60_000);

  test("in German for those who ask for it", async () => {
    const { context, page } = await openPage(browser, { locale: "de-DE" });
    await page.goto(`${PUBLIC_URL}/dev/mailbox`);
    expect(await page.locator("html").getAttribute("lang")).toBe("de");
    expect(await page.locator("h1").textContent()).toBe("Postfach");
    await context.close();
  }, 60_000);
});
