/** What users and administrators do with sessions that are there. */
import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { hashToken } from "../../platform/crypto/tokens.ts";
import { AppError } from "../../platform/errors.ts";
import type { RevocationReason } from "../../platform/events.ts";
import type { Actor, Caller } from "../../platform/permissions.ts";
import { type Author, recordAudit, userAuthor } from "../audit/service.ts";
import { enqueue } from "../outbox/service.ts";
import { assertMayManage, permissionsOf } from "../rbac/service.ts";
import { endGrantsOfSession } from "../tokens/service.ts";
import { findUser, type UserRow } from "../users/service.ts";
import * as hosted from "./hosted-store.ts";
import { issuePair, openSuccessor, type TokenPair } from "./open.ts";
import * as store from "./store.ts";

/** Newest first. `active` leaves out those that are revoked, or idle for longer than a refresh token lives. */
export function listSessions(
  deps: Deps,
  userId: string,
  { active = false } = {},
): Promise<store.SessionRow[]> {
  const idleSince = new Date(
    deps.clock.now().getTime() - deps.config.refreshTokenTtlSeconds * 1000,
  );
  return store.listSessions(deps.db.read, userId, active ? idleSince : undefined);
}

/** Throws `not_found` for who is not at home in the actor's tenant, `forbidden` after contract 07 §1.7. */
export async function listSessionsOf(
  deps: Deps,
  actor: Actor,
  userId: string,
): Promise<store.SessionRow[]> {
  if (actor.userId !== userId) await assertManages(deps, actor, userId);
  return listSessions(deps, userId);
}

async function assertManages(deps: Deps, actor: Actor, userId: string): Promise<void> {
  const user = await findUser(deps.db.read, userId);
  if (!user || actor.tenantId === null || user.tenantId !== actor.tenantId)
    throw new AppError("not_found");
  await assertMayManage(deps, deps.db.read, actor, userId);
}

/** Ends the session of the actor's token. Throws `unauthorized` for who has none. */
export async function logOut(deps: Deps, actor: Actor): Promise<void> {
  const { sessionId, userId, tenantId } = actor;
  if (actor.kind === "oauth") throw new AppError("forbidden");
  if (sessionId === null || userId === null) throw new AppError("unauthorized");
  await deps.db.transaction(
    async (tx) => {
      if (!(await store.revokeSession(tx, sessionId, "logout", deps.clock.now()))) return;
      const payload = { session_id: sessionId, user_id: userId };
      await enqueue(deps, tx, {
        type: "user.signed_out",
        tenantId,
        aggregateId: userId,
        payload,
      });
      await enqueue(deps, tx, {
        type: "session.revoked",
        tenantId,
        aggregateId: sessionId,
        payload: { ...payload, reason: "logout" },
      });
      await recordAudit(deps, tx, actor, {
        tenantId,
        action: "auth.logged_out",
        resource: { type: "session", id: sessionId },
      });
      tx.afterCommit(() => deps.principals.forget(`session:${sessionId}`));
    },
    { serializeOn: tenantId ?? "platform" },
  );
}

/**
 * Ends a session: one's own, or, with `user.write`, one of a user at home in the actor's tenant. Throws `not_found` for
 * everybody else's. Does nothing for one that has ended.
 */
export async function endSession(deps: Deps, actor: Actor, sessionId: string): Promise<void> {
  const session = await store.findSession(deps.db.read, sessionId);
  if (!session) throw new AppError("not_found");
  // A client acts for the user where it has the right to, not as the user.
  const isOwn = actor.userId === session.userId && actor.kind !== "oauth";
  // A key that is bound to the user stays within its scopes.
  const isFree = isOwn && actor.kind === "user";
  if (!isFree && !actor.holds("user.write")) throw new AppError("not_found");
  if (!isOwn) await assertManages(deps, actor, session.userId);
  const tenantId = session.tenantId;
  await deps.db.transaction((tx) => end(deps, tx, actor, session, isOwn ? "user" : "admin"), {
    serializeOn: tenantId ?? "platform",
  });
}

async function end(
  deps: Deps,
  tx: Tx,
  by: Author,
  session: Pick<store.SessionRow, "id" | "userId" | "tenantId">,
  reason: RevocationReason,
): Promise<void> {
  if (await store.revokeSession(tx, session.id, reason, deps.clock.now()))
    await announceEnd(deps, tx, by, session, reason);
}

/** Event and audit event of a session that this transaction has revoked. */
async function announceEnd(
  deps: Deps,
  tx: Tx,
  by: Author,
  { id, userId, tenantId }: Pick<store.SessionRow, "id" | "userId" | "tenantId">,
  reason: RevocationReason,
): Promise<void> {
  await enqueue(deps, tx, {
    type: "session.revoked",
    tenantId,
    aggregateId: id,
    payload: { session_id: id, user_id: userId, reason },
  });
  await recordAudit(deps, tx, by, {
    tenantId,
    action: "session.revoked",
    resource: { type: "session", id },
    metadata: { user_id: userId, reason },
  });
  tx.afterCommit(() => deps.principals.forget(`session:${id}`));
}

/** Sessions of one transaction that are announced one by one. */
const MAX_ANNOUNCED = 200;

