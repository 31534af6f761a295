/** Whatever is sent to the authorization endpoint, its answer goes to one of three places. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Browser,
  REDIRECT_URI,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import { allow, ask, OPEN, PKCE, signIn } from "./support.ts";

let server: TestProvider;
let client: TestClient;
let browser: Browser;
beforeAll(async () => {
  server = await startProvider();
  const owner = await server.signUp();
  client = await server.createClient(owner, OPEN);
  browser = server.browser();
  await signIn(server, browser, owner);
  server.clock.advance(1_000);
  await allow(server, browser, await ask(browser, client));
});
afterAll(() => server.stop());

const NAMES =
  "client_id redirect_uri response_type response_mode scope state nonce code_challenge code_challenge_method prompt max_age id_token_hint login_hint acr_values claims display ui_locales resource dpop_jkt request request_uri registration request_id extra".split(
    " ",
  );
const VALUES = [
  "",
  "code",
  "token",
  "openid",
  "openid email",
  "none",
  "login",
  "none login",
  "query",
  "form_post",
  "fragment",
  "S256",
  "plain",
  "0",
  "-1",
  "{}",
  "[]",
  "null",
  '{"id_token":{"acr":{"essential":true,"values":[{}]},"sub":{"value":1}}}',
  '{"__proto__":{"x":null},"userinfo":{"__proto__":null,"constructor":{"value":"x"}}}',
  "urn:ietf:params:oauth:request_uri:x",
  "https://evil.example/",
  `${REDIRECT_URI}.evil.example`,
  "//evil.example",
  "\0",
  "\uFFFD",
  "\r\nset-cookie: a=b",
  "__proto__",
  "constructor",
];
const value = fc.oneof(
  fc.constantFrom(...VALUES),
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.string({ maxLength: 3_000 }),
);
const pairs = fc.array(
  fc.tuple(fc.oneof(fc.constantFrom(...NAMES, "__proto__"), fc.string({ maxLength: 8 })), value),
  { maxLength: 6 },
);

test("a page, our own pages, or the registered redirect URI: never a fault, never elsewhere", async () => {
  const good = [
    ["client_id", client.clientId],
    ["redirect_uri", client.redirectUri],
    ["response_type", "code"],
    ["scope", "openid"],
    ["state", "kept"],
    ...(Object.entries(PKCE) as [string, string][]),
  ] as [string, string][];
  const property = fc.asyncProperty(
    pairs,
    fc.boolean(),
    fc.boolean(),
    fc.constantFrom("GET", "POST"),
    async (added, replaces, isSignedIn, method) => {
      const names = new Set(added.map(([name]) => name));
      const kept = good.filter(([name]) => !(replaces && names.has(name)));
      const query = new URLSearchParams([...kept, ...added]).toString();
      const who = isSignedIn ? browser : server.browser();
      const { status, headers, body } =
        method === "GET"
          ? await who.call("GET", `/v1/oauth/authorize?${query}`)
          : await server.call("POST", "/v1/oauth/authorize", {
              body: query,
              headers: { "content-type": "application/x-www-form-urlencoded" },
            });
      const location = headers.get("location");
      if (location === null) {
        expect([200, 400]).toContain(status);
        if (status === 200) expect(body).toContain(`action="${client.redirectUri}"`);
        return;
      }
      expect(status).toBe(method === "GET" ? 302 : 303);
      const { base } = server;
      const places = [
        `${client.redirectUri}?`,
        `${base}/login?return_to=`,
        `${base}/consent?request_id=`,
        `${base}/v1/oauth/authorize?client_id=`,
      ];
      expect(places.some((place) => location.startsWith(place))).toBe(true);
      expect(headers.get("set-cookie") ?? "").not.toContain("a=b");
    },
  );
  await fc.assert(property, { numRuns: 400 });
}, 120_000);
