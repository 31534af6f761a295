/** What an administrator, or the user, does to one account. */
import type { Tx } from "../../../db/client.ts";
import { violationOf } from "../../../db/errors.ts";
import type { Cursor } from "../../../db/keyset.ts";
import type { Deps } from "../../deps.ts";
import { assertAcceptablePassword } from "../../platform/crypto/weak-passwords.ts";
import { parseEmail } from "../../platform/email.ts";
import { AppError } from "../../platform/errors.ts";
import type { JsonObject } from "../../platform/json.ts";
import type { Actor } from "../../platform/permissions.ts";
import { refuseAccess } from "../../platform/subject-data.ts";
import { recordAudit } from "../audit/service.ts";
import { enqueue } from "../outbox/service.ts";
import { assertMayManage, assertOwnerRemains, bodyTenant, tenantOf } from "../rbac/service.ts";
import { addMembership, insertUser, setPassword } from "./accounts.ts";
import { present } from "./present.ts";
import * as store from "./store.ts";

export interface NewAccount {
  readonly tenantId?: string | undefined;
  readonly email: string;
  readonly password?: string;
  readonly displayName?: string;
  readonly phone?: string;
  readonly metadata?: JsonObject;
}

const inUse = (error: unknown): never => {
  if (violationOf(error)?.constraint === "users_email_key_key")
    throw new AppError("conflict", "email already in use", { cause: error });
  throw error;
};

/** Creates a user at home in the actor's tenant. Throws `conflict` when the address is in use, anywhere. */
export async function createUser(
  deps: Deps,
  actor: Actor,
  input: NewAccount,
  source: "admin" | "bulk" = "admin",
): Promise<store.UserRow> {
  const tenantId = bodyTenant(actor, input.tenantId);
  const address = parseEmail(input.email);
  let passwordHash: string | undefined;
  if (input.password) {
    assertAcceptablePassword(input.password, { email: address.email, field: "password" });
    passwordHash = await deps.passwords.hash(input.password);
  }
  const work = async (tx: Tx) => {
    const user = await insertUser(deps, tx, actor, {
      ...address,
      tenantId,
      displayName: input.displayName ?? null,
      phone: input.phone || null,
      ...(input.metadata && { metadata: input.metadata }),
      source,
    });
    if (passwordHash) await setPassword(deps, tx, { userId: user.id, passwordHash });
    await addMembership(deps, tx, { tenantId, user, source: "admin" });
    return user;
  };
  return deps.db.transaction(work, { serializeOn: tenantId }).catch(inUse);
}

/** A page of the actor's tenant's members, `limit + 1` rows. Throws `forbidden` when `tenant` names another. */
export async function listUsers(
  deps: Deps,
  actor: Actor,
  page: { limit: number; after: Cursor | undefined; tenant: string | undefined },
): Promise<store.ShownUser[]> {
  const tenantId = tenantOf(actor);
  const { tenant } = page;
  if (tenant !== undefined && tenant !== "" && tenant.toLowerCase() !== tenantId) {
    if ((await store.slugOf(deps.db.read, tenantId)) !== tenant.toLowerCase())
      throw new AppError("forbidden", "tenant mismatch");
  }
  return store.listMembers(deps.db.read, tenantId, { limit: page.limit + 1, after: page.after });
}

export const listDeletedUsers = (
  deps: Deps,
  actor: Actor,
  limit: number,
): Promise<store.UserRow[]> => store.listDeleted(deps.db.read, tenantOf(actor), limit);

/** Oneself, or a member of the actor's tenant. Throws `not_found` for everybody else. */
export async function getUser(deps: Deps, actor: Actor, userId: string): Promise<store.UserRow> {
  if (actor.userId === userId && actor.kind !== "oauth") {
    const user = await store.findUser(deps.db.read, userId);
    if (user) return user;
    throw new AppError("not_found");
  }
  const found = await store.findMember(deps.db.read, tenantOf(actor), userId);
  if (!found) throw new AppError("not_found");
  return store.seenIn(found.user, found.membership);
}

/** A member whom the actor may manage (contract 07 §1.7). Throws `not_found`, `forbidden`. */
async function manageable(deps: Deps, tx: Tx, actor: Actor, userId: string) {
  const found = await store.findMember(tx, tenantOf(actor), userId);
  if (!found) throw new AppError("not_found");
  await assertMayManage(deps, tx, actor, userId);
  return found;
}

const managedElsewhere = () => new AppError("forbidden", "user is managed by another tenant");

/** A user whose account the actor may change (contract 02 §9): at home in the tenant. Throws `not_found`, `forbidden`. */
export async function managed(
  deps: Deps,
  tx: Tx,
  actor: Actor,
  userId: string,
): Promise<store.UserRow> {
  const { user } = await manageable(deps, tx, actor, userId);
  if (user.tenantId !== tenantOf(actor)) throw managedElsewhere();
  return user;
}

export interface UserChange {
  readonly displayName?: string | null;
  readonly phone?: string | null;
  readonly status?: "active" | "suspended";
  readonly metadata?: JsonObject | null;
}

/**
 * Changes an account; what is left out stays. Users change their own `display_name`; all else takes `user.write` and
 * contract 07 §1.7. Throws `not_found`, `forbidden`, `conflict` (oneself, the last owner).
 */
