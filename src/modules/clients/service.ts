import type { Tx } from "../../../db/client.ts";
import type { Cursor } from "../../../db/keyset.ts";
import type { Deps } from "../../deps.ts";
import { newToken } from "../../platform/crypto/tokens.ts";
import { AppError } from "../../platform/errors.ts";
import { makerOf } from "../../platform/liveness.ts";
import type { Actor } from "../../platform/permissions.ts";
import { uuid4 } from "../../platform/random.ts";
import { recordAudit } from "../audit/service.ts";
import { assertMayGiveScopes, assertStillMay, bodyTenant, tenantOf } from "../rbac/service.ts";
import {
  assertNoManagementScope,
  type ClientInput,
  type ClientSettings,
  needsSecret,
  newSettings,
  settle,
} from "./settings.ts";
import * as store from "./store.ts";

export { authenticateClient, type ClientForm, spendUnproved } from "./authenticate.ts";
export { findClient, findOidcClient } from "./find.ts";
export { ASSERTION_ALGORITHMS } from "./jwks.ts";
export { type ClientInput, DEVICE_GRANT, EXCHANGE_GRANT, GRANT_TYPES } from "./settings.ts";
export { type ClientRow, selectOpenClients } from "./store.ts";
export { clientsSubjectData } from "./subject-data.ts";

const MAX_CLIENTS = 1000;

/** `secret` is nowhere after this; undefined for a client that needs none. */
export interface CreatedClient {
  readonly client: store.ClientRow;
  readonly secret: string | undefined;
}

/** How a client came to be registered. */
interface Registration {
  readonly registration: store.ClientRow["registration"];
  readonly registrationTokenHash: string | null;
}

const BY_ADMIN: Registration = { registration: "admin", registrationTokenHash: null };

/**
 * Registers a client in the actor's tenant. Throws 422 for settings that break a rule, `forbidden` for a permission in its
 * scopes that the actor does not hold, `conflict` beyond 1000 clients.
 */
export async function createClient(
  deps: Deps,
  actor: Actor,
  input: ClientInput & { readonly name: string; readonly tenantId?: string | undefined },
): Promise<CreatedClient> {
  const { tenantId: wanted, ...rest } = input;
  const tenantId = bodyTenant(actor, wanted);
  const settings = newSettings(deps.config, rest);
  assertMayGiveScopes(actor, settings.scopes);
  return registerClient(deps, actor, { tenantId, settings, ...BY_ADMIN });
}

/** The writes behind `createClient` and RFC 7591, without their rules. */
export async function registerClient(
  deps: Deps,
  actor: Actor,
  {
    tenantId,
    settings,
    ...registration
  }: Registration & {
    readonly tenantId: string;
    readonly settings: ClientSettings;
  },
): Promise<CreatedClient> {
  const secret = needsSecret(settings) ? newToken(deps.random) : undefined;
  const work = async (tx: Tx) => {
    await assertStillMay(tx, actor);
    if ((await store.countClients(tx, tenantId, MAX_CLIENTS)) >= MAX_CLIENTS)
      throw new AppError("conflict", `a tenant has at most ${MAX_CLIENTS} clients`);
    const now = deps.clock.now();
    const client: store.ClientRow = {
      ...columnsOf(settings),
      ...registration,
      id: deps.random.uuid(),
      tenantId,
      clientId: newClientId(deps),
      createdBy: await makerOf(tx, actor),
      createdAt: now,
      updatedAt: now,
      deletedAt: null,
    };
    await store.insertClient(tx, client);
    if (secret) await addSecret(deps, tx, { clientRowId: client.id, secretHash: secret.hash });
    const { clientId, type, name, grantTypes, scopes } = client;
    await recordAudit(deps, tx, actor, {
      tenantId,
      action: "oidc.client_registered",
      resource: { type: "oidc_client", id: client.id },
      metadata: {
        client_id: clientId,
        type,
        name,
        grant_types: grantTypes,
        scopes,
        registration: client.registration,
      },
    });
    return { client, secret: secret?.token };
  };
  return deps.db.transaction(work, { serializeOn: tenantId });
}

/** Contract 03 §3: it tells nobody when the client was registered. */
const newClientId = ({ random }: Pick<Deps, "random">): string => `qci_${uuid4(random)}`;

/** The lists of settings are nobody's to change; those of a row are. */
const columnsOf = (settings: ClientSettings) => ({
  ...settings,
  redirectUris: [...settings.redirectUris],
  postLogoutUris: [...settings.postLogoutUris],
  grantTypes: [...settings.grantTypes],
  scopes: [...settings.scopes],
  jwks: settings.jwks && { keys: [...settings.jwks.keys] },
});

const addSecret = (
  deps: Deps,
  tx: Tx,
  { clientRowId, secretHash }: { clientRowId: string; secretHash: string },
): Promise<void> =>
  store.insertSecret(tx, {
    id: deps.random.uuid(),
    clientRowId,
    secretHash,
    expiresAt: null,
    createdAt: deps.clock.now(),
  });

/** Those of the actor's tenant, newest first. Answers up to `limit` rows. */
export const listClients = (
  deps: Deps,
  actor: Actor,
  page: { limit: number; after: Cursor | undefined },
): Promise<store.ClientRow[]> => store.listClients(deps.db.read, tenantOf(actor), page);

