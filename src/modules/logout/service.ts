import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import type { Caller } from "../../platform/permissions.ts";
import { recordAudit, userAuthor } from "../audit/service.ts";
import { enqueue } from "../outbox/service.ts";
import {
  auditHostedEnds,
  type BrowserSessions,
  endHostedSessionsIn,
  listHostedSessions,
} from "../sessions/service.ts";
import { sidOf } from "../tokens/service.ts";
import type { LogoutRequest } from "./request.ts";

export { browserSessions } from "../sessions/service.ts";
export { type LogoutRequest, parkRequest, readRequest, unparkRequest } from "./request.ts";

interface SessionRef {
  readonly id: string;
  readonly userId: string;
}

/**
 * Whether the person has to say yes first. Nobody needs to where nobody is signed in, or where an ID token shows that
 * the client means whoever is; nor, on purpose, where an administrator registered the client with an address to come
 * back to (contract 00 §9): clients of today send no ID token.
 *
 * @see https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout
 */
export function needsConfirmation(
  { client, hint, redirectUri }: LogoutRequest,
  { current, others }: BrowserSessions,
): boolean {
  const present = [...(current ? [current] : []), ...others];
  if (present.length === 0) return false;
  if (hint) return !present.some(({ userId }) => userId === hint.sub);
  return !(
    client?.registration === "admin" &&
    redirectUri !== undefined &&
    !client.logoutRequiresConfirmation
  );
}

/**
 * Ends what the request is about, with what it gave to clients, who are told: the sessions of the hint's user in this
 * browser, and the session that the hint was issued in, wherever its cookie is; without a hint, or after a
 * question, everybody's in this browser. Answers the tokens of the sessions that this browser keeps.
 */
export async function logOutBrowser(
  deps: Deps,
  caller: Caller,
  request: LogoutRequest,
  sessions: BrowserSessions,
  { isConfirmed }: { readonly isConfirmed: boolean },
): Promise<{ current: string | undefined; others: readonly string[] }> {
  const { client, hint } = request;
  const isMeant = ({ userId }: SessionRef) =>
    hint === undefined || isConfirmed || userId === hint.sub;
  const { current, others } = sessions;
  const present = [...(current ? [current] : []), ...others];
  const ending: SessionRef[] = present.filter(isMeant);
  const hinted = await sessionOfHint(deps, request);
  if (hinted && !ending.some(({ id }) => id === hinted.id)) ending.unshift(hinted);
  const tenantId = client?.tenantId ?? null;
  const work = async (tx: Tx) => {
    const ended = await endHostedSessionsIn(deps, tx, ending);
    const [first] = ended;
    if (first === undefined) return;
    const { id, userId } = first;
    await enqueue(deps, tx, {
      type: "user.signed_out",
      tenantId,
      aggregateId: userId,
      payload: { session_id: id, user_id: userId },
    });
    await recordAudit(deps, tx, userAuthor(caller, userId), {
      tenantId,
      action: "auth.logged_out",
      resource: { type: "login_session", id },
      metadata: { method: "rp_initiated", ...(client && { client_id: client.clientId }) },
    });
    await auditHostedEnds(deps, tx, caller, ended);
  };
  if (ending.length > 0) await deps.db.transaction(work, { serializeOn: "platform" });
  return {
    current: current && !isMeant(current) ? current.token : undefined,
    others: others.filter((one) => !isMeant(one)).map(({ token }) => token),
  };
}

/** Contract 00 §36. The `sid` of a client is made of the session's id: whichever session of the user yields it is the one. */
async function sessionOfHint(
  deps: Deps,
  { client, hint }: LogoutRequest,
): Promise<SessionRef | undefined> {
  if (client === undefined || !hint || hint.sid === null) return undefined;
  const sessions = await listHostedSessions(deps, hint.sub);
  return sessions.find(({ id }) => sidOf(deps, id, client.id) === hint.sid);
}

/** Where the browser goes when all is done: the registered address with only `state` added to it, or our own page. */
export function targetOf(
  { config }: Pick<Deps, "config">,
  { redirectUri, state }: LogoutRequest,
): string {
  if (redirectUri === undefined) return `${config.loginBaseUrl}/logged-out`;
  if (state === undefined) return redirectUri;
  // By hand: `URL` would write the registered address anew.
  const separator = redirectUri.includes("?") ? (/[?&]$/.test(redirectUri) ? "" : "&") : "?";
  return `${redirectUri}${separator}state=${encodeURIComponent(state)}`;
}
