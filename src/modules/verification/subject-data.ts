import type { SubjectData } from "../../platform/subject-data.ts";
import * as store from "./store.ts";

export const verificationSubjectData: SubjectData = [
  {
    table: "verifications",
    purge: "cascade",
    erase: (tx, userId) => store.deleteVerificationsOf(tx, userId),
  },
  // Keyed by an HMAC of number and day: it names nobody, and goes after two days.
  { table: "sms_counters", purge: "none", erase: "none" },
];
