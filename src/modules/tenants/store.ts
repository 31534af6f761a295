import { and, count, desc, eq, gte, isNull } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { beyond, type Cursor } from "../../../db/keyset.ts";
import { memberships, tenants } from "../../../db/schema/index.ts";

export type TenantRow = typeof tenants.$inferSelect;
export type TenantPatch = Partial<Omit<typeof tenants.$inferInsert, "id" | "slug">>;

/** Undefined for an unknown tenant and for a deleted one. */
export async function findTenant(q: Reader, id: string): Promise<TenantRow | undefined> {
  const [row] = await q
    .select()
    .from(tenants)
    .where(and(eq(tenants.id, id), isNull(tenants.deletedAt)));
  return row;
}

/** Tenants that a user is a member of, the newest first. */
export async function listTenantsOf(
  q: Reader,
  userId: string,
  { limit, after }: { limit: number; after: Cursor | undefined },
): Promise<TenantRow[]> {
  const rows = await q
    .select({ tenant: tenants })
    .from(memberships)
    .innerJoin(tenants, eq(tenants.id, memberships.tenantId))
    .where(
      and(
        eq(memberships.userId, userId),
        eq(memberships.active, true),
        isNull(tenants.deletedAt),
        after &&
          beyond("desc", [
            [memberships.tenantCreatedAt, after.at],
            [memberships.tenantId, after.id],
          ]),
      ),
    )
    .orderBy(desc(memberships.tenantCreatedAt), desc(memberships.tenantId))
    .limit(limit);
  return rows.map(({ tenant }) => tenant);
}

/** Undefined when the slug is taken, also by a deleted tenant. */
export async function insertTenant(
  tx: Tx,
  row: typeof tenants.$inferInsert,
): Promise<TenantRow | undefined> {
  const [inserted] = await tx.insert(tenants).values(row).onConflictDoNothing().returning();
  return inserted;
}

/** Undefined when the tenant is gone. */
export async function updateTenant(
  tx: Tx,
  id: string,
  patch: TenantPatch,
): Promise<TenantRow | undefined> {
  const [updated] = await tx
    .update(tenants)
    .set(patch)
    .where(and(eq(tenants.id, id), isNull(tenants.deletedAt)))
    .returning();
  return updated;
}

export async function countCreatedSince(q: Reader, userId: string, since: Date): Promise<number> {
  const [row] = await q
    .select({ n: count() })
    .from(tenants)
    .where(and(eq(tenants.createdBy, userId), gte(tenants.createdAt, since)));
  return row!.n;
}

/** The workspaces that sign-up made for a user: those in use, or those that went into the bin at an instant. */
export const personalTenantsOf = (
  q: Reader,
  userId: string,
  deletedAt: Date | null,
): Promise<TenantRow[]> =>
  q
    .select()
    .from(tenants)
    .where(
      and(
        eq(tenants.createdBy, userId),
        eq(tenants.personal, true),
        deletedAt === null ? isNull(tenants.deletedAt) : eq(tenants.deletedAt, deletedAt),
      ),
    );

export async function restoreTenant(tx: Tx, id: string, updatedAt: Date): Promise<TenantRow> {
  const [row] = await tx
    .update(tenants)
    .set({ status: "active", deletedAt: null, updatedAt })
    .where(eq(tenants.id, id))
    .returning();
  return row!;
}

/** A workspace of their own is named after its user, down to the slug; of others they are no more than the founder. */
export async function forgetFounder(tx: Tx, userId: string): Promise<void> {
  await tx.delete(tenants).where(and(eq(tenants.createdBy, userId), eq(tenants.personal, true)));
  await tx.update(tenants).set({ createdBy: null }).where(eq(tenants.createdBy, userId));
}