export async function updateUser(
  deps: Deps,
  actor: Actor,
  userId: string,
  change: UserChange,
): Promise<store.UserRow> {
  const isOwn = actor.userId === userId && actor.kind !== "oauth";
  const asAdministrator =
    change.phone !== undefined || change.status !== undefined || change.metadata != null;
  if (isOwn && asAdministrator && !actor.holds("user.write"))
    throw new AppError("forbidden", "you may only change your own display_name here");
  const work = async (tx: Tx) => {
    if (isOwn && !asAdministrator) {
      const user = await store.findUser(tx, userId);
      if (!user) throw new AppError("not_found");
      return changeAccount(deps, tx, actor, user, change);
    }
    const found = await manageable(deps, tx, actor, userId);
    if (isOwn && change.status === "suspended")
      throw new AppError("conflict", "cannot suspend yourself");
    return found.user.tenantId === tenantOf(actor)
      ? changeAccount(deps, tx, actor, found.user, change)
      : changeMembership(deps, tx, actor, found, change);
  };
  return deps.db.transaction(work, { serializeOn: actor.tenantId ?? "platform" });
}

async function changeAccount(
  deps: Deps,
  tx: Tx,
  actor: Actor,
  user: store.UserRow,
  change: UserChange,
): Promise<store.UserRow> {
  const { patch, fields } = differences(user, change);
  if (fields.length === 0) return user;
  if (patch.phone !== undefined && (await store.belongsElsewhere(tx, user.id, tenantOf(actor))))
    throw new AppError(
      "forbidden",
      "user belongs to another tenant as well: only they may change their phone",
    );
  const now = deps.clock.now();
  if (patch.status === "suspended") await refuseEverywhere(deps, tx, user, now);
  const updated = await store.updateUser(tx, user.id, { ...patch, updatedAt: now });
  await announceUpdate(deps, tx, actor, updated, { tenantId: updated.tenantId, fields });
  return updated;
}

/** A tenant suspends a member who is at home elsewhere in itself alone, and changes nothing more (contract 00 §21). */
async function changeMembership(
  deps: Deps,
  tx: Tx,
  actor: Actor,
  { user, membership }: store.Member,
  { status, ...more }: UserChange,
): Promise<store.UserRow> {
  if (status === undefined || Object.keys(more).length > 0) throw managedElsewhere();
  const { tenantId, userId } = membership;
  const active = status === "active";
  if (active === membership.active) return store.seenIn(user, membership);
  if (!active) {
    await assertOwnerRemains(deps, tx, tenantId, userId);
    await refuseAccess(deps, tx, {
      userId,
      tenantId,
      reason: "user_suspended",
      at: deps.clock.now(),
      revokesKeys: true,
    });
  }
  await store.setMembershipActive(tx, { tenantId, userId }, active);
  const seen = store.seenIn(user, { active });
  await announceUpdate(deps, tx, actor, seen, { tenantId, fields: ["status"] });
  return seen;
}

function differences(user: store.UserRow, change: UserChange) {
  const patch: store.UserPatch = {};
  const fields: string[] = [];
  if (change.displayName !== undefined && change.displayName !== user.displayName) {
    patch.displayName = change.displayName;
    fields.push("display_name");
  }
  if (change.phone !== undefined && change.phone !== user.phone) {
    patch.phone = change.phone;
    patch.phoneVerifiedAt = null;
    fields.push("phone");
  }
  if (change.status !== undefined && change.status !== user.status) {
    patch.status = change.status;
    fields.push("status");
  }
  if (
    change.metadata != null &&
    JSON.stringify(change.metadata) !== JSON.stringify(user.metadata)
  ) {
    patch.metadata = { ...change.metadata };
    fields.push("metadata");
  }
  return { patch, fields };
}

/** The event and the audit row of a change, in the log of the tenant that made it. */
export async function announceUpdate(
  deps: Deps,
  tx: Tx,
  actor: Actor,
  user: store.UserRow,
  { tenantId, fields }: { tenantId: string | null; fields: string[] },
): Promise<void> {
  await enqueue(deps, tx, {
    type: "user.updated",
    tenantId,
    aggregateId: user.id,
    payload: { ...present(user), changed: fields },
  });
  await recordAudit(deps, tx, actor, {
    tenantId,
    action: "user.updated",
    resource: { type: "user", id: user.id },
    metadata: { fields },
  });
  tx.afterCommit(() => deps.principals.forget(`user:${user.id}`));
}

/** Suspension: every shared tenant keeps an owner, and nothing of the user's goes on working. */
export async function refuseEverywhere(
  deps: Deps,
  tx: Tx,
  user: store.UserRow,
  at: Date,
  reason: "user_suspended" | "user_deleted" = "user_suspended",
): Promise<void> {
  for (const { tenantId, isPersonal } of await store.membershipsOf(tx, user.id))
    if (!isPersonal) await assertOwnerRemains(deps, tx, tenantId, user.id);
  await refuseAccess(deps, tx, { userId: user.id, reason, at, revokesKeys: true });
  tx.afterCommit(() => deps.principals.forget(`user:${user.id}`));
}
