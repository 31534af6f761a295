/** A real browser in front of a real provider: what people see, in light and dark, wide and narrow. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { chromiumPath, faultsOf, launch, openPage } from "../pages/support.ts";

export { chromiumPath, faultsOf, launch, openPage };

const LIGHT: BrowserContextOptions = { viewport: { width: 1280, height: 800 } };
const DARK_PHONE: BrowserContextOptions = {
  viewport: { width: 360, height: 740 },
  colorScheme: "dark",
};
/** What every page is looked at in: both colours, both widths. */
const LOOKS: readonly (readonly [name: string, options: BrowserContextOptions])[] = [
  ["light-1280", LIGHT],
  ["dark-360", DARK_PHONE],
];

const SHOTS = join(import.meta.dir, "../../test-results");

/** Keeps a picture of the page as it is, for people to look at. */
export async function shoot(page: Page, name: string): Promise<void> {
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

/**
 * Runs `visit` wide and light, then narrow and dark; each page that it shows is photographed and judged. Answers what
 * was wrong.
 */
export async function inEveryLook(
  browser: Browser,
  visit: (page: Page, see: (name: string, heading: string) => Promise<void>) => Promise<void>,
): Promise<string[]> {
  const faults: string[] = [];
  for (const [look, options] of LOOKS) {
    const { context, page, violations } = await openPage(browser, options);
    await visit(page, async (name, heading) => {
      const shown = (await page.getByRole("heading", { level: 1 }).textContent()) ?? "";
      if (!shown.includes(heading)) faults.push(`${name} ${look}: it is headed ${shown}`);
      await shoot(page, `${name}-${look}`);
      for (const fault of await faultsOf(page)) faults.push(`${name} ${look}: ${fault}`);
    });
    for (const violation of violations) faults.push(`${look}: ${violation}`);
    await context.close();
  }
  return faults;
}

/** Presses what leads to another page, and waits for it: a busy machine is slow to leave the old one. */
export async function press(page: Page, target: string | Locator): Promise<void> {
  const shown = page.waitForEvent("domcontentloaded");
  await (typeof target === "string" ? page.locator(target) : target).click();
  await shown;
}

/** An application: somewhere that answers come back to, and that can open windows. */
export function startRelyingParty() {
  const page = () =>
    new Response(
      "<!doctype html><html lang=en><title>App</title><main><h1>App</h1></main></html>",
      {
        headers: { "content-type": "text/html; charset=utf-8" },
      },
    );
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: page });
  const origin = `http://127.0.0.1:${server.port}`;
  return { origin, redirectUri: `${origin}/callback`, stop: () => server.stop(true) };
}
