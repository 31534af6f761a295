/** RFC 9449 and contract 00 §50: tokens that are good with a proof of their key alone. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { codes, deviceClient, poll, signedIn } from "../devices/support.ts";
import { ok, type Workspace, workspace } from "../rbac/support.ts";
import {
  authorizeUrl,
  type Browser,
  callbackOf,
  challengeOf,
  type Flow,
  type Parameters,
  postForm,
  randomText,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import { type Answer, PASSWORD } from "../support/server.ts";
import { expectOAuthError, hostedSession, newCode } from "../tokens/support.ts";
import { athOf, type DpopKey, dpopKey, type ProofInput } from "./support.ts";

const TOKEN = "/v1/oauth/token-code";
const USERINFO = "/v1/oauth/userinfo";
const ME = "/v1/auth/me";
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";

let server: TestProvider;
let space: Workspace;
let browser: Browser;
/** The owner's hosted session. */
let sessionId: string;
let client: TestClient;
let open: TestClient;
let key: DpopKey;
let stranger: DpopKey;

beforeAll(async () => {
  server = await startProvider();
  space = await workspace(server);
  browser = server.browser();
  sessionId = await hostedSession(server, { ...space.owner, password: PASSWORD });
  client = await server.createClient(space.owner);
  open = await server.createClient(space.owner, { type: "public" });
  key = await dpopKey(server.clock);
  stranger = await dpopKey(server.clock);
});
afterAll(() => server.stop());

/** A code, as the pages would have made it. */
const flow = (on = client) =>
  newCode(server, { client: on, userId: space.owner.userId, sessionId });
/** The same, through the pages. */
const pageFlow = (parameters: Parameters = {}, on = client): Promise<Flow> =>
  server.codeFlow(browser, on, parameters, {
    user: { email: space.owner.email, password: PASSWORD },
  });
const urlOf = (path: string) => server.deps.config.publicUrl + path;

type Code = Pick<Flow, "code" | "redirectUri" | "verifier">;

/** A token request with a proof. */
async function request(
  on: TestClient,
  fields: Parameters,
  proof: string | undefined,
  path = TOKEN,
): Promise<Answer> {
  return postForm(server, path, on, fields, undefined, proof === undefined ? {} : { dpop: proof });
}

const redeem = (on: TestClient, found: Code, proof: string | undefined) =>
  request(
    on,
    {
      grant_type: "authorization_code",
      code: found.code,
      redirect_uri: found.redirectUri,
      code_verifier: found.verifier,
    },
    proof,
  );

const tokenProof = (by = key, more: Partial<ProofInput> = {}) =>
  by.proof({ url: urlOf(TOKEN), ...more });

/** Tokens of a code flow, bound to the key. */
async function bound(on = client, by = key): Promise<{ access: string; refresh: string }> {
  const { body } = ok(await redeem(on, await flow(on), await tokenProof(by)));
  expect(body.token_type).toBe("DPoP");
  return { access: body.access_token, refresh: body.refresh_token };
}

async function get(
  path: string,
  accessToken: string,
  by: DpopKey | null = key,
  more: Partial<ProofInput> = {},
): Promise<Answer> {
  const proof = by && (await by.proof({ method: "GET", url: urlOf(path), accessToken, ...more }));
  return server.call("GET", path, {
    headers: { authorization: `DPoP ${accessToken}`, ...(proof !== null && { dpop: proof }) },
  });
}

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString());

function expectChallenge(answer: Answer): void {
  expect(answer.status).toBe(401);
  expect(answer.headers.get("www-authenticate")).toStartWith('DPoP error="');
  expect(answer.headers.get("www-authenticate")).toContain("ES256");
}

