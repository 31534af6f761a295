import { and, desc, eq, gt, isNull, type SQL } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { before, type Cursor } from "../../../db/keyset.ts";
import { prepared, preparedWrite } from "../../../db/prepared.ts";
import {
  memberships,
  oauthGrants,
  oidcClients,
  revokedAccessTokens,
  servicePrincipals,
  sessions,
  tenants,
  users,
} from "../../../db/schema/index.ts";

export type GrantRow = typeof oauthGrants.$inferSelect;

export const insertGrant = preparedWrite((tx, p: GrantRow) =>
  tx.insert(oauthGrants).values({
    id: p.id,
    clientRowId: p.clientRowId,
    userId: p.userId,
    tenantId: p.tenantId,
    grantType: p.grantType,
    codeHash: p.codeHash,
    scopes: p.scopes,
    nonce: p.nonce,
    claims: p.claims,
    resources: p.resources,
    dpopJkt: p.dpopJkt,
    loginSessionId: p.loginSessionId,
    sid: p.sid,
    authTime: p.authTime,
    amr: p.amr,
    acr: p.acr,
    offline: p.offline,
    createdAt: p.createdAt,
    expiresAt: p.expiresAt,
    endsAt: p.endsAt,
    revokedAt: p.revokedAt,
    revokedReason: p.revokedReason,
  }),
);

/** Its last token now lives until `expiresAt`. No row when it was revoked meanwhile. */
export const extendGrant = preparedWrite((tx, p: { id: string; expiresAt: Date }) =>
  tx
    .update(oauthGrants)
    .set({ expiresAt: p.expiresAt })
    .where(and(eq(oauthGrants.id, p.id), isNull(oauthGrants.revokedAt)))
    .returning({ id: oauthGrants.id }),
);

const ofUserInTenant = and(
  eq(memberships.tenantId, oauthGrants.tenantId),
  eq(memberships.userId, oauthGrants.userId),
);

/** Of a grant, what its tokens rest on: fewer columns are read faster. */
const liveness = {
  id: oauthGrants.id,
  clientRowId: oauthGrants.clientRowId,
  userId: oauthGrants.userId,
  tenantId: oauthGrants.tenantId,
  scopes: oauthGrants.scopes,
  claims: oauthGrants.claims,
  loginSessionId: oauthGrants.loginSessionId,
  sid: oauthGrants.sid,
  authTime: oauthGrants.authTime,
  amr: oauthGrants.amr,
  acr: oauthGrants.acr,
  offline: oauthGrants.offline,
  revokedAt: oauthGrants.revokedAt,
};

/** A grant with all that decides whether it still holds, and whether one token of it was revoked by itself. */
export const selectGrantLiveness = prepared((q, p: { id: string; jti: string }) =>
  q
    .select({
      grant: liveness,
      clientId: oidcClients.clientId,
      clientDeletedAt: oidcClients.deletedAt,
      clientScopes: oidcClients.scopes,
      requireMembership: oidcClients.requireMembership,
      email: users.email,
      userStatus: users.status,
      userDeletedAt: users.deletedAt,
      tenantStatus: tenants.status,
      isMember: memberships.active,
      revokedJti: revokedAccessTokens.jti,
    })
    .from(oauthGrants)
    .innerJoin(oidcClients, eq(oidcClients.id, oauthGrants.clientRowId))
    .innerJoin(users, eq(users.id, oauthGrants.userId))
    .innerJoin(tenants, eq(tenants.id, oauthGrants.tenantId))
    .leftJoin(memberships, ofUserInTenant)
    .leftJoin(revokedAccessTokens, eq(revokedAccessTokens.jti, p.jti))
    .where(eq(oauthGrants.id, p.id)),
);

/** The same for a first-party session. */
export const selectSessionLiveness = prepared((q, p: { id: string; jti: string }) =>
  q
    .select({
      userId: sessions.userId,
      tenantId: sessions.tenantId,
      revokedAt: sessions.revokedAt,
      email: users.email,
      userStatus: users.status,
      userDeletedAt: users.deletedAt,
      tenantStatus: tenants.status,
      isMember: memberships.active,
      revokedJti: revokedAccessTokens.jti,
    })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .leftJoin(tenants, eq(tenants.id, sessions.tenantId))
    .leftJoin(
      memberships,
      and(eq(memberships.tenantId, sessions.tenantId), eq(memberships.userId, sessions.userId)),
    )
    .leftJoin(revokedAccessTokens, eq(revokedAccessTokens.jti, p.jti))
    .where(eq(sessions.id, p.id)),
);

