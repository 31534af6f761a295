import { and, desc, eq, gt, inArray, isNull, lte, or, type SQL } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { before, type Cursor } from "../../../db/keyset.ts";
import { prepared } from "../../../db/prepared.ts";
import { apiKeySecrets, apiKeys, memberships, tenants, users } from "../../../db/schema/index.ts";

export type ApiKeyRow = typeof apiKeys.$inferSelect;
export type ApiKeySecretRow = typeof apiKeySecrets.$inferSelect;

/** All that authentication must know of a key: one statement. */
export const selectByPrefix = prepared((q, p: { prefix: string }) =>
  q
    .select({
      id: apiKeys.id,
      tenantId: apiKeys.tenantId,
      userId: apiKeys.userId,
      createdBy: apiKeys.createdBy,
      scopes: apiKeys.scopes,
      expiresAt: apiKeys.expiresAt,
      lastUsedAt: apiKeys.lastUsedAt,
      revokedAt: apiKeys.revokedAt,
      secretHash: apiKeySecrets.secretHash,
      secretExpiresAt: apiKeySecrets.expiresAt,
      tenantStatus: tenants.status,
      userStatus: users.status,
      isMember: memberships.active,
    })
    .from(apiKeySecrets)
    .innerJoin(apiKeys, eq(apiKeys.id, apiKeySecrets.apiKeyId))
    .innerJoin(tenants, eq(tenants.id, apiKeys.tenantId))
    .leftJoin(users, eq(users.id, apiKeys.userId))
    .leftJoin(
      memberships,
      and(eq(memberships.tenantId, apiKeys.tenantId), eq(memberships.userId, apiKeys.userId)),
    )
    .where(eq(apiKeySecrets.prefix, p.prefix)),
);

/** "Used just now", for many at once. */
export async function touchApiKeys(tx: Tx, ids: readonly string[], at: Date): Promise<void> {
  await tx
    .update(apiKeys)
    .set({ lastUsedAt: at })
    .where(inArray(apiKeys.id, [...ids]));
}

const isActive = (now: Date) =>
  and(isNull(apiKeys.revokedAt), or(isNull(apiKeys.expiresAt), gt(apiKeys.expiresAt, now)));

/** How many of the tenant's keys work, counted up to `limit`. */
export async function countActive(
  q: Reader,
  tenantId: string,
  now: Date,
  limit: number,
): Promise<number> {
  const rows = await q
    .select({ id: apiKeys.id })
    .from(apiKeys)
    .where(and(eq(apiKeys.tenantId, tenantId), isActive(now)))
    .limit(limit);
  return rows.length;
}

export async function insertApiKey(tx: Tx, row: ApiKeyRow): Promise<void> {
  await tx.insert(apiKeys).values(row);
}

/** False when the prefix is taken. */
export async function insertSecret(tx: Tx, row: ApiKeySecretRow): Promise<boolean> {
  const inserted = await tx.insert(apiKeySecrets).values(row).onConflictDoNothing().returning();
  return inserted.length > 0;
}

/** Removes the secrets of a key that are past their grace. */
export async function deleteExpiredSecrets(tx: Tx, apiKeyId: string, now: Date): Promise<void> {
  await tx
    .delete(apiKeySecrets)
    .where(and(eq(apiKeySecrets.apiKeyId, apiKeyId), lte(apiKeySecrets.expiresAt, now)));
}

/** No secret of the key lives longer than to `at`. */
export async function expireSecrets(tx: Tx, apiKeyId: string, at: Date): Promise<void> {
  await tx
    .update(apiKeySecrets)
    .set({ expiresAt: at })
    .where(
      and(
        eq(apiKeySecrets.apiKeyId, apiKeyId),
        or(isNull(apiKeySecrets.expiresAt), gt(apiKeySecrets.expiresAt, at)),
      ),
    );
}

export async function setPrefix(tx: Tx, id: string, prefix: string): Promise<void> {
  await tx.update(apiKeys).set({ prefix }).where(eq(apiKeys.id, id));
}

export async function findApiKey(
  q: Reader,
  tenantId: string,
  id: string,
): Promise<ApiKeyRow | undefined> {
  const [row] = await q
    .select()
    .from(apiKeys)
    .where(and(eq(apiKeys.id, id), eq(apiKeys.tenantId, tenantId)));
  return row;
}

/** Newest first. */
export const listApiKeys = (
  q: Reader,
  tenantId: string,
  { limit, after }: { limit: number; after: Cursor | undefined },
): Promise<ApiKeyRow[]> =>
  q
    .select()
    .from(apiKeys)
    .where(
      and(eq(apiKeys.tenantId, tenantId), after && before(apiKeys.createdAt, apiKeys.id, after)),
    )
    .orderBy(desc(apiKeys.createdAt), desc(apiKeys.id))
    .limit(limit);

/** Undefined when it is unknown, another tenant's, or revoked before. */
export async function revokeApiKey(
  tx: Tx,
  tenantId: string,
  id: string,
  at: Date,
): Promise<ApiKeyRow | undefined> {
  const [row] = await revokeWhere(tx, at, and(eq(apiKeys.id, id), eq(apiKeys.tenantId, tenantId)));
  return row;
}

/** Keys bound to the user, in one tenant or in all; without a user, all of the tenant. */
export async function revokeKeysOf(
  tx: Tx,
  { userId, tenantId, at }: { userId?: string; tenantId?: string; at: Date },
): Promise<number> {
  const which = [
    ...(userId === undefined ? [] : [eq(apiKeys.userId, userId)]),
    ...(tenantId === undefined ? [] : [eq(apiKeys.tenantId, tenantId)]),
  ];
  // Never every key there is, whatever a caller forgot to name.
  if (which.length === 0) return 0;
  return (await revokeWhere(tx, at, and(...which))).length;
}

/** Keys bound to a user or made by them. */
export async function revokeKeysBy(tx: Tx, userId: string, at: Date): Promise<void> {
  await revokeWhere(tx, at, or(eq(apiKeys.userId, userId), eq(apiKeys.createdBy, userId)));
}

async function revokeWhere(tx: Tx, at: Date, which: SQL | undefined): Promise<ApiKeyRow[]> {
  const revoked = await tx
    .update(apiKeys)
    .set({ revokedAt: at })
    .where(and(which, isNull(apiKeys.revokedAt)))
    .returning();
  if (revoked.length > 0)
    await tx.delete(apiKeySecrets).where(
      inArray(
        apiKeySecrets.apiKeyId,
        revoked.map(({ id }) => id),
      ),
    );
  return revoked;
}

export const apiKeysOfUser = (q: Reader, userId: string): Promise<ApiKeyRow[]> =>
  q.select().from(apiKeys).where(eq(apiKeys.userId, userId));
