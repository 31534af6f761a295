import type { Tx } from "../../../db/client.ts";
import { outboxEvents } from "../../../db/schema/index.ts";

export type OutboxRow = typeof outboxEvents.$inferSelect;

export async function insertOutboxEvent(
  tx: Tx,
  row: typeof outboxEvents.$inferInsert,
): Promise<void> {
  await tx.insert(outboxEvents).values(row);
}
