import { and, asc, desc, eq, gt, inArray, isNotNull, isNull, lte, or, sql } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { mailMessages } from "../../../db/schema/index.ts";

export type MessageRow = typeof mailMessages.$inferSelect;

export async function insertMessage(tx: Tx, row: typeof mailMessages.$inferInsert): Promise<void> {
  await tx.insert(mailMessages).values(row);
}

const isFree = (now: Date) =>
  and(
    lte(mailMessages.dueAt, now),
    or(isNull(mailMessages.leaseUntil), lte(mailMessages.leaseUntil, now)),
  );

/** Ids of messages that are due and that nobody is at, oldest first. */
export async function dueMessageIds(q: Reader, now: Date, limit: number): Promise<string[]> {
  const rows = await q
    .select({ id: mailMessages.id })
    .from(mailMessages)
    .where(isFree(now))
    .orderBy(asc(mailMessages.dueAt), asc(mailMessages.id))
    .limit(limit);
  return rows.map(({ id }) => id);
}

/** Takes those of `ids` that are still free until `leaseUntil`. */
export function claimMessages(
  tx: Tx,
  ids: readonly string[],
  now: Date,
  leaseUntil: Date,
): Promise<MessageRow[]> {
  return tx
    .update(mailMessages)
    .set({ leaseUntil })
    .where(and(inArray(mailMessages.id, [...ids]), isFree(now)))
    .returning();
}

/** What became of an attempt, unless the lease ran out and somebody else is at it. */
export async function updateClaimed(
  tx: Tx,
  row: MessageRow,
  change: Partial<typeof mailMessages.$inferInsert>,
): Promise<void> {
  await tx
    .update(mailMessages)
    .set({ ...change, leaseUntil: null })
    .where(and(eq(mailMessages.id, row.id), eq(mailMessages.leaseUntil, row.leaseUntil!)));
}

/** Newest first. */
export function latestMessages(q: Reader, limit: number): Promise<MessageRow[]> {
  return q
    .select()
    .from(mailMessages)
    .orderBy(desc(mailMessages.createdAt), desc(mailMessages.id))
    .limit(limit);
}

export async function findMessage(q: Reader, id: string): Promise<MessageRow | undefined> {
  const [row] = await q.select().from(mailMessages).where(eq(mailMessages.id, id));
  return row;
}

export async function deleteMessagesOf(tx: Tx, userId: string): Promise<void> {
  await tx.delete(mailMessages).where(eq(mailMessages.userId, userId));
}

/** Messages whose content is still there, in the order of their ids. */
export function sealedMessages(
  tx: Tx,
  after: string | undefined,
  limit: number,
): Promise<MessageRow[]> {
  return tx
    .select()
    .from(mailMessages)
    .where(
      and(
        isNotNull(mailMessages.contentSealed),
        after === undefined ? undefined : gt(mailMessages.id, after),
      ),
    )
    .orderBy(asc(mailMessages.id))
    .limit(limit);
}

export async function putContent(tx: Tx, id: string, contentSealed: Uint8Array): Promise<void> {
  await tx.update(mailMessages).set({ contentSealed }).where(eq(mailMessages.id, id));
}

/** Every instant that a row can hold lies after it; a range keeps the count on its index. */
const EVER = new Date(0);

/** How many messages wait to be sent, counted up to `cap`. */
export async function countWaiting(q: Reader, cap: number): Promise<number> {
  const waiting = q
    .select({ id: mailMessages.id })
    .from(mailMessages)
    .where(gt(mailMessages.dueAt, EVER))
    .limit(cap)
    .as("waiting");
  // Postgres answers a bigint, as text.
  const [row] = await q.select({ count: sql<number | string>`count(*)` }).from(waiting);
  return Number(row?.count);
}
