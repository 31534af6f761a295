import type { Deps } from "../../deps.ts";
import { recordAudit } from "../../modules/audit/service.ts";
import { drain } from "../../platform/http/lifecycle.ts";
import type { RunningJobs } from "../../platform/jobs/runner.ts";

const AUDIT_LIMIT_MS = 5_000;

/** What ends in order when the server is told to stop. */
export interface Running {
  readonly deps: Deps;
  readonly server: Bun.Server<unknown>;
  readonly jobs: RunningJobs;
}

/** Resolves with the name of the first SIGTERM or SIGINT; a second one ends the process at once. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const onSignal = (signal: NodeJS.Signals) => {
      process.once(signal, () => process.exit(1));
      resolve(signal);
    };
    process.once("SIGTERM", onSignal);
    process.once("SIGINT", onSignal);
  });
}

/**
 * Contract 01 §14: accepts nothing new, lets requests and jobs finish within the grace, then writes down, best effort,
 * that the server stopped. Answers how many requests it cut off.
 */
export async function shutDown({ deps, server, jobs }: Running): Promise<number> {
  const begunAt = performance.now();
  const [{ inFlightAtSignal, dropped }] = await Promise.all([
    drain(server, deps.config.shutdownGraceSeconds),
    jobs.stop(),
  ]);
  const recorded = recordSystemEvent(deps, "system.shutdown", {
    duration_ms: Math.round(performance.now() - begunAt),
    in_flight_at_signal: inFlightAtSignal,
    dropped_requests: dropped,
  }).catch(() => deps.log.warn("the shutdown could not be audited"));
  await Promise.race([recorded, Bun.sleep(AUDIT_LIMIT_MS)]);
  return dropped;
}

/** Platform chain, no tenant. */
export async function recordSystemEvent(
  deps: Deps,
  action: "system.startup" | "system.shutdown",
  metadata: Record<string, string | number>,
): Promise<void> {
  const { serviceName, environmentName } = deps.config;
  const entry = {
    tenantId: null,
    action,
    resource: { type: "system", id: null },
    metadata: { service: serviceName, env: environmentName, ...metadata },
  };
  await deps.db.transaction((tx) => recordAudit(deps, tx, { system: true }, entry), {
    serializeOn: "platform",
  });
}
