/** Into the bin, out of it, and for good. */
import type { Tx } from "../../../db/client.ts";
import { violationOf } from "../../../db/errors.ts";
import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import type { Actor } from "../../platform/permissions.ts";
import { recordAudit } from "../audit/service.ts";
import { enqueue } from "../outbox/service.ts";
import { assertMayManage, assertOwnerRemains, removeRoles, tenantOf } from "../rbac/service.ts";
import { deletePersonalTenants, restorePersonalTenants } from "../tenants/service.ts";
import { endMembership } from "./accounts.ts";
import { announceUpdate, refuseEverywhere } from "./administration.ts";
import { present } from "./present.ts";
import * as store from "./store.ts";

/**
 * Moves a user into the bin of the actor's tenant. Who is at home elsewhere only leaves this one. Throws `not_found`,
 * `forbidden` (contract 07 §1.7), `conflict` for the last owner.
 */
export async function deleteUser(deps: Deps, actor: Actor, userId: string): Promise<void> {
  const tenantId = tenantOf(actor);
  const work = async (tx: Tx) => {
    const found = await store.findMember(tx, tenantId, userId);
    if (!found) throw new AppError("not_found");
    await assertMayManage(deps, tx, actor, userId);
    if (found.user.tenantId === tenantId) await putIntoBin(deps, tx, actor, found.user);
    else {
      await assertOwnerRemains(deps, tx, tenantId, userId);
      await removeRoles(deps, tx, actor, { userId, tenantId });
      await endMembership(deps, tx, { tenantId, userId });
      // Of its own: who has no role leaves none of the rows that taking roles away writes.
      await announceUpdate(deps, tx, actor, found.user, { tenantId, fields: ["membership"] });
    }
  };
  await deps.db.transaction(work, { serializeOn: tenantId });
}

async function putIntoBin(deps: Deps, tx: Tx, actor: Actor, user: store.UserRow): Promise<void> {
  const now = deps.clock.now();
  await refuseEverywhere(deps, tx, user, now, "user_deleted");
  await store.setUserDeleted(tx, user.id, true);
  await store.updateUser(tx, user.id, {
    status: "deleted",
    statusBeforeDeletion: user.status === "deleted" ? null : user.status,
    deletedAt: now,
    updatedAt: now,
  });
  await deletePersonalTenants(deps, tx, actor, user.id);
  await announceRemoval(deps, tx, actor, user, "soft");
}

/**
 * Takes a user out of the bin. Throws `not_found` for who is not in it, `forbidden` (contract 07 §1.7), `conflict` when the
 * address is in use by now.
 */
export async function restoreUser(
  deps: Deps,
  actor: Actor,
  userId: string,
): Promise<store.UserRow> {
  const tenantId = tenantOf(actor);
  const work = async (tx: Tx) => {
    const user = await inBin(tx, tenantId, userId);
    // Roles wait in the bin: who comes back has all the keys again.
    await assertMayManage(deps, tx, actor, userId);
    if (user.erasedAt !== null) throw new AppError("conflict", "the user was erased");
    const now = deps.clock.now();
    const restored = await store.updateUser(tx, userId, {
      status: user.statusBeforeDeletion === "suspended" ? "suspended" : "active",
      statusBeforeDeletion: null,
      deletedAt: null,
      updatedAt: now,
    });
    await store.setUserDeleted(tx, userId, false);
    await restorePersonalTenants(deps, tx, actor, { userId, deletedAt: user.deletedAt });
    await enqueue(deps, tx, {
      type: "user.restored",
      tenantId,
      aggregateId: userId,
      payload: present(restored),
    });
    await recordAudit(deps, tx, actor, {
      tenantId,
      action: "user.restored",
      resource: { type: "user", id: userId },
    });
    tx.afterCommit(() => deps.principals.forget(`user:${userId}`));
    return restored;
  };
  return deps.db.transaction(work, { serializeOn: tenantId }).catch((error) => {
    if (violationOf(error)?.constraint === "users_email_key_key")
      throw new AppError("conflict", "email already in use", { cause: error });
    throw error;
  });
}

/** Removes a user who is in the bin, with all that belongs to them. Audit events that name them stay. */
export async function purgeUser(deps: Deps, actor: Actor, userId: string): Promise<void> {
  const tenantId = tenantOf(actor);
  const work = async (tx: Tx) => {
    const user = await inBin(tx, tenantId, userId);
    await assertMayManage(deps, tx, actor, userId);
    for (const { purge } of deps.subjectData)
      if (typeof purge === "function") await purge(tx, userId);
    await store.deleteUserRow(tx, userId);
    await announceRemoval(deps, tx, actor, user, "purged");
  };
  await deps.db.transaction(work, { serializeOn: tenantId });
}

async function inBin(tx: Tx, tenantId: string, userId: string) {
  const user = await store.findAnyUser(tx, userId);
  if (!user?.deletedAt || user.tenantId !== tenantId) throw new AppError("not_found");
  return { ...user, deletedAt: user.deletedAt };
}

async function announceRemoval(
  deps: Deps,
  tx: Tx,
  actor: Actor,
  user: store.UserRow,
  mode: "soft" | "purged",
): Promise<void> {
  await enqueue(deps, tx, {
    type: "user.deleted",
    tenantId: user.tenantId,
    aggregateId: user.id,
    payload: { id: user.id, tenant_id: user.tenantId, mode },
  });
  await recordAudit(deps, tx, actor, {
    tenantId: user.tenantId,
    action: mode === "soft" ? "user.deleted" : "user.purged",
    resource: { type: "user", id: user.id },
  });
}
