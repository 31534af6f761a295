/**
 * oidc-client-ts in a page of another origin, under a strict policy: redirect sign-in as a public client, renewal by
 * refresh token, sign-out. Everything it fetches goes across origins, so CORS is part of what is proved.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { chromiumPath } from "../pages/support.ts";
import type { PageGlobals } from "./page.ts";
import { type Issuer, type Person, startIssuer } from "./support.ts";

let issuer: Issuer;
let ada: Person;
let browser: Browser;
let app: Bun.Server<undefined>;

beforeAll(async () => {
  if (!chromiumPath) return;
  issuer = await startIssuer();
  ada = await issuer.person();
  const build = await Bun.build({
    entrypoints: [join(import.meta.dir, "page.ts")],
    target: "browser",
  });
  const script = await build.outputs[0]!.text();
  const policy = `default-src 'none'; script-src 'self'; connect-src ${issuer.base}; base-uri 'none'`;
  app = Bun.serve({
    port: 0,
    hostname: "localhost",
    fetch: ({ url }) =>
      new URL(url).pathname === "/app.js"
        ? new Response(script, { headers: { "content-type": "text/javascript" } })
        : new Response(`<!doctype html><title>app</title><script src="/app.js"></script>`, {
            headers: { "content-type": "text/html", "content-security-policy": policy },
          }),
  });
  browser = await chromium.launch({
    executablePath: chromiumPath,
    args: ["--headless", "--no-sandbox", "--disable-gpu"],
  });
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await app?.stop(true);
  await issuer?.stop();
});

test.skipIf(!chromiumPath)(
  "oidc-client-ts: sign-in, renewal by refresh token, sign-out, under a strict policy",
  async () => {
    const origin = `http://localhost:${app.port}`;
    const { clientId } = await issuer.createClient(ada, {
      type: "public",
      redirect_uris: [`${origin}/callback`],
      post_logout_uris: [`${origin}/bye`],
      scopes: ["openid", "profile", "email"],
    });
    const settings = {
      authority: issuer.base,
      client_id: clientId,
      redirect_uri: `${origin}/callback`,
      post_logout_redirect_uri: `${origin}/bye`,
      scope: "openid profile email",
      loadUserInfo: true,
      automaticSilentRenew: false,
    };
    const page = await (await browser.newContext()).newPage();
    const violations = () => page.evaluate(() => (globalThis as unknown as PageGlobals).violations);

    await page.goto(`${origin}/`);
    void page
      .evaluate((given) => {
        const { createManager } = globalThis as unknown as PageGlobals;
        return createManager(given).signinRedirect();
      }, settings)
      .catch(() => {}); // it leaves the page
    await page.waitForSelector("#login-submit");
    await page.fill("#email", ada.email);
    await page.fill("#password", ada.password);
    await page.click("#login-submit");
    await page.waitForSelector("#consent-allow");
    await page.click("#consent-allow");
    await page.waitForURL(`${origin}/callback?**`);

    const signedIn = await page.evaluate(async (given) => {
      const { createManager } = globalThis as unknown as PageGlobals;
      const user = await createManager(given).signinRedirectCallback();
      const { access_token, refresh_token, profile } = user;
      return { access_token, refresh_token, profile };
    }, settings);
    expect(signedIn.profile).toMatchObject({ sub: ada.userId, email: ada.email });
    expect(signedIn.refresh_token).toBeString();
    expect(await violations()).toEqual([]);

    // In another page load, as an application does when its access token is about to end.
    await page.goto(`${origin}/`);
    const renewed = await page.evaluate(async (given) => {
      const { createManager } = globalThis as unknown as PageGlobals;
      const user = await createManager(given).signinSilent();
      return { access_token: user?.access_token, refresh_token: user?.refresh_token };
    }, settings);
    expect(renewed.access_token).toBeString();
    expect(renewed.access_token).not.toBe(signedIn.access_token);
    expect(renewed.refresh_token).not.toBe(signedIn.refresh_token);
    expect(await violations()).toEqual([]);
    // By refresh token, not by a hidden frame, which this server never allows.
    expect(page.frames()).toHaveLength(1);
    const userinfo = await issuer.call("GET", "/v1/oauth/userinfo", {
      as: renewed.access_token!,
    });
    expect(userinfo.status).toBe(200);

    void page
      .evaluate((given) => {
        const { createManager } = globalThis as unknown as PageGlobals;
        return createManager(given).signoutRedirect();
      }, settings)
      .catch(() => {});
    await page.waitForURL(/\/bye/);
    const after = await issuer.call("GET", "/v1/oauth/userinfo", { as: renewed.access_token! });
    expect(after.status).toBe(401);
  },
  60_000,
);
