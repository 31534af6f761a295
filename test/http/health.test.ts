import { expect, test } from "bun:test";
import { openDatabase } from "../../db/client.ts";
import type { Config } from "../../src/config.ts";
import type { Deps } from "../../src/deps.ts";
import { healthRoutes } from "../../src/modules/health/routes.ts";
import { goDuration } from "../../src/modules/health/service.ts";
import { drain } from "../../src/platform/http/lifecycle.ts";
import { freshUrl } from "../support/db.ts";
import { sampleServer } from "./sample-server.ts";

/** The health routes over a database of their own, or over one that `db` stands for. */
async function healthServer(overrides: Partial<Config> = {}, db?: Partial<Deps["db"]>) {
  const url = await freshUrl();

  const real = db ? undefined : await openDatabase({ url });
  const server = await sampleServer(overrides, [
    (deps, app) => healthRoutes({ ...deps, db: (db ?? real) as Deps["db"] }, app),
  ]);
  return {
    ...server,
    async stop() {
      await server.stop();
      await real?.close();
    },
  };
}

test("01 §12.1: /healthz answers, and seeds qe_csrf", async () => {
  const server = await healthServer();
  const { status, body, headers } = await server.call("GET /healthz");
  expect(status).toBe(200);
  expect(body).toEqual({
    status: "ok",
    service: "qeet-identity",
    env: "dev",
    uptime: expect.stringMatching(/^(\d+h)?(\d+m)?[\d.]+m?s$/),
  });
  expect(headers.get("set-cookie")).toStartWith("qe_csrf=");
  await server.stop();
});

test.each([
  [0, "0ms"],
  [350, "350ms"],
  [3_450, "3.4s"],
  [60_000, "1m0s"],
  [3_723_400, "1h2m3.4s"],
  [360_000_000, "100h0m0s"],
])("an uptime of %d ms is %s", (ms, text) => {
  expect(goDuration(ms)).toBe(text);
});

test("01 §12.2: /readyz checks database and migrations; it seeds no cookie", async () => {
  const server = await healthServer();
  const { status, body, headers } = await server.call("GET /readyz");
  expect([status, body]).toEqual([
    200,
    { status: "ready", checks: { db: "ok", migrations: "ok" } },
  ]);
  expect(headers.get("set-cookie")).toBeNull();
  await server.stop();
});

test("01 §20: database down: /readyz 503 ≤ 2.5 s without driver text, /healthz 200", async () => {
  const refusing = {
    transaction: () => Promise.reject(new Error("connect ECONNREFUSED 10.0.0.5:5432")),
    get read(): never {
      throw new Error("connect ECONNREFUSED 10.0.0.5:5432");
    },
  };
  const server = await healthServer({}, refusing);
  const { status, text, body } = await server.call("GET /readyz");
  expect([status, body]).toEqual([
    503,
    { status: "not_ready", checks: { db: "fail: unavailable", migrations: "fail: unavailable" } },
  ]);
  expect(text).not.toContain("ECONNREFUSED");
  expect((await server.call("GET /healthz")).status).toBe(200);
  await server.stop();
});

test("01 §20: a database that is silent is given up after two seconds", async () => {
  const silent = {
    transaction: () => new Promise<never>(() => {}),
    read: { select: () => ({ from: () => new Promise(() => {}) }) } as never,
  };
  const server = await healthServer({}, silent);
  const startedAt = performance.now();
  const { status, body } = await server.call("GET /readyz");
  expect(performance.now() - startedAt).toBeLessThan(2_500);
  expect([status, body.checks]).toEqual([
    503,
    { db: "fail: timeout", migrations: "fail: timeout" },
  ]);
  await server.stop();
});

test("a database of another version is not ready", async () => {
  const newer = {
    transaction: async () => undefined as never,
    read: { select: () => ({ from: async () => [{ last: "9999_later" }] }) } as never,
  };
  const server = await healthServer({}, newer);
  const { status, body } = await server.call("GET /readyz");
  expect([status, body.checks]).toEqual([503, { db: "ok", migrations: "fail: unavailable" }]);
  await server.stop();
});

test("however many ask, the checks run once a second", async () => {
  let runs = 0;
  const counting = {
    transaction: async () => {
      runs++;
      return undefined as never;
    },
  };
  const server = await healthServer({}, counting);
  await Promise.all(Array.from({ length: 20 }, () => server.call("GET /readyz")));
  expect(runs).toBe(1);
  await server.stop();
});

test("while draining, /readyz says so on the connections that are left", async () => {
  const server = await healthServer();
  const slow = server.call("GET /v1/slow");
  await Bun.sleep(50);
  const running = server.app.server!;
  const drained = drain(running, 5);
  const { status, body } = await server.app
    .handle(new Request("http://localhost/readyz"))
    .then(async (answer) => ({ status: answer.status, body: await answer.json() }));
  expect([status, body.status, body.checks.server]).toEqual([503, "not_ready", "fail: draining"]);
  await slow;
  await drained;
  await server.stop();
});

test.each<{ name: string; config: Partial<Config>; from?: string; token?: string; opens: boolean }>(
  [
    { name: "development", config: {}, opens: true },
    { name: "production, loopback", config: { env: "production" }, opens: true },
    { name: "production, elsewhere", config: { env: "production" }, from: "1.2.3.4", opens: false },
    { name: "token set, none sent", config: { metricsToken: "t0ken" }, opens: false },
    { name: "token set, wrong", config: { metricsToken: "t0ken" }, token: "t0keN", opens: false },
    { name: "token set, right", config: { metricsToken: "t0ken" }, token: "t0ken", opens: true },
    {
      name: "network allowed",
      config: { env: "production", metricsAllow: ["1.2.3.0/24"] },
      from: "1.2.3.4",
      opens: true,
    },
    {
      name: "loopback, once a network is named",
      config: { env: "production", metricsAllow: ["1.2.3.0/24"] },
      opens: false,
    },
  ],
)("00 §55: /metrics: $name", async ({ config, from, token, opens }) => {
  const server = await healthServer({ trustedProxies: ["127.0.0.0/8"], ...config });
  const headers = {
    ...(from && { "x-forwarded-for": from }),
    ...(token && { authorization: `Bearer ${token}` }),
  };
  const { status, text, headers: got } = await server.call("GET /metrics", { headers });
  expect(status).toBe(opens ? 200 : 401);
  expect(got.get("set-cookie")).toBeNull();
  if (opens) {
    expect(got.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(text).toContain("# TYPE http_requests_total counter");
  } else expect(got.get("www-authenticate")).toBe('Bearer realm="metrics"');
  expect((await server.call("POST /metrics")).status).toBe(405);
  await server.stop();
});

test("RFC 9116 §2.5: security.txt names a contact and an expiry", async () => {
  const server = await healthServer({ publicUrl: "https://id.example.com" });
  const { text, headers } = await server.call("GET /.well-known/security.txt");
  expect(headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(text.split("\n")).toEqual([
    "Contact: mailto:security@id.example.com",
    "Expires: 2026-06-30T00:00:00.000Z",
    "Canonical: https://id.example.com/.well-known/security.txt",
    "Preferred-Languages: en",
    "",
  ]);
  await server.stop();
});

test("01 §19: change-password leads to the application", async () => {
  const server = await healthServer({ appBaseUrl: "https://app.example.com" });
  const { status, headers } = await server.call("GET /.well-known/change-password");
  expect([status, headers.get("location")]).toEqual([
    302,
    "https://app.example.com/account/security",
  ]);
  expect(headers.get("x-frame-options")).toBe("DENY");
  await server.stop();
});
