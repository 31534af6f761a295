/** What the pages do is what the operations of the API do: the same calls, entered from a form. */
export { logIn, signUpHosted } from "../auth/service.ts";
export {
  decide,
  findPendingRequest,
  isReturnTo,
  markSelected,
  type PendingRequest,
} from "../authorization/service.ts";
export { findOidcClient } from "../clients/service.ts";
export { decideDevice, findDevice, type WaitingDevice } from "../devices/service.ts";
export { consumeMagicLink, resetPassword, startPasswordReset } from "../recovery/service.ts";
export {
  type BrowserSessions,
  browserSessions,
  endHostedSessionOf,
  type HostedSession,
  withCurrent,
} from "../sessions/service.ts";
export { confirmEmailByLink } from "../verification/service.ts";
