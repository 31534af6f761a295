import { and, asc, between, desc, eq, gt, gte, isNull, lt, or, type SQL, sql } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { prepared, preparedWrite } from "../../../db/prepared.ts";
import { auditEvents, auditLogs, auditNodes } from "../../../db/schema/index.ts";

export type AuditRow = typeof auditEvents.$inferSelect;
export type HeadRow = typeof auditLogs.$inferSelect;

/** The log that a tenant's events are in; the platform's own has no tenant. */
export const logIdOf = (tenantId: string | null): string => tenantId ?? "platform";

const headById = prepared((q, p: { logId: string }) =>
  q.select().from(auditLogs).where(eq(auditLogs.logId, p.logId)),
);

export async function findHead(q: Reader, logId: string): Promise<HeadRow | undefined> {
  const [head] = await headById(q, { logId });
  return head;
}

/** Every transaction that changes anything comes through here: the four statements of an append are prepared. */
export const insertEvent = preparedWrite((tx, p: Omit<AuditRow, "erasedAt">) =>
  tx.insert(auditEvents).values({
    id: p.id,
    logId: p.logId,
    seq: p.seq,
    chainVersion: p.chainVersion,
    tenantId: p.tenantId,
    actorUserId: p.actorUserId,
    actorType: p.actorType,
    action: p.action,
    resourceType: p.resourceType,
    resourceId: p.resourceId,
    ip: p.ip,
    userAgent: p.userAgent,
    requestId: p.requestId,
    metadata: p.metadata,
    createdAt: p.createdAt,
    prevHash: p.prevHash,
    rowHash: p.rowHash,
    salt: p.salt,
    seals: p.seals,
  }),
);

type NodeValues = Record<string, string | number | Uint8Array>;
const nodeInserts = new Map<number, (tx: Tx, values: NodeValues) => Promise<unknown>>();

/** One statement for a leaf and the nodes that it completes: one row half of the time, two a quarter, and so on. */
export async function insertNodes(
  tx: Tx,
  logId: string,
  nodes: readonly { level: number; idx: number; hash: Uint8Array }[],
): Promise<void> {
  let insert = nodeInserts.get(nodes.length);
  if (!insert) {
    insert = preparedWrite((writer, p: NodeValues) =>
      writer.insert(auditNodes).values(
        nodes.map((_, n) => ({
          logId: p.logId as string,
          level: p[`level${n}`] as number,
          idx: p[`idx${n}`] as number,
          hash: p[`hash${n}`] as Uint8Array,
        })),
      ),
    );
    nodeInserts.set(nodes.length, insert);
  }
  const values: NodeValues = { logId };
  nodes.forEach(({ level, idx, hash }, n) => {
    values[`level${n}`] = level;
    values[`idx${n}`] = idx;
    values[`hash${n}`] = hash;
  });
  await insert(tx, values);
}

/** Two first events of a log at once: Postgres answers a serialization failure here, and the loser runs again. */
export const putHead = preparedWrite((tx, p: HeadRow) =>
  tx
    .insert(auditLogs)
    .values({
      logId: p.logId,
      size: p.size,
      tipHash: p.tipHash,
      lastCreatedAt: p.lastCreatedAt,
      edge: p.edge,
    })
    .onConflictDoUpdate({
      target: auditLogs.logId,
      set: {
        size: sql`excluded.size`,
        tipHash: sql`excluded.tip_hash`,
        lastCreatedAt: sql`excluded.last_created_at`,
        edge: sql`excluded.edge`,
      },
    }),
);

/** What an index narrows a list down to; the rest is filtered row by row. */
export interface IndexedFilter {
  readonly action?: string;
  readonly actorUserId?: string;
  readonly resourceId?: string;
}

/** The index that serves `filter`: one of its members, else the log itself. */
function narrowed({ resourceId, actorUserId, action }: IndexedFilter): SQL | undefined {
  if (resourceId !== undefined) return eq(auditEvents.resourceId, resourceId);
  if (actorUserId !== undefined) return eq(auditEvents.actorUserId, actorUserId);
  if (action !== undefined) return eq(auditEvents.action, action);
  return undefined;
}

