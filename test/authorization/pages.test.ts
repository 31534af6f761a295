/** The endpoint and the pages together: what a person sees between a client's link and its callback. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { resetToken } from "../auth/support.ts";
import { chromiumPath } from "../pages/support.ts";
import {
  authorizeUrl,
  callbackOf,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";
import { OPEN, PKCE } from "./support.ts";

let server: TestProvider;
let owner: SignedUp;
let client: TestClient;
beforeAll(async () => {
  server = await startProvider();
  owner = await server.signUp();
  client = await server.createClient(owner, OPEN);
});
afterAll(() => server.stop());

const tick = () => server.clock.advance(1_000);

test("sign-in, consent, code; the second time neither", async () => {
  const browser = server.browser();
  const first = await server.codeFlow(browser, client, {}, { user: owner });
  expect(first.asked).toEqual(["login", "consent"]);
  expect(first.answer).toMatchObject({ state: first.state, iss: server.base });
  expect((await server.exchange(client, first)).status).toBe(200);
  tick();
  const second = await server.codeFlow(browser, client);
  expect(second.asked).toEqual([]);
  expect((await server.exchange(client, second)).status).toBe(200);
});

test.each([
  ["prompt=login", { prompt: "login" }, ["login"]],
  ["prompt=consent", { prompt: "consent" }, ["consent"]],
  ["both", { prompt: "login consent" }, ["login", "consent"]],
  ["max_age=0", { max_age: "0" }, ["login"]],
  ["a new scope", { scope: "openid phone" }, ["consent"]],
])("%s asks as often as it must", async (_, parameters, asked) => {
  const browser = server.browser();
  await server.codeFlow(browser, client, {}, { user: owner });
  tick();
  const flow = await server.codeFlow(browser, client, parameters, { user: owner });
  expect(flow.asked).toEqual(asked as ("login" | "consent")[]);
  expect(flow.code).toHaveLength(43);
});

test("a denial, in both response modes", async () => {
  for (const response_mode of [undefined, "form_post"]) {
    tick();
    const flow = await server.codeFlow(
      server.browser(),
      client,
      { response_mode, prompt: "consent" },
      { user: owner, approve: false },
    );
    expect(flow.asked).toEqual(["login", "consent"]);
    expect(flow.answer).toMatchObject({ error: "access_denied", state: flow.state });
  }
});

test("form_post, from the sign-in on", async () => {
  const parameters = { response_mode: "form_post", prompt: "consent" };
  const flow = await server.codeFlow(server.browser(), client, parameters, { user: owner });
  expect(flow.asked).toEqual(["login", "consent"]);
  expect(flow.screen.forms[0]?.action).toBe(client.redirectUri);
  expect((await server.exchange(client, flow)).status).toBe(200);
});

test("a posted request, from the sign-in on", async () => {
  const browser = server.browser();
  const fields = Object.fromEntries(
    new URLSearchParams(authorizeUrl(client, { ...PKCE, prompt: "login" }).split("?")[1]),
  );
  const signIn = await browser.postFrom("/v1/oauth/authorize", fields);
  tick();
  const screen = await browser.signIn(signIn, owner);
  expect(callbackOf(screen).code).toHaveLength(43);
});

test("02 §13: hosted session after password reset: authorize leads to the sign-in page", async () => {
  const user = await server.signUp();
  const browser = server.browser();
  await server.codeFlow(browser, client, {}, { user });
  const reset = await server.call("POST", "/v1/auth/reset-password", {
    body: { token: await resetToken(server, user.email), new_password: "seven grey herons" },
  });
  expect(reset.status).toBeLessThan(300);
  const flow = await server.codeFlow(browser, client);
  expect([flow.asked, flow.screen.visited.at(-1)?.split("?")[0]]).toEqual([[], "/login"]);
});

describe.skipIf(chromiumPath === null)("in a browser", () => {
  test("form_post arrives by itself; the policy blocks nothing", async () => {
    const arrived = Promise.withResolvers<URLSearchParams>();
    const application = Bun.serve({
      port: 0,
      async fetch(request) {
        if (request.method === "POST") arrived.resolve(new URLSearchParams(await request.text()));
        return new Response("signed in");
      },
    });
    const redirect_uri = `http://127.0.0.1:${application.port}/callback`;
    const native = await server.createClient(owner, {
      type: "public",
      redirect_uris: [redirect_uri],
      ...OPEN,
    });
    const { chromium } = await import("playwright-core");
    const browser = await chromium.launch({
      executablePath: chromiumPath!,
      args: ["--headless", "--no-sandbox", "--disable-gpu"],
    });
    const page = await (await browser.newContext()).newPage();
    const blocked: string[] = [];
    page.on("console", (message) => {
      if (/Content Security Policy|Refused/i.test(message.text())) blocked.push(message.text());
    });
    const state = '"><img src=x onerror=alert(1)> &amp; ünï';
    await page.goto(
      server.base + authorizeUrl(native, { ...PKCE, state, response_mode: "form_post" }),
    );
    await page.fill("#email", owner.email);
    await page.fill("#password", owner.password);
    await page.click("#login-submit");
    await page.click("#consent-allow");
    const fields = await arrived.promise;
    expect(fields.get("state")).toBe(state);
    expect(fields.get("iss")).toBe(server.base);
    expect(fields.get("code")).toHaveLength(43);
    expect(blocked).toEqual([]);
    await browser.close();
    application.stop(true);
  }, 60_000);
});
