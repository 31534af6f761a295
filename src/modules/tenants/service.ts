import type { Reader, Tx } from "../../../db/client.ts";
import type { Cursor } from "../../../db/keyset.ts";
import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import type { JsonObject } from "../../platform/json.ts";
import { isPlatformOperator } from "../../platform/operators.ts";
import type { Actor, Permission } from "../../platform/permissions.ts";
import { refuseAccess } from "../../platform/subject-data.ts";
import { type Author, recordAudit } from "../audit/service.ts";
import { enqueue } from "../outbox/service.ts";
import { createOwnerRole, isSatisfied, permissionsOf } from "../rbac/service.ts";
import { issuePair, openSuccessor, type TokenPair } from "../sessions/service.ts";
import {
  addMembership,
  clearHome,
  findMembership,
  findUser,
  type UserRow,
  updateUserRow,
} from "../users/service.ts";
import { present } from "./present.ts";
import { parseSlug, slugsFor } from "./slug.ts";
import * as store from "./store.ts";

export { present as presentTenant } from "./present.ts";
export { tenantsSubjectData } from "./subject-data.ts";

const MAX_A_DAY = 100;
const DAY_MS = 86_400_000;
/** Names taken one after another before a derived slug is given up. */
const MAX_SLUGS = 1_000;

export interface NewTenant {
  readonly name: string;
  /** Derived from the name when left out. */
  readonly slug?: string | undefined;
  readonly plan?: "free" | "pro" | "enterprise" | undefined;
  readonly region?: string | undefined;
  readonly metadata?: JsonObject | undefined;
}

/**
 * Makes a tenant with its system role, its owner and the owner's membership, in the caller's transaction. It becomes the
 * owner's home when they have none, or only the workspace that sign-up made. Throws `conflict` for a slug in use.
 */
export async function createTenantIn(
  deps: Deps,
  tx: Tx,
  by: Author,
  input: NewTenant & { readonly owner: UserRow; readonly personal?: boolean },
): Promise<store.TenantRow> {
  const { owner, personal = false } = input;
  const tenant = await insert(deps, tx, input, owner.id, personal);
  const home = owner.tenantId === null ? undefined : await store.findTenant(tx, owner.tenantId);
  if (home === undefined || (home.personal && !personal))
    await updateUserRow(tx, owner.id, { tenantId: tenant.id });
  await addMembership(deps, tx, {
    tenantId: tenant.id,
    user: owner,
    source: personal ? "signup" : "tenant",
  });
  await createOwnerRole(deps, tx, { tenantId: tenant.id, userId: owner.id });
  await enqueue(deps, tx, {
    type: "tenant.created",
    tenantId: tenant.id,
    aggregateId: tenant.id,
    payload: present(tenant),
  });
  await recordAudit(deps, tx, by, {
    tenantId: tenant.id,
    action: "tenant.created",
    resource: { type: "tenant", id: tenant.id },
    metadata: { slug: tenant.slug, name: tenant.name },
  });
  return tenant;
}

/**
 * The workspace of one's own that comes with an account, named after its owner. It gives way, as home, to the first one that
 * they create.
 */
export function createPersonalTenantIn(
  deps: Deps,
  tx: Tx,
  by: Author,
  owner: UserRow,
): Promise<store.TenantRow> {
  return createTenantIn(deps, tx, by, {
    name: owner.displayName?.trim() || owner.email.slice(0, owner.email.lastIndexOf("@")),
    // Of a version 7 id the last digits are the random ones: the first would clash within a millisecond.
    slug: `personal-${owner.id.slice(-12)}`,
    owner,
    personal: true,
  });
}

async function insert(
  deps: Deps,
  tx: Tx,
  input: NewTenant,
  createdBy: string,
  personal: boolean,
): Promise<store.TenantRow> {
  const now = deps.clock.now();
  const row = (slug: string) => ({
    id: deps.random.uuid(),
    slug,
    name: input.name,
    ...(input.plan && { plan: input.plan }),
    ...(input.region && { region: input.region }),
    metadata: { ...input.metadata },
    personal,
    createdBy,
    createdAt: now,
    updatedAt: now,
  });
  if (input.slug !== undefined) {
    // A personal one's slug is ours, and reserved for it.
    const tenant = await store.insertTenant(tx, row(personal ? input.slug : parseSlug(input.slug)));
    if (tenant) return tenant;
    throw new AppError("conflict", "slug already exists");
  }
  let tried = 0;
  for (const slug of slugsFor(input.name)) {
    const tenant = await store.insertTenant(tx, row(slug));
    if (tenant) return tenant;
    tried += 1;
    if (tried === MAX_SLUGS) break;
  }
  throw new AppError("conflict", "slug already exists");
}

