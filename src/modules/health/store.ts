import { sql } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { dialect } from "../../../db/dialect.ts";
import { migrations } from "../../../db/migrations/index.ts";
import { instanceFacts } from "../../../db/schema/platform.ts";

const PROBE = "last_probe";

/** Writes one row: a full or read-only disk still answers reads. */
export async function writeProbe(tx: Tx, at: Date): Promise<void> {
  await tx
    .insert(instanceFacts)
    .values({ name: PROBE, value: "", updatedAt: at })
    .onConflictDoUpdate({ target: instanceFacts.name, set: { updatedAt: at } });
}

/** Whether every migration of this binary was applied. The ledger is not in the schema: migrations make it. */
export async function isMigrated(q: Reader): Promise<boolean> {
  const rows = await q.select({ last: sql<string | null>`max(tag)` }).from(sql`schema_migrations`);
  return rows[0]?.last === migrations[dialect].at(-1)?.tag;
}
