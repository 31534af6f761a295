/** `oidcc-basic-certification-test-plan[server_metadata=discovery][client_registration=static_client]`, part one. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  answerPages,
  callbackOf,
  DISPLAY_NAME,
  type Parameters,
  REDIRECT_URI,
  STANDARD_CLAIMS,
} from "../support/provider.ts";
import {
  bitsOf,
  checkUserinfo,
  discovery,
  expectErrorPage,
  idTokenOf,
  type Json,
  type Suite,
  signedIn,
  signInFirst,
  startSuite,
  WITHOUT_PKCE,
} from "./support.ts";

let suite: Suite;
beforeAll(async () => {
  suite = await startSuite();
});
afterAll(() => suite.server.stop());

/** A flow in a browser of its own, as most modules have it. */
const flowOf = (parameters: Parameters = {}, client = suite.client, method?: "GET" | "POST") =>
  suite.server.codeFlow(
    suite.server.browser(),
    client,
    { ...WITHOUT_PKCE, ...parameters },
    { user: suite.user, ...(method && { method }) },
  );
const signedInWith = async (parameters: Parameters = {}) =>
  signedIn(suite, await flowOf(parameters));

test("oidcc-server", async () => {
  const flow = await flowOf({}, suite.client2);
  expect(flow.asked).toEqual(["login", "consent"]);
  const { claims } = await signedIn(suite, flow, suite.client2, "basic");
  expect(claims).not.toContainKeys(["name", "email"]);
});

test("oidcc-response-type-missing", async () => {
  const flow = await flowOf({ response_type: undefined });
  expect(flow.answer.code).toBeUndefined();
  expect(["invalid_request", "unsupported_response_type"]).toContain(flow.answer.error!);
  expect(flow.answer.state).toBe(flow.state);
});

test("oidcc-userinfo-get", async () => {
  const { userinfo, claims } = await signedInWith({ scope: "openid profile" });
  expect(userinfo.sub).toBe(claims.sub);
});

test("oidcc-userinfo-post-header", async () => {
  const { tokens, claims } = await signedInWith();
  const answer = await suite.server.call("POST", "/v1/oauth/userinfo", { as: tokens.access_token });
  expect(answer.status).toBe(200);
  checkUserinfo(answer);
  expect(answer.body.sub).toBe(claims.sub);
});

test("oidcc-userinfo-post-body", async () => {
  const { tokens, claims } = await signedInWith();
  const answer = await suite.server.call("POST", "/v1/oauth/userinfo", {
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ access_token: tokens.access_token }).toString(),
  });
  expect(answer.status).toBe(200);
  checkUserinfo(answer);
  expect(answer.body.sub).toBe(claims.sub);
});

test("oidcc-ensure-request-without-nonce-succeeds-for-code-flow", async () => {
  const { claims } = await signedInWith({ nonce: undefined });
  expect(claims).not.toContainKey("nonce");
});

describe("scopes", () => {
  const { address, ...profile } = STANDARD_CLAIMS;
  const profileClaims = () => ({
    ...profile,
    name: DISPLAY_NAME,
    updated_at: expect.any(Number),
  });
  const emailClaims = () => ({ email: suite.user.email, email_verified: true });
  const phoneClaims = () => ({
    phone_number: expect.stringMatching(/^\+49/),
    phone_number_verified: true,
  });
  const rows: { module: string; scope: string; claims: () => Json }[] = [
    { module: "oidcc-scope-profile", scope: "profile", claims: profileClaims },
    { module: "oidcc-scope-email", scope: "email", claims: emailClaims },
    { module: "oidcc-scope-address", scope: "address", claims: () => ({ address }) },
    { module: "oidcc-scope-phone", scope: "phone", claims: phoneClaims },
    {
      module: "oidcc-scope-all",
      scope: "profile email address phone",
      claims: () => ({ ...profileClaims(), ...emailClaims(), ...phoneClaims(), address }),
    },
  ];
  test.each(rows)("$module", async ({ scope, claims }) => {
    const { scopes_supported } = await discovery(suite);
    for (const one of scope.split(" ")) expect(scopes_supported).toContain(one);
    const { userinfo } = await signedInWith({ scope: `openid ${scope}` });
    const { sub, tenant_id, ...rest } = userinfo;
    expect(sub).toBe(suite.user.userId);
    expect(rest).toEqual(claims());
  });
});

test("oidcc-alternate-happy-flow", async () => {
  const { server, client, user } = suite;
  // Parameters the other way round, and `openid` not first among the scopes.
  const nonce = "n-0S6_WzA2Mj";
  const query = new URLSearchParams({
    nonce,
    state: "af0ifjsldkj",
    scope: "email openid",
    redirect_uri: client.redirectUri,
    response_type: "code",
    client_id: client.clientId,
  });
  const browser = server.browser();
  const first = await browser.open(`/v1/oauth/authorize?${query}`);
  const { screen } = await answerPages(browser, first, { user });
  const answer = callbackOf(screen);
  await signedIn(suite, {
    answer,
    code: answer.code!,
    state: "af0ifjsldkj",
    nonce,
    verifier: "",
    redirectUri: REDIRECT_URI,
    screen,
    asked: [],
  });
});

