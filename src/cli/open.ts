import { destination } from "pino";
import type { Config } from "../config.ts";
import { closeDeps, createDeps } from "../create-deps.ts";
import type { Deps } from "../deps.ts";
import { createClock } from "../platform/clock.ts";
import { createLog } from "../platform/log.ts";
import { assertCurrent } from "./migrations.ts";

/**
 * Runs a command on the database that a server may be using meanwhile. Refuses (CommandError) one whose schema is not
 * this version's. Log lines go to stderr: stdout is the command's result.
 */
export async function withDeps<T>(config: Config, work: (deps: Deps) => Promise<T>): Promise<T> {
  await assertCurrent(config);
  const clock = createClock();
  const log = createLog(config, clock.now, destination({ dest: 2, sync: true }));
  const deps = await createDeps(config, { clock, log });
  try {
    return await work(deps);
  } finally {
    await closeDeps(deps);
  }
}
