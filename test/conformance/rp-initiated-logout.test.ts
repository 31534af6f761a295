/** `oidcc-rp-initiated-logout-certification-test-plan[client_registration=static_client][response_type=code]`. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { generateKeyPair, SignJWT } from "jose";
import {
  type Browser,
  type Parameters,
  POST_LOGOUT_URI,
  randomText,
  type Screen,
} from "../support/provider.ts";
import {
  discovery,
  expectErrorPage,
  type Suite,
  signInFirst,
  startSuite,
  WITHOUT_PKCE,
} from "./support.ts";

let suite: Suite;
beforeAll(async () => {
  suite = await startSuite();
});
afterAll(() => suite.server.stop());

const LOGOUT = "/v1/oauth/logout";
const STILL_OUT = [
  "login_required",
  "interaction_required",
  "account_selection_required",
  "consent_required",
];

/** Goes to the end-session endpoint, as the suite does: never with `client_id`. */
function logOut(browser: Browser, parameters: Parameters): Promise<Screen> {
  const given = Object.entries(parameters).filter((one): one is [string, string] => !!one[1]);
  const query = new URLSearchParams(given).toString();
  return browser.open(query === "" ? LOGOUT : `${LOGOUT}?${query}`);
}

/** A silent request afterwards: is anybody signed in? */
async function isSignedIn(browser: Browser): Promise<boolean> {
  const parameters = { ...WITHOUT_PKCE, prompt: "none" };
  const { answer } = await suite.server.codeFlow(browser, suite.client, parameters);
  if (answer.code !== undefined) return true;
  expect(STILL_OUT).toContain(answer.error!);
  return false;
}

test("oidcc-rp-initiated-logout-discovery-endpoint-verification", async () => {
  const { end_session_endpoint, issuer } = await discovery(suite);
  expect(end_session_endpoint).toBe(`${issuer}${LOGOUT}`);
});

test("oidcc-rp-initiated-logout", async () => {
  const { browser, first } = await signInFirst(suite);
  const state = randomText(96);
  const { location, status } = await logOut(browser, {
    id_token_hint: first.tokens.id_token,
    post_logout_redirect_uri: POST_LOGOUT_URI,
    state,
  });
  expect({ status, location }).toEqual({
    status: 302,
    location: `${POST_LOGOUT_URI}?state=${state}`,
  });
  expect(await isSignedIn(browser)).toBe(false);
});

test("oidcc-rp-initiated-logout-no-state", async () => {
  const { browser, first } = await signInFirst(suite);
  const { location } = await logOut(browser, {
    id_token_hint: first.tokens.id_token,
    post_logout_redirect_uri: POST_LOGOUT_URI,
  });
  expect(location).toBe(POST_LOGOUT_URI);
  expect(await isSignedIn(browser)).toBe(false);
});

test.each([
  {
    module: "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri",
    uri: "https://app.example/elsewhere",
  },
  {
    module: "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri",
    uri: `${POST_LOGOUT_URI}?foo=bar`,
  },
])("$module", async ({ uri }) => {
  const { browser, first } = await signInFirst(suite);
  const screen = await logOut(browser, {
    id_token_hint: first.tokens.id_token,
    post_logout_redirect_uri: uri,
    state: randomText(),
  });
  expectErrorPage({ screen });
});

test("oidcc-rp-initiated-logout-modified-id-token-hint", async () => {
  const { browser, first } = await signInFirst(suite);
  const [, payload] = first.tokens.id_token.split(".");
  const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
  const screen = await logOut(browser, {
    id_token_hint: `${none}.${payload}.`,
    post_logout_redirect_uri: POST_LOGOUT_URI,
    state: randomText(),
  });
  expectErrorPage({ screen });
  expect(await isSignedIn(browser)).toBe(true);
});

test("oidcc-rp-initiated-logout-bad-id-token-hint", async () => {
  const { browser, first } = await signInFirst(suite);
  const { privateKey } = await generateKeyPair("RS256");
  // Signed by the client, with issuer and audience changed places.
  const hint = await new SignJWT({ ...first.claims })
    .setProtectedHeader({ alg: "RS256", kid: "its-own" })
    .setIssuer(suite.client.clientId)
    .setAudience(first.claims.iss!)
    .sign(privateKey);
  const screen = await logOut(browser, {
    id_token_hint: hint,
    post_logout_redirect_uri: POST_LOGOUT_URI,
    state: randomText(),
  });
  expectErrorPage({ screen });
  expect(await isSignedIn(browser)).toBe(true);
});

test("oidcc-rp-initiated-logout-no-id-token-hint", async () => {
  const { browser } = await signInFirst(suite);
  const screen = await logOut(browser, {
    post_logout_redirect_uri: POST_LOGOUT_URI,
    state: randomText(),
  });
  expectErrorPage({ screen });
});

test.each([
  { module: "oidcc-rp-initiated-logout-no-params", parameters: {} },
  { module: "oidcc-rp-initiated-logout-only-state", parameters: { state: "s" } },
])("$module", async ({ parameters }) => {
  const { browser } = await signInFirst(suite);
  let screen = await logOut(browser, parameters);
  // Nothing says whose wish it is: the person is asked first (OpenID Connect RP-Initiated Logout §2).
  expect(screen.location).toBeUndefined();
  expect(await isSignedIn(browser)).toBe(true);
  screen = await browser.submit(screen, "logout-confirm");
  expect(screen.location).toBeUndefined();
  expect(screen.status).toBe(200);
  expect(new URL(screen.url).pathname).toBe("/logged-out");
  expect(await isSignedIn(browser)).toBe(false);
});

test("oidcc-rp-initiated-logout-no-post-logout-redirect-uri", async () => {
  const { browser, first } = await signInFirst(suite);
  const screen = await logOut(browser, { id_token_hint: first.tokens.id_token });
  expect(screen.location).toBeUndefined();
  expect(screen.status).toBe(200);
  expect(new URL(screen.url).pathname).toBe("/logged-out");
  expect(await isSignedIn(browser)).toBe(false);
});