test.each([
  { module: "oidcc-display-page", parameters: { display: "page" } },
  { module: "oidcc-display-popup", parameters: { display: "popup" } },
  {
    module: "oidcc-ensure-request-with-unknown-parameter-succeeds",
    parameters: { extra: "foobar" },
  },
  { module: "oidcc-login-hint", parameters: { login_hint: "buffy@localhost" } },
  { module: "oidcc-ui-locales", parameters: { ui_locales: "se" } },
  { module: "oidcc-claims-locales", parameters: { claims_locales: "se" } },
])("$module", async ({ parameters }) => {
  await signedInWith(parameters);
});

test("oidcc-ensure-request-with-acr-values-succeeds", async () => {
  const { acr_values_supported } = await discovery(suite);
  const { claims } = await signedInWith({ acr_values: acr_values_supported.join(" ") });
  expect(acr_values_supported).toContain(claims.acr);
});

test("oidcc-codereuse", async () => {
  const flow = await flowOf();
  await signedIn(suite, flow);
  const again = await suite.server.exchange(suite.client, flow);
  expect({ status: again.status, error: again.body.error }).toEqual({
    status: 400,
    error: "invalid_grant",
  });
  expect(again.headers.get("content-type")).toStartWith("application/json");
});

test("oidcc-codereuse-30seconds", async () => {
  const flow = await flowOf();
  const { tokens } = await signedIn(suite, flow);
  suite.server.clock.advance(30_000);
  const again = await suite.server.exchange(suite.client, flow);
  expect({ status: again.status, error: again.body.error }).toEqual({
    status: 400,
    error: "invalid_grant",
  });
  const userinfo = await suite.server.call("GET", "/v1/oauth/userinfo", {
    as: tokens.access_token,
  });
  expect(userinfo.status).toBe(401);
});

test("oidcc-ensure-registered-redirect-uri", async () => {
  expectErrorPage(await flowOf({ redirect_uri: `${REDIRECT_URI}/rcqIoT4Hd0` }));
});

test("oidcc-ensure-post-request-succeeds", async () => {
  await signedIn(suite, await flowOf({}, suite.client, "POST"));
});

test("oidcc-server-client-secret-post", async () => {
  const { token_endpoint_auth_methods_supported } = await discovery(suite);
  expect(token_endpoint_auth_methods_supported).toContain("client_secret_post");
  const flow = await flowOf({}, suite.clientSecretPost);
  await signedIn(suite, flow, suite.clientSecretPost, "post");
});

test("oidcc-claims-essential", async () => {
  const claims = JSON.stringify({ userinfo: { name: { essential: true } } });
  const { userinfo, claims: idToken } = await signedInWith({ claims });
  expect(userinfo.name).toBe(DISPLAY_NAME);
  expect(idToken).not.toContainKey("name");
});

test("oidcc-refresh-token", async () => {
  const { server, client, client2, user } = suite;
  const parameters = { scope: "openid offline_access", prompt: "consent", ...WITHOUT_PKCE };
  const browser = server.browser();
  const flow = await server.codeFlow(browser, client, parameters, { user });
  const first = await signedIn(suite, flow);
  expect(bitsOf(first.tokens.refresh_token)).toBeGreaterThanOrEqual(128);
  server.clock.advance(1_000);

  const answer = await server.refresh(client, first.tokens.refresh_token, {
    scope: "openid offline_access",
  });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("cache-control")).toContain("no-store");
  expect(answer.headers.get("pragma")).toBe("no-cache");
  const second = await idTokenOf(suite, client, answer.body.id_token);
  const kept = ({ iss, sub, aud, auth_time, azp }: Json) => ({ iss, sub, aud, auth_time, azp });
  expect(kept(second)).toEqual(kept(first.claims));
  expect(second.iat!).toBeGreaterThan(first.claims.iat!);
  expect(answer.body.access_token).not.toBe(first.tokens.access_token);
  const userinfo = await server.call("GET", "/v1/oauth/userinfo", { as: answer.body.access_token });
  expect(userinfo.status).toBe(200);

  const other = await server.codeFlow(browser, client2, parameters, { user });
  const theirs = await signedIn(suite, other, client2);
  const stolen = await server.refresh(client, theirs.tokens.refresh_token);
  expect({ status: stolen.status, error: stolen.body.error }).toEqual({
    status: 400,
    error: "invalid_grant",
  });
  // Refused without being used up.
  expect((await server.refresh(client2, theirs.tokens.refresh_token)).status).toBe(200);
});

test("oidcc-ensure-request-with-valid-pkce-succeeds", async () => {
  const flow = await suite.server.codeFlow(suite.server.browser(), suite.client, {}, suite);
  expect(flow.verifier).not.toBe("");
  await signedIn(suite, flow);
});

test("the code of a whole sign-in can be had again without a question", async () => {
  const { browser } = await signInFirst(suite);
  const flow = await suite.server.codeFlow(browser, suite.client, WITHOUT_PKCE);
  expect(flow.asked).toEqual([]);
  await signedIn(suite, flow);
});
