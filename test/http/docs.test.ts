import { afterAll, beforeAll, expect, test } from "bun:test";
import { chromium } from "playwright-core";
import { type SampleServer, sampleServer } from "./sample-server.ts";

const CHROMIUM = Bun.which("chromium");
if (CHROMIUM === null) console.warn("chromium is not installed: the API page is not opened");
const NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost";

let server: SampleServer;
beforeAll(async () => {
  server = await sampleServer();
});
afterAll(() => server.stop());

test.skipIf(CHROMIUM === null)(
  "the API page works from our addresses alone, under its policy",
  async () => {
    const base = server.base.replace("127.0.0.1", "localhost");
    const browser = await chromium.launch({
      executablePath: CHROMIUM!,
      args: ["--no-sandbox", NO_NETWORK],
    });
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(10_000);
      const asked = new Set<string>();
      const complaints: string[] = [];
      page.on("request", (request) => asked.add(request.url().replace(base, "").split("?")[0]!));
      page.on("console", (message) => {
        if (message.type() === "error") complaints.push(message.text());
      });
      page.on("pageerror", (error) => complaints.push(error.message));
      await page.addInitScript(
        `document.addEventListener("securitypolicyviolation", (e) => console.error("violation " + e.violatedDirective))`,
      );

      await page.goto(`${base}/docs`);
      await page
        .locator(".opblock-summary", { hasText: "/v1/me" })
        .locator("button")
        .first()
        .click();
      await page.getByRole("button", { name: "Try it out" }).click();
      await page.locator("button.authorize").first().click();
      await page.locator(".modal-ux input").first().fill("reader");
      await page.locator(".modal-ux button.authorize").first().click();
      await page.locator(".modal-ux .btn-done").first().click();
      await page.locator("button.execute").click();
      const answer = page.locator(".live-responses-table tbody").first();
      await answer.waitFor();

      expect(await answer.textContent()).toContain('"subject": "reader"');
      expect([...asked].filter((url) => !url.startsWith("data:")).sort()).toEqual([
        "/docs",
        "/docs/start.js",
        "/docs/swagger-ui-bundle.js",
        "/docs/swagger-ui.css",
        "/openapi.json",
        "/v1/me",
      ]);
      expect(complaints).toEqual([]);
    } finally {
      await browser.close();
    }
  },
  60_000,
);

test("the policy of the page has no unsafe-inline", async () => {
  const { headers } = await server.call("GET /docs");
  expect(headers.get("content-security-policy")).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
  );
});

const BUNDLE = "/docs/swagger-ui-bundle.js";

test.each([
  { accepts: "gzip, deflate, br, zstd", want: "br" },
  { accepts: "gzip", want: "gzip" },
  { accepts: "br;q=0, gzip", want: "gzip" },
  { accepts: "identity", want: null },
])("assets are compressed once, as the browser likes: $accepts", async ({ accepts, want }) => {
  const answer = await fetch(server.base + BUNDLE, {
    headers: { "accept-encoding": accepts },
    decompress: false,
  } as RequestInit);
  expect(answer.headers.get("content-encoding")).toBe(want);
  expect(answer.headers.get("vary")).toBe("Origin, Accept-Encoding");
  expect(answer.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  const size = (await answer.bytes()).length;
  if (want === null) expect(size).toBeGreaterThan(1_500_000);
  else expect(size).toBeLessThan(500_000);
});

test("a browser that has the asset is told so", async () => {
  const first = await server.call(`GET ${BUNDLE}`);
  const again = await server.call(`GET ${BUNDLE}`, {
    headers: { "if-none-match": first.headers.get("etag")! },
  });
  expect([again.status, again.text]).toEqual([304, ""]);
  const html = (await server.call("GET /docs")).text;
  expect(html).toContain(`${BUNDLE}?v=${first.headers.get("etag")?.replaceAll('"', "")}`);
});
