/** Who is signed in with the browser that looks at a page. */
import type { Deps } from "../../deps.ts";
import { hashToken } from "../../platform/crypto/tokens.ts";
import { emailKeyOf } from "../../platform/email.ts";
import {
  clearLoginSession,
  readAccounts,
  readCookie,
  setAccounts,
  setKnownBrowser,
  setLoginSession,
} from "../../platform/http/cookies.ts";
import type { Caller } from "../../platform/permissions.ts";
import {
  type BrowserSessions,
  browserSessions,
  endHostedSessionOf,
  type HostedSession,
  withCurrent,
} from "./service.ts";
import type { Incoming } from "./visit.ts";

/** All of the browser's sessions; the cookie of the current one moves on where its life did. */
export async function accountsOf(deps: Deps, { request, set }: Incoming): Promise<BrowserSessions> {
  const sessions = await browserSessions(deps, request.headers);
  if (sessions.current?.renewed) setLoginSession(deps, set, sessions.current.token);
  return sessions;
}

/** Makes one of the browser's sessions the current one. Those that there is no room for end: nobody could end them later. */
export async function choose(
  deps: Deps,
  caller: Caller,
  set: Incoming["set"],
  sessions: BrowserSessions,
  chosen: Pick<HostedSession, "token" | "userId">,
): Promise<void> {
  const { current, others, dropped } = withCurrent(sessions, chosen);
  for (const token of dropped) await endHostedSessionOf(deps, caller, token);
  setLoginSession(deps, set, current);
  setAccounts(deps, set, others);
}

interface Opened {
  readonly userId: string;
  readonly loginSessionToken: string;
  readonly knownBrowser: string;
}

/** Somebody has signed in: theirs is the current session; those of other people stay beside it. */
export async function keep(
  deps: Deps,
  caller: Caller,
  set: Incoming["set"],
  sessions: BrowserSessions,
  opened: Opened,
): Promise<void> {
  const { userId, loginSessionToken: token, knownBrowser } = opened;
  await choose(deps, caller, set, sessions, { token, userId });
  setKnownBrowser(deps, set, knownBrowser);
}

/** Hash of the session that a new one of this address takes the place of: a browser has one for each person. */
export function replacedBy(
  { current, others }: BrowserSessions,
  email: string,
): string | undefined {
  const key = emailKeyOf(email);
  const same = [...(current ? [current] : []), ...others].find(
    (session) => emailKeyOf(session.email) === key,
  );
  return same && hashToken(same.token);
}

/** Ends every session of this browser. */
export async function leave(
  deps: Deps,
  caller: Caller,
  { request: { headers }, set }: Incoming,
): Promise<void> {
  const tokens = new Set([readCookie(headers, "qe_ls"), ...readAccounts(headers)]);
  for (const token of tokens) if (token) await endHostedSessionOf(deps, caller, token);
  clearLoginSession(deps, set);
  setAccounts(deps, set, []);
}