/** A machine by the id of its row, whichever kind it is, and whether one token of it was revoked. */
export const selectMachineLiveness = prepared((q, p: { id: string; jti: string }) =>
  q
    .select({
      tenantStatus: tenants.status,
      disabledAt: servicePrincipals.disabledAt,
      scopes: servicePrincipals.scopes,
      revokedJti: revokedAccessTokens.jti,
    })
    .from(servicePrincipals)
    .innerJoin(tenants, eq(tenants.id, servicePrincipals.tenantId))
    .leftJoin(revokedAccessTokens, eq(revokedAccessTokens.jti, p.jti))
    .where(eq(servicePrincipals.id, p.id)),
);

export const selectClientLiveness = prepared((q, p: { id: string; jti: string }) =>
  q
    .select({
      tenantStatus: tenants.status,
      disabledAt: oidcClients.deletedAt,
      scopes: oidcClients.scopes,
      revokedJti: revokedAccessTokens.jti,
    })
    .from(oidcClients)
    .innerJoin(tenants, eq(tenants.id, oidcClients.tenantId))
    .leftJoin(revokedAccessTokens, eq(revokedAccessTokens.jti, p.jti))
    .where(eq(oidcClients.id, p.id)),
);

/** Until `expiresAt`, when the token is of no use anyway. False when it was on the list before. */
export async function denyAccessToken(
  tx: Tx,
  row: { jti: string; expiresAt: Date },
): Promise<boolean> {
  const added = await tx
    .insert(revokedAccessTokens)
    .values(row)
    .onConflictDoNothing()
    .returning({ jti: revokedAccessTokens.jti });
  return added.length === 1;
}

/** Which grants to end. Always names a grant, a hosted session, a user or a tenant. */
export type WhichGrants =
  | { readonly grantId: string }
  /** `onlyOnline`: not those that outlive the sign-out. */
  | { readonly loginSessionId: string; readonly onlyOnline: true }
  | { readonly userId: string; readonly tenantId?: string; readonly clientRowId?: string }
  | { readonly tenantId: string };

const ended = {
  id: oauthGrants.id,
  clientRowId: oauthGrants.clientRowId,
  userId: oauthGrants.userId,
  tenantId: oauthGrants.tenantId,
  sid: oauthGrants.sid,
};
export type EndedGrant = Pick<GrantRow, keyof typeof ended>;

/** Those that were live until now. */
export const revokeWhere = (
  tx: Tx,
  which: WhichGrants,
  reason: string,
  at: Date,
): Promise<EndedGrant[]> =>
  tx
    .update(oauthGrants)
    .set({ revokedAt: at, revokedReason: reason })
    .where(and(isNull(oauthGrants.revokedAt), matching(which)))
    .returning(ended);

function matching(which: WhichGrants): SQL | undefined {
  if ("grantId" in which) return eq(oauthGrants.id, which.grantId);
  if ("loginSessionId" in which)
    return and(
      eq(oauthGrants.loginSessionId, which.loginSessionId),
      eq(oauthGrants.offline, false),
    );
  if (!("userId" in which)) return eq(oauthGrants.tenantId, which.tenantId);
  const { userId, tenantId, clientRowId } = which;
  return and(
    eq(oauthGrants.userId, userId),
    tenantId === undefined ? undefined : eq(oauthGrants.tenantId, tenantId),
    clientRowId === undefined ? undefined : eq(oauthGrants.clientRowId, clientRowId),
  );
}

/** All live grants of a hosted session: whom it signed the user in to. */
export const grantsOfSession = (q: Reader, loginSessionId: string): Promise<EndedGrant[]> =>
  q
    .select(ended)
    .from(oauthGrants)
    .where(and(eq(oauthGrants.loginSessionId, loginSessionId), isNull(oauthGrants.revokedAt)));

