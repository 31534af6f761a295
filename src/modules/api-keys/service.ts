import type { Tx } from "../../../db/client.ts";
import type { Cursor } from "../../../db/keyset.ts";
import type { Deps } from "../../deps.ts";
import { hashToken } from "../../platform/crypto/tokens.ts";
import { AppError, invalidField } from "../../platform/errors.ts";
import { makerOf } from "../../platform/liveness.ts";
import { type Actor, PERMISSIONS } from "../../platform/permissions.ts";
import { type Author, recordAudit } from "../audit/service.ts";
import {
  assertHolds,
  assertMayGiveScopes,
  assertMayGrant,
  assertStillMay,
  bodyTenant,
  tenantOf,
} from "../rbac/service.ts";
import { isMember } from "../users/service.ts";
import * as store from "./store.ts";

export { type ApiKeyRow, touchApiKeys } from "./store.ts";
export { apiKeysSubjectData } from "./subject-data.ts";
export { authenticateApiKey } from "./verify.ts";

const MAX_ACTIVE_KEYS = 200;

export interface NewApiKey {
  readonly name: string;
  readonly userId?: string | null;
  readonly scopes?: readonly string[];
  readonly expiresAt?: Date | null;
}

/** The key as people see it, and the whole of it: `secret` is nowhere after this. */
export interface CreatedApiKey {
  readonly apiKey: store.ApiKeyRow;
  readonly secret: string;
}

/**
 * Makes a key in the actor's tenant. Throws `forbidden` for scopes that the actor does not hold (none or `*`: for who
 * does not hold the whole catalogue) and for another user's key unless the actor is an owner, 422 for an instant that is
 * past or a user who is no member, `conflict` beyond 200 active keys.
 */
export async function createApiKey(
  deps: Deps,
  actor: Actor,
  input: NewApiKey & { readonly tenantId?: string | undefined },
): Promise<CreatedApiKey> {
  const tenantId = bodyTenant(actor, input.tenantId);
  const userId = input.userId?.toLowerCase() ?? null;
  const key = { ...input, userId, scopes: [...new Set(input.scopes)] };
  assertMayHandOut(actor, key);
  if (key.expiresAt && key.expiresAt <= deps.clock.now())
    throw invalidField("expires_at", "invalid", "expires_at must be in the future");
  const work = async (tx: Tx) => {
    await assertStillMay(tx, actor);
    const createdBy = await makerOf(tx, actor);
    return createApiKeyIn(deps, tx, actor, { ...key, tenantId, createdBy });
  };
  return deps.db.transaction(work, { serializeOn: tenantId });
}

/** The writes behind `createApiKey`, without its rules on the actor, in the caller's transaction. */
export async function createApiKeyIn(
  deps: Deps,
  tx: Tx,
  by: Author,
  input: NewApiKey & { readonly tenantId: string; readonly createdBy?: string | null },
): Promise<CreatedApiKey> {
  const { tenantId, userId = null, expiresAt = null, name } = input;
  const now = deps.clock.now();
  if ((await store.countActive(tx, tenantId, now, MAX_ACTIVE_KEYS)) >= MAX_ACTIVE_KEYS)
    throw new AppError("conflict", `a tenant has at most ${MAX_ACTIVE_KEYS} active keys`);
  if (userId !== null && !(await isMember(tx, tenantId, userId)))
    throw invalidField("user_id", "invalid", "user_id is not a member of the tenant");
  const apiKey: store.ApiKeyRow = {
    id: deps.random.uuid(),
    tenantId,
    userId,
    createdBy: input.createdBy ?? null,
    name,
    prefix: "", // with its first secret
    scopes: [...(input.scopes ?? [])],
    expiresAt,
    lastUsedAt: null,
    revokedAt: null,
    createdAt: now,
  };
  await store.insertApiKey(tx, apiKey);
  const { prefix, secret } = await addSecret(deps, tx, apiKey.id);
  await recordAudit(deps, tx, by, {
    tenantId,
    action: "apikey.created",
    resource: { type: "api_key", id: apiKey.id },
    metadata: {
      name,
      prefix,
      scopes: apiKey.scopes,
      user_id: userId,
      expires_at: expiresAt?.toISOString() ?? null,
    },
  });
  return { apiKey: { ...apiKey, prefix }, secret };
}

