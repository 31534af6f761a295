/** The door to codes, grants, consents and the tokens of OAuth clients. */
export { endGrant, listGrants } from "./administration.ts";
export { USER_CLAIMS, userClaims } from "./claims.ts";
export { issueCode, type NewCode, sidOf } from "./codes.ts";
export { type Consent, consentOf, rememberConsent } from "./consents.ts";
export {
  type GrantRow,
  type ListedGrant,
  loginSessionOf,
  type WhichGrants,
} from "./grant-store.ts";
export {
  endGrantsOfSession,
  findLiveGrant,
  type Grant,
  type LiveGrant,
  openGrant,
  revokeGrants,
} from "./grants.ts";
export { type Issue, issueTokens } from "./issue.ts";
export { type LiveAccessToken, readLiveAccessToken, revokeAccessToken } from "./liveness.ts";
export {
  ACR_VALUES,
  type Authorization,
  acrOf,
  type ClaimsRequest,
  type GrantHandler,
  type GrantRequest,
  type TokenForm,
  type TokenResponse,
} from "./model.ts";
export { assertResources, type Redemption, redeemCode } from "./redeem.ts";
export {
  type FoundRefreshToken,
  findRefreshToken,
  isActiveRefreshToken,
  type Rotation,
  revokeByRefreshToken,
  rotateRefreshToken,
} from "./refresh.ts";
export { tokensSubjectData } from "./subject-data.ts";
