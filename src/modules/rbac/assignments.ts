import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import type { Actor } from "../../platform/permissions.ts";
import { type Author, recordAudit } from "../audit/service.ts";
import { enqueue } from "../outbox/service.ts";
import { addMembership, endMembership, findMembership, findUser } from "../users/service.ts";
import {
  assertHolds,
  assertMayGrant,
  assertOwnerRemains,
  assertOwnerSession,
  assertStillMay,
} from "./authority.ts";
import * as store from "./store.ts";

export interface Assignment {
  readonly userId: string;
  readonly tenantId: string;
  readonly roleId: string;
}

/**
 * Gives a user a role, and the membership that goes with it. Does nothing when they have it. Throws `not_found` for an
 * unknown or deleted user and for a role that is not this tenant's, `forbidden` after contract 07 §1.7, `conflict`
 * for somebody else's account whose address nobody proved (contract 00 §22).
 */
export async function assignRole(deps: Deps, actor: Actor, assignment: Assignment): Promise<void> {
  const { userId, tenantId } = assignment;
  const work = async (tx: Tx) => {
    await assertStillMay(tx, actor);
    const { role, user } = await find(tx, assignment);
    if (role.isSystem) assertOwnerSession(actor);
    else
      assertMayGrant(
        actor,
        (await store.permissionsOfRole(tx, role.id)).map(({ key }) => key),
      );

    if (!(await findMembership(tx, tenantId, userId))) {
      assertHolds(actor, "user.write");
      await addMembership(deps, tx, { tenantId, user, source: "role" });
    }
    await giveRole(deps, tx, actor, { userId, role, grantedBy: actor.userId });
  };
  await deps.db.transaction(work, { serializeOn: tenantId });
}

/** Takes a role away. Does nothing when the user has not got it. Throws as `assignRole`, and `conflict` for the last owner. */
export async function unassignRole(
  deps: Deps,
  actor: Actor,
  assignment: Assignment,
): Promise<void> {
  const work = async (tx: Tx) => {
    const { role } = await find(tx, assignment);
    if (role.isSystem) {
      assertOwnerSession(actor);
      await assertOwnerRemains(deps, tx, assignment.tenantId, assignment.userId);
    }
    await takeRole(deps, tx, actor, { userId: assignment.userId, role });
  };
  await deps.db.transaction(work, { serializeOn: assignment.tenantId });
}

async function find(tx: Tx, { userId, tenantId, roleId }: Assignment) {
  const role = await store.findRole(tx, tenantId, roleId);
  const user = role && (await findUser(tx, userId));
  if (!user) throw new AppError("not_found");
  return { role, user };
}

/** The write behind `assignRole`, without its rules, in the caller's transaction. Does nothing when they have it. */
async function giveRole(
  deps: Deps,
  tx: Tx,
  by: Author,
  { userId, role, grantedBy }: { userId: string; role: store.RoleRow; grantedBy: string | null },
): Promise<void> {
  const { tenantId, id: roleId } = role;
  const grantedAt = deps.clock.now();
  if (!(await store.insertUserRole(tx, { userId, tenantId, roleId, grantedAt, grantedBy }))) return;
  await announce(deps, tx, by, { userId, role }, "assigned");
}

/** The write behind `unassignRole`: ends a membership that rested on the role alone (contract 00 §46). */
export async function takeRole(
  deps: Deps,
  tx: Tx,
  by: Author,
  { userId, role }: { userId: string; role: store.RoleRow },
): Promise<void> {
  const { tenantId } = role;
  if (!(await store.deleteUserRole(tx, tenantId, userId, role.id))) return;
  if ((await store.countUserRoles(tx, tenantId, userId)) === 0) {
    const membership = await findMembership(tx, tenantId, userId);
    if (membership?.source === "role") await endMembership(deps, tx, { tenantId, userId });
  }
  await announce(deps, tx, by, { userId, role }, "unassigned");
}

/** All roles of a user in a tenant, when they leave it: in the caller's transaction, which has seen to the owner. */
export async function removeRoles(
  deps: Deps,
  tx: Tx,
  by: Author,
  { userId, tenantId }: { userId: string; tenantId: string },
): Promise<void> {
  for (const role of await store.rolesOfUser(tx, tenantId, userId)) {
    await store.deleteUserRole(tx, tenantId, userId, role.id);
    await announce(deps, tx, by, { userId, role }, "unassigned");
  }
}

async function announce(
  deps: Deps,
  tx: Tx,
  by: Author,
  { userId, role }: { userId: string; role: store.RoleRow },
  change: "assigned" | "unassigned",
): Promise<void> {
  const { tenantId, id: role_id, name: role_name } = role;
  await enqueue(deps, tx, {
    type: change === "assigned" ? "role.assigned" : "role.revoked",
    tenantId,
    aggregateId: userId,
    payload: { user_id: userId, tenant_id: tenantId, role_id, role_name },
  });
  await recordAudit(deps, tx, by, {
    tenantId,
    action: `role.${change}`,
    resource: { type: "user", id: userId },
    metadata: { role_id, role_name },
  });
  tx.afterCommit(() => deps.principals.forget(`user:${userId}`));
}
