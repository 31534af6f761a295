import type { SubjectData } from "../../platform/subject-data.ts";
import { present } from "./present.ts";
import * as store from "./store.ts";

export const usersSubjectData: SubjectData = [
  {
    table: "password_credentials",
    purge: "cascade",
    erase: (tx, userId) => store.deletePassword(tx, userId),
    firstProof: (_deps, tx, userId) => store.deletePassword(tx, userId),
  },
  {
    table: "memberships",
    purge: "cascade",
    erase: (tx, userId) => store.deleteMembershipsOf(tx, userId),
    exportUser: async (q, userId) =>
      (await store.membershipsOf(q, userId)).map(({ tenantId, tenantName, source, createdAt }) => ({
        tenant_id: tenantId,
        tenant_name: tenantName,
        source,
        created_at: createdAt.toISOString(),
      })),
  },
  {
    table: "users",
    // The row itself goes last, by `purgeUser`.
    purge: "none",
    // The row stays as a tombstone, for those that refer to it; the address is free again.
    erase: async (tx, userId, at) => {
      const address = `redacted-${userId}@gdpr.invalid`;
      const user = await store.findAnyUser(tx, userId);
      await store.updateUser(tx, userId, {
        email: address,
        emailKey: address,
        emailVerifiedAt: null,
        phone: null,
        phoneVerifiedAt: null,
        displayName: null,
        metadata: {},
        status: "deleted",
        statusBeforeDeletion: null,
        deletedAt: user?.deletedAt ?? at,
        erasedAt: at,
        updatedAt: at,
      });
    },
    exportUser: async (q, userId) => {
      const user = await store.findAnyUser(q, userId);
      return user ? [present(user)] : [];
    },
  },
];
