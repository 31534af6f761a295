import type { Tx } from "../../../db/client.ts";
import { violationOf } from "../../../db/errors.ts";
import type { Deps } from "../../deps.ts";
import { AppError, invalidField } from "../../platform/errors.ts";
import {
  type Actor,
  descriptionOf,
  foldKey,
  PERMISSIONS,
  type Permission,
  permissionIdOf,
} from "../../platform/permissions.ts";
import { recordAudit } from "../audit/service.ts";
import { takeRole } from "./assignments.ts";
import {
  assertHolds,
  assertMayGrant,
  assertOwnTenant,
  assertStillMay,
  permissionsOf,
  tenantOf,
} from "./authority.ts";
import * as store from "./store.ts";

export { assignRole, removeRoles, unassignRole } from "./assignments.ts";
export {
  assertHolds,
  assertMayGiveScopes,
  assertMayGrant,
  assertMayManage,
  assertOwnerRemains,
  assertStillMay,
  bodyTenant,
  type Granted,
  isSatisfied,
  permissionsOf,
  tenantOf,
} from "./authority.ts";
export { explain, isAllowed, type Question } from "./check.ts";
export type { PermissionRow, RoleRow } from "./store.ts";
export { rbacSubjectData } from "./subject-data.ts";

/** Lists of roles are not paged, so a tenant has no more than fit into one. */
const MAX_ROLES = 1000;
/** Most holders that one transaction takes a role from. */
const HOLDERS_BATCH = 100;

/** Writes the catalogue, at every start. Ids stay; a description follows the program. */
export async function seedPermissions(deps: Pick<Deps, "db">): Promise<void> {
  await deps.db.transaction((tx) =>
    store.upsertPermissions(
      tx,
      PERMISSIONS.map((key) => ({ id: permissionIdOf(key), key, description: descriptionOf(key) })),
    ),
  );
}

/** The one system role of a new tenant, and its first holder, in the transaction that makes the tenant. */
export async function createOwnerRole(
  deps: Deps,
  tx: Tx,
  { tenantId, userId }: { tenantId: string; userId: string },
): Promise<{ roleId: string }> {
  const now = deps.clock.now();
  const roleId = deps.random.uuid();
  await store.insertRole(tx, {
    id: roleId,
    tenantId,
    name: "owner",
    description: "Holds every permission",
    isSystem: true,
    createdAt: now,
  });
  await store.insertUserRole(tx, { userId, tenantId, roleId, grantedAt: now, grantedBy: userId });
  tx.afterCommit(() => deps.principals.forget(`user:${userId}`));
  return { roleId };
}

export const listPermissions = (deps: Deps): Promise<store.PermissionRow[]> =>
  store.listPermissions(deps.db.read);

export const listRoles = (deps: Deps, tenantId: string): Promise<store.RoleRow[]> =>
  store.listRoles(deps.db.read, tenantId);

export interface NewRole {
  readonly name: string;
  readonly description?: string;
  readonly permissions?: readonly string[];
}

/** Throws `conflict` for a name in use, whatever its case; 422 for an unknown key; 403 for one that the actor lacks. */
export async function createRole(
  deps: Deps,
  actor: Actor,
  tenantId: string,
  input: NewRole,
): Promise<store.RoleRow> {
  const keys = [...new Set((input.permissions ?? []).map(catalogueKeyOf))];
  assertMayGrant(actor, keys);
  const role: store.RoleRow = {
    id: deps.random.uuid(),
    tenantId,
    name: roleName(input.name),
    description: input.description ?? "",
    isSystem: false,
    createdAt: deps.clock.now(),
  };
  const work = async (tx: Tx) => {
    if ((await store.countRoles(tx, tenantId)) >= MAX_ROLES)
      throw new AppError("conflict", `a tenant has at most ${MAX_ROLES} roles`);
    await store.insertRole(tx, role);
    const granted = keys.length > 0 ? await store.findPermissionsByKey(tx, keys) : [];
    for (const permission of granted)
      await store.insertRolePermission(tx, { roleId: role.id, permissionId: permission.id });
    await recordAudit(deps, tx, actor, {
      tenantId,
      action: "role.created",
      resource: { type: "role", id: role.id },
      metadata: { name: role.name, is_system: false },
    });
    for (const permission of granted)
      await auditGrant(deps, tx, actor, role, permission, "role.permission_granted");
    return role;
  };
  return deps.db.transaction(work, { serializeOn: tenantId }).catch(nameTaken);
}

function roleName(text: string): string {
  const name = text.trim();
  if (name === "") throw invalidField("name", "required", "name is required");
  if ([...name].length > 64)
    throw invalidField("name", "too_long", "name is longer than 64 characters");
  return name;
}

function catalogueKeyOf(text: string): Permission {
  const key = PERMISSIONS.find((one) => one === foldKey(text));
  if (key === undefined)
    throw invalidField("permissions", "not_allowed", `permissions: ${text} is not a permission`);
  return key;
}

function nameTaken(error: unknown): never {
  if (violationOf(error)?.constraint === "roles_tenant_id_name_key")
    throw new AppError("conflict", "a role of this name exists", { cause: error });
  throw error;
}

const auditGrant = (
  deps: Deps,
  tx: Tx,
  actor: Actor,
  role: store.RoleRow,
  permission: store.PermissionRow,
  action: "role.permission_granted" | "role.permission_revoked",
) =>
  recordAudit(deps, tx, actor, {
    tenantId: role.tenantId,
    action,
    resource: { type: "role", id: role.id },
    metadata: { permission_id: permission.id, permission_key: permission.key },
  });

