import type { SubjectData } from "../../platform/subject-data.ts";
import * as store from "./store.ts";

export const rbacSubjectData: SubjectData = [
  {
    table: "user_roles",
    purge: "cascade",
    // A tombstone has no power, should its row ever be read as a user's again.
    erase: (tx, userId) => store.deleteAllUserRoles(tx, userId),
    exportUser: async (q, userId) =>
      (await store.userRolesOf(q, userId)).map((row) => ({
        tenant_id: row.tenantId,
        role_id: row.roleId,
        role_name: row.roleName,
        granted_at: row.grantedAt.toISOString(),
      })),
  },
  // Named by the tenant, not by a person; they go with the tenant's row.
  { table: "roles", purge: "none", erase: "none" },
];
