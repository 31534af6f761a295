import { eq } from "drizzle-orm";
import type { Db } from "../../../db/client.ts";
import { instanceFacts } from "../../../db/schema/platform.ts";
import type { Deps } from "../../deps.ts";
import { defineJob } from "../jobs/runner.ts";

const FACT = "sealing_key_id";

/**
 * After a change of `SECRETS_KEY`: seals everything under the new key, so that the old one can leave
 * `SECRETS_KEYS_RETIRED` (contract 08 §6). Costs one look-up an hour while there is nothing to do.
 */
export const rekeyJob = defineJob({
  name: "rekey",
  everyMs: 3_600_000,
  async run(deps, signal) {
    const current = await deps.sealer.currentKeyId();
    if ((await lastKeyOf(deps.db)) === current) return;
    for (const table of deps.subjectData) await rekeyTable(deps, table, signal);
    if (signal.aborted) return; // the next pass begins anew; what is done is passed over quickly
    await rememberKey(deps, current);
  },
});

async function rekeyTable(
  deps: Deps,
  { rekey }: Deps["subjectData"][number],
  signal: AbortSignal,
): Promise<void> {
  if (!rekey) return;
  let after: string | undefined;
  do {
    const from = after;
    after = await deps.db.transaction((tx) => rekey(tx, deps.sealer.reseal, from));
  } while (after !== undefined && !signal.aborted);
}

async function lastKeyOf(db: Db): Promise<string | undefined> {
  const [fact] = await db.read.select().from(instanceFacts).where(eq(instanceFacts.name, FACT));
  return fact?.value;
}

async function rememberKey({ db, clock }: Deps, value: string): Promise<void> {
  const updatedAt = clock.now();
  await db.transaction(async (tx) => {
    await tx
      .insert(instanceFacts)
      .values({ name: FACT, value, updatedAt })
      .onConflictDoUpdate({ target: instanceFacts.name, set: { value, updatedAt } });
  });
}
