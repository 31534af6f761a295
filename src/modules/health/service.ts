import ipaddr from "ipaddr.js";
import type { Deps } from "../../deps.ts";
import { isSameText } from "../../platform/crypto/tokens.ts";
import { AppError } from "../../platform/errors.ts";
import { isWithin } from "../../platform/http/address.ts";
import { countWaiting } from "../../platform/mail/service.ts";
import type { Caller } from "../../platform/permissions.ts";
import { kindOf } from "../../platform/redact.ts";
import { countBacklog } from "../outbox/service.ts";
import { isMigrated, writeProbe } from "./store.ts";

const DEADLINE_MS = 2_000;
/** The checks write to the disk: however many ask, they run once a second. */
const FRESH_MS = 1_000;

export interface Readiness {
  readonly isReady: boolean;
  /** `ok`, or a generic reason: drivers' words stay in the log. */
  readonly checks: Readonly<Record<string, string>>;
}

/** Answers whether the server can do its work: all checks at once, under one deadline of two seconds. */
export function createReadiness(deps: Deps): () => Promise<Readiness> {
  const checks: Record<string, () => Promise<unknown>> = {
    db: () => deps.db.transaction((tx) => writeProbe(tx, deps.clock.now())),
    migrations: async () => {
      if (!(await isMigrated(deps.db.read))) throw new Error("pending migrations");
    },
    ...(deps.rate.check && { redis: deps.rate.check }),
  };
  const run = async (): Promise<Readiness> => {
    const timer = Promise.withResolvers<never>();
    const timeout = setTimeout(() => timer.reject("timeout"), DEADLINE_MS);
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => {
        const reason = await Promise.race([check(), timer.promise]).then(
          () => "ok",
          (error: unknown) => {
            deps.log.warn("readiness check failed", { check: name, kind: kindOf(error) });
            return error === "timeout" ? "fail: timeout" : "fail: unavailable";
          },
        );
        return [name, reason] as const;
      }),
    );
    clearTimeout(timeout);
    return {
      isReady: results.every(([, reason]) => reason === "ok"),
      checks: Object.fromEntries(results),
    };
  };
  let last: { readonly at: number; readonly answer: Promise<Readiness> } | undefined;
  return () => {
    const now = performance.now();
    if (last === undefined || now - last.at >= FRESH_MS) last = { at: now, answer: run() };
    return last.answer;
  };
}

/** A scrape shall not count a million rows; more than this is an alarm as well. */
const GAUGE_CAP = 10_000;

/** Contract 01 §12.3: the queues, read when somebody scrapes. */
export function registerGauges({ metrics, db }: Pick<Deps, "metrics" | "db">): void {
  metrics.gauge("qeet_outbox_depth", async () => (await countBacklog(db.read, GAUGE_CAP)).waiting);
  metrics.gauge(
    "qeet_outbox_dead_letters",
    async () => (await countBacklog(db.read, GAUGE_CAP)).dead,
  );
  metrics.gauge("qeet_mail_queue", () => countWaiting(db.read, GAUGE_CAP));
}

const LOOPBACK = ["127.0.0.0/8", "::1/128"];

/**
 * Contract 00 §55: loopback only outside development, until METRICS_TOKEN or METRICS_ALLOW says who else. Throws
 * `unauthorized`.
 */
export function createMetricsGuard({ config }: Pick<Deps, "config">) {
  const { metricsToken, metricsAllow, env } = config;
  const isOpen = env === "dev" && metricsToken === null && metricsAllow.length === 0;
  const isRestricted = metricsToken !== null || metricsAllow.length > 0;
  const networks = (isRestricted ? metricsAllow : LOOPBACK).map((cidr) => ipaddr.parseCIDR(cidr));
  return (caller: Caller, authorization: string | null): void => {
    if (isOpen || (caller.ip !== null && isWithin(caller.ip, networks))) return;
    const token = /^Bearer (.+)$/i.exec(authorization ?? "")?.[1];
    if (metricsToken !== null && token !== undefined && isSameText(token, metricsToken)) return;
    throw new AppError("unauthorized", undefined, {
      headers: { "www-authenticate": 'Bearer realm="metrics"' },
    });
  };
}

/** As Go writes a duration: `1h2m3.4s`, `350ms`. */
export function goDuration(ms: number): string {
  if (ms < 1_000) return `${Math.floor(ms)}ms`;
  const seconds = Math.floor(ms / 100) / 10;
  const hours = Math.floor(seconds / 3_600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = `${Math.round((seconds % 60) * 10) / 10}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}

const SECURITY_TXT_DAYS = 180;

/**
 * RFC 9116. RFC 2142 §4 names the mailbox `security` of the domain for such reports, so no setting is needed.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9116#section-2.5
 */
export function securityTxt({ config, clock }: Pick<Deps, "config" | "clock">): string {
  const expires = new Date(clock.now().getTime() + SECURITY_TXT_DAYS * 86_400_000);
  return [
    `Contact: mailto:security@${new URL(config.publicUrl).hostname}`,
    `Expires: ${expires.toISOString()}`,
    `Canonical: ${config.publicUrl}/.well-known/security.txt`,
    "Preferred-Languages: en",
    "",
  ].join("\n");
}