/**
 * Events and audit events of a user's sessions that this transaction has revoked. Whoever opened a hundred thousand first
 * must not hold the only writer for as long as it takes to write down each: those beyond 200 share one audit event.
 */
export async function announceEnds(
  deps: Deps,
  tx: Tx,
  by: Author,
  ended: readonly Pick<store.SessionRow, "id" | "userId" | "tenantId">[],
  reason: RevocationReason,
): Promise<void> {
  for (const session of ended.slice(0, MAX_ANNOUNCED))
    await announceEnd(deps, tx, by, session, reason);
  const rest = ended.slice(MAX_ANNOUNCED);
  const [first] = rest;
  if (first === undefined) return;
  const { userId, tenantId } = first;
  await recordAudit(deps, tx, by, {
    tenantId,
    action: "session.revoked",
    resource: { type: "session", id: null },
    metadata: { user_id: userId, reason, sessions: rest.length },
  });
  tx.afterCommit(() => deps.principals.forget(`user:${userId}`));
}

/** Ends all sessions of the actor's user but the current one. */
export async function endOtherSessions(deps: Deps, actor: Actor): Promise<void> {
  const userId = actor.userId!;
  await deps.db.transaction(
    async (tx) => {
      const ended = await store.revokeSessions(
        tx,
        { userId, ...(actor.sessionId !== null && { exceptSessionId: actor.sessionId }) },
        "user",
        deps.clock.now(),
      );
      await announceEnds(deps, tx, actor, ended, "user");
    },
    { serializeOn: actor.tenantId ?? "platform" },
  );
}

/**
 * Opens a session in another tenant of the user; the one at hand stays. Throws `forbidden` for a tenant that they are no
 * member of, unknown ones too, and for a suspended one, unless they can lift that.
 */
export async function switchTenant(deps: Deps, actor: Actor, tenantId: string): Promise<TokenPair> {
  const opened = await deps.db.transaction(
    async (tx) => {
      const user = await findUser(tx, actor.userId!);
      if (!user) throw new AppError("unauthorized");
      await assertMayEnter(tx, user, tenantId);
      return openSuccessor(deps, tx, actor, { user, tenantId, method: "tenant_switch" });
    },
    { serializeOn: tenantId },
  );
  return issuePair(deps, opened);
}

async function assertMayEnter(tx: Tx, user: UserRow, tenantId: string): Promise<void> {
  const [target] = await store.selectHome(tx, { tenantId, userId: user.id });
  if (!target?.active || target.status === "deleted")
    throw new AppError("forbidden", "not a member of this tenant");
  if (target.status === "active") return;
  const { permissions } = await permissionsOf(tx, user.id, tenantId, { evenSuspended: true });
  if (!permissions.has("tenant.write")) throw new AppError("forbidden", "tenant suspended");
}

export const listHostedSessions = (deps: Deps, userId: string): Promise<hosted.LoginSessionRow[]> =>
  hosted.listLoginSessions(deps.db.read, userId, deps.clock.now());

/** Ends a hosted session of the actor's user. Throws `not_found`. */
export async function endHostedSession(deps: Deps, actor: Actor, id: string): Promise<void> {
  await deps.db.transaction(
    async (tx) => {
      const ended = await hosted.deleteLoginSession(tx, { id, userId: actor.userId! });
      if (!ended) throw new AppError("not_found");
      await endGrantsOfSession(deps, tx, ended.id);
      await auditHostedEnd(deps, tx, actor, ended);
    },
    { serializeOn: "platform" },
  );
}

/** Ends the hosted session that a cookie names, if any. */
export async function endHostedSessionOf(deps: Deps, caller: Caller, token: string): Promise<void> {
  const tokenHash = hashToken(token);
  await deps.db.transaction(
    async (tx) => {
      const ended = await hosted.deleteLoginSession(tx, { tokenHash });
      if (!ended) return;
      await endGrantsOfSession(deps, tx, ended.id);
      await auditHostedEnd(deps, tx, userAuthor(caller, ended.userId), ended);
    },
    { serializeOn: "platform" },
  );
}

/**
 * Ends hosted sessions in the caller's transaction. What they gave to clients ends with them, and the clients are told
 * (contract 03 §12.5). Answers those that had not ended before, for `auditHostedEnds`.
 */
export async function endHostedSessionsIn(
  deps: Deps,
  tx: Tx,
  sessions: readonly { readonly id: string; readonly userId: string }[],
): Promise<hosted.LoginSessionRow[]> {
  const ended: hosted.LoginSessionRow[] = [];
  for (const { id, userId } of sessions) {
    const row = await hosted.deleteLoginSession(tx, { id, userId });
    if (!row) continue;
    await endGrantsOfSession(deps, tx, row.id);
    ended.push(row);
  }
  return ended;
}

/** The last thing in the transaction: `recordAudit` says why. */
export async function auditHostedEnds(
  deps: Deps,
  tx: Tx,
  caller: Caller,
  ended: readonly hosted.LoginSessionRow[],
): Promise<void> {
  for (const row of ended) await auditHostedEnd(deps, tx, userAuthor(caller, row.userId), row);
}

const auditHostedEnd = (deps: Deps, tx: Tx, by: Author, { id }: hosted.LoginSessionRow) =>
  recordAudit(deps, tx, by, {
    tenantId: null,
    action: "auth.sso_session_ended",
    resource: { type: "login_session", id },
  });
