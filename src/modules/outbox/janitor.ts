import type { Deps } from "../../deps.ts";
import { defineJob } from "../../platform/jobs/runner.ts";
import { removeBatch, SWEEPS, type Sweep } from "./janitor-store.ts";

const BATCH = 500;

/** Removes what is of no use any more, a batch a transaction, so that requests get their turn in between. */
export const janitorJob = defineJob({
  name: "janitor",
  everyMs: 3_600_000,
  async run(deps, signal) {
    for (const sweep of SWEEPS) await runSweep(deps, sweep, signal);
  },
});

async function runSweep({ config, clock, db }: Deps, sweep: Sweep, signal: AbortSignal) {
  const before = new Date(clock.now().getTime() - sweep.keepMs(config));
  while (!signal.aborted && (await removeBatch(db, sweep, before, BATCH)) === BATCH) {}
}