/** The hosted session that a client knows as `sid`, even where it and its grants have ended. */
export async function loginSessionOf(
  q: Reader,
  { sid, userId, clientRowId }: Pick<GrantRow, "sid" | "userId" | "clientRowId">,
): Promise<string | undefined> {
  const [row] = await q
    .select({ id: oauthGrants.loginSessionId })
    .from(oauthGrants)
    .where(
      and(
        eq(oauthGrants.sid, sid),
        eq(oauthGrants.userId, userId),
        eq(oauthGrants.clientRowId, clientRowId),
      ),
    )
    .limit(1);
  return row?.id ?? undefined;
}

/** The hosted session is over for it: `sid` takes the place of the session's. */
export async function detachGrant(
  tx: Tx,
  { id, sid }: { readonly id: string; readonly sid: string },
): Promise<void> {
  await tx.update(oauthGrants).set({ loginSessionId: null, sid }).where(eq(oauthGrants.id, id));
}

export async function findGrantOfCode(
  q: Reader,
  codeHash: string,
): Promise<Pick<GrantRow, "id" | "clientRowId" | "userId" | "tenantId"> | undefined> {
  const [row] = await q.select(ended).from(oauthGrants).where(eq(oauthGrants.codeHash, codeHash));
  return row;
}

const isLive = (now: Date) => and(isNull(oauthGrants.revokedAt), gt(oauthGrants.expiresAt, now));

export async function findLiveGrantOf(
  q: Reader,
  { tenantId, id, now }: { tenantId: string; id: string; now: Date },
): Promise<(EndedGrant & { clientId: string }) | undefined> {
  const [row] = await q
    .select({ ...ended, clientId: oidcClients.clientId })
    .from(oauthGrants)
    .innerJoin(oidcClients, eq(oidcClients.id, oauthGrants.clientRowId))
    .where(and(eq(oauthGrants.id, id), eq(oauthGrants.tenantId, tenantId), isLive(now)));
  return row;
}

export interface GrantFilter {
  readonly clientId?: string | undefined;
  readonly userId?: string | undefined;
}

/** Live grants of a tenant's clients, newest first. */
export const listGrants = (
  q: Reader,
  tenantId: string,
  {
    clientId,
    userId,
    limit,
    after,
    now,
  }: GrantFilter & { limit: number; after: Cursor | undefined; now: Date },
) =>
  q
    .select({
      id: oauthGrants.id,
      clientId: oidcClients.clientId,
      clientName: oidcClients.name,
      userId: oauthGrants.userId,
      userEmail: users.email,
      userDeletedAt: users.deletedAt,
      scopes: oauthGrants.scopes,
      offline: oauthGrants.offline,
      createdAt: oauthGrants.createdAt,
      expiresAt: oauthGrants.expiresAt,
    })
    .from(oauthGrants)
    .innerJoin(oidcClients, eq(oidcClients.id, oauthGrants.clientRowId))
    .innerJoin(users, eq(users.id, oauthGrants.userId))
    .where(
      and(
        eq(oauthGrants.tenantId, tenantId),
        isLive(now),
        isNull(oidcClients.deletedAt),
        clientId === undefined ? undefined : eq(oidcClients.clientId, clientId),
        userId === undefined ? undefined : eq(oauthGrants.userId, userId),
        after && before(oauthGrants.createdAt, oauthGrants.id, after),
      ),
    )
    .orderBy(desc(oauthGrants.createdAt), desc(oauthGrants.id))
    .limit(limit);

export type ListedGrant = Awaited<ReturnType<typeof listGrants>>[number];

export const grantsOfUser = (q: Reader, userId: string) =>
  q
    .select({ grant: oauthGrants, clientId: oidcClients.clientId, clientName: oidcClients.name })
    .from(oauthGrants)
    .innerJoin(oidcClients, eq(oidcClients.id, oauthGrants.clientRowId))
    .where(eq(oauthGrants.userId, userId))
    .orderBy(desc(oauthGrants.createdAt));

/** With their tokens. */
export async function deleteGrantsOfUser(tx: Tx, userId: string): Promise<void> {
  await tx.delete(oauthGrants).where(eq(oauthGrants.userId, userId));
}
