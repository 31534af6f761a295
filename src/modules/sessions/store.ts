import {
  and,
  desc,
  eq,
  gt,
  inArray,
  isNotNull,
  isNull,
  lt,
  ne,
  or,
  type SQL,
  sql,
} from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { prepared, preparedWrite } from "../../../db/prepared.ts";
import {
  loginAttempts,
  memberships,
  refreshTokens,
  sessions,
  tenants,
  users,
} from "../../../db/schema/index.ts";

export type SessionRow = typeof sessions.$inferSelect;

export const insertSession = preparedWrite(
  (
    tx,
    p: {
      id: string;
      userId: string;
      tenantId: string | null;
      method: string;
      authTime: Date;
      amr: string[];
      mfaAt: Date | null;
      ip: string | null;
      userAgent: string | null;
      createdAt: Date;
    },
  ) =>
    tx.insert(sessions).values({
      id: p.id,
      userId: p.userId,
      tenantId: p.tenantId,
      method: p.method,
      authTime: p.authTime,
      amr: p.amr,
      mfaAt: p.mfaAt,
      ip: p.ip,
      userAgent: p.userAgent,
      createdAt: p.createdAt,
      lastSeenAt: p.createdAt,
    }),
);

export const insertRefreshToken = preparedWrite(
  (tx, p: { id: string; sessionId: string; tokenHash: string; issuedAt: Date; expiresAt: Date }) =>
    tx.insert(refreshTokens).values({
      id: p.id,
      sessionId: p.sessionId,
      tokenHash: p.tokenHash,
      issuedAt: p.issuedAt,
      expiresAt: p.expiresAt,
    }),
);

/** All that decides whether a session's credential still holds, in one statement. */
export const selectLiveness = prepared((q, p: { sessionId: string }) =>
  q
    .select({
      userId: sessions.userId,
      tenantId: sessions.tenantId,
      authTime: sessions.authTime,
      lastSeenAt: sessions.lastSeenAt,
      revokedAt: sessions.revokedAt,
      userStatus: users.status,
      userDeletedAt: users.deletedAt,
      tenantStatus: tenants.status,
      isMember: memberships.active,
    })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .leftJoin(tenants, eq(tenants.id, sessions.tenantId))
    .leftJoin(
      memberships,
      and(eq(memberships.tenantId, sessions.tenantId), eq(memberships.userId, sessions.userId)),
    )
    .where(eq(sessions.id, p.sessionId)),
);

export const selectRefresh = prepared((q, p: { tokenHash: string }) =>
  q
    .select({
      id: refreshTokens.id,
      usedAt: refreshTokens.usedAt,
      expiresAt: refreshTokens.expiresAt,
      session: sessions,
      email: users.email,
      userStatus: users.status,
      userDeletedAt: users.deletedAt,
      tenantStatus: tenants.status,
      isMember: memberships.active,
    })
    .from(refreshTokens)
    .innerJoin(sessions, eq(sessions.id, refreshTokens.sessionId))
    .innerJoin(users, eq(users.id, sessions.userId))
    .leftJoin(tenants, eq(tenants.id, sessions.tenantId))
    .leftJoin(
      memberships,
      and(eq(memberships.tenantId, sessions.tenantId), eq(memberships.userId, sessions.userId)),
    )
    .where(eq(refreshTokens.tokenHash, p.tokenHash)),
);

/** One row for the one caller who may use the token; none for whoever comes second. */
export const claimRefreshToken = preparedWrite(
  (tx, p: { id: string; usedAt: Date; replacedBy: string }) =>
    tx
      .update(refreshTokens)
      .set({ usedAt: p.usedAt, replacedBy: p.replacedBy })
      .where(and(eq(refreshTokens.id, p.id), isNull(refreshTokens.usedAt)))
      .returning({ id: refreshTokens.id }),
);

/** Moves `last_seen_at`; no row when the session was revoked meanwhile. */
export const touchLiveSession = preparedWrite((tx, p: { id: string; at: Date }) =>
  tx
    .update(sessions)
    .set({ lastSeenAt: p.at })
    .where(and(eq(sessions.id, p.id), isNull(sessions.revokedAt)))
    .returning({ id: sessions.id }),
);

export async function findSession(q: Reader, id: string): Promise<SessionRow | undefined> {
  const [row] = await q.select().from(sessions).where(eq(sessions.id, id));
  return row;
}

/** Undefined when it was revoked before. */
export async function revokeSession(
  tx: Tx,
  id: string,
  reason: string,
  at: Date,
): Promise<SessionRow | undefined> {
  const [row] = await tx
    .update(sessions)
    .set({ revokedAt: at, revokedReason: reason })
    .where(and(eq(sessions.id, id), isNull(sessions.revokedAt)))
    .returning();
  return row;
}

interface Scope {
  readonly userId?: string | undefined;
  readonly tenantId?: string | undefined;
  readonly exceptSessionId?: string | undefined;
}

/** Of a user everywhere, of a user in one tenant, or of a whole tenant. */
export const revokeSessions = (
  tx: Tx,
  { userId, tenantId, exceptSessionId }: Scope,
  reason: string,
  at: Date,
): Promise<{ id: string; userId: string; tenantId: string | null }[]> =>
  tx
    .update(sessions)
    .set({ revokedAt: at, revokedReason: reason })
    .where(
      and(
        isNull(sessions.revokedAt),
        scoped(sessions, { userId, tenantId }),
        exceptSessionId === undefined ? undefined : ne(sessions.id, exceptSessionId),
      ),
    )
    .returning({ id: sessions.id, userId: sessions.userId, tenantId: sessions.tenantId });

