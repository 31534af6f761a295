import { and, desc, eq, inArray, isNull, lt, or, type SQL } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { before, type Cursor } from "../../../db/keyset.ts";
import { prepared } from "../../../db/prepared.ts";
import { servicePrincipals, tenants } from "../../../db/schema/index.ts";

export type ServicePrincipalRow = typeof servicePrincipals.$inferSelect;

/** `last_used_at` is written at most this often. */
const TOUCH_MS = 60_000;

/** All that authentication must know of a principal: one statement. */
export const selectPrincipal = prepared((q, p: { id: string }) =>
  q
    .select({
      id: servicePrincipals.id,
      tenantId: servicePrincipals.tenantId,
      name: servicePrincipals.name,
      scopes: servicePrincipals.scopes,
      secretHash: servicePrincipals.secretHash,
      disabledAt: servicePrincipals.disabledAt,
      tenantStatus: tenants.status,
    })
    .from(servicePrincipals)
    .innerJoin(tenants, eq(tenants.id, servicePrincipals.tenantId))
    .where(eq(servicePrincipals.id, p.id)),
);

export async function insertPrincipal(tx: Tx, row: ServicePrincipalRow): Promise<void> {
  await tx.insert(servicePrincipals).values(row);
}

/** How many of the tenant's principals work, counted up to `limit`. */
export async function countActive(q: Reader, tenantId: string, limit: number): Promise<number> {
  const rows = await q
    .select({ id: servicePrincipals.id })
    .from(servicePrincipals)
    .where(and(eq(servicePrincipals.tenantId, tenantId), isNull(servicePrincipals.disabledAt)))
    .limit(limit);
  return rows.length;
}

export async function findPrincipal(
  q: Reader,
  tenantId: string,
  id: string,
): Promise<ServicePrincipalRow | undefined> {
  const [row] = await q
    .select()
    .from(servicePrincipals)
    .where(and(eq(servicePrincipals.id, id), eq(servicePrincipals.tenantId, tenantId)));
  return row;
}

/** Newest first, disabled ones too. */
export const listPrincipals = (
  q: Reader,
  tenantId: string,
  { limit, after }: { limit: number; after: Cursor | undefined },
): Promise<ServicePrincipalRow[]> =>
  q
    .select()
    .from(servicePrincipals)
    .where(
      and(
        eq(servicePrincipals.tenantId, tenantId),
        after && before(servicePrincipals.createdAt, servicePrincipals.id, after),
      ),
    )
    .orderBy(desc(servicePrincipals.createdAt), desc(servicePrincipals.id))
    .limit(limit);

/** False when it is unknown, another tenant's, or disabled. */
export async function setSecret(
  tx: Tx,
  { tenantId, id, secretHash }: { tenantId: string; id: string; secretHash: string },
): Promise<boolean> {
  const changed = await tx
    .update(servicePrincipals)
    .set({ secretHash })
    .where(
      and(
        eq(servicePrincipals.id, id),
        eq(servicePrincipals.tenantId, tenantId),
        isNull(servicePrincipals.disabledAt),
      ),
    )
    .returning({ id: servicePrincipals.id });
  return changed.length === 1;
}

/** Undefined when it is unknown, another tenant's, or disabled before. */
export async function disablePrincipal(
  tx: Tx,
  { tenantId, id, at }: { tenantId: string; id: string; at: Date },
): Promise<ServicePrincipalRow | undefined> {
  const which = and(eq(servicePrincipals.id, id), eq(servicePrincipals.tenantId, tenantId));
  return (await disableWhere(tx, at, which))[0];
}

/** Those of a tenant. */
export const disablePrincipalsOf = (tx: Tx, tenantId: string, at: Date) =>
  disableWhere(tx, at, eq(servicePrincipals.tenantId, tenantId));

/** Those that a user made. */
export const disablePrincipalsBy = (tx: Tx, userId: string, at: Date) =>
  disableWhere(tx, at, eq(servicePrincipals.createdBy, userId));

const disableWhere = (tx: Tx, at: Date, which: SQL | undefined): Promise<ServicePrincipalRow[]> =>
  tx
    .update(servicePrincipals)
    .set({ disabledAt: at })
    .where(and(which, isNull(servicePrincipals.disabledAt)))
    .returning();

/** "Used just now", for many at once. */
export async function touchPrincipals(tx: Tx, ids: readonly string[], at: Date): Promise<void> {
  const { lastUsedAt } = servicePrincipals;
  const isDue = or(isNull(lastUsedAt), lt(lastUsedAt, new Date(at.getTime() - TOUCH_MS)));
  await tx
    .update(servicePrincipals)
    .set({ lastUsedAt: at })
    .where(and(inArray(servicePrincipals.id, [...ids]), isDue));
}
