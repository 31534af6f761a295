import type { Tx } from "../../../db/client.ts";
import { mailMessages } from "../../../db/schema/index.ts";

export type MessageRow = typeof mailMessages.$inferSelect;

export async function insertMessage(tx: Tx, row: typeof mailMessages.$inferInsert): Promise<void> {
  await tx.insert(mailMessages).values(row);
}
