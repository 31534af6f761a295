/** `GET /v1/oauth/authorize`: what is refused, and where to (contract 03 §7.2, §17). */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  authorizeUrl,
  type Parameters,
  REDIRECT_URI,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";
import { ask, PKCE, paramsOf } from "./support.ts";

let server: TestProvider;
let owner: SignedUp;
let client: TestClient;
let publicClient: TestClient;
beforeAll(async () => {
  server = await startProvider();
  owner = await server.signUp();
  client = await server.createClient(owner);
  publicClient = await server.createClient(owner, {
    type: "public",
    redirect_uris: [
      REDIRECT_URI,
      "http://127.0.0.1:8000/cb?app=1",
      "http://[::1]/cb",
      "com.example.app:/cb",
    ],
  });
});
afterAll(() => server.stop());

/** A refusal that goes nowhere: RFC 6749 §4.1.2.1 forbids the redirect. */
async function expectPage(url: string, word = "") {
  const answer = await server.call("GET", url);
  expect(answer.status).toBe(400);
  expect(answer.headers.get("location")).toBeNull();
  expect(answer.headers.get("content-type")).toContain("text/html");
  expect(answer.body).toContain(word);
  expect(answer.headers.get("referrer-policy")).toBe("no-referrer");
}

/** A refusal that the client gets: nothing but what RFC 6749 §4.1.2.1 and RFC 9207 §2 name. */
async function expectRefusal(error: string, parameters: Parameters, of = client) {
  const answer = await ask(server.browser(), of, parameters);
  expect([answer.status, paramsOf(answer).error]).toEqual([302, error]);
  const { error: _, error_description, ...rest } = paramsOf(answer);
  expect(error_description).toMatch(/^[\x20-\x21\x23-\x5B\x5D-\x7E]+$/);
  expect(rest).toEqual({
    iss: server.base,
    ...(parameters.state !== undefined || !("state" in parameters)
      ? { state: parameters.state ?? "state" }
      : {}),
  });
  expect(answer.headers.get("location")).toStartWith(`${of.redirectUri}?`);
}

describe("03 §17: authorize: unknown client; missing/near-miss redirect", () => {
  test.each([
    ["no client", { client_id: undefined }],
    ["an empty client", { client_id: "" }],
    ["an unknown client", { client_id: "qci_00000000-0000-4000-8000-000000000000" }],
    ["an id of another kind", { client_id: "00000000-0000-4000-8000-000000000000" }],
    ["no redirect", { redirect_uri: undefined }],
    ["a trailing slash", { redirect_uri: `${REDIRECT_URI}/` }],
    ["a query", { redirect_uri: `${REDIRECT_URI}?x` }],
    ["an empty query", { redirect_uri: `${REDIRECT_URI}?` }],
    ["a fragment", { redirect_uri: `${REDIRECT_URI}#x` }],
    ["case of the path", { redirect_uri: "https://app.example/Callback" }],
    ["case of the host", { redirect_uri: "https://APP.example/callback" }],
    ["case of the scheme", { redirect_uri: "HTTPS://app.example/callback" }],
    ["an extra path", { redirect_uri: `${REDIRECT_URI}/more` }],
    ["a way back up", { redirect_uri: "https://app.example/x/../callback" }],
    ["an encoded way up", { redirect_uri: "https://app.example/x/%2e%2e/callback" }],
    ["a double slash", { redirect_uri: "https://app.example//callback" }],
    ["an encoded letter", { redirect_uri: "https://app.example/%63allback" }],
    ["the default port, written out", { redirect_uri: "https://app.example:443/callback" }],
    ["another port", { redirect_uri: "https://app.example:8443/callback" }],
    ["no encryption", { redirect_uri: "http://app.example/callback" }],
    ["a sibling host", { redirect_uri: "https://evil.example/callback" }],
    ["a subdomain", { redirect_uri: "https://x.app.example/callback" }],
    ["the host as a prefix", { redirect_uri: "https://app.example.evil.example/callback" }],
    ["the host as user information", { redirect_uri: "https://app.example@evil.example/callback" }],
    ["a backslash", { redirect_uri: "https://app.example\\@evil.example/callback" }],
    ["a space before", { redirect_uri: ` ${REDIRECT_URI}` }],
    ["a line break", { redirect_uri: `${REDIRECT_URI}\r\nSet-Cookie: a=b` }],
    ["a script", { redirect_uri: "javascript:alert(1)//app.example/callback" }],
    ["this server itself", { redirect_uri: "/v1/oauth/logout" }],
    ["more than 8 KiB", { redirect_uri: REDIRECT_URI + "x".repeat(8_192) }],
  ] as [string, Parameters][])("%s: a page, no Location", async (_, parameters) => {
    await expectPage(authorizeUrl(client, { ...PKCE, ...parameters }));
  });

  test("a client that was deleted", async () => {
    const gone = await server.createClient(owner);
    await server.call("DELETE", `/v1/oidc/clients/${gone.id}`, { as: owner.token });
    await expectPage(authorizeUrl(gone));
  });

  test("an error page is JSON for a program, and says what is wrong", async () => {
    const url = authorizeUrl(client, { redirect_uri: `${REDIRECT_URI}/` });
    for (const [accept, isJson] of [
      ["application/json", true],
      ["application/json, text/html;q=0.9", true],
      ["text/html, application/json;q=0.9", false],
      ["text/html", false],
      ["*/*", false],
    ] as const) {
      const { status, headers, body } = await server.call("GET", url, { headers: { accept } });
      expect(status).toBe(400);
      expect(headers.get("content-type")?.startsWith("application/json")).toBe(isJson);
      const text = isJson ? body.error.detail : body;
      expect(text).toContain("redirect_uri is not one of the client");
      if (isJson) expect(body.error.code).toBe("bad_request");
    }
  });
});

