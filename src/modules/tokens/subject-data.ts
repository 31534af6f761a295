import type { SubjectData } from "../../platform/subject-data.ts";
import { queueBackchannelLogouts } from "../backchannel-logout/service.ts";
import { deleteCodesOf } from "./code-store.ts";
import { consentsOfUser, deleteConsents } from "./consent-store.ts";
import { deleteGrantsOfUser, grantsOfUser, type WhichGrants } from "./grant-store.ts";
import { endGrants } from "./grants.ts";

function whichOf({
  userId,
  tenantId,
}: {
  userId?: string;
  tenantId?: string;
}): WhichGrants | undefined {
  if (userId !== undefined) return { userId, ...(tenantId !== undefined && { tenantId }) };
  return tenantId === undefined ? undefined : { tenantId };
}

export const tokensSubjectData: SubjectData = [
  {
    table: "oidc_authorization_codes",
    // A tenant's own end needs no hook: its clients can't redeem them any more.
    refuseAccess: async (_deps, tx, { userId, tenantId }) => {
      if (userId !== undefined) await deleteCodesOf(tx, { userId, tenantId });
      return 0; // they have opened nothing yet
    },
    purge: "cascade",
    erase: (tx, userId) => deleteCodesOf(tx, { userId }),
    firstProof: (_deps, tx, userId) => deleteCodesOf(tx, { userId }),
  },
  {
    table: "oauth_grants",
    refuseAccess: async (deps, tx, refusal) => {
      const which = whichOf(refusal);
      if (which === undefined) return 0;
      const ended = await endGrants(deps, tx, which, refusal.reason);
      // A whole tenant takes its clients along: there is nobody to tell.
      if (refusal.userId !== undefined) await queueBackchannelLogouts(deps, tx, ended);
      return ended.length;
    },
    purge: "cascade",
    // With the refresh tokens below them.
    erase: deleteGrantsOfUser,
    exportUser: async (q, userId) =>
      (await grantsOfUser(q, userId)).map(({ grant, clientId, clientName }) => ({
        id: grant.id,
        client_id: clientId,
        client_name: clientName,
        tenant_id: grant.tenantId,
        scopes: grant.scopes,
        offline: grant.offline,
        auth_time: grant.authTime.toISOString(),
        created_at: grant.createdAt.toISOString(),
        expires_at: grant.expiresAt.toISOString(),
        revoked_at: grant.revokedAt?.toISOString() ?? null,
      })),
    firstProof: async (deps, tx, userId) => {
      await queueBackchannelLogouts(deps, tx, await endGrants(deps, tx, { userId }, "first_proof"));
    },
  },
  // They end with their grant: a refresh looks at that first.
  { table: "oidc_refresh_tokens", purge: "cascade", erase: "keep" },
  {
    table: "oidc_consents",
    purge: "cascade",
    erase: (tx, userId) => deleteConsents(tx, { userId }),
    exportUser: async (q, userId) =>
      (await consentsOfUser(q, userId)).map((row) => ({
        client_id: row.clientId,
        client_name: row.clientName,
        scopes: row.scopes,
        claims: row.claims,
        granted_at: row.grantedAt.toISOString(),
      })),
    // Whoever squatted on the address may have allowed a client of theirs anything.
    firstProof: (_deps, tx, userId) => deleteConsents(tx, { userId }),
  },
];
