import { expect, test } from "bun:test";
import { type BucketName, type Config, loadConfig, testConfig } from "../../src/config.ts";
import { LocalRateLimiter } from "../../src/platform/http/rate.ts";
import { sampleServer, TENANT } from "./sample-server.ts";

/** What an installation without settings has. */
const DEFAULTS = loadConfig({}).rateLimits;
const OFF = testConfig().rateLimits;
const only = (limits: Partial<Config["rateLimits"]>) => ({ rateLimits: { ...OFF, ...limits } });
const LOGIN = { body: { email: "a@b.example" } };

test("01 §20: 21 rapid logins from one IP; rotating X-Forwarded-For doesn't help", async () => {
  const server = await sampleServer({ rateLimits: DEFAULTS });
  const statuses: number[] = [];
  let last: Awaited<ReturnType<typeof server.call>> | undefined;
  for (let i = 0; i < 21; i++) {
    last = await server.call("POST /v1/auth/login", {
      ...LOGIN,
      headers: { "x-forwarded-for": `1.2.3.${i}` },
    });
    statuses.push(last.status);
  }
  expect(statuses).toEqual([...Array(20).fill(200), 429]);
  expect(last?.body.error).toMatchObject({
    code: "too_many_requests",
    message: "too many requests",
    request_id: last?.headers.get("x-request-id"),
  });
  expect(Number(last?.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  expect(last?.headers.get("ratelimit-limit")).toBe("20");
  expect(last?.headers.get("ratelimit-remaining")).toBe("0");
  expect(last?.headers.get("ratelimit-reset")).toBe("4");
  // 5 a second come back.
  server.advance(1_000);
  const again: number[] = [];
  for (let i = 0; i < 6; i++) again.push((await server.call("POST /v1/auth/login", LOGIN)).status);
  expect(again).toEqual([200, 200, 200, 200, 200, 429]);
  expect(await server.deps.metrics.text()).toContain(
    'qeet_rate_limit_denials_total{bucket="ip"} 2',
  );
  await server.stop();
});

test("clients behind a trusted proxy are told apart", async () => {
  const server = await sampleServer({
    ...only({ ip: { ratePerSecond: 1, burst: 1 } }),
    trustedProxies: ["127.0.0.0/8"],
  });
  const from = async (address: string) =>
    (await server.call("GET /v1/whoami", { headers: { "x-forwarded-for": address } })).status;
  expect(await from("1.2.3.4")).toBe(200);
  expect(await from("1.2.3.4")).toBe(429);
  expect(await from("1.2.3.5")).toBe(200);
  expect(await from("2001:db8::1")).toBe(200);
  expect(await from("2001:db8::2")).toBe(429);
  await server.stop();
});

test.each<{ name: string; bucket: BucketName; as: string; call: string }>([
  { name: "tenant", bucket: "tenant", as: "writer", call: "GET /v1/me" },
  { name: "user", bucket: "user", as: "stray", call: "GET /v1/me" },
  { name: "user of a bound key", bucket: "user", as: "user-key", call: "GET /v1/me" },
  { name: "API key", bucket: "apikey", as: "key", call: "GET /v1/any" },
  { name: "sensitive", bucket: "sensitive", as: "writer", call: "POST /v1/code" },
])("01 §10: bucket $name holds after authentication", async ({ bucket, as, call }) => {
  const server = await sampleServer(only({ [bucket]: { ratePerSecond: 0.5, burst: 2 } }));
  const statuses: number[] = [];
  for (let i = 0; i < 3; i++) statuses.push((await server.call(call, { as })).status);
  expect(statuses).toEqual([200, 200, 429]);
  const { headers } = await server.call(call, { as });
  expect(headers.get("retry-after")).toBe("2");
  // Another route of the same caller spends from it too, except for a bucket of its own.
  const other = await server.call("GET /v1/any", { as });
  expect(other.status).toBe(bucket === "sensitive" ? 200 : 429);
  await server.stop();
});

test("429 comes before the body is read", async () => {
  const server = await sampleServer(only({ user: { ratePerSecond: 1, burst: 1 } }));
  await server.call("GET /v1/me", { as: "writer" });
  expect((await server.call("POST /v1/groups", { as: "writer", body: "{bad" })).status).toBe(429);
  await server.stop();
});

test("a refused credential spends from the ip bucket; a good one does not", async () => {
  const server = await sampleServer(only({ ip: { ratePerSecond: 1, burst: 2 } }));
  const statuses: number[] = [];
  for (const as of ["reader", "nobody", "reader", "nobody", "nobody", "reader"])
    statuses.push((await server.call("GET /v1/me", { as })).status);
  expect(statuses).toEqual([200, 401, 200, 401, 429, 200]);
  // No credential at all counts as well.
  expect((await server.call("GET /v1/me")).status).toBe(429);
  await server.stop();
});

test("the mail bucket is the service's to spend", async () => {
  const server = await sampleServer(only({ mail: { ratePerSecond: 0.005, burst: 3 } }));
  const sent: boolean[] = [];
  for (let i = 0; i < 4; i++) sent.push((await server.call("POST /v1/mail")).body.ok);
  expect(sent).toEqual([true, true, true, false]);
  await server.stop();
});

test("health, discovery, assets: no bucket, no headers", async () => {
  const server = await sampleServer(only({ ip: { ratePerSecond: 1, burst: 1 } }));
  for (let i = 0; i < 3; i++) {
    const { status, headers } = await server.call("GET /openapi.json");
    expect([status, headers.get("ratelimit-limit")]).toEqual([200, null]);
  }
  await server.stop();
});

test("memory is bounded, and an attacker's many addresses do not push out who is refused", () => {
  let now = 0;
  const limiter = new LocalRateLimiter({ ...OFF, ip: { ratePerSecond: 1, burst: 2 } }, () => now);
  for (let i = 0; i < 50_000; i++) {
    now += 0.01;
    limiter.take("ip", `address ${i}`);
    if (i % 100 === 0) limiter.take("ip", "insistent");
  }
  expect(limiter.size).toBeLessThanOrEqual(20_000);
  expect(limiter.take("ip", "insistent").waitSeconds).toBeGreaterThan(0);
  // Idle ones are full again and go first.
  now += 60_000;
  for (let i = 0; i < 20_001; i++) limiter.take("ip", `later ${i}`);
  expect(limiter.size).toBeLessThanOrEqual(20_000);
});

test("a clock that stands still or goes back gives nothing away", () => {
  let now = 1_000_000;
  const limiter = new LocalRateLimiter({ ...OFF, ip: { ratePerSecond: 1, burst: 1 } }, () => now);
  expect(limiter.take("ip", "a").waitSeconds).toBe(0);
  now -= 3_600_000;
  expect(limiter.take("ip", "a").waitSeconds).toBe(1);
});

test("a bucket that is off lets everything through", async () => {
  const server = await sampleServer();
  for (let i = 0; i < 50; i++)
    expect((await server.call(`GET /v1/tenants/${TENANT}`, { as: "reader" })).status).toBe(200);
  await server.stop();
});
