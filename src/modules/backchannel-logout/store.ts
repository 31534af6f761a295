import { and, asc, eq, inArray, isNotNull, isNull, lt, lte, min, sql } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { backchannelLogouts, oidcClients } from "../../../db/schema/index.ts";

export type LogoutRow = typeof backchannelLogouts.$inferSelect;

/** What a logout token needs of its client. */
export interface Recipient {
  readonly id: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly idTokenAlg: "RS256" | "ES256";
  readonly uri: string;
}

/** Those of the clients that want to be told, and still exist. */
export async function recipientsAmong(
  q: Reader,
  clientRowIds: readonly string[],
): Promise<Recipient[]> {
  const rows = await q
    .select({
      id: oidcClients.id,
      tenantId: oidcClients.tenantId,
      clientId: oidcClients.clientId,
      idTokenAlg: oidcClients.idTokenAlg,
      uri: oidcClients.backchannelLogoutUri,
    })
    .from(oidcClients)
    .where(
      and(
        inArray(oidcClients.id, [...clientRowIds]),
        isNotNull(oidcClients.backchannelLogoutUri),
        isNull(oidcClients.deletedAt),
      ),
    );
  return rows.flatMap(({ uri, ...row }) => (uri === null ? [] : [{ ...row, uri }]));
}

export async function insertLogouts(
  tx: Tx,
  rows: readonly (typeof backchannelLogouts.$inferInsert)[],
): Promise<void> {
  await tx.insert(backchannelLogouts).values([...rows]);
}

const isDue = (now: Date) =>
  and(isNull(backchannelLogouts.finishedAt), lte(backchannelLogouts.dueAt, now));

/**
 * Ids of logouts that are due and that nobody is at, the longest due first. Tenants share the `limit`: one whose clients
 * are slow, and whose logouts are many, does not hold up the others.
 */
export async function dueLogoutIds(q: Reader, now: Date, limit: number): Promise<string[]> {
  const { id, clientRowId, dueAt } = backchannelLogouts;
  const { tenantId } = oidcClients;
  const ofClient = eq(oidcClients.id, clientRowId);
  const waiting = await q
    .select({ tenantId })
    .from(backchannelLogouts)
    .innerJoin(oidcClients, ofClient)
    .where(isDue(now))
    .groupBy(tenantId)
    .orderBy(asc(min(dueAt)))
    .limit(limit);
  const ids: string[] = [];
  for (const [n, tenant] of waiting.entries()) {
    const share = Math.ceil((limit - ids.length) / (waiting.length - n));
    const rows = await q
      .select({ id })
      .from(backchannelLogouts)
      .innerJoin(oidcClients, ofClient)
      .where(and(isDue(now), eq(tenantId, tenant.tenantId)))
      .orderBy(asc(dueAt))
      .limit(share);
    ids.push(...rows.map((row) => row.id));
  }
  return ids;
}

/** Takes those of `ids` that are still due: nobody else finds them before `leaseUntil`. */
export function claimLogouts(
  tx: Tx,
  ids: readonly string[],
  now: Date,
  leaseUntil: Date,
): Promise<LogoutRow[]> {
  return tx
    .update(backchannelLogouts)
    .set({ dueAt: leaseUntil })
    .where(and(inArray(backchannelLogouts.id, [...ids]), isDue(now)))
    .returning();
}

/** What became of an attempt. False when the lease had run out and somebody else is at it. */
export async function updateClaimed(
  tx: Tx,
  row: LogoutRow,
  change: Partial<typeof backchannelLogouts.$inferInsert>,
): Promise<boolean> {
  const updated = await tx
    .update(backchannelLogouts)
    .set(change)
    .where(
      and(
        eq(backchannelLogouts.id, row.id),
        eq(backchannelLogouts.dueAt, row.dueAt),
        isNull(backchannelLogouts.finishedAt),
      ),
    )
    .returning({ id: backchannelLogouts.id });
  return updated.length === 1;
}

/** Counts an attempt for up to `limit` other due logouts of one client. Each keeps its last attempt for itself. */
export async function postponeOthers(
  tx: Tx,
  input: {
    readonly clientRowId: string;
    readonly now: Date;
    readonly dueAt: Date;
    readonly maxAttempts: number;
    readonly error: string;
    readonly limit: number;
  },
): Promise<void> {
  const { clientRowId, now, dueAt, maxAttempts, error, limit } = input;
  const rows = await tx
    .select({ id: backchannelLogouts.id })
    .from(backchannelLogouts)
    .where(
      and(
        eq(backchannelLogouts.clientRowId, clientRowId),
        isDue(now),
        lt(backchannelLogouts.attempts, maxAttempts - 1),
      ),
    )
    .limit(limit);
  if (rows.length === 0) return;
  await tx
    .update(backchannelLogouts)
    .set({ attempts: sql`${backchannelLogouts.attempts} + 1`, dueAt, lastError: error })
    .where(
      and(
        inArray(
          backchannelLogouts.id,
          rows.map(({ id }) => id),
        ),
        isDue(now),
      ),
    );
}
