import type { Reader, Tx } from "../../../db/client.ts";
import { violationOf } from "../../../db/errors.ts";
import type { Cursor } from "../../../db/keyset.ts";
import type { Deps } from "../../deps.ts";
import { newToken } from "../../platform/crypto/tokens.ts";
import { AppError, invalidField } from "../../platform/errors.ts";
import { makerOf } from "../../platform/liveness.ts";
import type { CachedClient } from "../../platform/oauth-client.ts";
import type { Actor } from "../../platform/permissions.ts";
import { recordAudit } from "../audit/service.ts";
import { assertMayGiveScopes, assertStillMay, bodyTenant, tenantOf } from "../rbac/service.ts";
import * as store from "./store.ts";

export { type ServicePrincipalRow, touchPrincipals } from "./store.ts";
export { principalsSubjectData } from "./subject-data.ts";

const MAX_ACTIVE = 1000;

/** A principal by its id, with what it may authenticate with; undefined when it, or its tenant, is not active. */
export async function loadPrincipal(q: Reader, id: string): Promise<CachedClient | undefined> {
  const [row] = await store.selectPrincipal(q, { id });
  if (!row || row.disabledAt !== null || row.tenantStatus !== "active") return undefined;
  const { tenantId, name, scopes, secretHash } = row;
  return {
    tags: [`client:${id}`, `tenant:${tenantId}`],
    client: { kind: "principal", id, tenantId, name, scopes },
    secrets: [{ hash: secretHash, expiresAt: null }],
  };
}

/** `secret` is nowhere after this. */
export interface CreatedPrincipal {
  readonly principal: store.ServicePrincipalRow;
  readonly secret: string;
}

/**
 * Makes a service principal in the actor's tenant. Throws `forbidden` for a permission in its scopes that the actor does
 * not hold, `conflict` for a name in use (whatever its case, and by a disabled one too) and beyond 1000 active ones.
 */
export async function createPrincipal(
  deps: Deps,
  actor: Actor,
  input: {
    readonly tenantId?: string | undefined;
    readonly name: string;
    readonly description?: string | undefined;
    readonly scopes?: readonly string[] | undefined;
  },
): Promise<CreatedPrincipal> {
  const tenantId = bodyTenant(actor, input.tenantId);
  const name = input.name.trim();
  if (name === "") throw invalidField("name", "required", "name is required");
  const scopes = [...new Set(input.scopes)];
  assertMayGiveScopes(actor, scopes);
  const { token: secret, hash: secretHash } = newToken(deps.random);
  const work = async (tx: Tx) => {
    await assertStillMay(tx, actor);
    if ((await store.countActive(tx, tenantId, MAX_ACTIVE)) >= MAX_ACTIVE)
      throw new AppError("conflict", `a tenant has at most ${MAX_ACTIVE} active principals`);
    const principal: store.ServicePrincipalRow = {
      id: deps.random.uuid(),
      tenantId,
      name,
      nameKey: name.normalize("NFC").toLowerCase(),
      description: input.description ?? null,
      secretHash,
      scopes,
      createdBy: await makerOf(tx, actor),
      createdAt: deps.clock.now(),
      lastUsedAt: null,
      disabledAt: null,
    };
    await store.insertPrincipal(tx, principal);
    await recordAudit(deps, tx, actor, {
      tenantId,
      action: "service_principal.created",
      resource: { type: "service_principal", id: principal.id },
      metadata: { name, scopes },
    });
    return { principal, secret };
  };
  return deps.db.transaction(work, { serializeOn: tenantId }).catch((error: unknown) => {
    if (violationOf(error)?.constraint === "service_principals_tenant_id_name_key_key")
      throw new AppError("conflict", "a service principal of this name exists", { cause: error });
    throw error;
  });
}

/** Those of the actor's tenant, newest first, disabled ones too. Answers up to `limit` rows. */
export const listPrincipals = (
  deps: Deps,
  actor: Actor,
  page: { limit: number; after: Cursor | undefined },
): Promise<store.ServicePrincipalRow[]> =>
  store.listPrincipals(deps.db.read, tenantOf(actor), page);

/** Throws `not_found` for one that is unknown or another tenant's. */
export async function getPrincipal(
  deps: Deps,
  actor: Actor,
  id: string,
): Promise<store.ServicePrincipalRow> {
  const row = await store.findPrincipal(deps.db.read, tenantOf(actor), id);
  if (!row) throw new AppError("not_found");
  return row;
}

/**
 * Gives a principal a new secret; the old one ends at once. Throws `not_found` for one that is unknown, another tenant's
 * or disabled, `forbidden` for a permission in its scopes that the actor does not hold.
 */
export async function rotatePrincipalSecret(
  deps: Deps,
  actor: Actor,
  id: string,
): Promise<{ secret: string }> {
  const tenantId = tenantOf(actor);
  const { token: secret, hash: secretHash } = newToken(deps.random);
  const work = async (tx: Tx) => {
    await assertStillMay(tx, actor);
    const principal = await store.findPrincipal(tx, tenantId, id);
    if (!principal || !(await store.setSecret(tx, { tenantId, id, secretHash })))
      throw new AppError("not_found");
    // Contract 00 §18: whoever renews the secret can use it, so it can do no more than they.
    assertMayGiveScopes(actor, principal.scopes);
    await recordAudit(deps, tx, actor, {
      tenantId,
      action: "service_principal.secret_rotated",
      resource: { type: "service_principal", id },
      metadata: { name: principal.name },
    });
    forgetAfterCommit(deps, tx, id);
    return { secret };
  };
  return deps.db.transaction(work, { serializeOn: tenantId });
}

/** Ends a principal and its tokens at once. Throws `not_found` for one unknown, another tenant's or disabled before. */
export async function disablePrincipal(deps: Deps, actor: Actor, id: string): Promise<void> {
  const tenantId = tenantOf(actor);
  const work = async (tx: Tx) => {
    const at = deps.clock.now();
    const principal = await store.disablePrincipal(tx, { tenantId, id, at });
    if (!principal) throw new AppError("not_found");
    await recordAudit(deps, tx, actor, {
      tenantId,
      action: "service_principal.disabled",
      resource: { type: "service_principal", id },
      metadata: { name: principal.name },
    });
    forgetAfterCommit(deps, tx, id);
  };
  await deps.db.transaction(work, { serializeOn: tenantId });
}

function forgetAfterCommit(deps: Deps, tx: Tx, id: string): void {
  tx.afterCommit(() => {
    deps.clients.forget(`client:${id}`);
    deps.principals.forget(`client:${id}`);
  });
}
