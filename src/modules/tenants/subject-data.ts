import type { SubjectData } from "../../platform/subject-data.ts";

export const tenantsSubjectData: SubjectData = [
  // `created_by` names a person; the workspace is not theirs alone.
  { table: "tenants", purge: "keep", erase: "keep" },
];
