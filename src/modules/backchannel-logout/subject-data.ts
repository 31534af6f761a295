import type { SubjectData } from "../../platform/subject-data.ts";

export const backchannelLogoutSubjectData: SubjectData = [
  {
    table: "backchannel_logouts",
    purge: "cascade",
    // Ids alone, for a week at most; and clients must still hear that the session of an erased user has ended.
    erase: "keep",
  },
];
