/** The door to sessions: how they begin, what they are good for, how they end. */
export { authenticate } from "./authenticate.ts";
export { decideFactors } from "./factors.ts";
export {
  type BrowserSessions,
  browserSessions,
  findHostedSession,
  type HostedSession,
  hostedSessionOf,
  withCurrent,
} from "./hosted.ts";
export { countersOf, guarded } from "./lockout.ts";
export {
  auditHostedEnds,
  endHostedSession,
  endHostedSessionOf,
  endHostedSessionsIn,
  endOtherSessions,
  endSession,
  listHostedSessions,
  listSessions,
  listSessionsOf,
  logOut,
  switchTenant,
} from "./manage.ts";
export {
  issuePair,
  openSession,
  openSuccessor,
  type TokenPair,
} from "./open.ts";
export { provePassword } from "./prove-password.ts";
export { refreshSession } from "./refresh.ts";
export { completeSignIn, type SignedIn } from "./sign-in.ts";
export { clearAttempts, type SessionRow, touchSessions } from "./store.ts";
export { sessionsSubjectData } from "./subject-data.ts";
