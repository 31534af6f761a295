import { afterAll, beforeAll, expect, test } from "bun:test";
import { CASES } from "./cases.ts";
import { type SampleServer, sampleServer, TENANT } from "./sample-server.ts";

let server: SampleServer;
beforeAll(async () => {
  server = await sampleServer();
});
afterAll(() => server.stop());

const ON_EVERY_ANSWER = [
  "x-request-id",
  "x-frame-options",
  "x-content-type-options",
  "content-security-policy",
  "permissions-policy",
  "cache-control",
  "vary",
];

test.each(CASES)("$call: $name", async (row) => {
  const { status, headers, text, body } = await server.call(row.call, row);
  expect([status, text.slice(0, 300)]).toEqual([row.status, expect.anything()]);
  for (const name of ON_EVERY_ANSWER)
    expect([name, headers.get(name)]).toEqual([name, expect.any(String)]);
  for (const [name, value] of Object.entries(row.answerHeaders ?? {}))
    expect(headers.get(name)).toBe(value);
  if (row.answer) expect(body).toMatchObject(row.answer);
  if (row.code) {
    expect(body.error?.code ?? body.error ?? body.status).toBe(row.code);
    if (body.error?.code) expect(body.error.request_id).toBe(headers.get("x-request-id"));
    if (row.detail) expect(body.error.detail).toBe(row.detail);
    if (row.fields)
      expect(
        body.error.fields
          .map((f: { field: string; code: string }) => `${f.field} ${f.code}`)
          .sort(),
      ).toEqual(row.fields);
    expect(text).not.toContain("secrets");
  }
});

test("undeclared fields of an answer are stripped, nested ones too", async () => {
  const { text } = await server.call(`GET /v1/tenants/${TENANT}/groups`, { as: "reader" });
  expect(text).not.toContain("secret");
  expect(text).not.toContain("password_hash");
});

test.each([
  { name: "harmless", id: "abc-1", keeps: true },
  { name: "128 characters", id: "x".repeat(128), keeps: true },
  { name: "200 characters", id: "x".repeat(200), keeps: false },
  { name: "with a space", id: "a b", keeps: false },
  { name: "with quotes", id: '"', keeps: false },
])("01 §20: X-Request-Id $name", async ({ id, keeps }) => {
  const { headers, body } = await server.call("GET /v1/whoami", {
    headers: { "x-request-id": id },
  });
  const got = headers.get("x-request-id");
  if (keeps) expect(got).toBe(id);
  else expect(got).toMatch(/^req_[0-9A-HJKMNP-TV-Z]{26}$/);
  expect(body.request_id).toBe(got);
});

test("User-Agent is kept up to 512 characters", async () => {
  const { body } = await server.call("GET /v1/whoami", {
    headers: { "user-agent": "u".repeat(600) },
  });
  expect(body.user_agent).toBe("u".repeat(512));
});

test("a connection survives a refusal that left its body unread", async () => {
  for (let i = 0; i < 5; i++) {
    const big = await server.call("POST /v1/groups", { body: "x".repeat(500_000) });
    expect(big.status).toBe(401);
    expect((await server.call("GET /v1/me", { as: "reader" })).status).toBe(200);
  }
});

test("the principal is resolved once a request, and told what the route allows", async () => {
  server.asked.length = 0;
  await server.call("POST /v1/optional", { as: "reader" });
  expect(server.asked).toEqual([
    { authorization: "Bearer reader", options: { whileSuspended: false } },
  ]);
  await server.call(`GET /v1/tenants/${TENANT}`, { as: "reader" });
  expect(server.asked[1]?.options).toEqual({ whileSuspended: true });
});

test("a route's cache policy is for its success, not for a refusal", async () => {
  expect((await server.call("GET /v1/kept")).headers.get("cache-control")).toBe(
    "public, max-age=300",
  );
  expect((await server.call("GET /v1/bug")).headers.get("cache-control")).toBe("no-store");
});

test("HSTS outside development only", async () => {
  const name = "strict-transport-security";
  expect((await server.call("GET /v1/whoami")).headers.get(name)).toBeNull();
  const production = await sampleServer({ env: "production" });
  expect((await production.call("GET /v1/whoami")).headers.get(name)).toBe(
    "max-age=31536000; includeSubDomains",
  );
  await production.stop();
});

test("X-Dev-User is believed with AUTH_DEV_TRUST_HEADERS in development, and nowhere else", async () => {
  const headers = { "x-dev-user": TENANT, "x-dev-tenant": TENANT };
  expect((await server.call("GET /v1/me", { headers })).status).toBe(401);
  const trusting = await sampleServer({ authDevTrustHeaders: true });
  expect((await trusting.call("GET /v1/me", { headers })).status).toBe(200);
  expect(trusting.asked[0]?.options.dev).toEqual({ userId: TENANT, tenantId: TENANT });
  await trusting.stop();
  const production = await sampleServer({ authDevTrustHeaders: true, env: "production" });
  expect((await production.call("GET /v1/me", { headers })).status).toBe(401);
  await production.stop();
});
