import type { SubjectData } from "../../platform/subject-data.ts";
import * as store from "./store.ts";

export const recoverySubjectData: SubjectData = [
  {
    table: "password_resets",
    // A password that was set anew, or an account that is closed: links that are out there open nothing.
    refuseAccess: async (_deps, tx, { userId, tenantId, at }) => {
      if (userId !== undefined && tenantId === undefined) await store.voidResets(tx, userId, at);
      return 0;
    },
    purge: "cascade",
    erase: (tx, userId) => store.deleteTokensOf(tx, userId),
  },
  {
    table: "magic_links",
    refuseAccess: async (_deps, tx, { userId, tenantId, at }) => {
      if (userId !== undefined && tenantId === undefined)
        await store.voidMagicLinks(tx, userId, at);
      return 0;
    },
    purge: "cascade",
    // With the resets, above.
    erase: "none",
  },
];
