/** Hosted sessions as a browser carries them: the current one in `qe_ls`, others that it is signed in with beside it. */
import type { Deps } from "../../deps.ts";
import { hashToken } from "../../platform/crypto/tokens.ts";
import {
  type CookieSink,
  MAX_OTHER_ACCOUNTS,
  readAccounts,
  readCookie,
  setLoginSession,
} from "../../platform/http/cookies.ts";
import * as hosted from "./hosted-store.ts";

/** Idle for this long, it ends (contract 04 §7.2). */
export const HOSTED_IDLE_MS = 30 * 60_000;
/** However busy, it ends after this. */
const HOSTED_LIFE_MS = 12 * 3_600_000;
/** Extended at most this often: a page is no reason to write. */
const RENEW_BELOW_MS = 15 * 60_000;

/** A browser that is signed in, and as whom. */
export interface HostedSession {
  readonly id: string;
  readonly userId: string;
  readonly email: string;
  readonly displayName: string | null;
  /** It came from this tenant's own identity provider, and serves it alone (contract 00 §23). */
  readonly pinnedTenantId: string | null;
  readonly authTime: Date;
  /** RFC 8176 values. */
  readonly amr: readonly string[];
  readonly mfaAt: Date | null;
  /** What the cookie holds. */
  readonly token: string;
  /** Its life was extended: the cookie's must be, too. */
  readonly renewed: boolean;
}

export interface BrowserSessions {
  readonly current: HostedSession | undefined;
  readonly others: readonly HostedSession[];
  /** Further ones of the same people: a sign-in by the API leaves those in `qe_accounts` where they are. */
  readonly doubles: readonly HostedSession[];
}

const TOKEN = /^[A-Za-z0-9_-]{43}$/;

/**
 * The live session behind cookie `qe_ls` of an active user; undefined for anything else. One statement; two when it
 * renews, for which it has to be in use: being listed beside another one is none.
 */
export async function findHostedSession(
  deps: Deps,
  token: string | undefined,
  { isUsed = true } = {},
): Promise<HostedSession | undefined> {
  if (token === undefined || !TOKEN.test(token)) return undefined;
  const [row] = await hosted.selectHosted(deps.db.read, { tokenHash: hashToken(token) });
  if (!row || row.userDeletedAt !== null) return undefined;
  if (row.userStatus !== "active" && row.userStatus !== "invited") return undefined;
  const now = deps.clock.now();
  const endsAt = new Date(row.createdAt.getTime() + HOSTED_LIFE_MS);
  if (row.expiresAt <= now || endsAt <= now) return undefined;
  const next = new Date(Math.min(now.getTime() + HOSTED_IDLE_MS, endsAt.getTime()));
  const isDue =
    isUsed && row.expiresAt.getTime() - now.getTime() < RENEW_BELOW_MS && next > row.expiresAt;
  const renewed =
    isDue &&
    (await deps.db.transaction((tx) =>
      hosted.extendLoginSession(tx, { id: row.id, expiresAt: next, lastSeenAt: now }),
    ));
  const { id, userId, email, displayName, pinnedTenantId, authTime, amr, mfaAt } = row;
  return {
    id,
    userId,
    email,
    displayName,
    pinnedTenantId,
    authTime,
    amr,
    mfaAt,
    token,
    renewed,
  };
}

/** The session that a request's browser brings; its cookie lives on with it. */
export async function hostedSessionOf(
  deps: Deps,
  { request, set }: { readonly request: Request; readonly set: CookieSink },
): Promise<HostedSession | undefined> {
  const session = await findHostedSession(deps, readCookie(request.headers, "qe_ls"));
  if (session?.renewed) setLoginSession(deps, set, session.token);
  return session;
}

/** Everybody who is signed in with this browser. Nobody stands in it twice. */
export async function browserSessions(deps: Deps, headers: Headers): Promise<BrowserSessions> {
  const current = await findHostedSession(deps, readCookie(headers, "qe_ls"));
  const seen = new Set(current && [current.userId]);
  const others: HostedSession[] = [];
  const doubles: HostedSession[] = [];
  for (const token of new Set(readAccounts(headers).slice(0, MAX_OTHER_ACCOUNTS))) {
    if (token === current?.token) continue;
    // Who left half an hour ago is signed out, whoever has used the browser since.
    const session = await findHostedSession(deps, token, { isUsed: false });
    if (session === undefined) continue;
    (seen.has(session.userId) ? doubles : others).push(session);
    seen.add(session.userId);
  }
  return { current, others, doubles };
}

/**
 * What the cookies must hold once `chosen` is the current session: its own token, and those of the rest. `dropped`: what
 * they hold no longer, as a session of the same user that `chosen` takes the place of, and has to end.
 */
export function withCurrent(
  { current, others, doubles }: BrowserSessions,
  chosen: Pick<HostedSession, "token" | "userId">,
): { current: string; others: string[]; dropped: string[] } {
  const all = [...(current ? [current] : []), ...others];
  const kept = all.filter(({ userId }) => userId !== chosen.userId).slice(0, MAX_OTHER_ACCOUNTS);
  const dropped = [...all, ...doubles].filter(
    (one) => one.token !== chosen.token && !kept.includes(one),
  );
  const tokensOf = (sessions: HostedSession[]) => sessions.map(({ token }) => token);
  return { current: chosen.token, others: tokensOf(kept), dropped: tokensOf(dropped) };
}
