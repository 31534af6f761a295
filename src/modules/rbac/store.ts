import { and, asc, eq, exists, inArray, ne, or, sql } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { prepared } from "../../../db/prepared.ts";
import {
  memberships,
  permissions,
  rolePermissions,
  roles,
  tenants,
  userRoles,
  users,
} from "../../../db/schema/index.ts";

export type PermissionRow = typeof permissions.$inferSelect;
export type RoleRow = typeof roles.$inferSelect;

export async function upsertPermissions(tx: Tx, rows: readonly PermissionRow[]): Promise<void> {
  await tx
    .insert(permissions)
    .values([...rows])
    .onConflictDoUpdate({
      target: permissions.key,
      set: { description: sql`excluded.description` },
    });
}

export const listPermissions = (q: Reader): Promise<PermissionRow[]> =>
  q.select().from(permissions).orderBy(asc(permissions.key));

export async function findPermission(q: Reader, id: string): Promise<PermissionRow | undefined> {
  const [row] = await q.select().from(permissions).where(eq(permissions.id, id));
  return row;
}

export const findPermissionsByKey = (
  q: Reader,
  keys: readonly string[],
): Promise<PermissionRow[]> =>
  q
    .select()
    .from(permissions)
    .where(inArray(permissions.key, [...keys]));

/**
 * One row for each permission that a role of the user grants in the tenant, and one with null for a role without any: all
 * from the one statement on which every authentication rests.
 */
export const selectGrants = prepared((q, p: { userId: string; tenantId: string }) =>
  q
    .select({
      userStatus: users.status,
      tenantStatus: tenants.status,
      isSystem: roles.isSystem,
      permissionId: rolePermissions.permissionId,
    })
    .from(userRoles)
    .innerJoin(roles, eq(roles.id, userRoles.roleId))
    .innerJoin(users, eq(users.id, userRoles.userId))
    .innerJoin(tenants, eq(tenants.id, userRoles.tenantId))
    .innerJoin(memberships, memberOf(p))
    .leftJoin(rolePermissions, eq(rolePermissions.roleId, roles.id))
    .where(and(eq(userRoles.userId, p.userId), eq(userRoles.tenantId, p.tenantId))),
);

interface GrantQuestion extends Record<string, unknown> {
  userId: string;
  tenantId: string;
  permissionId: string;
}

/** A role of the user that grants the permission in the tenant; both must be active. The plain mode of `/v1/check`. */
export const selectOneGrant = prepared((q, p: GrantQuestion) => grantsOf(q, p).limit(1));

/** All of them, by name: the answer of `explain`. The same query, so that the two cannot disagree. */
export const selectAllGrants = (q: Reader, p: GrantQuestion) =>
  grantsOf(q, p).orderBy(sql`lower(${roles.name})`, roles.id);

const grantsOf = (q: Reader, p: GrantQuestion) =>
  q
    .select({ roleId: roles.id, roleName: roles.name })
    .from(userRoles)
    .innerJoin(roles, eq(roles.id, userRoles.roleId))
    .innerJoin(users, eq(users.id, userRoles.userId))
    .innerJoin(tenants, eq(tenants.id, userRoles.tenantId))
    .innerJoin(memberships, memberOf(p))
    .where(
      and(
        eq(userRoles.userId, p.userId),
        eq(userRoles.tenantId, p.tenantId),
        eq(users.status, "active"),
        eq(tenants.status, "active"),
        or(
          // The owner holds every key of the catalogue, later ones too.
          eq(roles.isSystem, true),
          exists(
            q
              .select({ roleId: rolePermissions.roleId })
              .from(rolePermissions)
              .where(
                and(
                  eq(rolePermissions.roleId, roles.id),
                  eq(rolePermissions.permissionId, p.permissionId),
                ),
              ),
          ),
        ),
      ),
    )
    .$dynamic();

