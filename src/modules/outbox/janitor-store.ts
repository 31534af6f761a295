import { and, asc, eq, inArray, lt, type SQL } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import type { Db } from "../../../db/client.ts";
import * as schema from "../../../db/schema/index.ts";

/** Of the configuration, what says how long something lives. */
interface Lives {
  readonly refreshTokenTtlSeconds: number;
  readonly refreshTokenMaxLifetimeSeconds: number;
}

/** Rows of one table that have been of no use for a while. `at` has an index: each batch is a short look-up. */
export interface Sweep {
  readonly table: PgTable;
  readonly key: PgColumn;
  /** A row may go when this lies further back than `keepMs`; rows where it is null stay. */
  readonly at: PgColumn;
  readonly keepMs: (lives: Lives) => number;
  /** Of these rows alone. */
  readonly which?: SQL;
}

const DAY = 86_400_000;
const days = (count: number) => () => count * DAY;

const {
  authorizationRequests,
  backchannelLogouts,
  deadLetters,
  deviceAuthorizations,
  loginAttempts,
  loginSessions,
  magicLinks,
  mailMessages,
  oauthGrants,
  oidcAuthorizationCodes,
  oidcClients,
  oidcRefreshTokens,
  outboxEvents,
  passwordResets,
  pushedRequests,
  presentedTokens,
  refreshTokens,
  revokedAccessTokens,
  sessions,
  smsCounters,
  verifications,
} = schema;

/** Contract 01 §18 and 08 §10. A module with rows that grow old adds its line here. */
export const SWEEPS: readonly Sweep[] = [
  { table: passwordResets, key: passwordResets.id, at: passwordResets.expiresAt, keepMs: days(7) },
  { table: magicLinks, key: magicLinks.id, at: magicLinks.expiresAt, keepMs: days(7) },
  { table: verifications, key: verifications.id, at: verifications.expiresAt, keepMs: days(7) },
  { table: refreshTokens, key: refreshTokens.id, at: refreshTokens.expiresAt, keepMs: days(90) },
  {
    table: sessions,
    key: sessions.id,
    at: sessions.lastSeenAt,
    // Nobody came back with its last refresh token: it died when that one expired.
    keepMs: ({ refreshTokenTtlSeconds }) => 90 * DAY + refreshTokenTtlSeconds * 1000,
  },
  { table: loginSessions, key: loginSessions.id, at: loginSessions.expiresAt, keepMs: days(0) },
  {
    table: oidcAuthorizationCodes,
    key: oidcAuthorizationCodes.codeHash,
    at: oidcAuthorizationCodes.expiresAt,
    keepMs: days(0),
  },
  // Before the grants, and gone by then: deleting one of those must not mean deleting thousands of these.
  {
    table: oidcRefreshTokens,
    key: oidcRefreshTokens.id,
    at: oidcRefreshTokens.expiresAt,
    keepMs: days(0),
  },
  { table: oauthGrants, key: oauthGrants.id, at: oauthGrants.expiresAt, keepMs: days(1) },
  {
    table: revokedAccessTokens,
    key: revokedAccessTokens.jti,
    at: revokedAccessTokens.expiresAt,
    keepMs: days(0),
  },
  {
    table: authorizationRequests,
    key: authorizationRequests.requestHash,
    at: authorizationRequests.expiresAt,
    keepMs: days(0),
  },
  {
    table: pushedRequests,
    key: pushedRequests.requestHash,
    at: pushedRequests.expiresAt,
    keepMs: days(0),
  },
  { table: loginAttempts, key: loginAttempts.key, at: loginAttempts.lastFailedAt, keepMs: days(1) },
  { table: smsCounters, key: smsCounters.key, at: smsCounters.expiresAt, keepMs: days(0) },
  { table: mailMessages, key: mailMessages.id, at: mailMessages.finishedAt, keepMs: days(30) },
  {
    table: backchannelLogouts,
    key: backchannelLogouts.id,
    at: backchannelLogouts.finishedAt,
    keepMs: days(7),
  },
  { table: outboxEvents, key: outboxEvents.id, at: outboxEvents.publishedAt, keepMs: days(7) },
  {
    table: oidcClients,
    key: oidcClients.id,
    at: oidcClients.deletedAt,
    // Its grants go with it: a month after the last of them can have ended.
    keepMs: ({ refreshTokenMaxLifetimeSeconds }) =>
      31 * DAY + refreshTokenMaxLifetimeSeconds * 1000,
  },
  {
    table: presentedTokens,
    key: presentedTokens.key,
    at: presentedTokens.expiresAt,
    keepMs: days(0),
  },
  { table: deadLetters, key: deadLetters.id, at: deadLetters.deadLetteredAt, keepMs: days(30) },
  {
    // Nobody has decided: there is nothing to show or to revoke, and whoever knows a client_id can ask for them.
    table: deviceAuthorizations,
    key: deviceAuthorizations.id,
    at: deviceAuthorizations.expiresAt,
    keepMs: days(0),
    which: eq(deviceAuthorizations.status, "pending"),
  },
  {
    table: deviceAuthorizations,
    key: deviceAuthorizations.id,
    at: deviceAuthorizations.expiresAt,
    keepMs: days(1),
  },
];

/** Removes at most `limit` rows that were old before `before`. Answers how many it found. */
export async function removeBatch(
  db: Db,
  { table, key, at, which }: Sweep,
  before: Date,
  limit: number,
): Promise<number> {
  const isOld = and(lt(at, before), which);
  const rows = await db.read.select({ key }).from(table).where(isOld).orderBy(asc(at)).limit(limit);
  if (rows.length === 0) return 0;
  const keys = rows.map((row) => row.key);
  // Judged again: a row may have come back to life since it was read.
  await db.transaction(async (tx) => {
    await tx.delete(table).where(and(inArray(key, keys), isOld));
  });
  return rows.length;
}