describe("RFC 9449 §5: the token request", () => {
  test.each(["ES256", "ES384", "EdDSA", "Ed25519", "RS256", "PS256"])(
    "%s: the access token names the key; token_type is DPoP",
    async (alg) => {
      const one = alg === "ES256" ? key : await dpopKey(server.clock, alg);
      const { access } = await bound(client, one);
      expect(claimsOf(access).cnf).toEqual({ jkt: one.jkt });
      ok(await get(USERINFO, access, one));
    },
  );

  test("without a proof everything stays as it was", async () => {
    const { body } = ok(await redeem(client, await flow(), undefined));
    expect(body.token_type).toBe("Bearer");
    expect(claimsOf(body.access_token).cnf).toBeUndefined();
  });

  test("§5: a public client's refresh token is bound to the key, too", async () => {
    const { refresh } = await bound(open);
    const fields = { grant_type: "refresh_token", refresh_token: refresh };
    expectOAuthError(await request(open, fields, undefined), "invalid_grant");
    expectOAuthError(await request(open, fields, await tokenProof(stranger)), "invalid_grant");
    const { body } = ok(await request(open, fields, await tokenProof()));
    expect([body.token_type, claimsOf(body.access_token).cnf.jkt]).toEqual(["DPoP", key.jkt]);
    // It was not used up by those who had no key.
    expect(body.refresh_token).not.toBe(refresh);
  });

  test("§5: a confidential client's refresh token is bound to the client: it may take another key", async () => {
    const { refresh } = await bound();
    const fields = { grant_type: "refresh_token", refresh_token: refresh };
    const { body } = ok(await request(client, fields, await tokenProof(stranger)));
    expect(claimsOf(body.access_token).cnf.jkt).toBe(stranger.jkt);
    ok(await get(USERINFO, body.access_token, stranger));
  });

  test("client_credentials", async () => {
    const { body: made } = ok(
      await server.call("POST", "/v1/service-principals", {
        as: space.owner.token,
        body: { name: "robot" },
      }),
      201,
    );
    const robot = { ...client, clientId: made.client_id, secret: made.client_secret };
    const path = "/v1/oauth/token";
    const proof = await key.proof({ url: urlOf(path) });
    const { body } = ok(await request(robot, { grant_type: "client_credentials" }, proof, path));
    expect(body.token_type).toBe("DPoP");
    ok(await get(ME, body.access_token));
    expect((await server.call("GET", ME, { as: body.access_token })).status).toBe(401);
  });

  test("a device", async () => {
    const device = await deviceClient(server, space.owner);
    const given = await codes(server, device);
    ok(await (await signedIn(server, space.owner)).decide(given.user_code));
    const fields = {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      device_code: given.device_code,
    };
    const { body } = ok(await request(device, fields, await tokenProof()));
    expect(claimsOf(body.access_token).cnf.jkt).toBe(key.jkt);
    const again = { grant_type: "refresh_token", refresh_token: body.refresh_token };
    expectOAuthError(await request(device, again, undefined), "invalid_grant");
    ok(await request(device, again, await tokenProof()));
    expectOAuthError(await poll(server, device, given), "invalid_grant");
  });

  test("token exchange: a bound subject_token needs its own key; the result is bound to it", async () => {
    const gateway = await server.createClient(space.owner, { grant_types: [EXCHANGE] });
    const { access } = await bound();
    const fields = {
      grant_type: EXCHANGE,
      subject_token: access,
      subject_token_type: ACCESS_TOKEN,
    };
    expectOAuthError(await request(gateway, fields, undefined), "invalid_request");
    expectOAuthError(await request(gateway, fields, await tokenProof(stranger)), "invalid_request");
    const { body } = ok(await request(gateway, fields, await tokenProof()));
    expect([body.token_type, claimsOf(body.access_token).cnf.jkt]).toEqual(["DPoP", key.jkt]);
    ok(await get(USERINFO, body.access_token));
  });

  test("a client with dpop_bound_access_tokens gets nothing without a proof", async () => {
    const strict = await server.createClient(space.owner, { dpop_bound_access_tokens: true });
    const found = await flow(strict);
    expectOAuthError(await redeem(strict, found, undefined), "invalid_dpop_proof");
    // The code was not burnt by that.
    const { body } = ok(await redeem(strict, found, await tokenProof()));
    const fields = { grant_type: "refresh_token", refresh_token: body.refresh_token };
    expectOAuthError(await request(strict, fields, undefined), "invalid_dpop_proof");
    ok(await request(strict, fields, await tokenProof()));
  });
});

describe("RFC 9449 §10: dpop_jkt binds the code", () => {
  test("another key, and none: invalid_grant; its own still redeems it", async () => {
    const found = await pageFlow({ dpop_jkt: key.jkt });
    expectOAuthError(await redeem(client, found, undefined), "invalid_grant");
    expectOAuthError(await redeem(client, found, await tokenProof(stranger)), "invalid_grant");
    ok(await redeem(client, found, await tokenProof()));
  });

  test("§10.1: a proof with a pushed request binds the code to its key", async () => {
    const path = "/v1/oauth/par";
    const verifier = randomText();
    const fields = {
      response_type: "code",
      redirect_uri: client.redirectUri,
      scope: "openid",
      code_challenge: challengeOf(verifier),
      code_challenge_method: "S256",
    };
    const proof = () => key.proof({ url: urlOf(path) });
    const other = { ...fields, dpop_jkt: stranger.jkt };
    expectOAuthError(await request(client, other, await proof(), path), "invalid_dpop_proof");
    const wrong = await key.proof({ url: urlOf(TOKEN) });
    expectOAuthError(await request(client, fields, wrong, path), "invalid_dpop_proof");
    const pushed = ok(await request(client, fields, await proof(), path), 201).body;
    const query = new URLSearchParams({
      client_id: client.clientId,
      request_uri: pushed.request_uri,
    });
    let screen = await browser.open(`/v1/oauth/authorize?${query}`);
    const user = { email: space.owner.email, password: PASSWORD };
    if (screen.forms.some((form) => "login-submit" in form.controls))
      screen = await browser.signIn(screen, user);
    if (screen.location === undefined) screen = await browser.allow(screen);
    const { code = "" } = callbackOf(screen);
    const found = { code, verifier, redirectUri: client.redirectUri };
    expectOAuthError(await redeem(client, found, undefined), "invalid_grant");
    expectOAuthError(await redeem(client, found, await tokenProof(stranger)), "invalid_grant");
    ok(await redeem(client, found, await tokenProof()));
  });

  test("one that is no thumbprint: invalid_request", async () => {
    const screen = await browser.open(authorizeUrl(client, { dpop_jkt: "short" }));
    expect(new URL(screen.location!).searchParams.get("error")).toBe("invalid_request");
  });
});