const memberOf = (p: { userId: string; tenantId: string }) =>
  and(
    eq(memberships.tenantId, p.tenantId),
    eq(memberships.userId, p.userId),
    eq(memberships.active, true),
  );

/** Of the user's standing in the tenant: why a check was denied. */
export async function findStanding(q: Reader, tenantId: string, userId: string) {
  const [[user], [tenant], [membership]] = await Promise.all([
    q.select({ status: users.status }).from(users).where(eq(users.id, userId)),
    q.select({ status: tenants.status }).from(tenants).where(eq(tenants.id, tenantId)),
    q
      .select({ active: memberships.active })
      .from(memberships)
      .where(and(eq(memberships.tenantId, tenantId), eq(memberships.userId, userId))),
  ]);
  return { user: user?.status, tenant: tenant?.status, isMember: membership?.active === true };
}

/** Whether the user has the system role, whatever the status of user and membership. */
export async function hasSystemRole(q: Reader, tenantId: string, userId: string): Promise<boolean> {
  const [row] = await q
    .select({ id: roles.id })
    .from(userRoles)
    .innerJoin(roles, eq(roles.id, userRoles.roleId))
    .where(
      and(eq(userRoles.userId, userId), eq(userRoles.tenantId, tenantId), eq(roles.isSystem, true)),
    )
    .limit(1);
  return row !== undefined;
}

/** Exact keys of the user's roles in the tenant, whatever the status of anything. */
export async function roleKeysOf(q: Reader, tenantId: string, userId: string): Promise<string[]> {
  const rows = await q
    .selectDistinct({ key: permissions.key })
    .from(userRoles)
    .innerJoin(rolePermissions, eq(rolePermissions.roleId, userRoles.roleId))
    .innerJoin(permissions, eq(permissions.id, rolePermissions.permissionId))
    .where(and(eq(userRoles.userId, userId), eq(userRoles.tenantId, tenantId)));
  return rows.map(({ key }) => key);
}

/** An active member with the system role, other than this one. */
export async function hasOtherOwner(
  q: Reader,
  tenantId: string,
  exceptUserId: string,
): Promise<boolean> {
  const [row] = await q
    .select({ userId: userRoles.userId })
    .from(roles)
    .innerJoin(userRoles, eq(userRoles.roleId, roles.id))
    .innerJoin(users, eq(users.id, userRoles.userId))
    .innerJoin(
      memberships,
      and(eq(memberships.tenantId, roles.tenantId), eq(memberships.userId, userRoles.userId)),
    )
    .where(
      and(
        eq(roles.tenantId, tenantId),
        eq(roles.isSystem, true),
        ne(userRoles.userId, exceptUserId),
        eq(users.status, "active"),
        eq(memberships.active, true),
      ),
    )
    .limit(1);
  return row !== undefined;
}

const selectRoles = prepared((q, p: { tenantId: string }) =>
  q
    .select()
    .from(roles)
    .where(eq(roles.tenantId, p.tenantId))
    .orderBy(sql`lower(${roles.name})`, asc(roles.id)),
);

export const listRoles = (q: Reader, tenantId: string): Promise<RoleRow[]> =>
  selectRoles(q, { tenantId });

export const countRoles = (q: Reader, tenantId: string): Promise<number> =>
  q.$count(roles, eq(roles.tenantId, tenantId));

export async function findRole(
  q: Reader,
  tenantId: string,
  id: string,
): Promise<RoleRow | undefined> {
  const [row] = await q
    .select()
    .from(roles)
    .where(and(eq(roles.id, id), eq(roles.tenantId, tenantId)));
  return row;
}

export async function insertRole(tx: Tx, row: RoleRow): Promise<void> {
  await tx.insert(roles).values(row);
}

export async function updateRole(
  tx: Tx,
  tenantId: string,
  id: string,
  change: Partial<Pick<RoleRow, "name" | "description">>,
): Promise<RoleRow | undefined> {
  const [row] = await tx
    .update(roles)
    .set(change)
    .where(and(eq(roles.id, id), eq(roles.tenantId, tenantId)))
    .returning();
  return row;
}

