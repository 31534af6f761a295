import { and, eq, gt, isNull } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { magicLinks, passwordResets } from "../../../db/schema/index.ts";

export type ResetRow = typeof passwordResets.$inferSelect;
export type MagicLinkRow = typeof magicLinks.$inferSelect;

export async function insertReset(tx: Tx, row: typeof passwordResets.$inferInsert): Promise<void> {
  await tx.insert(passwordResets).values(row);
}

export async function insertMagicLink(tx: Tx, row: typeof magicLinks.$inferInsert): Promise<void> {
  await tx.insert(magicLinks).values(row);
}

export async function findReset(q: Reader, tokenHash: string): Promise<ResetRow | undefined> {
  const [row] = await q
    .select()
    .from(passwordResets)
    .where(eq(passwordResets.tokenHash, tokenHash));
  return row;
}

export async function findMagicLink(
  q: Reader,
  tokenHash: string,
): Promise<MagicLinkRow | undefined> {
  const [row] = await q.select().from(magicLinks).where(eq(magicLinks.tokenHash, tokenHash));
  return row;
}

/** True for the one caller who used it up; false for all when it was voided meanwhile. */
export async function consumeReset(tx: Tx, id: string, at: Date): Promise<boolean> {
  const used = await tx
    .update(passwordResets)
    .set({ usedAt: at })
    .where(
      and(
        eq(passwordResets.id, id),
        isNull(passwordResets.usedAt),
        gt(passwordResets.expiresAt, at),
      ),
    )
    .returning({ id: passwordResets.id });
  return used.length === 1;
}

export async function consumeMagicLink(tx: Tx, id: string, at: Date): Promise<boolean> {
  const used = await tx
    .update(magicLinks)
    .set({ usedAt: at })
    .where(and(eq(magicLinks.id, id), isNull(magicLinks.usedAt), gt(magicLinks.expiresAt, at)))
    .returning({ id: magicLinks.id });
  return used.length === 1;
}

/** Unused tokens of the user end: they are expired from now on. */
export async function voidResets(tx: Tx, userId: string, at: Date): Promise<void> {
  await tx
    .update(passwordResets)
    .set({ expiresAt: at })
    .where(and(eq(passwordResets.userId, userId), isNull(passwordResets.usedAt)));
}

export async function voidMagicLinks(tx: Tx, userId: string, at: Date): Promise<void> {
  await tx
    .update(magicLinks)
    .set({ expiresAt: at })
    .where(and(eq(magicLinks.userId, userId), isNull(magicLinks.usedAt)));
}

export async function deleteTokensOf(tx: Tx, userId: string): Promise<void> {
  await tx.delete(passwordResets).where(eq(passwordResets.userId, userId));
  await tx.delete(magicLinks).where(eq(magicLinks.userId, userId));
}
