import type { SubjectData } from "../../platform/subject-data.ts";
import { forgetFounder } from "./store.ts";

export const tenantsSubjectData: SubjectData = [
  // `created_by` names a person; a workspace that they shared is not theirs alone.
  { table: "tenants", purge: (tx, userId) => forgetFounder(tx, userId), erase: "keep" },
];
