/** RFC 8628 §3.3, contract 03 §16.2: the page where a person lets a device in. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { testConfig } from "../../src/config.ts";
import {
  type Browser,
  type Screen,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";

const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";

let server: TestProvider;
let owner: SignedUp;
let client: TestClient;
beforeAll(async () => {
  server = await startProvider();
  owner = await server.signUp();
  client = await server.createClient(owner, {
    name: "Television",
    grant_types: [DEVICE_GRANT],
    redirect_uris: [],
  });
});
afterAll(() => server.stop());

const has = (screen: Screen, id: string) => screen.forms.some(({ controls }) => id in controls);
const begin = async () => {
  const { status, body } = await server.postForm("/v1/oauth/device_authorization", client, {
    scope: "openid email",
  });
  expect(status).toBe(200);
  return body as { device_code: string; user_code: string; verification_uri_complete: string };
};
const poll = (device_code: string) =>
  server.postForm("/v1/oauth/token-code", client, { grant_type: DEVICE_GRANT, device_code });

async function signedIn(user: SignedUp = owner): Promise<Browser> {
  const browser = server.browser();
  await browser.signIn(await browser.visit("/login"), user);
  return browser;
}
/** Types a code in. */
const enter = async (browser: Browser, user_code: string) =>
  browser.submit(await browser.visit("/device"), "device-next", { user_code });

test("03 §2: 302 to whoever comes with GET, 303 after a form", async () => {
  const { status, headers } = await server.call("GET", "/device");
  expect([status, headers.get("location")?.startsWith("/login?")]).toEqual([302, true]);
});

test("sign in first, then the link's code stands there to be compared; allow, and the device gets its tokens", async () => {
  const { device_code, user_code, verification_uri_complete } = await begin();
  const browser = server.browser();
  const login = await browser.open(verification_uri_complete);
  expect(has(login, "login-submit")).toBe(true);
  expect(login.body).toContain("to connect a device");
  const confirm = await browser.signIn(login, owner);
  for (const words of [
    user_code,
    "Television wants access from a device",
    "See your e-mail address",
    owner.email,
  ])
    expect(confirm.body).toContain(words);
  const done = await browser.submit(confirm, "device-allow");
  expect(done.url).toBe(`${server.base}/device/done?outcome=authorized`);
  expect(done.body).toContain("Your device is connected");
  expect((await poll(device_code)).body.access_token).toBeDefined();
});

test.each([
  ["lower case", (code: string) => code.toLowerCase()],
  ["no dash", (code: string) => code.replace("-", "")],
  ["blanks", (code: string) => ` ${code.replace("-", " ")} `],
  ["another dash", (code: string) => code.replace("-", "–")],
])("a code typed with %s", async (_, typed) => {
  const { user_code } = await begin();
  const screen = await enter(await signedIn(), typed(user_code));
  expect(has(screen, "device-allow")).toBe(true);
  expect(screen.body).toContain(user_code);
});

test("deny: the device is told, and the code is spent", async () => {
  const { device_code, user_code } = await begin();
  const browser = await signedIn();
  const confirm = await enter(browser, user_code);
  const done = await browser.submit(confirm, "device-deny");
  expect(done.body).toContain("You have refused");
  expect((await poll(device_code)).body.error).toBe("access_denied");
  const again = await browser.submit(confirm, "device-allow");
  expect([again.status, again.body.includes("answered already")]).toEqual([422, true]);
});

test("no code, a wrong one, an expired one: said at the field", async () => {
  const browser = await signedIn();
  for (const [code, words] of [
    ["", "Please enter the code."],
    ["BCDF-GHJK", "No device shows this code."],
    ["???", "No device shows this code."],
  ]) {
    const screen = await enter(browser, code!);
    expect([screen.status, screen.body.includes(words!)]).toEqual([422, true]);
    expect(screen.body).toContain('id="user_code-error"');
  }
  const { user_code } = await begin();
  server.clock.advance(601_000);
  const screen = await enter(browser, user_code);
  expect([screen.status, screen.body.includes("expired")]).toEqual([422, true]);
});

test("a stale form shows the question again", async () => {
  const { user_code } = await begin();
  const browser = await signedIn();
  const confirm = await enter(browser, user_code);
  browser.cookies.delete("qe_csrf");
  const stale = await browser.submit(confirm, "device-allow");
  expect([stale.status, stale.body.includes("open for too long")]).toEqual([422, true]);
  expect((await browser.submit(stale, "device-allow")).body).toContain("Your device is connected");
});

test("who is no member where the client asks for it may not; another account may", async () => {
  const { user_code } = await begin();
  const stranger = await server.signUp();
  const browser = await signedIn(stranger);
  const confirm = await enter(browser, user_code);
  const refused = await browser.submit(confirm, "device-allow");
  expect([refused.status, refused.body.includes("may not use this application")]).toEqual([
    403,
    true,
  ]);
  const another = /id="another-account"[^>]*href="([^"]+)"/.exec(refused.body)![1]!;
  const chooser = await browser.visit(another.replaceAll("&amp;", "&"));
  expect(has(chooser, "account-1")).toBe(true);
  const form = await browser.visit(
    /id="another-account"[^>]*href="([^"]+)"/.exec(chooser.body)![1]!.replaceAll("&amp;", "&"),
  );
  const back = await browser.signIn(form, owner);
  expect(back.body).toContain(owner.email);
  expect((await browser.submit(back, "device-allow")).body).toContain("Your device is connected");
});

test("signed out between question and answer: sign in, and the question again", async () => {
  const { user_code } = await begin();
  const browser = await signedIn();
  const confirm = await enter(browser, user_code);
  browser.cookies.delete("qe_ls");
  const login = await browser.submit(confirm, "device-allow");
  expect(has(await browser.signIn(login, owner), "device-allow")).toBe(true);
});

test("guesses are few, by default", async () => {
  const strict = testConfig().rateLimits;
  const limited = await startProvider({
    rateLimits: { ...strict, device: { ratePerSecond: 1 / 12, burst: 5 } },
  });
  const user = await limited.signUp();
  const browser = limited.browser();
  await browser.signIn(await browser.visit("/login"), user);
  const statuses = [];
  for (let n = 0; n < 6; n += 1)
    statuses.push((await browser.visit("/device?user_code=BCDF-GHJK")).status);
  expect(statuses).toEqual([422, 422, 422, 422, 422, 429]);
  const last = await browser.visit("/device?user_code=BCDF-GHJK");
  expect(last.headers.get("retry-after")).not.toBeNull();
  expect(last.body).toContain("Too many codes in a short time");
  await limited.stop();
});