describe("RFC 8252 §7.3: a native application's loopback redirect", () => {
  const cases: [string, boolean][] = [
    ["http://127.0.0.1:8000/cb?app=1", true],
    ["http://127.0.0.1:51004/cb?app=1", true],
    ["http://127.0.0.1/cb?app=1", true],
    ["http://[::1]:49152/cb", true],
    ["com.example.app:/cb", true],
    ["http://127.0.0.1:51004/cb", false],
    ["http://127.0.0.1:51004/cb?app=2", false],
    ["http://127.0.0.1:51004/CB?app=1", false],
    ["http://127.0.0.1:51004/cb?app=1#f", false],
    ["http://127.0.0.1:0/cb?app=1", false],
    ["http://127.0.0.1:080/cb?app=1", false],
    ["http://127.0.0.1:65536/cb?app=1", false],
    ["http://127.0.0.1:/cb?app=1", false],
    ["http://127.0.0.1:80@evil.example/cb?app=1", false],
    ["http://127.0.0.1.evil.example/cb?app=1", false],
    ["https://127.0.0.1:51004/cb?app=1", false],
    ["http://localhost:51004/cb?app=1", false],
    ["http://127.0.0.2:51004/cb?app=1", false],
    ["com.example.app:/cb/x", false],
  ];
  test.each(cases)("%s: %p", async (redirect_uri, isAllowed) => {
    const answer = await ask(server.browser(), publicClient, { redirect_uri });
    expect(answer.status).toBe(isAllowed ? 302 : 400);
    if (isAllowed) expect(answer.headers.get("location")).toStartWith(`${server.base}/login?`);
  });

  test("is for public clients alone", async () => {
    const other = await server.createClient(owner, { redirect_uris: ["http://127.0.0.1:8000/cb"] });
    expect((await ask(server.browser(), other)).status).toBe(302);
    await expectPage(authorizeUrl(other, { redirect_uri: "http://127.0.0.1:8001/cb" }));
  });
});

