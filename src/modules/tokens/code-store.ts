import { and, eq, exists, sql } from "drizzle-orm";
import type { Tx } from "../../../db/client.ts";
import { prepared, preparedWrite } from "../../../db/prepared.ts";
import {
  loginSessions,
  memberships,
  oidcAuthorizationCodes,
  tenants,
  users,
} from "../../../db/schema/index.ts";

export type CodeRow = typeof oidcAuthorizationCodes.$inferSelect;

export const insertCode = preparedWrite((tx, p: Omit<CodeRow, "failedVerifiers">) =>
  tx.insert(oidcAuthorizationCodes).values({
    codeHash: p.codeHash,
    clientRowId: p.clientRowId,
    userId: p.userId,
    tenantId: p.tenantId,
    redirectUri: p.redirectUri,
    scopes: p.scopes,
    nonce: p.nonce,
    codeChallenge: p.codeChallenge,
    dpopJkt: p.dpopJkt,
    claims: p.claims,
    resources: p.resources,
    loginSessionId: p.loginSessionId,
    sid: p.sid,
    authTime: p.authTime,
    amr: p.amr,
    acr: p.acr,
    expiresAt: p.expiresAt,
    createdAt: p.createdAt,
  }),
);

/** No row once the hosted session has ended. */
export const selectLoginSession = prepared((q, p: { id: string }) =>
  q.select({ id: loginSessions.id }).from(loginSessions).where(eq(loginSessions.id, p.id)),
);

/** A code that nobody has redeemed, whether its user may still use it, and the session it was given in while that lasts. */
export const selectCode = prepared((q, p: { codeHash: string }) =>
  q
    .select({
      code: oidcAuthorizationCodes,
      userStatus: users.status,
      userDeletedAt: users.deletedAt,
      tenantStatus: tenants.status,
      isMember: memberships.active,
      sessionId: loginSessions.id,
    })
    .from(oidcAuthorizationCodes)
    .innerJoin(users, eq(users.id, oidcAuthorizationCodes.userId))
    .innerJoin(tenants, eq(tenants.id, oidcAuthorizationCodes.tenantId))
    .leftJoin(
      memberships,
      and(
        eq(memberships.tenantId, oidcAuthorizationCodes.tenantId),
        eq(memberships.userId, oidcAuthorizationCodes.userId),
      ),
    )
    .leftJoin(loginSessions, eq(loginSessions.id, oidcAuthorizationCodes.loginSessionId))
    .where(eq(oidcAuthorizationCodes.codeHash, p.codeHash)),
);

const isCode = (codeHash: string) => eq(oidcAuthorizationCodes.codeHash, codeHash);
const taken = { codeHash: oidcAuthorizationCodes.codeHash };

/** One row for the one caller who may redeem the code; none for whoever comes second. */
export const takeCode = preparedWrite((tx, p: { codeHash: string }) =>
  tx.delete(oidcAuthorizationCodes).where(isCode(p.codeHash)).returning(taken),
);

/** The same, but none once the hosted session has ended in which the code was given. */
export const takeCodeOfSession = preparedWrite((tx, p: { codeHash: string }) =>
  tx
    .delete(oidcAuthorizationCodes)
    .where(
      and(
        isCode(p.codeHash),
        exists(
          tx
            .select({ id: loginSessions.id })
            .from(loginSessions)
            .where(eq(loginSessions.id, oidcAuthorizationCodes.loginSessionId)),
        ),
      ),
    )
    .returning(taken),
);

/** Counts one more wrong verifier, and burns the code at `most`. */
export async function countWrongVerifier(tx: Tx, codeHash: string, most: number): Promise<void> {
  const [row] = await tx
    .update(oidcAuthorizationCodes)
    .set({ failedVerifiers: sql`${oidcAuthorizationCodes.failedVerifiers} + 1` })
    .where(isCode(codeHash))
    .returning({ count: oidcAuthorizationCodes.failedVerifiers });
  if (row && row.count >= most) await tx.delete(oidcAuthorizationCodes).where(isCode(codeHash));
}

/** Of a user, everywhere or at one tenant's clients or at one client. */
export async function deleteCodesOf(
  tx: Tx,
  {
    userId,
    tenantId,
    clientRowId,
  }: {
    readonly userId: string;
    readonly tenantId?: string | undefined;
    readonly clientRowId?: string;
  },
): Promise<void> {
  const codes = oidcAuthorizationCodes;
  await tx
    .delete(codes)
    .where(
      and(
        eq(codes.userId, userId),
        tenantId === undefined ? undefined : eq(codes.tenantId, tenantId),
        clientRowId === undefined ? undefined : eq(codes.clientRowId, clientRowId),
      ),
    );
}
