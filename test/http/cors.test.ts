import { afterAll, beforeAll, expect, test } from "bun:test";
import { type SampleServer, sampleServer } from "./sample-server.ts";

let server: SampleServer;
beforeAll(async () => {
  server = await sampleServer({ env: "production" });
});
afterAll(() => server.stop());

const LISTED = "https://app.example";
const OWN = "http://localhost:4000";
const EVIL = "https://evil.example";

/** Allowed origin and credentials, as the browser would read them. */
const granted = (headers: Headers) => [
  headers.get("access-control-allow-origin"),
  headers.get("access-control-allow-credentials"),
];

test.each([
  { name: "a listed origin", call: "GET /v1/whoami", origin: LISTED, want: [LISTED, "true"] },
  { name: "PUBLIC_URL", call: "GET /v1/whoami", origin: OWN, want: [OWN, "true"] },
  { name: "a stranger", call: "GET /v1/whoami", origin: EVIL, want: [null, null] },
  {
    name: "a suffix",
    call: "GET /v1/whoami",
    origin: "https://evil-app.example",
    want: [null, null],
  },
  { name: "another port", call: "GET /v1/whoami", origin: `${LISTED}:8443`, want: [null, null] },
  {
    name: "another scheme",
    call: "GET /v1/whoami",
    origin: "http://app.example",
    want: [null, null],
  },
  { name: "null", call: "GET /v1/whoami", origin: "null", want: [null, null] },
  { name: "any: a stranger", call: "GET /v1/kept", origin: EVIL, want: ["*", null] },
  {
    name: "any: a listed origin, still without credentials",
    call: "GET /v1/kept",
    origin: LISTED,
    want: ["*", null],
  },
  { name: "none: a listed origin", call: "GET /v1/closed", origin: LISTED, want: [null, null] },
  { name: "401", call: "GET /v1/me", origin: LISTED, want: [LISTED, "true"] },
  { name: "404", call: "GET /nothing", origin: LISTED, want: [LISTED, "true"] },
  { name: "405", call: "PUT /v1/me", origin: LISTED, want: [LISTED, "true"] },
  { name: "500", call: "GET /v1/bug", origin: LISTED, want: [LISTED, "true"] },
])("01 §7: $name", async ({ call, origin, want }) => {
  const { headers } = await server.call(call, { headers: { origin } });
  expect(granted(headers)).toEqual(want as [string, string]);
  expect(headers.get("vary")).toContain("Origin");
  if (want[0] !== null) {
    const exposed = headers.get("access-control-expose-headers")?.split(", ");
    expect(exposed).toEqual(
      expect.arrayContaining(["X-Request-Id", "Retry-After", "WWW-Authenticate"]),
    );
  }
});

test("Vary: Origin also where no origin was sent", async () => {
  expect((await server.call("GET /v1/whoami")).headers.get("vary")).toBe("Origin");
});

const preflight = (path: string, origin: string, method = "POST") =>
  server.call(`OPTIONS ${path}`, {
    headers: {
      origin,
      "access-control-request-method": method,
      "access-control-request-headers": "authorization, content-type",
    },
  });

test("a preflight of a listed origin says what may be sent, for five minutes", async () => {
  const { status, headers, text } = await preflight("/v1/groups", LISTED);
  expect([status, text]).toEqual([204, ""]);
  expect(granted(headers)).toEqual([LISTED, "true"]);
  expect(headers.get("access-control-allow-methods")).toBe(
    "GET, POST, PATCH, PUT, DELETE, OPTIONS",
  );
  expect(headers.get("access-control-allow-headers")).toBe(
    "Authorization, Content-Type, X-Request-Id, X-CSRF-Token, DPoP",
  );
  expect(headers.get("access-control-max-age")).toBe("300");
  expect(headers.get("x-request-id")).toMatch(/^req_/);
  expect(headers.get("x-frame-options")).toBe("DENY");
});

test("a preflight of a stranger is granted nothing", async () => {
  const { status, headers } = await preflight("/v1/groups", EVIL);
  expect(status).toBe(204);
  expect(granted(headers)).toEqual([null, null]);
  expect(headers.get("access-control-allow-methods")).toBeNull();
});

test("a preflight follows the route that it asks about", async () => {
  expect(granted((await preflight("/v1/kept", EVIL, "GET")).headers)).toEqual(["*", null]);
  expect(granted((await preflight("/v1/closed", LISTED, "GET")).headers)).toEqual([null, null]);
  expect(granted((await preflight("/v1/oauth/token", EVIL)).headers)).toEqual(["*", null]);
});

test("a preflight of nothing is 404; OPTIONS that is no preflight names the methods", async () => {
  expect((await preflight("/nothing", LISTED)).status).toBe(404);
  const plain = await server.call("OPTIONS /v1/me");
  expect([plain.status, plain.headers.get("allow")]).toEqual([204, "GET, HEAD, OPTIONS"]);
});

test("in development an empty list means everybody, without credentials; PUBLIC_URL keeps them", async () => {
  const dev = await sampleServer({ allowedOrigins: [] });
  const answer = (origin: string) => dev.call("GET /v1/whoami", { headers: { origin } });
  expect(granted((await answer(EVIL)).headers)).toEqual(["*", null]);
  expect(granted((await answer(OWN)).headers)).toEqual([OWN, "true"]);
  await dev.stop();
  const production = await sampleServer({ allowedOrigins: [], env: "production" });
  const { headers } = await production.call("GET /v1/whoami", { headers: { origin: EVIL } });
  expect(granted(headers)).toEqual([null, null]);
  await production.stop();
});
