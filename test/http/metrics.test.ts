import { expect, test } from "bun:test";
import { createMetrics } from "../../src/platform/metrics.ts";
import { sampleServer, USER } from "./sample-server.ts";

test("01 §12.3: requests by method, pattern and status; times in the contract's buckets", async () => {
  const server = await sampleServer();
  for (let i = 0; i < 3; i++) await server.call(`GET /v1/users/${USER}`, { as: "reader" });
  await server.call("GET /v1/users/7", { as: "reader" });
  await server.call(`HEAD /v1/users/${USER}`, { as: "reader" });
  await server.call("GET /wp-login.php");
  await server.call("PROPFIND /x");
  await server.call("GET /v1/slow");
  const text = await server.deps.metrics.text();
  const value = (line: string) =>
    text
      .split("\n")
      .find((one) => one.startsWith(`${line} `))
      ?.split(" ")[1];
  const user = 'method="GET",route="/v1/users/{id}"';
  expect(value(`http_requests_total{${user},status="200"}`)).toBe("4");
  expect(value(`http_requests_total{${user},status="400"}`)).toBe("1");
  expect(value('http_requests_total{method="GET",route="unmatched",status="404"}')).toBe("1");
  expect(value('http_requests_total{method="OTHER",route="unmatched",status="404"}')).toBe("1");
  expect(text).not.toContain("wp-login");
  expect(text).not.toContain("PROPFIND");
  expect(value(`http_request_duration_seconds_count{${user}}`)).toBe("5");
  const slow = 'method="GET",route="/v1/slow"';
  expect(value(`http_request_duration_seconds_bucket{${slow},le="0.25"}`)).toBe("0");
  expect(value(`http_request_duration_seconds_bucket{${slow},le="0.5"}`)).toBe("1");
  expect(value(`http_request_duration_seconds_bucket{${slow},le="+Inf"}`)).toBe("1");
  const bounds = [...text.matchAll(/\/v1\/slow",le="([^"]+)"/g)].map((match) => match[1]);
  expect(bounds.join(" ")).toBe("0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf");
  await server.stop();
});

test("gauges of the process are numbers that can be true", async () => {
  const text = await createMetrics().text();
  const value = (name: string) => Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1]);
  expect(value("process_resident_memory_bytes")).toBeGreaterThan(10e6);
  expect(value("process_resident_memory_bytes")).toBeLessThan(5e9);
  expect(value("process_cpu_seconds_total")).toBeGreaterThan(0);
  expect(value("process_start_time_seconds")).toBeCloseTo(Date.now() / 1000, -4);
  expect(value("nodejs_eventloop_lag_max_seconds")).toBeLessThan(60);
});

test("counters and gauges of the domains; a gauge that can't be read is left out", async () => {
  const metrics = createMetrics();
  metrics.loginFailures.inc();
  metrics.lockouts.inc();
  metrics.refreshReuse.inc();
  metrics.gauge("qeet_outbox_depth", async () => 7);
  metrics.gauge("qeet_mail_queue", () => Promise.reject(new Error("away")));
  const text = await metrics.text();
  expect(text).toContain("qeet_login_failures_total 1");
  expect(text).toContain("qeet_lockouts_total 1");
  expect(text).toContain("qeet_refresh_reuse_total 1");
  expect(text).toContain("qeet_outbox_depth 7");
  expect(text).not.toMatch(/^qeet_mail_queue \d/m);
});
