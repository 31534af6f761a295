import AxeBuilder from "@axe-core/playwright";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import type { Config } from "../../src/config.ts";
import type { RouteGroup } from "../../src/platform/http/kernel.ts";
import { assetRoutes } from "../../src/platform/pages/assets.ts";
import { kernelServer } from "../audit/server.ts";

/** The kernel with pages on it. */
export const pageServer = (groups: readonly RouteGroup[], overrides: Partial<Config> = {}) =>
  kernelServer([...groups, assetRoutes], overrides);

export const PUBLIC_URL = "http://localhost:4000";
const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const chromiumPath = Bun.which("chromium") ?? Bun.which("chromium-browser");

/** A browser that finds `PUBLIC_URL` at `port`. */
export const launch = (port: number): Promise<Browser> =>
  chromium.launch({
    executablePath: chromiumPath!,
    args: [...ARGS, `--host-resolver-rules=MAP localhost:4000 127.0.0.1:${port}`],
  });

export const WIDTHS: readonly BrowserContextOptions[] = [
  { viewport: { width: 1280, height: 800 } },
  { viewport: { width: 360, height: 740 }, colorScheme: "dark" },
];

/** Opens a page that reports what its policy blocks. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const violations: string[] = [];
  await page.exposeFunction("reportViolation", (text: string) => void violations.push(text));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      // Set by exposeFunction above.
      void (globalThis as unknown as { reportViolation(text: string): void }).reportViolation(
        `${event.violatedDirective} ${event.blockedURI}`,
      );
    });
  });
  page.on("console", (message) => {
    if (message.type() === "error" && /Content.Security.Policy/i.test(message.text()))
      violations.push(message.text());
  });
  return { context, page, violations };
}

/** Ids of accessibility rules that the page breaks, and whether it is wider than the window. */
export async function faultsOf(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  const faults = violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
  const fits = await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
  return fits ? faults : [...faults, "wider than the window"];
}
