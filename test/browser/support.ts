/** A real browser in front of a real provider: what people see, in light and dark, wide and narrow. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { chromiumPath, faultsOf, launch, openPage } from "../pages/support.ts";

export { chromiumPath, faultsOf, launch, openPage };

export const LIGHT: BrowserContextOptions = { viewport: { width: 1280, height: 800 } };
export const DARK_PHONE: BrowserContextOptions = {
  viewport: { width: 360, height: 740 },
  colorScheme: "dark",
};
/** Every look that a page must have. */
export const LOOKS: readonly (readonly [name: string, options: BrowserContextOptions])[] = [
  ["light-1280", LIGHT],
  ["dark-1280", { ...LIGHT, colorScheme: "dark" }],
  ["light-360", { ...DARK_PHONE, colorScheme: "light" }],
  ["dark-360", DARK_PHONE],
];

const SHOTS = join(import.meta.dir, "../../test-results");

/** Keeps a picture of the page as it is, for people to look at. */
export async function shoot(page: Page, name: string): Promise<void> {
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

/** Runs `visit` in every look; each page that it shows is photographed and judged. Answers what was wrong. */
export async function inEveryLook(
  browser: Browser,
  visit: (page: Page, see: (name: string) => Promise<void>) => Promise<void>,
): Promise<string[]> {
  const faults: string[] = [];
  for (const [look, options] of LOOKS) {
    const { context, page, violations } = await openPage(browser, options);
    await visit(page, async (name) => {
      await shoot(page, `${name}-${look}`);
      for (const fault of await faultsOf(page)) faults.push(`${name} ${look}: ${fault}`);
    });
    for (const violation of violations) faults.push(`${look}: ${violation}`);
    await context.close();
  }
  return faults;
}