/** A role that may be changed. Throws `not_found` for another tenant's too, `forbidden` for the system role. */
async function changeableRole(tx: Tx, tenantId: string, roleId: string): Promise<store.RoleRow> {
  const role = await store.findRole(tx, tenantId, roleId);
  if (!role) throw new AppError("not_found");
  if (role.isSystem) throw new AppError("forbidden", "system role");
  return role;
}

/** Changes name or description; what is left out stays. Throws as `createRole`, and `forbidden` for the system role. */
export async function updateRole(
  deps: Deps,
  actor: Actor,
  tenantId: string,
  roleId: string,
  input: { readonly name?: string; readonly description?: string },
): Promise<store.RoleRow> {
  const work = async (tx: Tx) => {
    const role = await changeableRole(tx, tenantId, roleId);
    const name = input.name === undefined ? role.name : roleName(input.name);
    const description = input.description ?? role.description;
    const fields = [
      ...(name === role.name ? [] : ["name"]),
      ...(description === role.description ? [] : ["description"]),
    ];
    if (fields.length === 0) return role;
    const changed = await store.updateRole(tx, tenantId, roleId, { name, description });
    if (!changed) throw new AppError("not_found");
    await recordAudit(deps, tx, actor, {
      tenantId,
      action: "role.updated",
      resource: { type: "role", id: roleId },
      metadata: { fields },
    });
    return changed;
  };
  return deps.db.transaction(work, { serializeOn: tenantId }).catch(nameTaken);
}

/**
 * Deletes a role; whoever has it loses it, and with it a membership that rested on it alone. A role with many holders
 * goes in several transactions: when one of them fails, the role is still there, with fewer holders.
 */
export async function deleteRole(
  deps: Deps,
  actor: Actor,
  tenantId: string,
  roleId: string,
): Promise<void> {
  const work = async (tx: Tx): Promise<boolean> => {
    const role = await changeableRole(tx, tenantId, roleId);
    const holders = await store.holdersOfRole(tx, roleId, HOLDERS_BATCH);
    for (const { userId } of holders) await takeRole(deps, tx, actor, { userId, role });
    if (holders.length === HOLDERS_BATCH) return false;
    await store.deleteRole(tx, tenantId, roleId);
    await recordAudit(deps, tx, actor, {
      tenantId,
      action: "role.deleted",
      resource: { type: "role", id: roleId },
      metadata: { name: role.name },
    });
    return true;
  };
  while (!(await deps.db.transaction(work, { serializeOn: tenantId })));
}

/** The keys of a role; the system role's are the whole catalogue. Throws `not_found`. */
export async function listRolePermissions(
  deps: Deps,
  actor: Actor,
  roleId: string,
): Promise<store.PermissionRow[]> {
  const role = await store.findRole(deps.db.read, tenantOf(actor), roleId);
  if (!role) throw new AppError("not_found");
  if (role.isSystem) return store.listPermissions(deps.db.read);
  return store.permissionsOfRole(deps.db.read, roleId);
}

export interface RolePermission {
  readonly roleId: string;
  readonly permissionId: string;
}

/** Grants a key to a role. Does nothing when it has it, as `owner` has all. Throws `not_found`, or `forbidden` (1.7). */
export async function grantPermission(
  deps: Deps,
  actor: Actor,
  { roleId, permissionId }: RolePermission,
): Promise<void> {
  const tenantId = tenantOf(actor);
  const work = async (tx: Tx) => {
    await assertStillMay(tx, actor);
    const role = await store.findRole(tx, tenantId, roleId);
    const permission = role && (await store.findPermission(tx, permissionId));
    if (!permission) throw new AppError("not_found");
    if (role.isSystem) return;
    assertMayGrant(actor, [permission.key]);
    if (!(await store.insertRolePermission(tx, { roleId, permissionId }))) return;
    await auditGrant(deps, tx, actor, role, permission, "role.permission_granted");
    forgetHolders(deps, tx, role);
  };
  await deps.db.transaction(work, { serializeOn: tenantId });
}

/** Takes a key from a role. Does nothing when it has not got it. Throws `not_found`, `forbidden` for the system role. */
export async function revokePermission(
  deps: Deps,
  actor: Actor,
  { roleId, permissionId }: RolePermission,
): Promise<void> {
  const tenantId = tenantOf(actor);
  const work = async (tx: Tx) => {
    const role = await changeableRole(tx, tenantId, roleId);
    const permission = await store.findPermission(tx, permissionId);
    if (!permission) throw new AppError("not_found");
    if (!(await store.deleteRolePermission(tx, roleId, permissionId))) return;
    await auditGrant(deps, tx, actor, role, permission, "role.permission_revoked");
    forgetHolders(deps, tx, role);
  };
  await deps.db.transaction(work, { serializeOn: tenantId });
}

/** A role may have thousands of holders: their tenant's principals are looked up anew, all of them. */
const forgetHolders = (deps: Deps, tx: Tx, role: store.RoleRow) =>
  tx.afterCommit(() => deps.principals.forget(`role:${role.id}`, `tenant:${role.tenantId}`));

/**
 * The exact keys of a user in a tenant, ascending; none for who is no member. About oneself by session for any
 * tenant, else with `role.read` for the own one.
 */
export async function effectivePermissions(
  deps: Deps,
  actor: Actor,
  { userId, tenantId }: { userId: string; tenantId: string },
): Promise<string[]> {
  if (actor.kind !== "user" || actor.userId !== userId) {
    assertOwnTenant(actor, tenantId);
    assertHolds(actor, "role.read");
  }
  const { permissions } = await permissionsOf(deps.db.read, userId, tenantId);
  return [...permissions].sort();
}
