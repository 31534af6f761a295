import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testConfig } from "../../src/config.ts";
import { createRateLimiter } from "../../src/platform/http/rate-store.ts";
import { sampleServer } from "./sample-server.ts";

const REDIS = Bun.which("redis-server");
if (REDIS === null)
  console.warn("redis-server is not installed: tests of shared limits are skipped");
const redis = test.skipIf(REDIS === null);

/** A real Redis on a free port. */
async function startRedis(port: number) {
  const dir = mkdtempSync(join(tmpdir(), "redis-"));
  const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--dir", dir];
  const child = Bun.spawn([REDIS!, ...args], { stdout: "pipe", stderr: "ignore" });
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout)
    if (decoder.decode(chunk).includes("Ready to accept connections")) break;
  return child;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, "127.0.0.1", done));
  const { port } = probe.address() as { port: number };
  await new Promise((done) => probe.close(done));
  return port;
}

let port = 0;
let child: Awaited<ReturnType<typeof startRedis>> | undefined;
const OFF = testConfig().rateLimits;
const limits = {
  ...OFF,
  ip: { ratePerSecond: 0.01, burst: 3 },
  tenant: { ratePerSecond: 0.01, burst: 3 },
};
const settings = () => ({ redisUrl: `redis://127.0.0.1:${port}`, rateLimits: limits });

beforeAll(async () => {
  if (REDIS === null) return;
  port = await freePort();
  child = await startRedis(port);
});
afterAll(() => child?.kill());

redis("two instances share one bucket", async () => {
  const one = await sampleServer(settings());
  const two = await sampleServer(settings());
  const statuses: number[] = [];
  for (const server of [one, two, one, two])
    statuses.push((await server.call("GET /v1/whoami")).status);
  expect(statuses).toEqual([200, 200, 200, 429]);
  const refused = await two.call("GET /v1/whoami");
  expect(refused.headers.get("retry-after")).toBe("100");
  expect(refused.headers.get("ratelimit-limit")).toBe("3");
  await one.stop();
  await two.stop();
});

redis("buckets refill by Redis' clock and are forgotten once full", async () => {
  const rateLimits = { ...OFF, mail: { ratePerSecond: 20, burst: 1 } };
  const config = testConfig({ redisUrl: settings().redisUrl, rateLimits });
  const log = { warn: () => {}, info: () => {} };
  const metrics = { rateStoreFailures: { inc: () => {} } };
  const limiter = await createRateLimiter({
    config,
    clock: { now: () => new Date(0) },
    log,
    metrics,
  });
  expect((await limiter.take("mail", "x")).waitSeconds).toBe(0);
  expect((await limiter.take("mail", "x")).waitSeconds).toBe(1);
  await Bun.sleep(80);
  expect((await limiter.take("mail", "x")).waitSeconds).toBe(0);
  const client = new Bun.RedisClient(settings().redisUrl);
  expect(await client.ttl("rl:mail:x")).toBe(60);
  client.close();
  limiter.close();
});

redis(
  "01 §20: Redis down mid-run: requests pass, in-process ip limit still holds; it recovers",
  async () => {
    const server = await sampleServer(settings());
    expect((await server.call("GET /v1/me", { as: "writer" })).status).toBe(200);
    child!.kill("SIGKILL");
    await child!.exited;
    const startedAt = performance.now();
    for (let i = 0; i < 10; i++)
      expect((await server.call("GET /v1/me", { as: "writer" })).status).toBe(200);
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) statuses.push((await server.call("GET /v1/whoami")).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    // Nobody waited for a store that is away.
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    const warnings = server.log().filter(({ level }) => level === "warn");
    expect(warnings).toHaveLength(1);
    expect(await server.deps.metrics.text()).toMatch(
      /qeet_rate_limit_store_failures_total [1-9]\d*/,
    );
    await expect(server.deps.rate.check?.()).rejects.toThrow();

    child = await startRedis(port);
    await Bun.sleep(3_500); // the client's own pause between attempts, and our second of rest
    // Back in Redis: its bucket is new, and again shared.
    const back: number[] = [];
    for (let i = 0; i < 4; i++) back.push((await server.call("GET /v1/whoami")).status);
    expect(back).toEqual([200, 200, 200, 429]);
    await server.deps.rate.check?.();
    await server.stop();
  },
  20_000,
);

redis("a Redis that falls silent costs a quarter second once, not every request", async () => {
  const server = await sampleServer(settings());
  await server.call("GET /v1/me", { as: "writer" });
  child!.kill("SIGSTOP");
  try {
    const startedAt = performance.now();
    for (let i = 0; i < 20; i++)
      expect((await server.call("GET /v1/me", { as: "stray" })).status).toBe(200);
    for (let i = 0; i < 20; i++)
      expect((await server.call("GET /v1/me", { as: "writer" })).status).toBe(200);
    expect(performance.now() - startedAt).toBeLessThan(900);
  } finally {
    child!.kill("SIGCONT");
  }
  await server.stop();
});

redis("a Redis that does not answer at start is named", async () => {
  const dead = await freePort();
  expect(sampleServer({ ...settings(), redisUrl: `redis://127.0.0.1:${dead}` })).rejects.toThrow(
    `REDIS_URL: 127.0.0.1:${dead} does not answer`,
  );
});