/** Throws `not_found` for one that is unknown, deleted or another tenant's. */
export async function getClient(deps: Deps, actor: Actor, id: string): Promise<store.ClientRow> {
  const row = await store.findClientRow(deps.db.read, tenantOf(actor), id);
  if (!row) throw new AppError("not_found");
  return row;
}

/**
 * Changes what is given; the rest stays. Throws as `createClient`, and `not_found`. Who may change a client can read what
 * is sent to it, so the actor must hold the permissions in its scopes, also where the scopes stay.
 */
export async function updateClient(
  deps: Deps,
  actor: Actor,
  id: string,
  input: ClientInput,
): Promise<store.ClientRow> {
  const tenantId = tenantOf(actor);
  const work = async (tx: Tx) => {
    await assertStillMay(tx, actor);
    const row = await store.findClientRow(tx, tenantId, id);
    if (!row) throw new AppError("not_found");
    const settings = settle(deps.config, settingsOf(row), input);
    assertMayGiveScopes(actor, settings.scopes);
    // Whoever holds its registration access token may change where its codes go (contract 00 §18).
    if (row.registration === "dynamic") assertNoManagementScope(settings.scopes);
    return writeSettings(deps, tx, actor, row, settings);
  };
  return deps.db.transaction(work, { serializeOn: tenantId });
}

/** Writes the settings that differ, with the audit event; nothing where none does. */
export async function writeSettings(
  deps: Deps,
  tx: Tx,
  by: Parameters<typeof recordAudit>[2],
  row: store.ClientRow,
  settings: ClientSettings,
): Promise<store.ClientRow> {
  const { id, tenantId } = row;
  const before = settingsOf(row);
  const fields = (Object.keys(before) as (keyof ClientSettings)[]).filter(
    (name) => !Bun.deepEquals(before[name], settings[name]),
  );
  if (fields.length === 0) return row;
  const values = { ...columnsOf(settings), updatedAt: deps.clock.now() };
  const changed = await store.updateClient(tx, { tenantId, id }, values);
  if (!changed) throw new AppError("not_found");
  await recordAudit(deps, tx, by, {
    tenantId,
    action: "oidc.client_updated",
    resource: { type: "oidc_client", id },
    metadata: { client_id: row.clientId, name: changed.name, fields: fields.map(snakeCase) },
  });
  forgetAfterCommit(deps, tx, id);
  return changed;
}

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Of a row, what somebody has chosen. */
export function settingsOf(row: store.ClientRow): ClientSettings {
  const { id, tenantId, clientId, registration, registrationTokenHash, ...rest } = row;
  const { createdBy, createdAt, updatedAt, deletedAt, ...settings } = rest;
  return settings;
}

/**
 * Gives a client a new secret; the old one works for `graceSeconds` more, those of earlier rotations end. Throws
 * `not_found`, 422 for a client that has no secret, `forbidden` as `updateClient`.
 */
export async function rotateClientSecret(
  deps: Deps,
  actor: Actor,
  { id, graceSeconds }: { readonly id: string; readonly graceSeconds: number },
): Promise<{ secret: string }> {
  const tenantId = tenantOf(actor);
  const { token: secret, hash: secretHash } = newToken(deps.random);
  const work = async (tx: Tx) => {
    await assertStillMay(tx, actor);
    const row = await store.findClientRow(tx, tenantId, id);
    if (!row) throw new AppError("not_found");
    if (!needsSecret(settingsOf(row)))
      throw new AppError("unprocessable", "the client authenticates without a secret");
    assertMayGiveScopes(actor, row.scopes);
    await store.retireSecrets(tx, id, new Date(deps.clock.now().getTime() + graceSeconds * 1000));
    await addSecret(deps, tx, { clientRowId: id, secretHash });
    await recordAudit(deps, tx, actor, {
      tenantId,
      action: "oidc.client_secret_rotated",
      resource: { type: "oidc_client", id },
      metadata: { client_id: row.clientId, grace_seconds: graceSeconds },
    });
    forgetAfterCommit(deps, tx, id);
    return { secret };
  };
  return deps.db.transaction(work, { serializeOn: tenantId });
}

/**
 * Ends a client: nothing finds it any more, so its grants, codes and consents are void at once. Throws `not_found` for one
 * that is unknown, another tenant's, or deleted before.
 */
export async function deleteClient(deps: Deps, actor: Actor, id: string): Promise<void> {
  const tenantId = tenantOf(actor);
  const work = (tx: Tx) => deleteClientIn(deps, tx, actor, { tenantId, id });
  await deps.db.transaction(work, { serializeOn: tenantId });
}

/** The writes behind `deleteClient`, in the caller's transaction. */
export async function deleteClientIn(
  deps: Deps,
  tx: Tx,
  by: Parameters<typeof recordAudit>[2],
  { tenantId, id }: { readonly tenantId: string; readonly id: string },
): Promise<void> {
  const row = await store.deleteClient(tx, { tenantId, id, at: deps.clock.now() });
  if (!row) throw new AppError("not_found");
  await recordAudit(deps, tx, by, {
    tenantId,
    action: "oidc.client_deleted",
    resource: { type: "oidc_client", id },
    metadata: { client_id: row.clientId, name: row.name },
  });
  forgetAfterCommit(deps, tx, id);
}

/** The client, and whoever acts by its tokens. */
function forgetAfterCommit(deps: Deps, tx: Tx, id: string): void {
  tx.afterCommit(() => {
    deps.clients.forget(`client:${id}`);
    deps.principals.forget(`client:${id}`);
  });
}