export async function deleteRole(tx: Tx, tenantId: string, id: string): Promise<void> {
  await tx.delete(roles).where(and(eq(roles.id, id), eq(roles.tenantId, tenantId)));
}

export const permissionsOfRole = (q: Reader, roleId: string): Promise<PermissionRow[]> =>
  q
    .select({
      id: permissions.id,
      key: permissions.key,
      description: permissions.description,
    })
    .from(rolePermissions)
    .innerJoin(permissions, eq(permissions.id, rolePermissions.permissionId))
    .where(eq(rolePermissions.roleId, roleId))
    .orderBy(asc(permissions.key));

/** False when the role had it already. */
export async function insertRolePermission(
  tx: Tx,
  row: typeof rolePermissions.$inferInsert,
): Promise<boolean> {
  const inserted = await tx.insert(rolePermissions).values(row).onConflictDoNothing().returning();
  return inserted.length > 0;
}

/** False when the role did not have it. */
export async function deleteRolePermission(
  tx: Tx,
  roleId: string,
  permissionId: string,
): Promise<boolean> {
  const deleted = await tx
    .delete(rolePermissions)
    .where(and(eq(rolePermissions.roleId, roleId), eq(rolePermissions.permissionId, permissionId)))
    .returning();
  return deleted.length > 0;
}

/** False when the user had it already. */
export async function insertUserRole(tx: Tx, row: typeof userRoles.$inferInsert): Promise<boolean> {
  const inserted = await tx.insert(userRoles).values(row).onConflictDoNothing().returning();
  return inserted.length > 0;
}

/** False when the user did not have it. */
export async function deleteUserRole(
  tx: Tx,
  tenantId: string,
  userId: string,
  roleId: string,
): Promise<boolean> {
  const deleted = await tx
    .delete(userRoles)
    .where(
      and(
        eq(userRoles.tenantId, tenantId),
        eq(userRoles.userId, userId),
        eq(userRoles.roleId, roleId),
      ),
    )
    .returning();
  return deleted.length > 0;
}

/** The user's roles in a tenant, by name. */
export const rolesOfUser = (q: Reader, tenantId: string, userId: string): Promise<RoleRow[]> =>
  q
    .select({
      id: roles.id,
      tenantId: roles.tenantId,
      name: roles.name,
      description: roles.description,
      isSystem: roles.isSystem,
      createdAt: roles.createdAt,
    })
    .from(userRoles)
    .innerJoin(roles, eq(roles.id, userRoles.roleId))
    .where(and(eq(userRoles.userId, userId), eq(userRoles.tenantId, tenantId)))
    .orderBy(sql`lower(${roles.name})`, asc(roles.id));

/** The next holders of a role in order of their id, for batches. */
export const holdersOfRole = (
  q: Reader,
  roleId: string,
  limit: number,
): Promise<{ userId: string }[]> =>
  q
    .select({ userId: userRoles.userId })
    .from(userRoles)
    .where(eq(userRoles.roleId, roleId))
    .orderBy(asc(userRoles.userId))
    .limit(limit);

export const userRolesOf = (q: Reader, userId: string) =>
  q
    .select({
      tenantId: userRoles.tenantId,
      roleId: userRoles.roleId,
      roleName: roles.name,
      grantedAt: userRoles.grantedAt,
    })
    .from(userRoles)
    .innerJoin(roles, eq(roles.id, userRoles.roleId))
    .where(eq(userRoles.userId, userId));

export const countUserRoles = (q: Reader, tenantId: string, userId: string): Promise<number> =>
  q.$count(userRoles, and(eq(userRoles.tenantId, tenantId), eq(userRoles.userId, userId)));

export async function deleteAllUserRoles(tx: Tx, userId: string): Promise<void> {
  await tx.delete(userRoles).where(eq(userRoles.userId, userId));
}
