import { and, eq, lte, or } from "drizzle-orm";
import type { Db } from "../../../db/client.ts";
import { jobLeases } from "../../../db/schema/index.ts";

/** Whoever holds the lease of a job runs it; of many instances, one does. */
export interface Lease {
  readonly holder: string;
  readonly name: string;
  readonly at: Date;
  readonly until: Date;
}

/**
 * Takes the lease, or prolongs one's own. Answers when the job last finished (null: never), undefined when another
 * holder has it.
 */
export async function takeLease(
  db: Db,
  { name, holder, at, until }: Lease,
): Promise<{ lastFinishedAt: Date | null } | undefined> {
  const [row] = await db.transaction((tx) =>
    tx
      .insert(jobLeases)
      .values({ name, holder, leaseUntil: until })
      .onConflictDoUpdate({
        target: jobLeases.name,
        set: { holder, leaseUntil: until },
        setWhere: or(eq(jobLeases.holder, holder), lte(jobLeases.leaseUntil, at)),
      })
      .returning({ lastFinishedAt: jobLeases.lastFinishedAt }),
  );
  return row;
}

/** Notes that a pass has ended, so that an hourly job does not run at every start. */
export async function noteFinished(
  db: Db,
  { name, holder, at }: Pick<Lease, "name" | "holder" | "at">,
): Promise<void> {
  await db.transaction(async (tx) => {
    await tx
      .update(jobLeases)
      .set({ lastFinishedAt: at })
      .where(and(eq(jobLeases.name, name), eq(jobLeases.holder, holder)));
  });
}

/** Lets another instance begin at once. */
export async function releaseLeases(db: Db, holder: string, at: Date): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.update(jobLeases).set({ leaseUntil: at }).where(eq(jobLeases.holder, holder));
  });
}
