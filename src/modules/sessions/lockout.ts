/** Five failures in a row lock an address for a quarter of an hour, whether it has an account or not (contract 02 §1). */
import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import type { Caller } from "../../platform/permissions.ts";
import { recordAudit, userAuthor } from "../audit/service.ts";
import { enqueue } from "../outbox/service.ts";
import { selectPasswordAge } from "../users/service.ts";
import { knownMark, markedAt } from "./known-browser.ts";
import * as store from "./store.ts";

const MAX_FAILURES = 5;
const WINDOW_MS = 15 * 60_000;
const LOCK_MS = 15 * 60_000;
/** Attempts on one address that may wait for their turn. */
const MAX_WAITING = 128;

export type FailureReason =
  | "bad_credentials"
  | "unknown_user"
  | "locked"
  | "suspended"
  | "policy"
  | "ip_denied";

export interface Attempt {
  readonly emailKey: string;
  /** As typed: sealed in the audit log. */
  readonly email: string;
  readonly method: string;
  /** Cookie `qe_known`, if the browser sent one. */
  readonly knownCookie?: string | undefined;
}

/** The counter that an attempt counts on. A browser that signed in before has its own: no stranger can lock it out. */
function counterOf(deps: Deps, { emailKey, knownCookie }: Attempt): string {
  const mark = knownMark(deps, knownCookie, emailKey);
  const message = mark === undefined ? emailKey : `${emailKey}\n${mark}`;
  return Buffer.from(deps.derivedKeys.hmac("lockout", message)).toString("base64url");
}

/** The counters that a completed sign-in clears: this browser's, and the one for everybody. */
export function countersOf(deps: Deps, emailKey: string, knownCookie?: string): string[] {
  const attempt = { emailKey, email: "", method: "" };
  const general = counterOf(deps, attempt);
  const own = counterOf(deps, { ...attempt, knownCookie });
  return own === general ? [general] : [own, general];
}

/**
 * The attempt, without a mark that is older than the password. Who signed in with a former one could have collected any
 * number of marks, each good for five guesses at the new one.
 */
async function withFreshMark(deps: Deps, attempt: Attempt): Promise<Attempt> {
  const { emailKey, knownCookie } = attempt;
  const mark = knownMark(deps, knownCookie, emailKey);
  if (mark === undefined) return attempt;
  const [password] = await selectPasswordAge(deps.db.read, { emailKey });
  const isOlder = password && markedAt(mark).getTime() + 1000 <= password.updatedAt.getTime();
  return isOlder ? { ...attempt, knownCookie: undefined } : attempt;
}

type Judged<T> =
  | { readonly ok: T }
  | { readonly failed: FailureReason; readonly user: KnownUser | undefined };

/**
 * Runs `check` unless the address is locked; a check that answers undefined is a failure, counted, and after the fifth
 * the address is locked. Attempts on one address are judged one after another, so that no more than five of many at once are
 * tried. Answers what the check did. Throws 429 while locked; throws `unauthorized` for a failure, always the same.
 */
export async function guarded<T>(
  deps: Deps,
  caller: Caller,
  attempt: Attempt,
  check: () => Promise<Judged<T>>,
): Promise<T> {
  const key = counterOf(deps, await withFreshMark(deps, attempt));
  const outcome = await inTurn(deps, key, () => judge(deps, caller, attempt, key, check));
  if ("ok" in outcome) return outcome.ok;
  if ("lockedUntil" in outcome) {
    // Not looked up, so that known and unknown addresses cost the same.
    await deps.db.transaction(
      (tx) => noteFailure(deps, tx, caller, { ...attempt, reason: "locked", user: undefined }),
      { serializeOn: "platform" },
    );
    throw locked(outcome.lockedUntil, deps.clock.now());
  }
  throw new AppError("unauthorized", "invalid credentials");
}

/** In this process, one at a time for each key. Other instances judge at the same time: hence the claim. */
async function judge<T>(
  deps: Deps,
  caller: Caller,
  attempt: Attempt,
  key: string,
  check: () => Promise<Judged<T>>,
): Promise<Judged<T> | { readonly lockedUntil: Date }> {
  const now = deps.clock.now();
  const [row] = await store.selectAttempts(deps.db.read, { key });
  if (row?.lockedUntil && row.lockedUntil > now) return { lockedUntil: row.lockedUntil };
  // Once failures are on record, an attempt takes one of the five before it is judged, and gives it back when it was right.
  // Without any there is nothing to take: most sign-ins write nothing here, and each further instance may judge one more.
  const isOnRecord =
    row !== undefined && row.lockedUntil === null && row.lastFailedAt >= idleSince(now);
  const claimed = isOnRecord ? await claim(deps, key, now) : 0;
  if (claimed === undefined) return { lockedUntil: new Date(now.getTime() + LOCK_MS) };
  let result: Judged<T> | undefined;
  try {
    result = await check();
  } finally {
    // Right, or not judged at all, as when there is no room for another hash.
    if (claimed > 0 && (result === undefined || "ok" in result))
      await deps.db.transaction((tx) => store.releaseAttempt(tx, key));
  }
  if ("failed" in result) await recordFailure(deps, caller, attempt, result, { key, claimed });
  return result;
}

