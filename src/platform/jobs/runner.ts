import type { Deps } from "../../deps.ts";
import { kindOf } from "../redact.ts";
import { noteFinished, releaseLeases, takeLease } from "./lease.ts";

/** Work that the server does by itself, again and again. */
export interface Job {
  readonly name: string;
  /** From the end of one pass to the start of the next. */
  readonly everyMs: number;
  /**
   * One pass. It works in batches and ends early, between two of them, once `signal` is aborted. It may run at two
   * instances at once, when one was thought dead: what it does must be claimed row by row.
   */
  run(deps: Deps, signal: AbortSignal): Promise<void>;
}

export const defineJob = (job: Job): Job => job;

export interface RunningJobs {
  /** Lets every pass finish its batch, for at most 15 s, and gives the leases back. */
  stop(): Promise<void>;
  /** Runs one pass now, wherever the lease is. Throws what the pass throws. */
  runNow(name: string): Promise<void>;
}

const LEASE_MS = 30_000;
const STOP_LIMIT_MS = 15_000;
const MAX_BACKOFF_MS = 60_000;
/** Jobs with a longer period remember when they last ran: a restart does not repeat them. */
const REMEMBERED_FROM_MS = 60_000;

/**
 * Runs `jobs` until stopped, each by itself. A pass that throws is logged and tried again, later each time; it ends
 * nothing else.
 */
export function startJobs(deps: Deps, jobs: readonly Job[]): RunningJobs {
  const stopping = new AbortController();
  const holder = deps.random.uuid();
  const loops = jobs.map((job) => runLoop(deps, job, holder, stopping.signal));
  return {
    async stop() {
      stopping.abort();
      const done = Promise.all(loops).then(() => true);
      if (!(await Promise.race([done, sleep(STOP_LIMIT_MS).then(() => false)])))
        deps.log.warn("jobs did not stop in time", { limit_ms: STOP_LIMIT_MS });
      await releaseLeases(deps.db, holder, deps.clock.now());
    },
    async runNow(name) {
      const job = jobs.find((one) => one.name === name);
      if (!job) throw new Error(`no job ${name}`);
      await job.run(deps, stopping.signal);
    },
  };
}

async function runLoop(deps: Deps, job: Job, holder: string, stopping: AbortSignal): Promise<void> {
  let failures = 0;
  let heldUntilMs = 0;
  while (!stopping.aborted) {
    let waitMs = job.everyMs;
    try {
      const now = deps.clock.now();
      // The lease is kept between passes, and prolonged at half its life: an idle server writes little.
      if (heldUntilMs - now.getTime() < LEASE_MS / 2) {
        const until = new Date(now.getTime() + LEASE_MS);
        const lease = await takeLease(deps.db, { name: job.name, holder, at: now, until });
        heldUntilMs = lease ? until.getTime() : 0;
        const early = lease && remainingMs(job, lease.lastFinishedAt, now);
        if (!lease || early) {
          await sleep(early || LEASE_MS / 3, stopping);
          continue;
        }
      }
      await runLeased(deps, job, holder, stopping);
      failures = 0;
    } catch (error) {
      failures += 1;
      waitMs = Math.min(job.everyMs * 2 ** failures, Math.max(MAX_BACKOFF_MS, job.everyMs));
      deps.log.error("job failed", {
        job: job.name,
        kind: kindOf(error),
        failures,
        retry_in_ms: waitMs,
      });
    }
    await sleep(waitMs, stopping);
  }
}

/** How long until a remembered job is due again; 0 when it is due. */
function remainingMs({ everyMs }: Job, lastFinishedAt: Date | null, now: Date): number {
  if (everyMs < REMEMBERED_FROM_MS || lastFinishedAt === null) return 0;
  const left = lastFinishedAt.getTime() + everyMs - now.getTime();
  return Math.max(0, left);
}

/** One pass, its lease prolonged as long as it runs. A lost lease ends the pass at its next batch. */
async function runLeased(
  deps: Deps,
  job: Job,
  holder: string,
  stopping: AbortSignal,
): Promise<void> {
  const lost = new AbortController();
  const prolong = setInterval(async () => {
    const at = deps.clock.now();
    const until = new Date(at.getTime() + LEASE_MS);
    const kept = await takeLease(deps.db, { name: job.name, holder, at, until }).catch(() => null);
    if (kept === undefined) lost.abort();
  }, LEASE_MS / 3);
  try {
    await job.run(deps, AbortSignal.any([stopping, lost.signal]));
    if (job.everyMs >= REMEMBERED_FROM_MS)
      await noteFinished(deps.db, { name: job.name, holder, at: deps.clock.now() });
  } finally {
    clearInterval(prolong);
  }
}

/** Resolves after `ms`, or as soon as `signal` is aborted. */
function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
  });
}
