import { and, asc, desc, eq, gt, inArray, isNull, lte, or, sql } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { preparedWrite } from "../../../db/prepared.ts";
import { deadLetters, outboxEvents } from "../../../db/schema/index.ts";

export type OutboxRow = typeof outboxEvents.$inferSelect;
export type DeadLetterRow = typeof deadLetters.$inferSelect;

export const insertOutboxEvent = preparedWrite(
  (
    tx,
    p: Pick<
      OutboxRow,
      "id" | "aggregateId" | "tenantId" | "topic" | "eventType" | "payload" | "createdAt"
    >,
  ) =>
    tx.insert(outboxEvents).values({
      id: p.id,
      aggregateId: p.aggregateId,
      tenantId: p.tenantId,
      topic: p.topic,
      eventType: p.eventType,
      payload: p.payload,
      createdAt: p.createdAt,
      dueAt: p.createdAt,
    }),
);

const isFree = (now: Date) =>
  and(
    lte(outboxEvents.dueAt, now),
    or(isNull(outboxEvents.leaseUntil), lte(outboxEvents.leaseUntil, now)),
  );

/** Ids of events that are due and that nobody is at, oldest first. */
export async function dueIds(q: Reader, now: Date, limit: number): Promise<string[]> {
  const rows = await q
    .select({ id: outboxEvents.id })
    .from(outboxEvents)
    .where(isFree(now))
    .orderBy(asc(outboxEvents.dueAt), asc(outboxEvents.id))
    .limit(limit);
  return rows.map(({ id }) => id);
}

/** Takes those of `ids` that are still free until `leaseUntil`; oldest first. */
export async function claimEvents(
  tx: Tx,
  ids: readonly string[],
  now: Date,
  leaseUntil: Date,
): Promise<OutboxRow[]> {
  const rows = await tx
    .update(outboxEvents)
    .set({ leaseUntil })
    .where(and(inArray(outboxEvents.id, [...ids]), isFree(now)))
    .returning();
  return rows.sort((a, b) => (a.id < b.id ? -1 : 1)); // ids are of their time
}

/**
 * Notes the success of those of `rows` whose lease is still the one that was taken. Answers how many: a dispatcher
 * that was thought dead must not deliver again what another has delivered.
 */
export async function markPublished(
  tx: Tx,
  rows: readonly OutboxRow[],
  now: Date,
): Promise<number> {
  const marked = await tx
    .update(outboxEvents)
    .set({ publishedAt: now, lastAttemptAt: now, dueAt: null, leaseUntil: null })
    .where(
      and(
        inArray(
          outboxEvents.id,
          rows.map(({ id }) => id),
        ),
        eq(outboxEvents.leaseUntil, rows[0]!.leaseUntil!),
      ),
    )
    .returning({ id: outboxEvents.id });
  return marked.length;
}

export async function markFailed(
  tx: Tx,
  row: OutboxRow,
  failure: { attempts: number; lastError: string; at: Date; dueAt: Date },
): Promise<void> {
  const { attempts, lastError, at, dueAt } = failure;
  await tx
    .update(outboxEvents)
    .set({ attempts, lastError, lastAttemptAt: at, dueAt, leaseUntil: null })
    .where(and(eq(outboxEvents.id, row.id), eq(outboxEvents.leaseUntil, row.leaseUntil!)));
}

/** Moves an event to the dead letters, unless somebody else has dealt with it meanwhile. */
export async function bury(
  tx: Tx,
  row: OutboxRow,
  { attempts, lastError, at }: { attempts: number; lastError: string; at: Date },
): Promise<void> {
  const [removed] = await tx
    .delete(outboxEvents)
    .where(and(eq(outboxEvents.id, row.id), eq(outboxEvents.leaseUntil, row.leaseUntil!)))
    .returning();
  if (!removed) return;
  const { id, aggregateId, tenantId, topic, eventType, payload, createdAt } = removed;
  await tx.insert(deadLetters).values({
    ...{ id, aggregateId, tenantId, topic, eventType, payload, createdAt },
    ...{ attempts, lastError, deadLetteredAt: at },
  });
}

/** Newest first; of one tenant, or of all when `tenantId` is undefined. */
export function listDeadLetters(
  q: Reader,
  tenantId: string | undefined,
  limit: number,
): Promise<DeadLetterRow[]> {
  return q
    .select()
    .from(deadLetters)
    .where(tenantId === undefined ? undefined : eq(deadLetters.tenantId, tenantId))
    .orderBy(desc(deadLetters.deadLetteredAt), desc(deadLetters.id))
    .limit(limit);
}

/** Puts a dead letter back into the queue, as if it were new. Undefined when there is none such. */
export async function revive(
  tx: Tx,
  id: string,
  tenantId: string | undefined,
  now: Date,
): Promise<DeadLetterRow | undefined> {
  const [row] = await tx
    .delete(deadLetters)
    .where(
      and(
        eq(deadLetters.id, id),
        tenantId === undefined ? undefined : eq(deadLetters.tenantId, tenantId),
      ),
    )
    .returning();
  if (!row) return undefined;
  const { aggregateId, topic, eventType, payload, createdAt } = row;
  await tx.insert(outboxEvents).values({
    ...{ id, aggregateId, tenantId: row.tenantId, topic, eventType, payload, createdAt },
    dueAt: now,
  });
  return row;
}

/** Events and dead letters about a user: their payloads may hold an address. */
export async function deleteEventsAbout(tx: Tx, userId: string): Promise<void> {
  await tx.delete(outboxEvents).where(eq(outboxEvents.aggregateId, userId));
  await tx.delete(deadLetters).where(eq(deadLetters.aggregateId, userId));
}

/** Every instant that a row can hold lies after it; a range keeps the count on its index. */
const EVER = new Date(0);

/** How many events wait, and how many were given up; each counted up to `cap`. */
export async function countBacklog(
  q: Reader,
  cap: number,
): Promise<{ waiting: number; dead: number }> {
  const waiting = q
    .select({ id: outboxEvents.id })
    .from(outboxEvents)
    .where(gt(outboxEvents.dueAt, EVER))
    .limit(cap)
    .as("waiting");
  const dead = q
    .select({ id: deadLetters.id })
    .from(deadLetters)
    .where(gt(deadLetters.deadLetteredAt, EVER))
    .limit(cap)
    .as("dead");
  const count = sql<number | string>`count(*)`; // Postgres answers a bigint, as text
  const [waitingRow] = await q.select({ count }).from(waiting);
  const [deadRow] = await q.select({ count }).from(dead);
  return { waiting: Number(waitingRow?.count), dead: Number(deadRow?.count) };
}
