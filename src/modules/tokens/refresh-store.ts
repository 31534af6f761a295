import { and, eq, isNull, ne } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { prepared, preparedWrite } from "../../../db/prepared.ts";
import {
  memberships,
  oauthGrants,
  oidcRefreshTokens,
  tenants,
  users,
} from "../../../db/schema/index.ts";

export type RefreshTokenRow = typeof oidcRefreshTokens.$inferSelect;

export const insertRefreshToken = preparedWrite((tx, p: Omit<RefreshTokenRow, "usedAt">) =>
  tx.insert(oidcRefreshTokens).values({
    id: p.id,
    grantId: p.grantId,
    tokenHash: p.tokenHash,
    parentId: p.parentId,
    hasSiblings: p.hasSiblings,
    supersededAt: p.supersededAt,
    issuedAt: p.issuedAt,
    expiresAt: p.expiresAt,
  }),
);

/** A refresh token with its grant, and whether the grant's user may still use it: one statement. */
export const selectRefreshToken = prepared((q, p: { tokenHash: string }) =>
  q
    .select({
      token: oidcRefreshTokens,
      grant: oauthGrants,
      email: users.email,
      userStatus: users.status,
      userDeletedAt: users.deletedAt,
      tenantStatus: tenants.status,
      isMember: memberships.active,
    })
    .from(oidcRefreshTokens)
    .innerJoin(oauthGrants, eq(oauthGrants.id, oidcRefreshTokens.grantId))
    .innerJoin(users, eq(users.id, oauthGrants.userId))
    .innerJoin(tenants, eq(tenants.id, oauthGrants.tenantId))
    .leftJoin(
      memberships,
      and(
        eq(memberships.tenantId, oauthGrants.tenantId),
        eq(memberships.userId, oauthGrants.userId),
      ),
    )
    .where(eq(oidcRefreshTokens.tokenHash, p.tokenHash)),
);

/** One row for the one caller who may rotate the token; none once it, or a sibling, was rotated. */
export const claimRefreshToken = preparedWrite((tx, p: { id: string; usedAt: Date }) =>
  tx
    .update(oidcRefreshTokens)
    .set({ usedAt: p.usedAt })
    .where(
      and(
        eq(oidcRefreshTokens.id, p.id),
        isNull(oidcRefreshTokens.usedAt),
        isNull(oidcRefreshTokens.supersededAt),
      ),
    )
    .returning({
      id: oidcRefreshTokens.id,
      parentId: oidcRefreshTokens.parentId,
      hasSiblings: oidcRefreshTokens.hasSiblings,
    }),
);

/** The others that were given for `parentId` count as replayed from `at` on, beside the leeway. */
export async function supersedeSiblings(
  tx: Tx,
  { parentId, exceptId, at }: { parentId: string; exceptId: string; at: Date },
): Promise<void> {
  await tx
    .update(oidcRefreshTokens)
    .set({ supersededAt: at })
    .where(
      and(
        eq(oidcRefreshTokens.parentId, parentId),
        ne(oidcRefreshTokens.id, exceptId),
        isNull(oidcRefreshTokens.supersededAt),
      ),
    );
}

/** All that were given for one token: one, or siblings. */
export const childrenOf = (q: Reader, parentId: string): Promise<RefreshTokenRow[]> =>
  q.select().from(oidcRefreshTokens).where(eq(oidcRefreshTokens.parentId, parentId));

export async function markSiblings(tx: Tx, parentId: string): Promise<void> {
  await tx
    .update(oidcRefreshTokens)
    .set({ hasSiblings: true })
    .where(eq(oidcRefreshTokens.parentId, parentId));
}
