import { afterAll, beforeAll, expect, test } from "bun:test";
import { newCsrfToken } from "../../src/platform/http/csrf.ts";
import { type SampleServer, sampleServer } from "./sample-server.ts";

let server: SampleServer;
let token: string;
beforeAll(async () => {
  server = await sampleServer();
  token = newCsrfToken(server.deps);
});
afterAll(() => server.stop());

const GOOD = "http://localhost:4000";
const LISTED = "https://app.example";
const EVIL = "https://evil.example";
const login = { email: "a@b.example" };

test.each<{ name: string; headers: Record<string, string>; passes?: true; detail?: string }>([
  { name: "no browser", headers: {}, passes: true },
  { name: "own origin", headers: { origin: GOOD }, passes: true },
  { name: "allowed origin without cookie", headers: { origin: LISTED }, passes: true },
  { name: "allowed Referer", headers: { referer: `${LISTED}/login?x=1` }, passes: true },
  { name: "same-site, no origin", headers: { "sec-fetch-site": "same-origin" }, passes: true },
  { name: "evil origin", headers: { origin: EVIL }, detail: "origin not allow-listed" },
  {
    name: "allowed origin as a prefix",
    headers: { origin: `${LISTED}.evil.example` },
    detail: "origin not allow-listed",
  },
  {
    name: "evil Referer",
    headers: { referer: `${EVIL}/${LISTED}` },
    detail: "origin not allow-listed",
  },
  { name: "Origin: null", headers: { origin: "null" }, detail: "malformed Origin" },
  {
    name: "cross-site without origin",
    headers: { "sec-fetch-site": "cross-site" },
    detail: "origin not allow-listed",
  },
  {
    name: "evil origin, Authorization present",
    headers: { origin: EVIL, authorization: "Basic eDp5" },
    passes: true,
  },
])("01 §8, origin policy: $name", async ({ headers, passes, detail }) => {
  const { status, body } = await server.call("POST /v1/auth/login", { headers, body: login });
  expect(status).toBe(passes ? 200 : 403);
  if (!passes) expect(body.error).toMatchObject({ code: "csrf_failed", detail });
});

const forged = "A".repeat(64);
test.each<{ name: string; headers: () => Record<string, string>; detail?: string }>([
  { name: "no browser", headers: () => ({}) },
  {
    name: "allowed origin, cookie = header, own MAC",
    headers: () => ({ origin: LISTED, cookie: `a=b; qe_csrf=${token}`, "x-csrf-token": token }),
  },
  {
    name: "own Referer, cookie = header, own MAC",
    headers: () => ({ referer: `${GOOD}/x`, cookie: `qe_csrf=${token}`, "x-csrf-token": token }),
  },
  {
    name: "good origin, no cookie",
    headers: () => ({ origin: LISTED, "x-csrf-token": token }),
    detail: "missing csrf cookie",
  },
  {
    name: "no header",
    headers: () => ({ origin: LISTED, cookie: `qe_csrf=${token}` }),
    detail: "missing csrf header",
  },
  {
    name: "cookie≠header",
    headers: () => ({
      origin: LISTED,
      cookie: `qe_csrf=${token}`,
      "x-csrf-token": newCsrfToken(server.deps),
    }),
    detail: "csrf check failed",
  },
  {
    name: "forged cookie=header without valid MAC",
    headers: () => ({ origin: LISTED, cookie: `qe_csrf=${forged}`, "x-csrf-token": forged }),
    detail: "csrf check failed",
  },
  {
    name: "evil origin with everything else right",
    headers: () => ({ origin: EVIL, cookie: `qe_csrf=${token}`, "x-csrf-token": token }),
    detail: "origin not allow-listed",
  },
  {
    name: "Origin: null",
    headers: () => ({ origin: "null", cookie: `qe_csrf=${token}`, "x-csrf-token": token }),
    detail: "malformed Origin",
  },
  {
    name: "any cookie makes a browser",
    headers: () => ({ cookie: "a=b" }),
    detail: "missing Origin and Referer",
  },
  {
    name: "Sec-Fetch-Site makes a browser",
    headers: () => ({ "sec-fetch-site": "same-origin" }),
    detail: "missing Origin and Referer",
  },
])("01 §8, double submit: $name", async ({ headers, detail }) => {
  const {
    status,
    body,
    headers: got,
  } = await server.call("POST /v1/auth/session", {
    headers: headers(),
  });
  expect(status).toBe(detail === undefined ? 200 : 403);
  if (detail === undefined) return;
  expect(body.error).toMatchObject({ code: "csrf_failed", detail });
  // Contract 01 §20: with CORS headers when the origin is allowed.
  if (headers().origin === LISTED) expect(got.get("access-control-allow-origin")).toBe(LISTED);
});

const seeded = (headers: Headers) => headers.get("set-cookie")?.match(/^qe_csrf=([^;]+); (.*)$/);

test("a GET without the cookie sets one that passes the double submit", async () => {
  const { headers } = await server.call("GET /v1/whoami", { headers: { origin: LISTED } });
  const [, issued, attributes] = seeded(headers)!;
  expect(issued).toMatch(/^[A-Za-z0-9_-]{64}$/);
  expect(attributes?.split("; ").sort()).toEqual(["Max-Age=43200", "Path=/", "SameSite=Strict"]);
  const { status } = await server.call("POST /v1/auth/session", {
    headers: { origin: LISTED, cookie: `qe_csrf=${issued}`, "x-csrf-token": issued! },
  });
  expect(status).toBe(200);
});

test.each<{ name: string; call: string; headers?: () => Record<string, string>; seeds: boolean }>([
  { name: "HEAD", call: "HEAD /v1/whoami", seeds: true },
  {
    name: "a foreign token is replaced",
    call: "GET /v1/whoami",
    headers: () => ({ cookie: `qe_csrf=${forged}` }),
    seeds: true,
  },
  {
    name: "the browser has one",
    call: "GET /v1/whoami",
    headers: () => ({ cookie: `x=y; qe_csrf=${token}` }),
    seeds: false,
  },
  {
    name: "with Authorization",
    call: "GET /v1/me",
    headers: () => ({ authorization: "Bearer reader" }),
    seeds: false,
  },
  { name: "POST", call: "POST /v1/auth/login", seeds: false },
  {
    name: "OPTIONS",
    call: "OPTIONS /v1/whoami",
    headers: () => ({ origin: LISTED, "access-control-request-method": "GET" }),
    seeds: false,
  },
  { name: "what caches may keep", call: "GET /v1/kept", seeds: false },
])("01 §8, issuing: $name", async ({ call, headers, seeds }) => {
  const answer = await server.call(call, { headers: headers?.() ?? {} });
  expect(seeded(answer.headers) !== undefined).toBe(seeds);
});

test("Secure outside development, Domain where it is set, off where CSRF_DISABLED says so", async () => {
  const production = await sampleServer({ env: "production", csrfCookieDomain: ".example.com" });
  const [, , attributes] = seeded((await production.call("GET /v1/whoami")).headers)!;
  expect(attributes).toContain("Secure");
  expect(attributes).toContain("Domain=.example.com");
  await production.stop();
  const off = await sampleServer({ csrfDisabled: true });
  const { status } = await off.call("POST /v1/auth/login", {
    headers: { origin: EVIL },
    body: login,
  });
  expect(status).toBe(200);
  await off.stop();
});