describe("RFC 9449 §4.3: what is wrong with a proof", () => {
  const now = () => Math.floor(server.clock.now().getTime() / 1000);
  const faults: [string, (url: string) => Promise<string>][] = [
    ["htm of another method", (url) => key.proof({ url, method: "GET" })],
    ["no htm", (url) => key.proof({ url, claims: { htm: undefined } })],
    ["htu of another path", (url) => key.proof({ url: `${url}/x` })],
    ["htu of another origin", () => key.proof({ url: `https://evil.example${TOKEN}` })],
    ["no htu", (url) => key.proof({ url, claims: { htu: undefined } })],
    ["iat of 61 seconds ago", (url) => key.proof({ url, claims: { iat: now() - 61 } })],
    ["iat in 11 seconds", (url) => key.proof({ url, claims: { iat: now() + 11 } })],
    ["no iat", (url) => key.proof({ url, claims: { iat: undefined } })],
    ["no jti", (url) => key.proof({ url, claims: { jti: undefined } })],
    ["an empty jti", (url) => key.proof({ url, claims: { jti: "" } })],
    ["another typ", (url) => key.proof({ url, header: { typ: "JWT" } })],
    ["no key in its header", (url) => key.proof({ url, header: { jwk: undefined } })],
    [
      "somebody else's key in its header",
      (url) => key.proof({ url, header: { jwk: stranger.jwk } }),
    ],
    ["a private key in its header", (url) => key.proof({ url, header: { jwk: key.privateJwk } })],
    ["no JWT", async () => "x"],
    ["too long", (url) => key.proof({ url, claims: { more: "x".repeat(4_096) } })],
    ["alg none", async (url) => unsigned(url, { alg: "none" })],
    ["HS256 keyed with the public key", async (url) => symmetric(url)],
  ];

  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const unsigned = (url: string, header: object) => {
    const payload = { jti: "x", htm: "POST", htu: url, iat: now() };
    return `${part({ typ: "dpop+jwt", jwk: key.jwk, ...header })}.${part(payload)}.`;
  };
  function symmetric(url: string): string {
    const text = unsigned(url, { alg: "HS256" }).slice(0, -1);
    const mac = createHmac("sha256", JSON.stringify(key.jwk)).update(text).digest("base64url");
    return `${text}.${mac}`;
  }

  test.each(faults)("%s: invalid_dpop_proof, and the code is good afterwards", async (_, make) => {
    const found = await flow();
    const proof = await make(urlOf(TOKEN));
    expectOAuthError(await redeem(client, found, proof), "invalid_dpop_proof");
    ok(await redeem(client, found, await tokenProof()));
  });

  test.each([
    ["59 seconds old", { claims: { iat: -59 } }],
    ["9 seconds ahead", { claims: { iat: 9 } }],
    ["htu with query and fragment, which do not count", { suffix: "?a=b#c" }],
  ] as const)("%s: accepted", async (_, change) => {
    const { claims, suffix } = { claims: undefined, suffix: "", ...change };
    const proof = await key.proof({
      url: urlOf(TOKEN) + suffix,
      ...(claims && { claims: { iat: now() + claims.iat } }),
    });
    ok(await redeem(client, await flow(), proof));
  });

  test("§11.1: a proof that was used before, also for another code, also ten at once", async () => {
    const proof = await tokenProof();
    ok(await redeem(client, await flow(), proof));
    expectOAuthError(await redeem(client, await flow(), proof), "invalid_dpop_proof");
    const { access } = await bound();
    const fresh = await key.proof({ method: "GET", url: urlOf(USERINFO), accessToken: access });
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        server.call("GET", USERINFO, {
          headers: { authorization: `DPoP ${access}`, dpop: fresh },
        }),
      ),
    );
    const passed = answers.filter(({ status }) => status === 200);
    expect(passed).toHaveLength(1);
    for (const answer of answers.filter((one) => one !== passed[0])) expectChallenge(answer);
  });

  test("the same jti under another key is another proof", async () => {
    const claims = { jti: "the-same" };
    ok(await redeem(client, await flow(), await tokenProof(key, { claims })));
    ok(await redeem(client, await flow(), await tokenProof(stranger, { claims })));
  });

  test("two headers DPoP are no proof", async () => {
    const [one, other] = [await tokenProof(), await tokenProof()];
    expectOAuthError(await redeem(client, await flow(), `${one}, ${other}`), "invalid_dpop_proof");
  });
});