/**
 * Makes a workspace that the actor's user owns, and for a session also a token pair for it. Throws `forbidden` where only
 * operators may, 429 beyond 100 a day, `conflict` for a slug in use.
 */
export async function createTenant(
  deps: Deps,
  actor: Actor,
  input: NewTenant,
): Promise<{ tenant: store.TenantRow; pair: TokenPair | undefined }> {
  if (deps.config.tenantCreation === "operators" && !(await isPlatformOperator(deps, actor)))
    throw new AppError("forbidden", "only platform operators may create workspaces");
  if (input.slug !== undefined) parseSlug(input.slug);
  const work = async (tx: Tx) => {
    const owner = await findUser(tx, actor.userId!);
    if (!owner) throw new AppError("unauthorized");
    const since = new Date(deps.clock.now().getTime() - DAY_MS);
    if ((await store.countCreatedSince(tx, owner.id, since)) >= MAX_A_DAY)
      throw new AppError("too_many_requests", `at most ${MAX_A_DAY} workspaces a day`, {
        headers: { "retry-after": "3600" },
      });
    const tenant = await createTenantIn(deps, tx, actor, { ...input, owner });
    // A key must not become a session (contract 02 §10.2).
    const opened =
      actor.kind === "user" && actor.sessionId !== null
        ? await openSuccessor(deps, tx, actor, {
            user: owner,
            tenantId: tenant.id,
            method: "tenant_create",
          })
        : undefined;
    return { tenant, opened };
  };
  const { tenant, opened } = await deps.db.transaction(work);
  return { tenant, pair: opened && (await issuePair(deps, opened)) };
}

/** The actor's tenants, the newest first, `limit + 1` rows; for a machine without a user its own (contract 02 §10.1). */
export async function listTenants(
  deps: Deps,
  actor: Actor,
  page: { limit: number; after: Cursor | undefined },
): Promise<store.TenantRow[]> {
  if (actor.kind === "user")
    return store.listTenantsOf(deps.db.read, actor.userId!, {
      limit: page.limit + 1,
      after: page.after,
    });
  if (actor.tenantId === null || page.after !== undefined) return [];
  const own = await store.findTenant(deps.db.read, actor.tenantId);
  return own ? [own] : [];
}

/**
 * A tenant that the actor may address (contract 02 §10): a session user any that they are a member of, everybody else
 * their own. With `key`, it must be held *there*. Throws `not_found`, also for what exists; `forbidden` for the key.
 */
async function addressed(
  q: Reader,
  actor: Actor,
  tenantId: string,
  key?: Permission,
): Promise<store.TenantRow> {
  const tenant = await store.findTenant(q, tenantId);
  if (!tenant) throw new AppError("not_found");
  const denied = () => new AppError("forbidden", `missing permission: ${key}`);
  if (actor.kind !== "user") {
    if (actor.tenantId !== tenantId) throw new AppError("not_found");
    const needed = key ?? "tenant.read";
    if (!actor.holds(needed)) throw new AppError("forbidden", `missing permission: ${needed}`);
    return tenant;
  }
  const membership = await findMembership(q, tenantId, actor.userId!);
  if (!membership?.active) throw new AppError("not_found");
  if (key === undefined) return tenant;
  const { permissions } = await permissionsOf(q, actor.userId!, tenantId, { evenSuspended: true });
  if (!isSatisfied(permissions, key)) throw denied();
  return tenant;
}

export const getTenant = (deps: Deps, actor: Actor, tenantId: string): Promise<store.TenantRow> =>
  addressed(deps.db.read, actor, tenantId);

export interface TenantChange {
  readonly name?: string | undefined;
  readonly status?: "active" | "suspended" | undefined;
  readonly plan?: "free" | "pro" | "enterprise" | undefined;
  readonly region?: string | undefined;
  readonly metadata?: JsonObject | undefined;
}

