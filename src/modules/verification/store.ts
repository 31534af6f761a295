import { and, desc, eq, gt, isNull, sql } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { smsCounters, verifications } from "../../../db/schema/index.ts";

export type VerificationRow = typeof verifications.$inferSelect;
export type Purpose = VerificationRow["purpose"];

export async function insertVerification(
  tx: Tx,
  row: typeof verifications.$inferInsert,
): Promise<void> {
  await tx.insert(verifications).values(row);
}

/** Codes of this purpose that are still open end: only the newest counts. */
export async function voidOpen(tx: Tx, userId: string, purpose: Purpose, at: Date): Promise<void> {
  await tx
    .update(verifications)
    .set({ expiresAt: at })
    .where(
      and(
        eq(verifications.userId, userId),
        eq(verifications.purpose, purpose),
        isNull(verifications.usedAt),
        sql`${verifications.expiresAt} > ${sql.param(at, verifications.expiresAt)}`,
      ),
    );
}

export async function newest(
  q: Reader,
  userId: string,
  purpose: Purpose,
): Promise<VerificationRow | undefined> {
  const [row] = await q
    .select()
    .from(verifications)
    .where(and(eq(verifications.userId, userId), eq(verifications.purpose, purpose)))
    .orderBy(desc(verifications.createdAt), desc(verifications.id))
    .limit(1);
  return row;
}

/** Codes made for a user since an instant, counted up to `most`. */
export async function countSince(
  q: Reader,
  { userId, purpose, since }: { userId: string; purpose: Purpose; since: Date },
  most: number,
): Promise<number> {
  const rows = await q
    .select({ id: verifications.id })
    .from(verifications)
    .where(
      and(
        eq(verifications.userId, userId),
        eq(verifications.purpose, purpose),
        gt(verifications.createdAt, since),
      ),
    )
    .limit(most);
  return rows.length;
}

export async function findVerification(
  q: Reader,
  id: string,
): Promise<VerificationRow | undefined> {
  const [row] = await q.select().from(verifications).where(eq(verifications.id, id));
  return row;
}

/** True for the one caller who used it up. */
export async function consume(tx: Tx, id: string, at: Date): Promise<boolean> {
  const used = await tx
    .update(verifications)
    .set({ usedAt: at })
    .where(and(eq(verifications.id, id), isNull(verifications.usedAt)))
    .returning({ id: verifications.id });
  return used.length === 1;
}

/** Counts a try before it is judged; undefined when there are none left. */
export async function spendTry(tx: Tx, id: string, maxTries: number): Promise<number | undefined> {
  const [row] = await tx
    .update(verifications)
    .set({ failedCount: sql`${verifications.failedCount} + 1` })
    .where(
      and(
        eq(verifications.id, id),
        isNull(verifications.usedAt),
        sql`${verifications.failedCount} < ${maxTries}`,
      ),
    )
    .returning({ failedCount: verifications.failedCount });
  return row?.failedCount;
}

/** Counts one more message under a key, and answers how many there are. */
export async function countMessage(tx: Tx, key: string, expiresAt: Date): Promise<number> {
  const [row] = await tx
    .insert(smsCounters)
    .values({ key, sentCount: 1, expiresAt })
    .onConflictDoUpdate({
      target: smsCounters.key,
      set: { sentCount: sql`${smsCounters.sentCount} + 1` },
    })
    .returning({ sentCount: smsCounters.sentCount });
  return row!.sentCount;
}

export async function deleteVerificationsOf(tx: Tx, userId: string): Promise<void> {
  await tx.delete(verifications).where(eq(verifications.userId, userId));
}
