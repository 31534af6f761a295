/** Pushed authorization requests (RFC 9126). */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { oidcAuthorizationCodes, pushedRequests } from "../../db/schema/index.ts";
import { hashToken } from "../../src/platform/crypto/tokens.ts";
import { dpopKey } from "../dpop/support.ts";
import {
  authorizeUrl,
  type Browser,
  type Parameters,
  postForm,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";
import {
  allow,
  ask,
  comeBack,
  idTokenFor,
  OPEN,
  PKCE,
  paramsOf,
  signIn,
  stageOf,
} from "./support.ts";

const PATH = "/v1/oauth/par";
const URN = "urn:ietf:params:oauth:request_uri:";

let server: TestProvider;
let owner: SignedUp;
let client: TestClient;
let other: TestClient;
let strict: TestClient;
let browser: Browser;
beforeAll(async () => {
  server = await startProvider();
  owner = await server.signUp();
  client = await server.createClient(owner, OPEN);
  other = await server.createClient(owner, { type: "public", ...OPEN });
  strict = await server.createClient(owner, { require_par: true, ...OPEN });
  browser = server.browser();
  await signIn(server, browser, owner);
  server.clock.advance(1_000);
  await allow(server, browser, await ask(browser, client));
});
afterAll(() => server.stop());

const push = (
  of: TestClient,
  parameters: Parameters = {},
  how?: "basic" | "post" | "none",
  headers?: Record<string, string>,
) =>
  postForm(
    server,
    PATH,
    of,
    {
      redirect_uri: of.redirectUri,
      response_type: "code",
      scope: "openid",
      state: "pushed",
      ...PKCE,
      ...parameters,
    },
    how,
    headers,
  );
const bring = (request_uri: string, of = client, more: Parameters = {}, by = browser) =>
  by.call(
    "GET",
    `/v1/oauth/authorize?${new URLSearchParams({ client_id: of.clientId, request_uri, ...(more as Record<string, string>) })}`,
  );
const isPage = ({ status, headers }: { status: number; headers: Headers }) =>
  status === 400 && headers.get("location") === null;

describe("RFC 9126 §2", () => {
  test("a pushed request is good for 90 seconds, once", async () => {
    const { status, headers, body } = await push(client);
    expect([status, body.expires_in]).toEqual([201, 90]);
    expect(body.request_uri).toMatch(new RegExp(`^${URN}[\\w-]{43}$`));
    expect(headers.get("cache-control")).toBe("no-store");
    const answer = await bring(body.request_uri);
    expect(paramsOf(answer)).toMatchObject({ state: "pushed", iss: server.base });
    expect(paramsOf(answer).code).toHaveLength(43);
    expect(isPage(await bring(body.request_uri))).toBe(true);
  });

  test("many at once: one answer", async () => {
    const { body } = await push(client);
    const answers = await Promise.all(Array.from({ length: 6 }, () => bring(body.request_uri)));
    expect(answers.map(({ status }) => status).sort()).toEqual([302, 400, 400, 400, 400, 400]);
  });

  test("after its life: a page; the sweeper takes it", async () => {
    const { body } = await push(client);
    const { body: late } = await push(client);
    server.clock.advance(89_999);
    expect(stageOf(await bring(body.request_uri))).toBe("callback");
    server.clock.advance(1);
    expect(isPage(await bring(late.request_uri))).toBe(true);
    server.clock.advance(1_000);
    await server.runJob("janitor");
    const hash = hashToken(late.request_uri.slice(URN.length));
    expect(
      await server.deps.db.read.$count(pushedRequests, eq(pushedRequests.requestHash, hash)),
    ).toBe(0);
  });

  test("another client's request: a page, and its owner can still bring it", async () => {
    const { body } = await push(client);
    expect(isPage(await bring(body.request_uri, other))).toBe(true);
    expect(isPage(await bring(`${body.request_uri}x`))).toBe(true);
    expect(isPage(await bring(URN))).toBe(true);
    expect(stageOf(await bring(body.request_uri))).toBe("callback");
  });

  test("§4: what the browser brings beside it counts for nothing", async () => {
    const { body } = await push(client, { prompt: "none" });
    const answer = await bring(body.request_uri, client, {
      redirect_uri: "https://evil.example/",
      scope: "openid profile",
      state: "other",
      prompt: "login",
      response_mode: "form_post",
    });
    expect(answer.headers.get("location")).toStartWith(`${client.redirectUri}?code=`);
    expect(paramsOf(answer).state).toBe("pushed");
  });

  test("one that has to wait comes back like any other", async () => {
    const one = server.browser();
    const { body } = await push(client, { resource: "https://api.example/" });
    const first = await bring(body.request_uri, client, {}, one);
    expect(stageOf(first)).toBe("login");
    await signIn(server, one, owner);
    const { code } = paramsOf(await comeBack(server, one, first));
    const [row] = await server.deps.db.read
      .select()
      .from(oidcAuthorizationCodes)
      .where(eq(oidcAuthorizationCodes.codeHash, hashToken(code ?? "")));
    expect(row?.resources).toEqual(["https://api.example/"]);
  });

  test("§5: a client that must push is refused without, and may with", async () => {
    const bare = await ask(browser, strict);
    expect(paramsOf(bare)).toMatchObject({ error: "invalid_request", state: "state" });
    const { body } = await push(strict);
    expect(stageOf(await bring(body.request_uri, strict))).toBe("consent");
  });

  test("at POST as well", async () => {
    const { body } = await push(client);
    const screen = await browser.postFrom("/v1/oauth/authorize", {
      client_id: client.clientId,
      request_uri: body.request_uri,
    });
    expect(screen.location).toStartWith(`${client.redirectUri}?code=`);
  });
});

describe("RFC 9126 §2.3: refused at once, flat", () => {
  test.each([
    [
      "a redirect that is not registered",
      { redirect_uri: "https://evil.example/" },
      "invalid_request",
    ],
    ["no redirect", { redirect_uri: undefined }, "invalid_request"],
    ["a request_uri", { request_uri: `${URN}x` }, "invalid_request"],
    ["a request object", { request: "x" }, "request_not_supported"],
    ["a scope that is not registered", { scope: "admin" }, "invalid_scope"],
    ["no response_type", { response_type: undefined }, "invalid_request"],
    ["response_type token", { response_type: "token" }, "unsupported_response_type"],
    ["plain", { code_challenge_method: "plain" }, "invalid_request"],
    ["a bad resource", { resource: "/x" }, "invalid_target"],
    ["prompt none with another", { prompt: "none login" }, "invalid_request"],
    ["a state of 2049 characters", { state: "s".repeat(2_049) }, "invalid_request"],
    ["another client's client_id", { client_id: "qci_x" }, "invalid_request"],
    ["a hint that is none", { id_token_hint: "x" }, "invalid_request"],
  ] as [string, Parameters, string][])("%s", async (_, parameters, error) => {
    const { status, body } = await push(client, parameters);
    expect([status, body.error]).toEqual([400, error]);
  });

  test("a client that does not prove who it is", async () => {
    const wrong = { ...client, secret: "x".repeat(43) };
    expect((await push(wrong)).status).toBe(401);
    expect((await push(wrong, {}, "post")).body.error).toBe("invalid_client");
    expect((await push(client, {}, "none")).status).toBe(401);
    expect((await push(client, {}, "post")).status).toBe(201);
    // RFC 9126 §2: as at the token endpoint.
    expect((await push(other)).status).toBe(201);
  });

  test("a client whose grants hold no code; a service principal", async () => {
    const device = await server.createClient(owner, {
      grant_types: ["urn:ietf:params:oauth:grant-type:device_code"],
    });
    expect((await push(device)).body.error).toBe("unauthorized_client");
    const created = await server.call("POST", "/v1/service-principals", {
      as: owner.token,
      body: { name: "machine", scopes: [] },
    });
    const { service_principal, client_id, client_secret } = created.body;
    const principal = {
      ...client,
      clientId: client_id ?? service_principal.id,
      secret: client_secret,
    };
    expect((await push(principal)).body.error).toBe("unauthorized_client");
  });

  test("repeated parameters, and JSON", async () => {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const repeated = await server.call("POST", PATH, { body: "scope=a&scope=b", headers });
    expect([repeated.status, repeated.body.error]).toEqual([400, "invalid_request"]);
    const json = await server.call("POST", PATH, { body: { scope: "openid" } });
    expect([json.status, json.body.error]).toEqual([400, "invalid_request"]);
  });

  test("a hint is kept as whom it names", async () => {
    const id_token_hint = await idTokenFor(server, client, owner.userId);
    const { body } = await push(client, { id_token_hint });
    expect(stageOf(await bring(body.request_uri))).toBe("callback");
  });
});

describe("RFC 9449 §10.1: a proof of the key that the code will be bound to", () => {
  const jktOf = async (answer: { headers: Headers }) => {
    const [row] = await server.deps.db.read
      .select()
      .from(oidcAuthorizationCodes)
      .where(eq(oidcAuthorizationCodes.codeHash, hashToken(paramsOf(answer).code ?? "")));
    return row?.dpopJkt;
  };

  test("by header, by dpop_jkt, or by both alike", async () => {
    const key = await dpopKey(server.clock);
    for (const [parameters, hasProof] of [
      [{}, true],
      [{ dpop_jkt: key.jkt }, false],
      [{ dpop_jkt: key.jkt }, true],
    ] as const) {
      const proof = await key.proof({ url: server.base + PATH });
      const headers = hasProof ? { dpop: proof } : undefined;
      const { body } = await push(client, parameters, "basic", headers);
      expect(await jktOf(await bring(body.request_uri))).toBe(key.jkt);
    }
  });

  test("two keys, a proof for elsewhere, a proof twice: refused", async () => {
    const [key, another] = [await dpopKey(server.clock), await dpopKey(server.clock)];
    const refused = async (proof: string, parameters: Parameters = {}) => {
      const { status, body } = await push(client, parameters, "basic", { dpop: proof });
      expect([status, body.error]).toEqual([400, "invalid_dpop_proof"]);
    };
    await refused(await key.proof({ url: server.base + PATH }), { dpop_jkt: another.jkt });
    await refused(await key.proof({ url: `${server.base}/v1/oauth/token` }));
    const once = await key.proof({ url: server.base + PATH });
    expect((await push(client, {}, "basic", { dpop: once })).status).toBe(201);
    await refused(once);
  });
});

test("it stands in no URL: authorize with a request_uri of elsewhere is told so", async () => {
  const url = authorizeUrl(client, { ...PKCE, request_uri: "urn:ietf:params:oauth:request:x" });
  expect(paramsOf(await browser.call("GET", url)).error).toBe("request_uri_not_supported");
});