describe("RFC 9449 §7.1: using a bound token", () => {
  let access: string;
  beforeAll(async () => {
    ({ access } = await bound());
  });

  test("scheme DPoP: userinfo by GET and POST, and /v1", async () => {
    expect(ok(await get(USERINFO, access)).body.sub).toBe(space.owner.userId);
    expect(ok(await get(ME, access)).body.user_id).toBe(space.owner.userId);
    const proof = await key.proof({ url: urlOf(USERINFO), accessToken: access });
    ok(
      await server.call("POST", USERINFO, {
        headers: {
          authorization: `dpop ${access}`,
          dpop: proof,
          "content-type": "application/x-www-form-urlencoded",
        },
      }),
    );
  });

  test("again, in the same breath: with a fresh proof, each time", async () => {
    ok(await get(ME, access));
    ok(await get(ME, access));
  });

  const faults: [string, Partial<ProofInput>, (() => DpopKey | null)?][] = [
    ["no proof", {}, () => null],
    ["a proof of another key", {}, () => stranger],
    ["no ath", { claims: { ath: undefined } }],
    ["ath of another token", { claims: { ath: athOf("another") } }],
    ["htm of another method", { method: "POST" }],
    ["htu of another path", { claims: { htu: "http://localhost/v1/oauth/userinfo" } }],
    ["an old proof", { claims: { iat: 0 } }],
  ];
  test.each(faults)("%s: 401", async (_, more, by = () => key) => {
    for (const path of [USERINFO, ME]) expectChallenge(await get(path, access, by(), more));
    ok(await get(USERINFO, access));
  });

  test("§7.2: sent as Bearer: 401, with a proof and without", async () => {
    for (const path of [USERINFO, ME]) {
      const proof = await key.proof({ method: "GET", url: urlOf(path), accessToken: access });
      const both: Record<string, string>[] = [{}, { dpop: proof }];
      for (const headers of both) {
        const answer = await server.call("GET", path, {
          headers: { authorization: `Bearer ${access}`, ...headers },
        });
        expect(answer.status).toBe(401);
      }
    }
    const answer = await server.call("POST", USERINFO, {
      body: new URLSearchParams({ access_token: access }).toString(),
      headers: { "content-type": "application/x-www-form-urlencoded" },
    });
    expect(answer.status).toBe(401);
    // It was not remembered as somebody's the wrong way.
    ok(await get(USERINFO, access));
  });

  test("an unbound token with scheme DPoP: 401; as Bearer it is good", async () => {
    const { body } = ok(await redeem(client, await flow(), undefined));
    for (const path of [USERINFO, ME]) {
      expectChallenge(await get(path, body.access_token));
      ok(await server.call("GET", path, { as: body.access_token }));
      expectChallenge(await get(path, body.access_token));
    }
  });

  test("a first-party token with scheme DPoP: 401", async () => {
    expectChallenge(await get(ME, space.owner.token));
  });

  test("introspection says which key it is bound to", async () => {
    const { body } = ok(await postForm(server, "/oauth/introspect", client, { token: access }));
    expect(body).toMatchObject({ active: true, token_type: "DPoP", cnf: { jkt: key.jkt } });
  });
});

describe("what browsers and metadata say of it", () => {
  test.each([TOKEN, USERINFO, "/v1/oauth/token", "/v1/oauth/device_authorization"])(
    "00 §50: CORS allows header DPoP on %s",
    async (path) => {
      const answer = await fetch(server.base + path, {
        method: "OPTIONS",
        headers: {
          origin: "https://spa.example",
          "access-control-request-method": "POST",
          "access-control-request-headers": "dpop",
        },
      });
      expect(answer.headers.get("access-control-allow-origin")).toBe("*");
      expect(answer.headers.get("access-control-allow-headers")?.toLowerCase()).toContain("dpop");
    },
  );

  test("RFC 9449 §5.1: dpop_signing_alg_values_supported", async () => {
    const { body } = ok(await server.call("GET", "/.well-known/openid-configuration"));
    expect(body.dpop_signing_alg_values_supported).toEqual(
      expect.arrayContaining(["ES256", "EdDSA"]),
    );
  });
});
