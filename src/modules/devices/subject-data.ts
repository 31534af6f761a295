import type { SubjectData } from "../../platform/subject-data.ts";
import * as store from "./store.ts";
import { showUserCode } from "./user-code.ts";

export const devicesSubjectData: SubjectData = [
  {
    table: "device_authorizations",
    // Whoever may not sign in gives no device a way in that was opened before.
    refuseAccess: (_deps, tx, { userId, tenantId }) =>
      store.denyUnfetched(tx, { userId, tenantId }),
    removeTenant: async (tx, tenantId) => {
      await store.denyUnfetched(tx, { tenantId });
    },
    purge: "cascade",
    erase: store.deleteDevicesOf,
    exportUser: async (q, userId) =>
      (await store.devicesOfUser(q, userId)).map((row) => ({
        id: row.id,
        tenant_id: row.tenantId,
        client_id: row.clientId,
        user_code: showUserCode(row.userCode),
        status: row.status,
        scopes: row.scopes,
        created_at: row.createdAt.toISOString(),
        expires_at: row.expiresAt.toISOString(),
      })),
    firstProof: async (_deps, tx, userId) => {
      await store.denyUnfetched(tx, { userId });
    },
  },
];
