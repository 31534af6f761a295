import type { Deps } from "../../deps.ts";
import { hashToken, newToken } from "../../platform/crypto/tokens.ts";
import { AppError } from "../../platform/errors.ts";
import { queueMail } from "../../platform/mail/service.ts";
import type { Caller } from "../../platform/permissions.ts";
import { recordAudit } from "../audit/service.ts";
import { enqueue } from "../outbox/service.ts";
import { addRefreshToken, issuePair, type TokenPair } from "./open.ts";
import * as store from "./store.ts";

type Found = Awaited<ReturnType<typeof store.selectRefresh>>[number];

const refused = (detail: string) => new AppError("unauthorized", detail);
const reused = () => refused("refresh token reuse — session revoked");

/**
 * Trades a refresh token for a new pair. Of two callers with one token exactly one gets a pair, and the session dies:
 * one of them stole it (RFC 9700 §4.14.2). Throws `unauthorized` with the details of contract 02 §3.
 */
export async function refreshSession(
  deps: Deps,
  caller: Caller,
  refreshToken: string,
): Promise<TokenPair> {
  const [found] = await store.selectRefresh(deps.db.read, { tokenHash: hashToken(refreshToken) });
  if (!found) throw refused("unknown refresh token");
  // Used before expired: an old token that is replayed is a theft, however old.
  if (found.usedAt !== null) return punishReuse(deps, caller, found);
  const { session } = found;
  if (session.revokedAt !== null) throw refused("session revoked");
  const now = deps.clock.now();
  if (found.expiresAt <= now) throw refused("refresh token expired");
  if (!maySignIn(found)) {
    await endSession(deps, found, "policy");
    throw refused("session revoked");
  }

  const next = newToken(deps.random);
  const nextId = deps.random.uuid();
  const outcome = await deps.db.transaction(async (tx) => {
    const claimed = await store.claimRefreshToken(tx, {
      id: found.id,
      usedAt: now,
      replacedBy: nextId,
    });
    if (claimed.length === 0) return "reused";
    await addRefreshToken(deps, tx, session.id, { id: nextId, hash: next.hash });
    const live = await store.touchLiveSession(tx, { id: session.id, at: now });
    // Revoked while we looked: what was claimed stays claimed, and opens nothing.
    return live.length === 0 ? "revoked" : "rotated";
  });
  if (outcome === "reused") return punishReuse(deps, caller, found);
  if (outcome === "revoked") throw refused("session revoked");
  return issuePair(deps, {
    sessionId: session.id,
    userId: session.userId,
    tenantId: session.tenantId,
    refreshToken: next.token,
    authTime: session.authTime,
    amr: session.amr,
  });
}

/** A session outlives neither its user's access, nor its tenant's, nor the membership. */
const maySignIn = ({ session, userStatus, userDeletedAt, tenantStatus, isMember }: Found) =>
  userDeletedAt === null &&
  (userStatus === "active" || userStatus === "invited") &&
  (session.tenantId === null || (tenantStatus === "active" && isMember === true));

async function endSession(deps: Deps, { session }: Found, reason: "policy"): Promise<void> {
  const { id, userId, tenantId } = session;
  await deps.db.transaction(
    async (tx) => {
      if (!(await store.revokeSession(tx, id, reason, deps.clock.now()))) return;
      await enqueue(deps, tx, {
        type: "session.revoked",
        tenantId,
        aggregateId: id,
        payload: { session_id: id, user_id: userId, reason },
      });
      await recordAudit(
        deps,
        tx,
        { system: true, userId },
        {
          tenantId,
          action: "session.revoked",
          resource: { type: "session", id },
          metadata: { user_id: userId, reason },
        },
      );
      tx.afterCommit(() => deps.principals.forget(`session:${id}`));
    },
    { serializeOn: tenantId ?? "platform" },
  );
}

/** Ends the session, tells the user, and refuses. A second replay changes nothing more, and says the same. */
async function punishReuse(deps: Deps, caller: Caller, found: Found): Promise<never> {
  const { id, userId, tenantId } = found.session;
  const where = {
    ...(caller.ip !== null && { ip: caller.ip }),
    ...(caller.userAgent !== null && { user_agent: caller.userAgent }),
  };
  await deps.db.transaction(
    async (tx) => {
      if (!(await store.revokeSession(tx, id, "refresh_reuse", deps.clock.now()))) return;
      const event = { tenantId, aggregateId: id };
      await enqueue(deps, tx, {
        ...event,
        type: "auth.session.revoked_for_reuse",
        payload: {
          user_id: userId,
          tenant_id: tenantId,
          session_id: id,
          ip: caller.ip,
          user_agent: caller.userAgent,
        },
      });
      await enqueue(deps, tx, {
        ...event,
        type: "session.revoked",
        payload: { session_id: id, user_id: userId, reason: "refresh_reuse" },
      });
      await queueMail(deps, tx, {
        template: "security_alert",
        to: found.email,
        userId,
        tenantId,
        variables: {
          what: "A sign-in token of your account was used twice, so somebody else may have a copy of it. The session it belonged to was ended.",
        },
      });
      await recordAudit(
        deps,
        tx,
        { system: true, userId, caller },
        {
          tenantId,
          action: "auth.token_reuse_detected",
          resource: { type: "session", id },
          metadata: {
            session_id: id,
            refresh_token_id: found.id,
            reason: "refresh_token_reuse",
            ...where,
          },
        },
      );
      tx.afterCommit(() => {
        deps.principals.forget(`session:${id}`);
        deps.metrics.refreshReuse.inc();
      });
    },
    { serializeOn: tenantId ?? "platform" },
  );
  throw reused();
}
