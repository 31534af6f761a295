import { and, desc, eq, getTableColumns, gt, isNull, ne } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { before, type Cursor } from "../../../db/keyset.ts";
import { prepared } from "../../../db/prepared.ts";
import {
  deviceAuthorizations,
  loginSessions,
  oauthGrants,
  oidcClients,
  users,
} from "../../../db/schema/index.ts";

export type DeviceRow = typeof deviceAuthorizations.$inferSelect;

/** A row with what lists and people say of it. */
export interface NamedDevice extends DeviceRow {
  readonly clientId: string;
  readonly userEmail: string | null;
}

/** False when the user code is taken. */
export async function insertDevice(
  tx: Tx,
  row: typeof deviceAuthorizations.$inferInsert,
): Promise<boolean> {
  const inserted = await tx
    .insert(deviceAuthorizations)
    .values(row)
    .onConflictDoNothing()
    .returning({ id: deviceAuthorizations.id });
  return inserted.length > 0;
}

export const selectByDeviceCode = prepared((q, p: { deviceCodeHash: string }) =>
  q
    .select()
    .from(deviceAuthorizations)
    .where(eq(deviceAuthorizations.deviceCodeHash, p.deviceCodeHash)),
);

const named = (q: Reader) =>
  q
    .select({
      ...getTableColumns(deviceAuthorizations),
      clientId: oidcClients.clientId,
      userEmail: users.email,
    })
    .from(deviceAuthorizations)
    .innerJoin(oidcClients, eq(oidcClients.id, deviceAuthorizations.clientRowId))
    .leftJoin(users, eq(users.id, deviceAuthorizations.userId));

export async function findByUserCode(
  q: Reader,
  userCode: string,
): Promise<NamedDevice | undefined> {
  const [row] = await named(q).where(eq(deviceAuthorizations.userCode, userCode));
  return row;
}

export async function findDevice(
  q: Reader,
  tenantId: string,
  id: string,
): Promise<NamedDevice | undefined> {
  const [row] = await named(q).where(
    and(eq(deviceAuthorizations.id, id), eq(deviceAuthorizations.tenantId, tenantId)),
  );
  return row;
}

/** Newest first. */
export const listDevices = (
  q: Reader,
  tenantId: string,
  { limit, after }: { limit: number; after: Cursor | undefined },
): Promise<NamedDevice[]> =>
  named(q)
    .where(
      and(
        eq(deviceAuthorizations.tenantId, tenantId),
        after && before(deviceAuthorizations.createdAt, deviceAuthorizations.id, after),
      ),
    )
    .orderBy(desc(deviceAuthorizations.createdAt), desc(deviceAuthorizations.id))
    .limit(limit);

/** One row for the one decision; none for whoever comes second or too late. */
export async function decideDevice(
  tx: Tx,
  id: string,
  now: Date,
  decision: Pick<DeviceRow, "status" | "userId"> & Partial<DeviceRow>,
): Promise<boolean> {
  const decided = await tx
    .update(deviceAuthorizations)
    .set(decision)
    .where(
      and(
        eq(deviceAuthorizations.id, id),
        eq(deviceAuthorizations.status, "pending"),
        gt(deviceAuthorizations.expiresAt, now),
      ),
    )
    .returning({ id: deviceAuthorizations.id });
  return decided.length > 0;
}

/** Notes a poll; false when another one was noted since `seen` was read. */
export async function notePoll(
  tx: Tx,
  seen: Pick<DeviceRow, "id" | "lastPolledAt">,
  poll: { readonly at: Date; readonly intervalSeconds: number },
): Promise<boolean> {
  const { lastPolledAt } = deviceAuthorizations;
  const noted = await tx
    .update(deviceAuthorizations)
    .set({ lastPolledAt: poll.at, intervalSeconds: poll.intervalSeconds })
    .where(
      and(
        eq(deviceAuthorizations.id, seen.id),
        seen.lastPolledAt === null ? isNull(lastPolledAt) : eq(lastPolledAt, seen.lastPolledAt),
      ),
    )
    .returning({ id: deviceAuthorizations.id });
  return noted.length > 0;
}

/** One row for the one poll that takes the tokens. */
export async function consumeDevice(tx: Tx, id: string, at: Date): Promise<boolean> {
  const consumed = await tx
    .update(deviceAuthorizations)
    .set({ consumedAt: at })
    .where(
      and(
        eq(deviceAuthorizations.id, id),
        eq(deviceAuthorizations.status, "authorized"),
        isNull(deviceAuthorizations.consumedAt),
        gt(deviceAuthorizations.expiresAt, at),
      ),
    )
    .returning({ id: deviceAuthorizations.id });
  return consumed.length > 0;
}

/** Whether a hosted session has not been ended. */
export async function isSignedIn(q: Reader, loginSessionId: string): Promise<boolean> {
  const { id } = loginSessions;
  return (await q.select({ id }).from(loginSessions).where(eq(id, loginSessionId))).length > 0;
}

/** The row that went, undefined when it is unknown or another tenant's. */
export async function deleteDevice(
  tx: Tx,
  tenantId: string,
  id: string,
): Promise<DeviceRow | undefined> {
  const [row] = await tx
    .delete(deviceAuthorizations)
    .where(and(eq(deviceAuthorizations.id, id), eq(deviceAuthorizations.tenantId, tenantId)))
    .returning();
  return row;
}

/** What came of a device code: grants keep the hash of the code that they were given for. */
export async function grantOf(q: Reader, deviceCodeHash: string): Promise<string | undefined> {
  const [row] = await q
    .select({ id: oauthGrants.id })
    .from(oauthGrants)
    .where(eq(oauthGrants.codeHash, deviceCodeHash));
  return row?.id;
}

/** Takes back what was allowed and not fetched yet. Answers how many. */
export async function denyUnfetched(
  tx: Tx,
  { userId, tenantId }: { userId?: string | undefined; tenantId?: string | undefined },
): Promise<number> {
  const which = [
    ...(userId === undefined ? [] : [eq(deviceAuthorizations.userId, userId)]),
    ...(tenantId === undefined ? [] : [eq(deviceAuthorizations.tenantId, tenantId)]),
  ];
  // Never every device there is, whatever a caller forgot to name.
  if (which.length === 0) return 0;
  const denied = await tx
    .update(deviceAuthorizations)
    .set({ status: "denied" })
    .where(
      and(
        ...which,
        ne(deviceAuthorizations.status, "denied"),
        isNull(deviceAuthorizations.consumedAt),
      ),
    )
    .returning({ id: deviceAuthorizations.id });
  return denied.length;
}

export async function deleteDevicesOf(tx: Tx, userId: string): Promise<void> {
  await tx.delete(deviceAuthorizations).where(eq(deviceAuthorizations.userId, userId));
}

export const devicesOfUser = (q: Reader, userId: string): Promise<NamedDevice[]> =>
  named(q).where(eq(deviceAuthorizations.userId, userId));
