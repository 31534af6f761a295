/** Whether the person in front of the browser must do something before the client gets its answer. */
import type { Reader } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { AppError, OAuthError } from "../../platform/errors.ts";
import { decideFactors, type HostedSession } from "../sessions/service.ts";
import { ACR_VALUES, acrOf, consentOf } from "../tokens/service.ts";
import { isMember } from "../users/service.ts";
import type { AuthorizationRequest } from "./request.ts";

/** A request, since when it waits, and what was answered meanwhile. */
export interface Visit {
  readonly request: AuthorizationRequest;
  readonly arrivedAt: Date;
  readonly selectedAt: Date | null;
}

type LoginRule = (visit: Visit, session: HostedSession) => boolean;

/** Signed in for this very request: asking once more would never end. */
const isFresh: LoginRule = ({ arrivedAt }, { authTime }) => authTime >= arrivedAt;

const asksForLogin: LoginRule = (visit, session) =>
  visit.request.prompt.includes("login") && !isFresh(visit, session);

const asksForSelection: LoginRule = (visit, session) =>
  visit.request.prompt.includes("select_account") &&
  visit.selectedAt === null &&
  !isFresh(visit, session);

/** Judged as of the arrival: who takes their time over the consent page is not asked again. Zero is `prompt=login`. */
const isTooOld: LoginRule = (visit, session) => {
  const { maxAgeSeconds } = visit.request;
  if (maxAgeSeconds === null || isFresh(visit, session)) return false;
  const ageMs = visit.arrivedAt.getTime() - session.authTime.getTime();
  return maxAgeSeconds === 0 || ageMs > maxAgeSeconds * 1000;
};

const isSomebodyElse: LoginRule = ({ request }, { userId }) =>
  request.subjects.some((subject) => subject !== userId);

const isTooWeak: LoginRule = ({ request }, session) =>
  request.essentialAcr.length > 0 && !request.essentialAcr.some((acr) => reaches(session, acr));

const LOGIN_RULES: readonly LoginRule[] = [
  asksForLogin,
  asksForSelection,
  isTooOld,
  isSomebodyElse,
  isTooWeak,
];

/** A session that its tenant's own identity provider opened serves that tenant alone (contract 00 §23). */
export const serves = ({ request }: Visit, session: HostedSession): boolean =>
  session.pinnedTenantId === null || session.pinnedTenantId === request.client.tenantId;

/**
 * Contract 03 §7.2 step 11, for a browser that has a session. Throws the OAuthError of a sign-in that was done for this
 * request and still is not the one that the client wants.
 */
export async function needsLogin(
  deps: Deps,
  visit: Visit,
  session: HostedSession,
): Promise<boolean> {
  const { essentialAcr } = visit.request;
  if (essentialAcr.length > 0 && !essentialAcr.some((acr) => levelOf(acr) >= 0)) throw unmet();
  if (isFresh(visit, session)) {
    // OpenID Connect Core §3.1.2.2 step 4: no answer about anybody but the one that was asked for.
    if (isSomebodyElse(visit, session))
      throw new OAuthError("login_required", "another user than the one asked for has signed in");
    if (isTooWeak(visit, session)) throw unmet();
  }
  return (
    LOGIN_RULES.some((rule) => rule(visit, session)) || (await missesFactor(deps, visit, session))
  );
}

/** The tenant's policy on second factors; that of the user's home was judged at sign-in (contract 00 §23). */
async function missesFactor(deps: Deps, { request }: Visit, session: HostedSession) {
  const { userId, amr, mfaAt } = session;
  const { tenantId } = request.client;
  try {
    await decideFactors(deps, deps.db.read, { userId, tenantId, homeTenantId: null, amr, mfaAt });
    return false;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "mfa_required") throw error;
    if (request.prompt.includes("none"))
      throw new OAuthError("interaction_required", "a second factor is required");
    return true;
  }
}

/** Step 13. Throws `access_denied`, which says nothing of why to the client. */
export async function assertMember(
  q: Reader,
  { request }: Visit,
  { userId }: HostedSession,
): Promise<void> {
  const { requireMembership, tenantId } = request.client;
  if (requireMembership && !(await isMember(q, tenantId, userId)))
    throw new OAuthError("access_denied", "this user may not use this client");
}

/** Step 14, where nobody has decided yet. */
export async function needsConsent(
  q: Reader,
  { request }: Visit,
  { userId }: HostedSession,
): Promise<boolean> {
  const { client, target, prompt, scopes, claimNames } = request;
  if (prompt.includes("consent")) return true;
  // RFC 8252 §8.6: anybody may pose as a native application, so none gets lasting access without a word.
  const isNative = client.type === "public" && !target.redirectUri.startsWith("https://");
  if (isNative && scopes.includes("offline_access")) return true;
  const consent = await consentOf(q, userId, client.id);
  if (consent === undefined) return true;
  const { scopes: allowed, claims: shown } = consent;
  return (
    !scopes.every((scope) => allowed.includes(scope)) ||
    !claimNames.every((claim) => shown.includes(claim))
  );
}

/** Contract 03 §7.5: the first wanted one that the session reaches, else what it is. */
export function acrFor({ request }: Visit, session: HostedSession): string {
  const wanted = [...request.essentialAcr, ...request.acrValues];
  return wanted.find((acr) => reaches(session, acr)) ?? acrOf(session);
}

/** -1 for one that this server does not know. */
const levelOf = (acr: string): number => (ACR_VALUES as readonly string[]).indexOf(acr);
const reaches = (session: HostedSession, acr: string): boolean =>
  levelOf(acr) >= 0 && levelOf(acr) <= levelOf(acrOf(session));

const unmet = () =>
  new OAuthError("unmet_authentication_requirements", "the requested acr can not be reached");
