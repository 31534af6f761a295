import type { SubjectData } from "../../platform/subject-data.ts";
import * as store from "./store.ts";

export const principalsSubjectData: SubjectData = [
  {
    table: "service_principals",
    removeTenant: async (tx, tenantId, at) => {
      await store.disablePrincipalsOf(tx, tenantId, at);
    },
    // The tenant's machines, not a person's.
    purge: "none",
    erase: "none",
    // Whoever squatted on the address may have made one for the tenant they founded with it.
    firstProof: async (deps, tx, userId, at) => {
      const disabled = await store.disablePrincipalsBy(tx, userId, at);
      const tags = disabled.map(({ id }) => `client:${id}`);
      tx.afterCommit(() => {
        deps.clients.forget(...tags);
        deps.principals.forget(...tags);
      });
    },
  },
];
