import type { Reader, Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import { assertStillGood } from "../../platform/liveness.ts";
import {
  type Actor,
  foldKey,
  PERMISSIONS,
  type Permission,
  permissionKeyOf,
  satisfiedBy,
} from "../../platform/permissions.ts";
import * as store from "./store.ts";

const CATALOGUE: ReadonlySet<string> = new Set(PERMISSIONS);
const NOTHING: ReadonlySet<string> = new Set();

export interface Granted {
  /** Exact keys; the owner's are the whole catalogue. */
  readonly permissions: ReadonlySet<string>;
  readonly isOwner: boolean;
}

/**
 * What a user's roles grant in a tenant: one statement. Nothing while they are no active member, or user or tenant is
 * not active (contract 07 §1.5). `evenSuspended` leaves the tenant's suspension to the caller: the gate names it, and a
 * few operations stay open in it (contract 01 §5).
 */
export async function permissionsOf(
  q: Reader,
  userId: string,
  tenantId: string,
  { evenSuspended = false } = {},
): Promise<Granted> {
  const rows = await store.selectGrants(q, { userId, tenantId });
  const [first] = rows;
  const counts =
    first?.userStatus === "active" &&
    (first.tenantStatus === "active" || (evenSuspended && first.tenantStatus === "suspended"));
  if (!counts) return { permissions: NOTHING, isOwner: false };
  if (rows.some((row) => row.isSystem)) return { permissions: CATALOGUE, isOwner: true };
  return {
    permissions: new Set(rows.flatMap(({ permissionId }) => keyOf(permissionId) ?? [])),
    isOwner: false,
  };
}

const keyOf = (permissionId: string | null) =>
  permissionId === null ? undefined : permissionKeyOf(permissionId);

/** Whether exact keys pass a gate of `key`: implied keys count (contract 07 §1.4). */
export const isSatisfied = (keys: ReadonlySet<string>, key: string): boolean =>
  satisfiedBy(key).some((one) => keys.has(one));

/** Throws `forbidden`, naming the key. For what a route's declaration cannot say. */
export function assertHolds(actor: Actor, key: Permission): void {
  if (!actor.holds(key)) throw missing(key);
}

const missing = (key: string) => new AppError("forbidden", `missing permission: ${key}`);

/** The credential's tenant. Throws `unauthorized` where it has none, which the gate refuses already. */
export function tenantOf({ tenantId }: Actor): string {
  if (tenantId === null) throw new AppError("unauthorized", "tenant scope required");
  return tenantId;
}

/** Throws what the gate throws for a path's tenant that is not the credential's. */
export function assertOwnTenant(actor: Actor, tenantId: string): void {
  if (tenantOf(actor) !== tenantId) throw new AppError("forbidden", "tenant mismatch");
}

const ZERO_UUID = "00000000-0000-0000-0000-000000000000";

/** Contract 01 §5.1: a body's `tenant_id` is absent, all zeros or the credential's. Throws `forbidden`. */
export function bodyTenant(actor: Actor, tenantId: string | undefined): string {
  if (tenantId !== undefined && tenantId !== ZERO_UUID)
    assertOwnTenant(actor, tenantId.toLowerCase());
  return tenantOf(actor);
}

/** Nobody hands out what they do not hold (contract 07 §1.7 rule 1). Throws `forbidden`, naming the first such key. */
export function assertMayGrant(actor: Actor, keys: Iterable<string>): void {
  for (const written of keys) {
    const key = foldKey(written);
    // A key outside the catalogue opens nothing, so nobody can be said to lack it.
    if (CATALOGUE.has(key) && !actor.holds(key as Permission)) throw missing(key);
  }
}

/**
 * Contract 00 §18: in the scopes of API keys, service principals and clients every key of the catalogue, `*` and all
 * under `platform.` manage this server. They are given only by who holds them, `platform.` by nobody. Scopes of
 * anybody else's application pass. Throws `forbidden`.
 */
export function assertMayGiveScopes(actor: Actor, scopes: readonly string[]): void {
  for (const scope of scopes) {
    if (scope === "*") assertMayGrant(actor, PERMISSIONS);
    else if (/^platform(\.|$)/i.test(foldKey(scope))) throw missing(scope);
  }
  assertMayGrant(actor, scopes);
}

/**
 * For a transaction that hands out lasting power: refuses a credential that has ended since it was looked at, and one whose
 * user has lost a permission since, as another instance may have seen to up to five seconds ago. Throws `unauthorized` or
 * `forbidden`.
 */
export async function assertStillMay(tx: Tx, actor: Actor): Promise<void> {
  await assertStillGood(tx, actor);
  const { userId, tenantId, permissions, isOwner } = actor;
  if (userId === null || tenantId === null) return;
  const now = await permissionsOf(tx, userId, tenantId, { evenSuspended: true });
  if (isOwner && !now.isOwner) throw new AppError("forbidden", "you are no owner any more");
  for (const key of permissions) if (!now.permissions.has(key)) throw missing(key);
}

/** Contract 07 §1.7 rule 2: only an owner, by session, gives or takes role `owner`. */
export function assertOwnerSession(actor: Actor): void {
  if (!actor.isOwner) throw new AppError("forbidden", "only an owner may give or take role owner");
}

/**
 * Contract 07 §1.7 rule 3: nobody edits who holds a key in the actor's tenant that the actor lacks. Counts the roles of
 * suspended and deleted users too: else one could suspend an administrator first and take over the account then.
 */
export async function assertMayManage(
  _deps: Deps,
  q: Reader,
  actor: Actor,
  targetUserId: string,
): Promise<void> {
  const tenantId = tenantOf(actor);
  // A key bound to the user is not the user: its scopes may be fewer than the user's keys.
  if (actor.kind === "user" && actor.userId === targetUserId) return;
  const isOwner = await store.hasSystemRole(q, tenantId, targetUserId);
  const keys = isOwner ? PERMISSIONS : await store.roleKeysOf(q, tenantId, targetUserId);
  const lacking = keys.find((key) => !actor.holds(key as Permission));
  if (lacking !== undefined)
    throw new AppError("forbidden", `the user holds a permission that you lack: ${lacking}`);
}

/**
 * Contract 07 §1.7 rule 4: throws `conflict` when `exceptUserId` is an owner of the tenant and no other active one is.
 * To be called in the transaction that takes the owner away.
 */
export async function assertOwnerRemains(
  _deps: Deps,
  tx: Tx,
  tenantId: string,
  exceptUserId: string,
): Promise<void> {
  // No lock on the tenant's row: transactions are serializable, and one of two that each take the other's owner away
  // is run again, on Postgres by the database (write skew is what SERIALIZABLE refuses), on SQLite they queue.
  if (!(await store.hasSystemRole(tx, tenantId, exceptUserId))) return;
  if (!(await store.hasOtherOwner(tx, tenantId, exceptUserId)))
    throw new AppError("conflict", "tenant must keep an owner");
}
