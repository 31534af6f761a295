/** `oidcc-basic-certification-test-plan`, part two: modules that come back with a session, and request objects. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { REDIRECT_URI, randomText } from "../support/provider.ts";
import {
  discovery,
  expectErrorPage,
  idTokenOf,
  type Suite,
  signedIn,
  signInFirst,
  startSuite,
  WITHOUT_PKCE,
} from "./support.ts";

let suite: Suite;
beforeAll(async () => {
  suite = await startSuite({ dynamicRegistration: true });
});
afterAll(() => suite.server.stop());

test("oidcc-prompt-login", async () => {
  const { browser, first } = await signInFirst(suite);
  suite.server.clock.advance(2_000);
  const parameters = { ...WITHOUT_PKCE, prompt: "login" };
  const flow = await suite.server.codeFlow(browser, suite.client, parameters, suite);
  expect(flow.asked).toEqual(["login"]);
  const second = await signedIn(suite, flow);
  expect(second.claims.sub).toBe(first.claims.sub);
  expect(second.claims.auth_time as number).toBeGreaterThan(first.claims.auth_time as number);
});

test("oidcc-prompt-none-not-logged-in", async () => {
  const state = randomText(96);
  expect(state).toHaveLength(128);
  const { server, client } = suite;
  const flow = await server.codeFlow(server.browser(), client, { prompt: "none", state });
  expect(["login_required", "interaction_required"]).toContain(flow.answer.error!);
  expect(flow.answer.state).toBe(state);
  const allowed = ["error", "error_description", "error_uri", "state", "iss"];
  expect(Object.keys(flow.answer).filter((name) => !allowed.includes(name))).toEqual([]);
});

test("oidcc-prompt-none-logged-in", async () => {
  const { browser, first } = await signInFirst(suite);
  suite.server.clock.advance(2_000);
  const parameters = { ...WITHOUT_PKCE, prompt: "none" };
  const flow = await suite.server.codeFlow(browser, suite.client, parameters);
  expect(flow.screen.visited).toHaveLength(1);
  const second = await signedIn(suite, flow);
  expect(second.claims.sub).toBe(first.claims.sub);
  expect(second.claims.auth_time).toBe(first.claims.auth_time);
});

test("oidcc-max-age-1", async () => {
  const { browser, first } = await signInFirst(suite);
  suite.server.clock.advance(2_000);
  const parameters = { ...WITHOUT_PKCE, max_age: "1" };
  const flow = await suite.server.codeFlow(browser, suite.client, parameters, suite);
  expect(flow.asked).toEqual(["login"]);
  const { claims } = await signedIn(suite, flow);
  expect(claims.auth_time as number).toBeGreaterThan(first.claims.auth_time as number);
  expect(claims.iat! - (claims.auth_time as number)).toBeLessThanOrEqual(1);
});

test("oidcc-max-age-10000", async () => {
  const { browser, first } = await signInFirst(suite, { max_age: "15000" });
  suite.server.clock.advance(2_000);
  const parameters = { ...WITHOUT_PKCE, max_age: "10000" };
  const flow = await suite.server.codeFlow(browser, suite.client, parameters, suite);
  expect(flow.asked).toEqual([]);
  const { claims } = await signedIn(suite, flow);
  expect(claims.auth_time).toBeInteger();
  expect(claims.auth_time).toBe(first.claims.auth_time);
});

test("oidcc-id-token-hint", async () => {
  const { browser, first } = await signInFirst(suite);
  const flow = await suite.server.codeFlow(browser, suite.client, {
    ...WITHOUT_PKCE,
    prompt: "none",
    id_token_hint: first.tokens.id_token,
  });
  const second = await signedIn(suite, flow);
  expect(second.claims.sub).toBe(first.claims.sub);
});

/** RFC 7515 with `alg: none`, as the suite makes request objects. */
const unsigned = (claims: Record<string, unknown>) =>
  `${[{ alg: "none" }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".")}.`;

/**
 * We take no request objects: metadata says so, and the refusal is what the suite takes as "not supported". It then
 * counts the module as skipped.
 */
test.each([
  {
    module: "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported",
    metadata: "request_uri_parameter_supported",
    parameters: { request_uri: "https://app.example/request.jwt" },
    error: "request_uri_not_supported",
  },
  {
    module: "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported",
    metadata: "request_parameter_supported",
    parameters: { request: unsigned({ state: "only-inside" }), state: undefined },
    error: "request_not_supported",
  },
])("$module (skipped: request objects are not supported)", async (row) => {
  expect((await discovery(suite))[row.metadata]).toBe(false);
  const { server, client } = suite;
  const flow = await server.codeFlow(server.browser(), client, row.parameters);
  expect(flow.answer.error).toBe(row.error);
  expect(flow.answer.code).toBeUndefined();
});

test("oidcc-ensure-request-object-with-redirect-uri", async () => {
  const { server, client } = suite;
  const inside = unsigned({ client_id: client.clientId, redirect_uri: REDIRECT_URI });
  for (const redirect_uri of [`${REDIRECT_URI}/other`, undefined]) {
    const flow = await server.codeFlow(server.browser(), client, { request: inside, redirect_uri });
    expectErrorPage(flow);
  }
});

/** These two the suite runs with registered clients only (RFC 7591). */
async function register(metadata: Record<string, unknown>) {
  return suite.server.call("POST", "/v1/oauth/register", {
    as: suite.user.token,
    body: { redirect_uris: [REDIRECT_URI], client_name: "dynamic", ...metadata },
  });
}

test("oidcc-idtoken-signature", async () => {
  const { status, body } = await register({});
  expect(status).toBe(201);
  const client = {
    id: "",
    tenantId: suite.user.tenantId,
    clientId: body.client_id as string,
    secret: body.client_secret as string,
    redirectUri: REDIRECT_URI,
  };
  const { server, user } = suite;
  // Whoever registers by itself has to use PKCE here.
  const flow = await server.codeFlow(server.browser(), client, {}, { user });
  const { tokens } = await signedIn(suite, flow, client);
  const [header] = tokens.id_token.split(".");
  expect(JSON.parse(Buffer.from(header, "base64url").toString()).alg).toBe("RS256");
  await idTokenOf(suite, client, tokens.id_token);
});

test("oidcc-idtoken-unsigned (skipped: alg none is not supported)", async () => {
  expect((await discovery(suite)).id_token_signing_alg_values_supported).not.toContain("none");
  const { status, body } = await register({ id_token_signed_response_alg: "none" });
  expect({ status, error: body.error }).toEqual({ status: 400, error: "invalid_client_metadata" });
});
