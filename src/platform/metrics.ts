import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, Registry } from "prom-client";
import type { BucketName } from "../config.ts";
import { HttpMetrics } from "./http/http-metrics.ts";

/** A number that is read when somebody scrapes. */
export type GaugeName = "qeet_outbox_depth" | "qeet_outbox_dead_letters" | "qeet_mail_queue";

const GAUGES: Record<GaugeName, string> = {
  qeet_outbox_depth: "Events that wait to be published; counted to 10,000",
  qeet_outbox_dead_letters: "Events that were given up; counted to 10,000",
  qeet_mail_queue: "Messages that wait to be sent; counted to 10,000",
};

/** Counters of the program (contract 01 §12.3), in Prometheus' text format. */
export interface Metrics {
  readonly http: HttpMetrics;
  readonly loginFailures: Pick<Counter, "inc">;
  readonly lockouts: Pick<Counter, "inc">;
  readonly refreshReuse: Pick<Counter, "inc">;
  /** Label `bucket`. */
  rateLimitDenied(bucket: BucketName): void;
  readonly rateStoreFailures: Pick<Counter, "inc">;
  /** Says how to read a gauge. A read that fails leaves the gauge out of that scrape. */
  gauge(name: GaugeName, read: () => number | Promise<number>): void;
  text(): Promise<string>;
}

export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const denials = new Counter({
    name: "qeet_rate_limit_denials_total",
    help: "Requests refused by a rate limit",
    labelNames: ["bucket"],
    registers,
  });
  registerProcess(registry);
  const http = new HttpMetrics();
  return {
    http,
    loginFailures: counter("qeet_login_failures_total", "Sign-ins refused"),
    lockouts: counter("qeet_lockouts_total", "Accounts locked after failed sign-ins"),
    refreshReuse: counter("qeet_refresh_reuse_total", "Refresh tokens presented twice"),
    rateStoreFailures: counter(
      "qeet_rate_limit_store_failures_total",
      "Look-ups that the shared store of rate limits did not answer",
    ),
    rateLimitDenied: (bucket) => denials.inc({ bucket }),
    gauge(name, read) {
      registry.removeSingleMetric(name);
      new Gauge({
        name,
        help: GAUGES[name],
        registers,
        async collect() {
          try {
            this.set(await read());
          } catch {
            this.remove(); // the database is away: /readyz says so
          }
        },
      });
    },
    text: async () => http.text() + (await registry.metrics()),
  };
}

/** By hand: half of prom-client's own process metrics are wrong under Bun. */
function registerProcess(registry: Registry): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge("process_resident_memory_bytes", "Resident memory", () => process.memoryUsage.rss());
  gauge("process_heap_used_bytes", "JavaScript heap in use", () => process.memoryUsage().heapUsed);
  const startedAt = (performance.timeOrigin / 1000) | 0;
  gauge("process_start_time_seconds", "Start of the process, Unix time", () => startedAt);
  new Counter({
    name: "process_cpu_seconds_total",
    help: "CPU time, user and system",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  const lag = monitorEventLoopDelay({ resolution: 20 });
  lag.enable();
  gauge("nodejs_eventloop_lag_max_seconds", "Longest delay since the last scrape", () => {
    const max = lag.max / 1e9;
    lag.reset();
    return Number.isFinite(max) ? max : 0;
  });
}