/** Contract 00 §18, 07 §1.7: whoever makes or renews a key can use it, so it can do no more than they. */
function assertMayHandOut(
  actor: Actor,
  { scopes, userId }: { scopes: readonly string[]; userId: string | null },
): void {
  if (scopes.length === 0) assertMayGrant(actor, PERMISSIONS);
  else assertMayGiveScopes(actor, scopes);
  if (userId !== null && userId !== actor.userId && !actor.isOwner)
    throw new AppError("forbidden", "only an owner may bind a key to another user");
}

/** Contract 07 §5.1: `qk_` and 6 random bytes, a dot, 24 random bytes. */
async function addSecret(
  deps: Deps,
  tx: Tx,
  apiKeyId: string,
): Promise<{ prefix: string; secret: string }> {
  const text = (bytes: number) => Buffer.from(deps.random.bytes(bytes)).toString("base64url");
  for (;;) {
    const prefix = `qk_${text(6)}`;
    const hidden = text(24);
    const row = {
      prefix,
      apiKeyId,
      secretHash: hashToken(hidden),
      expiresAt: null,
      createdAt: deps.clock.now(),
    };
    // 48 random bits meet before long: another prefix then.
    if (!(await store.insertSecret(tx, row))) continue;
    await store.setPrefix(tx, apiKeyId, prefix);
    return { prefix, secret: `${prefix}.${hidden}` };
  }
}

/**
 * Gives a key a new secret; the old one works for `graceSeconds` more. Throws `not_found` for a key that is unknown,
 * another tenant's or revoked, `conflict` for one that has expired, `forbidden` as `createApiKey`.
 */
export async function rotateApiKey(
  deps: Deps,
  actor: Actor,
  { id, graceSeconds }: { readonly id: string; readonly graceSeconds: number },
): Promise<CreatedApiKey> {
  const tenantId = tenantOf(actor);
  const work = async (tx: Tx) => {
    await assertStillMay(tx, actor);
    const now = deps.clock.now();
    const apiKey = await store.findApiKey(tx, tenantId, id);
    if (!apiKey || apiKey.revokedAt !== null) throw new AppError("not_found");
    assertMayHandOut(actor, apiKey);
    if (apiKey.expiresAt && apiKey.expiresAt <= now)
      throw new AppError("conflict", "api key expired");
    await store.expireSecrets(tx, id, new Date(now.getTime() + graceSeconds * 1000));
    await store.deleteExpiredSecrets(tx, id, now);
    const { prefix, secret } = await addSecret(deps, tx, id);
    await recordAudit(deps, tx, actor, {
      tenantId,
      action: "apikey.rotated",
      resource: { type: "api_key", id },
      metadata: {
        name: apiKey.name,
        prefix,
        former_prefix: apiKey.prefix,
        grace_seconds: graceSeconds,
      },
    });
    tx.afterCommit(() => deps.principals.forget(`key:${id}`));
    return { apiKey: { ...apiKey, prefix }, secret };
  };
  return deps.db.transaction(work, { serializeOn: tenantId });
}

/** Ends a key at once; a key may end itself. Throws `not_found` for one unknown, another tenant's or revoked before. */
export async function revokeApiKey(deps: Deps, actor: Actor, id: string): Promise<void> {
  const tenantId = tenantOf(actor);
  if (actor.kind !== "api_key" || actor.subject !== id) assertHolds(actor, "apikey.write");
  const work = async (tx: Tx) => {
    const key = await store.revokeApiKey(tx, tenantId, id, deps.clock.now());
    if (!key) throw new AppError("not_found");
    await recordAudit(deps, tx, actor, {
      tenantId,
      action: "apikey.revoked",
      resource: { type: "api_key", id },
      metadata: { name: key.name, prefix: key.prefix },
    });
    tx.afterCommit(() => deps.principals.forget(`key:${id}`));
  };
  await deps.db.transaction(work, { serializeOn: tenantId });
}

/** Those of the actor's tenant, newest first, revoked and expired ones too. Answers up to `limit` rows. */
export const listApiKeys = (
  deps: Deps,
  actor: Actor,
  page: { limit: number; after: Cursor | undefined },
): Promise<store.ApiKeyRow[]> => store.listApiKeys(deps.db.read, tenantOf(actor), page);
