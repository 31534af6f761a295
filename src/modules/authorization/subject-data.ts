import type { SubjectData } from "../../platform/subject-data.ts";

/** Both live for minutes, name no user but by a session or a hint of the client's, and go with their client. */
export const authorizationSubjectData: SubjectData = [
  { table: "authorization_requests", purge: "none", erase: "none" },
  { table: "pushed_authorization_requests", purge: "none", erase: "none" },
];