/** Events with `fromSeq` ≤ seq < `beforeSeq`, newest first. */
export function listEvents(
  q: Reader,
  logId: string,
  range: { readonly fromSeq: number; readonly beforeSeq: number },
  filter: IndexedFilter,
  limit: number,
): Promise<AuditRow[]> {
  return q
    .select()
    .from(auditEvents)
    .where(
      and(
        eq(auditEvents.logId, logId),
        narrowed(filter),
        gte(auditEvents.seq, range.fromSeq),
        lt(auditEvents.seq, range.beforeSeq),
      ),
    )
    .orderBy(desc(auditEvents.seq))
    .limit(limit);
}

/** Events after `seq`, oldest first: the order of the chain. */
export function eventsAfter(
  q: Reader,
  logId: string,
  seq: number,
  limit: number,
): Promise<AuditRow[]> {
  return q
    .select()
    .from(auditEvents)
    .where(and(eq(auditEvents.logId, logId), gt(auditEvents.seq, seq)))
    .orderBy(asc(auditEvents.seq))
    .limit(limit);
}

export async function findSeq(q: Reader, logId: string, id: string): Promise<number | undefined> {
  const [row] = await q
    .select({ seq: auditEvents.seq })
    .from(auditEvents)
    .where(and(eq(auditEvents.id, id), eq(auditEvents.logId, logId)));
  return row?.seq;
}

/** The first event at or after `seq`. */
export async function instantFrom(
  q: Reader,
  logId: string,
  seq: number,
): Promise<{ seq: number; createdAt: string } | undefined> {
  const [row] = await q
    .select({ seq: auditEvents.seq, createdAt: auditEvents.createdAt })
    .from(auditEvents)
    .where(and(eq(auditEvents.logId, logId), gte(auditEvents.seq, seq)))
    .orderBy(asc(auditEvents.seq))
    .limit(1);
  return row;
}

/** The last event and the last leaf that are stored, whatever the head row says; 0 when there is none. */
export async function storedSizes(
  q: Reader,
  logId: string,
): Promise<{ events: number; leaves: number }> {
  const [event] = await q
    .select({ seq: auditEvents.seq })
    .from(auditEvents)
    .where(eq(auditEvents.logId, logId))
    .orderBy(desc(auditEvents.seq))
    .limit(1);
  const [leaf] = await q
    .select({ idx: auditNodes.idx })
    .from(auditNodes)
    .where(and(eq(auditNodes.logId, logId), eq(auditNodes.level, 0)))
    .orderBy(desc(auditNodes.idx))
    .limit(1);
  return { events: event?.seq ?? 0, leaves: leaf === undefined ? 0 : leaf.idx + 1 };
}

export function nodesBetween(
  q: Reader,
  logId: string,
  { level, first, last }: { level: number; first: number; last: number },
): Promise<{ idx: number; hash: Uint8Array }[]> {
  return q
    .select({ idx: auditNodes.idx, hash: auditNodes.hash })
    .from(auditNodes)
    .where(
      and(
        eq(auditNodes.logId, logId),
        eq(auditNodes.level, level),
        between(auditNodes.idx, first, last),
      ),
    );
}

/** Events by or about a user that still hold personal data. */
export function unerasedEventsOf(q: Reader, userId: string, limit: number): Promise<AuditRow[]> {
  return q
    .select()
    .from(auditEvents)
    .where(
      and(
        or(eq(auditEvents.actorUserId, userId), eq(auditEvents.resourceId, userId)),
        isNull(auditEvents.erasedAt),
      ),
    )
    .limit(limit);
}

/** The one change that the database lets through, once a row. */
export async function eraseEvent(
  tx: Tx,
  id: string,
  metadata: string,
  erasedAt: Date,
): Promise<void> {
  await tx
    .update(auditEvents)
    .set({ ip: null, userAgent: null, salt: null, metadata, erasedAt })
    .where(eq(auditEvents.id, id));
}

/** Every log that there is, by id. */
export async function listLogIds(q: Reader, after: string, limit: number): Promise<string[]> {
  const rows = await q
    .select({ logId: auditLogs.logId })
    .from(auditLogs)
    .where(gt(auditLogs.logId, after))
    .orderBy(asc(auditLogs.logId))
    .limit(limit);
  return rows.map(({ logId }) => logId);
}