describe("refusals that the client gets", () => {
  const claims = (value: unknown) => ({ claims: JSON.stringify(value) });
  test.each([
    [
      "03 §17: authorize: no response_type / token",
      "invalid_request",
      { response_type: undefined },
    ],
    ["response_type token", "unsupported_response_type", { response_type: "token" }],
    [
      "response_type code id_token",
      "unsupported_response_type",
      { response_type: "code id_token" },
    ],
    ["response_type none", "unsupported_response_type", { response_type: "none" }],
    ["03 §17: prompt=none login", "invalid_request", { prompt: "none login" }],
    ["prompt=none with an unknown value", "invalid_request", { prompt: "none sing" }],
    ["03 §17: max_age=abc, -1", "invalid_request", { max_age: "abc" }],
    ["max_age=-1", "invalid_request", { max_age: "-1" }],
    ["max_age=1.5", "invalid_request", { max_age: "1.5" }],
    ["max_age=1e3", "invalid_request", { max_age: "1e3" }],
    ["03 §17: scope not registered", "invalid_scope", { scope: "openid admin" }],
    ["a scope with a quote", "invalid_scope", { scope: 'open"id' }],
    ["a permission of the catalogue", "invalid_scope", { scope: "openid user.write" }],
    ["101 scopes", "invalid_scope", { scope: Array.from({ length: 101 }, (_, n) => n).join(" ") }],
    ["response_mode fragment", "invalid_request", { response_mode: "fragment" }],
    ["response_mode web_message", "invalid_request", { response_mode: "web_message" }],
    ["a request object", "request_not_supported", { request: "eyJhbGciOiJub25lIn0.e30." }],
    ["a request_uri", "request_uri_not_supported", { request_uri: "https://app.example/r.jwt" }],
    ["a registration", "registration_not_supported", { registration: "{}" }],
    ["code_challenge_method plain", "invalid_request", { code_challenge_method: "plain" }],
    ["no code_challenge_method", "invalid_request", { code_challenge_method: undefined }],
    ["a method without a challenge", "invalid_request", { code_challenge: undefined }],
    ["a challenge of 42 characters", "invalid_request", { code_challenge: "c".repeat(42) }],
    ["a challenge of 44 characters", "invalid_request", { code_challenge: "c".repeat(44) }],
    ["a challenge that is no base64url", "invalid_request", { code_challenge: "+".repeat(43) }],
    ["a thumbprint that is none", "invalid_request", { dpop_jkt: "x" }],
    ["claims that are no JSON", "invalid_request", { claims: "{" }],
    ["claims that are no object", "invalid_request", claims([])],
    ["claims whose place is no object", "invalid_request", claims({ id_token: ["email"] })],
    ["claims whose member is no object", "invalid_request", claims({ userinfo: { name: 1 } })],
    ["claims with U+0000", "invalid_request", claims({ userinfo: { sub: { value: "\0" } } })],
    [
      "101 claims",
      "invalid_request",
      claims({
        userinfo: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`c${n}`, null])),
      }),
    ],
    ["a resource that is relative", "invalid_target", { resource: "/api" }],
    ["a resource with a fragment", "invalid_target", { resource: "https://api.example/#x" }],
    ["a hint that is no token", "invalid_request", { id_token_hint: "x" }],
    ["a nonce of 2049 characters", "invalid_request", { nonce: "n".repeat(2_049) }],
    ["a scope of more than 8 KiB", "invalid_request", { scope: "s".repeat(8_193) }],
    ["a nonce with U+0000", "invalid_request", { nonce: "\0" }],
  ] as [string, string, Parameters][])("%s: %s", async (_, error, parameters) => {
    await expectRefusal(error, parameters);
  });

  test.each([
    ["none", { code_challenge: undefined, code_challenge_method: undefined }],
    ["plain", { code_challenge_method: "plain" }],
    ["42 characters", { code_challenge: "c".repeat(42) }],
  ] as [string, Parameters][])(
    "03 §17: public client without PKCE; plain; challenge of 42 chars: %s",
    async (_, parameters) => {
      await expectRefusal("invalid_request", parameters, publicClient);
    },
  );

  test("a client whose grants hold no code", async () => {
    const device = await server.createClient(owner, {
      grant_types: ["urn:ietf:params:oauth:grant-type:device_code"],
    });
    await expectRefusal("unauthorized_client", {}, device);
  });

  test("a state of more than 2048 characters does not come back", async () => {
    const answer = await ask(server.browser(), client, { state: "s".repeat(2_049) });
    expect(paramsOf(answer)).toEqual({
      error: "invalid_request",
      error_description: "state is longer than 2048 characters",
      iss: server.base,
    });
    const kept = await ask(server.browser(), client, { state: "s".repeat(2_048), max_age: "x" });
    expect(paramsOf(kept).state).toBe("s".repeat(2_048));
  });

  test("a state of 8 KiB", async () => {
    const answer = await ask(server.browser(), client, { state: "s".repeat(8_192) });
    expect(paramsOf(answer).error).toBe("invalid_request");
  });
});
