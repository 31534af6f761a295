import type { SubjectData } from "../../platform/subject-data.ts";
import * as store from "./store.ts";

export const apiKeysSubjectData: SubjectData = [
  {
    table: "api_keys",
    refuseAccess: async (_deps, tx, refusal) =>
      refusal.revokesKeys ? store.revokeKeysOf(tx, refusal) : 0,
    removeTenant: async (tx, tenantId, at) => {
      await store.revokeKeysOf(tx, { tenantId, at });
    },
    purge: "cascade",
    erase: async (tx, userId, at) => {
      await store.revokeKeysOf(tx, { userId, at });
    },
    exportUser: async (q, userId) =>
      (await store.apiKeysOfUser(q, userId)).map((row) => ({
        id: row.id,
        tenant_id: row.tenantId,
        name: row.name,
        prefix: row.prefix,
        scopes: row.scopes,
        expires_at: row.expiresAt?.toISOString() ?? null,
        last_used_at: row.lastUsedAt?.toISOString() ?? null,
        revoked_at: row.revokedAt?.toISOString() ?? null,
        created_at: row.createdAt.toISOString(),
      })),
    // Also those bound to nobody: who squatted on an address may have made one for the tenant they founded with it.
    firstProof: (_deps, tx, userId, at) => store.revokeKeysBy(tx, userId, at),
  },
];
