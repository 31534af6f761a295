import { and, desc, eq, inArray, isNotNull, isNull, type SQL } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { before, type Cursor } from "../../../db/keyset.ts";
import { prepared } from "../../../db/prepared.ts";
import { oidcClientSecrets, oidcClients, tenants } from "../../../db/schema/index.ts";
import { isSameText } from "../../platform/crypto/tokens.ts";

export type ClientRow = typeof oidcClients.$inferSelect;
export type ClientSecretRow = typeof oidcClientSecrets.$inferSelect;

/** All that the protocol must know of a client, once for each of its secrets: one statement. */
export const selectClient = prepared((q, p: { clientId: string }) =>
  q
    .select({
      client: oidcClients,
      tenantName: tenants.name,
      tenantStatus: tenants.status,
      secretHash: oidcClientSecrets.secretHash,
      secretExpiresAt: oidcClientSecrets.expiresAt,
    })
    .from(oidcClients)
    .innerJoin(tenants, eq(tenants.id, oidcClients.tenantId))
    .leftJoin(oidcClientSecrets, eq(oidcClientSecrets.clientRowId, oidcClients.id))
    .where(eq(oidcClients.clientId, p.clientId)),
);

export async function insertClient(tx: Tx, row: ClientRow): Promise<void> {
  await tx.insert(oidcClients).values(row);
}

export async function insertSecret(tx: Tx, row: ClientSecretRow): Promise<void> {
  await tx.insert(oidcClientSecrets).values(row);
}

/** How many clients a tenant has, counted up to `limit`. */
export async function countClients(q: Reader, tenantId: string, limit: number): Promise<number> {
  const rows = await q
    .select({ id: oidcClients.id })
    .from(oidcClients)
    .where(and(eq(oidcClients.tenantId, tenantId), isNull(oidcClients.deletedAt)))
    .limit(limit);
  return rows.length;
}

const isLive = (tenantId: string, id: string) =>
  and(eq(oidcClients.id, id), eq(oidcClients.tenantId, tenantId), isNull(oidcClients.deletedAt));

export async function findClientRow(
  q: Reader,
  tenantId: string,
  id: string,
): Promise<ClientRow | undefined> {
  const [row] = await q.select().from(oidcClients).where(isLive(tenantId, id));
  return row;
}

/** By client_id; undefined unless it and its tenant are active. */
export async function findActiveClient(
  q: Reader,
  clientId: string,
): Promise<ClientRow | undefined> {
  const [row] = await q
    .select({ client: oidcClients })
    .from(oidcClients)
    .innerJoin(tenants, eq(tenants.id, oidcClients.tenantId))
    .where(
      and(
        eq(oidcClients.clientId, clientId),
        isNull(oidcClients.deletedAt),
        eq(tenants.status, "active"),
      ),
    );
  return row?.client;
}

/** Those where whoever has an account may sign in, though nobody is invited to make one. */
export const selectOpenClients = (q: Reader, limit: number): Promise<ClientRow[]> =>
  q
    .select()
    .from(oidcClients)
    .where(
      and(
        isNull(oidcClients.deletedAt),
        eq(oidcClients.requireMembership, false),
        eq(oidcClients.selfRegistration, false),
      ),
    )
    .limit(limit);

/** Newest first. */
export const listClients = (
  q: Reader,
  tenantId: string,
  { limit, after }: { limit: number; after: Cursor | undefined },
): Promise<ClientRow[]> =>
  q
    .select()
    .from(oidcClients)
    .where(
      and(
        eq(oidcClients.tenantId, tenantId),
        isNull(oidcClients.deletedAt),
        after && before(oidcClients.createdAt, oidcClients.id, after),
      ),
    )
    .orderBy(desc(oidcClients.createdAt), desc(oidcClients.id))
    .limit(limit);

/** Undefined when it is unknown, another tenant's or deleted. */
export async function updateClient(
  tx: Tx,
  { tenantId, id }: { tenantId: string; id: string },
  values: Partial<ClientRow>,
): Promise<ClientRow | undefined> {
  const [row] = await tx.update(oidcClients).set(values).where(isLive(tenantId, id)).returning();
  return row;
}

export async function hasSecret(
  q: Reader,
  clientRowId: string,
  secretHash: string,
): Promise<boolean> {
  const rows = await q
    .select({ secretHash: oidcClientSecrets.secretHash })
    .from(oidcClientSecrets)
    .where(eq(oidcClientSecrets.clientRowId, clientRowId));
  return rows.some((row) => isSameText(row.secretHash, secretHash));
}

/** The current secret, if any, works until `until`; those that a rotation had left some time end now. */
export async function retireSecrets(tx: Tx, clientRowId: string, until: Date): Promise<void> {
  const ofClient = eq(oidcClientSecrets.clientRowId, clientRowId);
  await tx.delete(oidcClientSecrets).where(and(ofClient, isNotNull(oidcClientSecrets.expiresAt)));
  await tx.update(oidcClientSecrets).set({ expiresAt: until }).where(ofClient);
}

/** Undefined when it is unknown, another tenant's, or deleted before. */
export async function deleteClient(
  tx: Tx,
  { tenantId, id, at }: { tenantId: string; id: string; at: Date },
): Promise<ClientRow | undefined> {
  return (await deleteWhere(tx, at, isLive(tenantId, id)))[0];
}

/** Those of a tenant. */
export const deleteClientsOf = (tx: Tx, tenantId: string, at: Date) =>
  deleteWhere(tx, at, eq(oidcClients.tenantId, tenantId));

/** Those that a user registered. */
export const deleteClientsBy = (tx: Tx, userId: string, at: Date) =>
  deleteWhere(tx, at, eq(oidcClients.createdBy, userId));

/** The rows stay until their grants have ended; what they could authenticate with does not. */
async function deleteWhere(tx: Tx, at: Date, which: SQL | undefined): Promise<ClientRow[]> {
  const deleted = await tx
    .update(oidcClients)
    .set({ deletedAt: at, updatedAt: at })
    .where(and(which, isNull(oidcClients.deletedAt)))
    .returning();
  if (deleted.length > 0)
    await tx.delete(oidcClientSecrets).where(
      inArray(
        oidcClientSecrets.clientRowId,
        deleted.map(({ id }) => id),
      ),
    );
  return deleted;
}