/** Changes a tenant; what is left out stays. Suspension holds from the next request on (contract 01 §5). */
export async function updateTenant(
  deps: Deps,
  actor: Actor,
  tenantId: string,
  change: TenantChange,
): Promise<store.TenantRow> {
  const work = async (tx: Tx) => {
    const tenant = await addressed(tx, actor, tenantId, "tenant.write");
    const fields = (["name", "status", "plan", "region", "metadata"] as const).filter(
      (name) =>
        change[name] !== undefined && JSON.stringify(change[name]) !== JSON.stringify(tenant[name]),
    );
    if (fields.length === 0) return tenant;
    const patch: store.TenantPatch = Object.fromEntries(fields.map((name) => [name, change[name]]));
    const updated = await store.updateTenant(tx, tenantId, {
      ...patch,
      updatedAt: deps.clock.now(),
    });
    if (!updated) throw new AppError("not_found");
    await announceUpdate(deps, tx, actor, updated, fields);
    return updated;
  };
  return deps.db.transaction(work, { serializeOn: tenantId });
}

/** Deletes a tenant: everything that gives access to it ends at once; its log stays. */
export async function deleteTenant(deps: Deps, actor: Actor, tenantId: string): Promise<void> {
  const work = async (tx: Tx) => {
    await addressed(tx, actor, tenantId, "tenant.write");
    await clearHome(tx, tenantId);
    await putIntoBin(deps, tx, actor, tenantId);
  };
  await deps.db.transaction(work, { serializeOn: tenantId });
}

async function putIntoBin(deps: Deps, tx: Tx, by: Author, tenantId: string): Promise<void> {
  const now = deps.clock.now();
  await refuseAccess(deps, tx, { tenantId, reason: "tenant_deleted", at: now, revokesKeys: true });
  for (const { removeTenant } of deps.subjectData) await removeTenant?.(tx, tenantId, now);
  await store.updateTenant(tx, tenantId, { status: "deleted", deletedAt: now, updatedAt: now });
  await enqueue(deps, tx, {
    type: "tenant.deleted",
    tenantId,
    aggregateId: tenantId,
    payload: { id: tenantId },
  });
  await recordAudit(deps, tx, by, {
    tenantId,
    action: "tenant.deleted",
    resource: { type: "tenant", id: tenantId },
  });
  tx.afterCommit(() => {
    deps.principals.forget(`tenant:${tenantId}`);
    deps.clients.forget(`tenant:${tenantId}`);
  });
}

/** The workspaces that sign-up made for a user go into the bin with them, in the caller's transaction. */
export async function deletePersonalTenants(
  deps: Deps,
  tx: Tx,
  by: Author,
  userId: string,
): Promise<void> {
  for (const { id } of await store.personalTenantsOf(tx, userId, null))
    await putIntoBin(deps, tx, by, id);
}

/** And come back with them: those that went at `deletedAt`. What gave access to them stays ended. */
export async function restorePersonalTenants(
  deps: Deps,
  tx: Tx,
  by: Author,
  { userId, deletedAt }: { userId: string; deletedAt: Date },
): Promise<void> {
  for (const { id } of await store.personalTenantsOf(tx, userId, deletedAt)) {
    const updatedAt = deps.clock.now();
    const restored = await store.restoreTenant(tx, id, updatedAt);
    await announceUpdate(deps, tx, by, restored, ["status"]);
  }
}

async function announceUpdate(
  deps: Deps,
  tx: Tx,
  by: Author,
  tenant: store.TenantRow,
  fields: string[],
): Promise<void> {
  const { id: tenantId } = tenant;
  await enqueue(deps, tx, {
    type: "tenant.updated",
    tenantId,
    aggregateId: tenantId,
    payload: { ...present(tenant), changed: fields },
  });
  await recordAudit(deps, tx, by, {
    tenantId,
    action: "tenant.updated",
    resource: { type: "tenant", id: tenantId },
    metadata: { fields },
  });
  tx.afterCommit(() => {
    deps.principals.forget(`tenant:${tenantId}`);
    deps.clients.forget(`tenant:${tenantId}`);
  });
}
