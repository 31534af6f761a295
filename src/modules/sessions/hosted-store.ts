/** The rows of hosted sessions. */
import { and, desc, eq, gt, lt } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { prepared } from "../../../db/prepared.ts";
import { loginSessions, users } from "../../../db/schema/index.ts";

export type LoginSessionRow = typeof loginSessions.$inferSelect;

export async function insertLoginSession(
  tx: Tx,
  row: typeof loginSessions.$inferInsert,
): Promise<void> {
  await tx.insert(loginSessions).values(row);
}

/** Hosted sessions of a user, or those that a tenant's own identity provider opened. */
export async function deleteLoginSessions(
  tx: Tx,
  {
    userId,
    tenantId,
  }: { readonly userId?: string | undefined; readonly tenantId?: string | undefined },
): Promise<number> {
  const deleted = await tx
    .delete(loginSessions)
    .where(
      and(
        userId === undefined ? undefined : eq(loginSessions.userId, userId),
        tenantId === undefined ? undefined : eq(loginSessions.pinnedTenantId, tenantId),
      ),
    )
    .returning({ id: loginSessions.id });
  return deleted.length;
}

/** A hosted session and whether its user may still use it, in one statement. */
export const selectHosted = prepared((q, p: { tokenHash: string }) =>
  q
    .select({
      id: loginSessions.id,
      userId: loginSessions.userId,
      pinnedTenantId: loginSessions.pinnedTenantId,
      authTime: loginSessions.authTime,
      amr: loginSessions.amr,
      mfaAt: loginSessions.mfaAt,
      createdAt: loginSessions.createdAt,
      expiresAt: loginSessions.expiresAt,
      email: users.email,
      displayName: users.displayName,
      userStatus: users.status,
      userDeletedAt: users.deletedAt,
    })
    .from(loginSessions)
    .innerJoin(users, eq(users.id, loginSessions.userId))
    .where(eq(loginSessions.tokenHash, p.tokenHash)),
);

/** False when it ended meanwhile. */
export async function extendLoginSession(
  tx: Tx,
  { id, expiresAt, lastSeenAt }: { id: string; expiresAt: Date; lastSeenAt: Date },
): Promise<boolean> {
  const extended = await tx
    .update(loginSessions)
    .set({ expiresAt, lastSeenAt })
    .where(and(eq(loginSessions.id, id), lt(loginSessions.expiresAt, expiresAt)))
    .returning({ id: loginSessions.id });
  return extended.length === 1;
}

/** Undefined when there is none. */
export async function deleteLoginSession(
  tx: Tx,
  by:
    | { readonly tokenHash: string; readonly userId?: string }
    | { readonly id: string; readonly userId: string },
): Promise<LoginSessionRow | undefined> {
  const [row] = await tx
    .delete(loginSessions)
    .where(
      "tokenHash" in by
        ? and(
            eq(loginSessions.tokenHash, by.tokenHash),
            by.userId === undefined ? undefined : eq(loginSessions.userId, by.userId),
          )
        : and(eq(loginSessions.id, by.id), eq(loginSessions.userId, by.userId)),
    )
    .returning();
  return row;
}

export const listLoginSessions = (
  q: Reader,
  userId: string,
  now: Date,
): Promise<LoginSessionRow[]> =>
  q
    .select()
    .from(loginSessions)
    .where(and(eq(loginSessions.userId, userId), gt(loginSessions.expiresAt, now)))
    .orderBy(desc(loginSessions.createdAt))
    .limit(100);
