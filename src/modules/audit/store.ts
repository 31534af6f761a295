import { eq, sql } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { auditEvents, auditLogs, auditNodes } from "../../../db/schema/index.ts";

export type AuditRow = typeof auditEvents.$inferSelect;
export type NewAuditRow = typeof auditEvents.$inferInsert;
export type HeadRow = typeof auditLogs.$inferSelect;

/** The log that a tenant's events are in; the platform's own has no tenant. */
export const logIdOf = (tenantId: string | null): string => tenantId ?? "platform";

export async function findHead(q: Reader, logId: string): Promise<HeadRow | undefined> {
  const [head] = await q.select().from(auditLogs).where(eq(auditLogs.logId, logId));
  return head;
}

export async function insertEvent(tx: Tx, row: NewAuditRow): Promise<void> {
  await tx.insert(auditEvents).values(row);
}

export async function insertNodes(
  tx: Tx,
  nodes: readonly (typeof auditNodes.$inferInsert)[],
): Promise<void> {
  await tx.insert(auditNodes).values([...nodes]);
}

/** Two first events of a log at once: Postgres answers a serialization failure here, and the loser runs again. */
export async function putHead(tx: Tx, head: HeadRow): Promise<void> {
  await tx
    .insert(auditLogs)
    .values(head)
    .onConflictDoUpdate({
      target: auditLogs.logId,
      set: {
        size: sql`excluded.size`,
        tipHash: sql`excluded.tip_hash`,
        lastCreatedAt: sql`excluded.last_created_at`,
        edge: sql`excluded.edge`,
      },
    });
}