/** How many of the five are taken by now, this one included; undefined when all were, 0 when the record is gone. */
const claim = (deps: Deps, key: string, at: Date): Promise<number | undefined> =>
  deps.db.transaction(async (tx) => {
    const taken = await store.claimAttempt(tx, { key, at, most: MAX_FAILURES });
    if (taken !== undefined) return taken;
    // A sign-in that was completed since we looked has cleared it.
    return (await store.selectAttempts(tx, { key })).length === 0 ? 0 : undefined;
  });

const idleSince = (now: Date) => new Date(now.getTime() - WINDOW_MS);

export interface KnownUser {
  readonly id: string;
  readonly tenantId: string | null;
}

const locked = (until: Date, now: Date) =>
  new AppError("too_many_requests", "too many failed attempts — account temporarily locked", {
    headers: {
      "retry-after": String(Math.max(1, Math.ceil((until.getTime() - now.getTime()) / 1000))),
    },
  });

/** Counts, in a transaction of its own: what was counted must survive the refusal. */
async function recordFailure(
  deps: Deps,
  caller: Caller,
  attempt: Attempt,
  { failed, user }: { failed: FailureReason; user: KnownUser | undefined },
  { key, claimed }: { key: string; claimed: number },
): Promise<void> {
  const at = deps.clock.now();
  const until = new Date(at.getTime() + LOCK_MS);
  const tenantId = user?.tenantId ?? null;
  const isLocked = await deps.db.transaction(
    async (tx) => {
      const count =
        claimed > 0 ? claimed : await store.countFailure(tx, { key, at, idleSince: idleSince(at) });
      const locks = count >= MAX_FAILURES && (await store.lockAttempts(tx, key, until));
      await noteFailure(deps, tx, caller, { ...attempt, reason: failed, user });
      if (locks)
        await recordAudit(
          deps,
          tx,
          { system: true, caller },
          {
            tenantId,
            action: "auth.account_locked",
            resource: { type: "user", id: user?.id ?? null },
            metadata: { until: until.toISOString() },
          },
        );
      return locks;
    },
    { serializeOn: tenantId ?? "platform" },
  );
  deps.metrics.loginFailures.inc();
  if (isLocked) deps.metrics.lockouts.inc();
}

/** The audit event and, for a user we know, the outbox event of a refused sign-in; in the caller's transaction. */
export async function noteFailure(
  deps: Deps,
  tx: Tx,
  caller: Caller,
  failure: {
    readonly email: string;
    readonly method: string;
    readonly reason: FailureReason;
    readonly user: KnownUser | undefined;
  },
): Promise<void> {
  const { email, method, reason, user } = failure;
  const tenantId = user?.tenantId ?? null;
  if (user)
    await enqueue(deps, tx, {
      type: "user.sign_in_failed",
      tenantId,
      aggregateId: user.id,
      payload: { user_id: user.id, method, reason, ip: caller.ip },
    });
  await recordAudit(deps, tx, userAuthor(caller, user?.id ?? null), {
    tenantId,
    action: "auth.login_failed",
    resource: { type: "user", id: user?.id ?? null },
    metadata: { method, reason, identifier: email.slice(0, 320) },
  });
}

type Turns = Map<string, { last: Promise<unknown>; waiting: number }>;
const turnsOf = new WeakMap<Deps, Turns>();

/** One at a time for each key; refuses when too many wait, as if the address were locked. */
async function inTurn<T>(deps: Deps, key: string, work: () => Promise<T>): Promise<T> {
  const turns: Turns = turnsOf.get(deps) ?? new Map();
  turnsOf.set(deps, turns);
  const turn = turns.get(key) ?? { last: Promise.resolve(), waiting: 0 };
  if (turn.waiting >= MAX_WAITING)
    throw new AppError("too_many_requests", "too many attempts at once", {
      headers: { "retry-after": "1" },
    });
  turns.set(key, turn);
  turn.waiting += 1;
  const mine = turn.last.then(work);
  turn.last = mine.catch(() => {});
  try {
    return await mine;
  } finally {
    turn.waiting -= 1;
    if (turn.waiting === 0) turns.delete(key);
  }
}