function scoped(
  table: { userId: typeof sessions.userId; tenantId: typeof sessions.tenantId },
  { userId, tenantId }: Scope,
): SQL | undefined {
  return and(
    userId === undefined ? undefined : eq(table.userId, userId),
    tenantId === undefined ? undefined : eq(table.tenantId, tenantId),
  );
}

/** A user's newest 100. With `activeSince`, only those that are not revoked and were used since then. */
export const listSessions = (
  q: Reader,
  userId: string,
  activeSince?: Date,
): Promise<SessionRow[]> =>
  q
    .select()
    .from(sessions)
    .where(
      and(
        eq(sessions.userId, userId),
        activeSince && and(isNull(sessions.revokedAt), gt(sessions.lastSeenAt, activeSince)),
      ),
    )
    .orderBy(desc(sessions.createdAt), desc(sessions.id))
    .limit(100);

/** The tenant of the user's latest session that is not revoked. */
export async function latestTenantOf(q: Reader, userId: string): Promise<string | null> {
  const [row] = await q
    .select({ tenantId: sessions.tenantId })
    .from(sessions)
    .where(
      and(eq(sessions.userId, userId), isNull(sessions.revokedAt), isNotNull(sessions.tenantId)),
    )
    .orderBy(desc(sessions.createdAt), desc(sessions.id))
    .limit(1);
  return row?.tenantId ?? null;
}

export const selectHome = prepared((q, p: { tenantId: string; userId: string }) =>
  q
    .select({ status: tenants.status, active: memberships.active })
    .from(tenants)
    .leftJoin(
      memberships,
      and(eq(memberships.tenantId, tenants.id), eq(memberships.userId, p.userId)),
    )
    .where(eq(tenants.id, p.tenantId)),
);

/** "Used just now", for many at once; revoked ones stay as they are. */
export async function touchSessions(tx: Tx, ids: readonly string[], at: Date): Promise<void> {
  await tx
    .update(sessions)
    .set({ lastSeenAt: at })
    .where(and(inArray(sessions.id, [...ids]), isNull(sessions.revokedAt)));
}

export const selectAttempts = prepared((q, p: { key: string }) =>
  q.select().from(loginAttempts).where(eq(loginAttempts.key, p.key)),
);

/** Counts one more failure; a count that is idle since `idleSince`, or whose lock is over, begins anew. */
export async function countFailure(
  tx: Tx,
  { key, at, idleSince }: { key: string; at: Date; idleSince: Date },
): Promise<number> {
  const instant = (value: Date) => sql.param(value, loginAttempts.lastFailedAt);
  const [row] = await tx
    .insert(loginAttempts)
    .values({ key, failedCount: 1, lastFailedAt: at })
    .onConflictDoUpdate({
      target: loginAttempts.key,
      set: {
        failedCount: sql`case when ${loginAttempts.lastFailedAt} < ${instant(idleSince)} or ${loginAttempts.lockedUntil} <= ${instant(at)} then 1 else ${loginAttempts.failedCount} + 1 end`,
        lastFailedAt: at,
        lockedUntil: sql`case when ${loginAttempts.lockedUntil} > ${instant(at)} then ${loginAttempts.lockedUntil} end`,
      },
    })
    .returning({ failedCount: loginAttempts.failedCount });
  return row!.failedCount;
}

/** Takes one of `most` failures, before it is known to be one. Answers how many are taken; undefined when all were. */
export async function claimAttempt(
  tx: Tx,
  { key, at, most }: { key: string; at: Date; most: number },
): Promise<number | undefined> {
  const [row] = await tx
    .update(loginAttempts)
    .set({ failedCount: sql`${loginAttempts.failedCount} + 1`, lastFailedAt: at })
    .where(
      and(
        eq(loginAttempts.key, key),
        lt(loginAttempts.failedCount, most),
        isNull(loginAttempts.lockedUntil),
      ),
    )
    .returning({ failedCount: loginAttempts.failedCount });
  return row?.failedCount;
}

/** Gives back what `claimAttempt` took: it was no failure. */
export async function releaseAttempt(tx: Tx, key: string): Promise<void> {
  await tx
    .update(loginAttempts)
    .set({ failedCount: sql`${loginAttempts.failedCount} - 1` })
    .where(and(eq(loginAttempts.key, key), gt(loginAttempts.failedCount, 0)));
}

/** True for the one caller whose failure locks. */
export async function lockAttempts(tx: Tx, key: string, until: Date): Promise<boolean> {
  const locked = await tx
    .update(loginAttempts)
    .set({ lockedUntil: until })
    .where(and(eq(loginAttempts.key, key), isNull(loginAttempts.lockedUntil)))
    .returning({ key: loginAttempts.key });
  return locked.length === 1;
}

export async function clearAttempts(tx: Tx, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  await tx.delete(loginAttempts).where(or(...keys.map((key) => eq(loginAttempts.key, key))));
}

/** GDPR erasure: where somebody was, and with what. */
export async function forgetAddresses(tx: Tx, userId: string): Promise<void> {
  await tx.update(sessions).set({ ip: null, userAgent: null }).where(eq(sessions.userId, userId));
}
