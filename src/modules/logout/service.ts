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
import { endGrantsOfSession, loginSessionOf, sidOf } from "../tokens/service.ts";
import type { LogoutRequest } from "./request.ts";

export { browserSessions } from "../sessions/service.ts";
export { type LogoutRequest, parkRequest, readRequest, unparkRequest } from "./request.ts";

interface SessionRef {
  readonly id: string;
  readonly userId: string;
}

/**
 * Whether the person has to say yes first. Nobody needs to where nobody is signed in, or where an ID token was issued in
 * a session of this browser; nor, on purpose, where an administrator registered the client with an address to come
 * back to (contract 00 §9): clients of today send no ID token.
 *
 * @see https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout
 */
export function needsConfirmation(
  deps: Pick<Deps, "derivedKeys">,
  { client, hint, redirectUri }: LogoutRequest,
  sessions: BrowserSessions,
): boolean {
  const present = allOf(sessions);
  if (present.length === 0) return false;
  if (hint && client)
    return !present.some(
      ({ id, userId }) =>
        userId === hint.sub && (hint.sid === null || hint.sid === sidOf(deps, id, client.id)),
    );
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
  const ending: SessionRef[] = allOf(sessions).filter(isMeant);
  const hinted = await sessionOfHint(deps, request);
  if (hinted && !ending.some(({ id }) => id === hinted.id)) ending.unshift(hinted);
  const tenantId = client?.tenantId ?? null;
  const work = async (tx: Tx) => {
    const ended = await endHostedSessionsIn(deps, tx, ending);
    // A session that was idle for too long is gone; what it gave to clients is not.
    const isOver = hinted !== undefined && !ended.some(({ id }) => id === hinted.id);
    const hadGrants = isOver && (await endGrantsOfSession(deps, tx, hinted.id));
    const first = ended[0] ?? (hadGrants ? hinted : undefined);
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

const allOf = ({ current, others, doubles }: BrowserSessions) => [
  ...(current ? [current] : []),
  ...others,
  ...doubles,
];

/**
 * Contract 00 §36. The `sid` of a client is made of the session's id: whichever session of the user yields it is the one.
 * When it was idle for too long, the grants that it gave still name it.
 */
async function sessionOfHint(
  deps: Deps,
  { client, hint }: LogoutRequest,
): Promise<SessionRef | undefined> {
  if (client === undefined || !hint || hint.sid === null) return undefined;
  const { sub: userId, sid } = hint;
  const live = await listHostedSessions(deps, userId);
  const found = live.find((session) => sidOf(deps, session.id, client.id) === sid);
  if (found !== undefined) return found;
  const id = await loginSessionOf(deps.db.read, { sid, userId, clientRowId: client.id });
  return id === undefined ? undefined : { id, userId };
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
