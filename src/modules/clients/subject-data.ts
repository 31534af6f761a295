import type { SubjectData } from "../../platform/subject-data.ts";
import * as store from "./store.ts";

export const clientsSubjectData: SubjectData = [
  {
    table: "oidc_clients",
    removeTenant: async (tx, tenantId, at) => {
      await store.deleteClientsOf(tx, tenantId, at);
    },
    // The tenant's applications, not a person's.
    purge: "none",
    erase: "none",
    // Whoever squatted on the address may have registered one in the tenant they founded with it.
    firstProof: async (deps, tx, userId, at) => {
      const deleted = await store.deleteClientsBy(tx, userId, at);
      const tags = deleted.map(({ id }) => `client:${id}`);
      tx.afterCommit(() => {
        deps.clients.forget(...tags);
        deps.principals.forget(...tags);
      });
    },
  },
  // With their clients.
  { table: "oidc_client_secrets", purge: "none", erase: "none" },
  // Hashes of what anybody presented; they go when it has expired.
  { table: "presented_tokens", purge: "none", erase: "none" },
];
