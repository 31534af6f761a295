/** The door to authorization requests: how they come in, what the pages learn of them, how they are decided. */
export { type Answered, authorize, authorizeByPost, type Visitor } from "./authorize.ts";
export {
  findPendingRequest,
  isReturnTo,
  type LoginContext,
  loginContext,
  markSelected,
  type PendingRequest,
} from "./context.ts";
export { type Decision, decide, type Match } from "./decide.ts";
export { pushRequest } from "./pushed.ts";
export { authorizationSubjectData } from "./subject-data.ts";
export type { Outcome } from "./target.ts";
