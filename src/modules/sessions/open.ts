/** The one place that inserts sessions, of both kinds. */
import type { Reader, Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { issueAccessToken } from "../../platform/crypto/access-token.ts";
import { newToken } from "../../platform/crypto/tokens.ts";
import { AppError } from "../../platform/errors.ts";
import type { Actor, Caller } from "../../platform/permissions.ts";
import { recordAudit, userAuthor } from "../audit/service.ts";
import { enqueue } from "../outbox/service.ts";
import { endGrantsOfSession } from "../tokens/service.ts";
import type { UserRow } from "../users/service.ts";
import { decideFactors, type FactorsSatisfied } from "./factors.ts";
import { HOSTED_IDLE_MS } from "./hosted.ts";
import * as hosted from "./hosted-store.ts";
import * as store from "./store.ts";

export type SignInMethod =
  | "password"
  | "magic_link"
  | "passkey"
  | "social"
  | "saml"
  | "ldap"
  | "invite_accept"
  | "tenant_create"
  | "tenant_switch";

export interface TokenPair {
  readonly access_token: string;
  readonly token_type: "Bearer";
  /** Of the access token. */
  readonly expires_at: string;
  readonly refresh_token: string;
  readonly session_id: string;
  readonly user_id: string;
  readonly tenant_id?: string;
}

export interface Opened {
  readonly sessionId: string;
  readonly userId: string;
  readonly tenantId: string | null;
  readonly refreshToken: string;
  readonly authTime: Date;
  readonly amr: readonly string[];
}

interface NewSession {
  readonly user: Pick<UserRow, "id" | "email">;
  readonly method: SignInMethod;
  readonly authTime: Date;
  readonly amr: readonly string[];
  readonly factors: FactorsSatisfied;
}

/**
 * Opens a token session with its first refresh token, in the caller's transaction, which then commits before
 * `issuePair` signs an access token for it.
 */
export async function openSession(
  deps: Deps,
  tx: Tx,
  caller: Caller,
  input: NewSession & { readonly tenantId: string | null },
): Promise<Opened> {
  const { user, tenantId, method, authTime, amr, factors } = input;
  const now = deps.clock.now();
  const sessionId = deps.random.uuid();
  const refresh = newToken(deps.random);
  await store.insertSession(tx, {
    id: sessionId,
    userId: user.id,
    tenantId,
    method,
    authTime,
    amr: [...amr],
    mfaAt: factors.mfaAt,
    ip: caller.ip,
    userAgent: caller.userAgent,
    createdAt: now,
  });
  await addRefreshToken(deps, tx, sessionId, { id: deps.random.uuid(), hash: refresh.hash });
  await enqueue(deps, tx, {
    type: "session.created",
    tenantId,
    aggregateId: sessionId,
    payload: { session_id: sessionId, user_id: user.id, method },
  });
  // A switch of tenant is no sign-in.
  if (method !== "tenant_switch" && method !== "tenant_create")
    await enqueue(deps, tx, {
      type: "user.signed_in",
      tenantId,
      aggregateId: user.id,
      payload: {
        user_id: user.id,
        session_id: sessionId,
        method,
        ip: caller.ip,
        user_agent: caller.userAgent,
      },
    });
  await recordAudit(deps, tx, userAuthor(caller, user.id), {
    tenantId,
    action: "auth.login_succeeded",
    resource: { type: "session", id: sessionId },
    metadata: { method, ...(factors.mfaAt !== null && { mfa: true }) },
  });
  return { sessionId, userId: user.id, tenantId, refreshToken: refresh.token, authTime, amr };
}

export async function addRefreshToken(
  deps: Deps,
  tx: Tx,
  sessionId: string,
  { id, hash }: { id: string; hash: string },
): Promise<void> {
  const issuedAt = deps.clock.now();
  const expiresAt = new Date(issuedAt.getTime() + deps.config.refreshTokenTtlSeconds * 1000);
  await store.insertRefreshToken(tx, { id, sessionId, tokenHash: hash, issuedAt, expiresAt });
}

/**
 * Opens a hosted session, in place of the one that the browser had: its cookie may have been planted (fixation). With
 * `keepsOthers` another user's stays, for the account chooser to show.
 */
export async function openHostedSession(
  deps: Deps,
  tx: Tx,
  caller: Caller,
  input: NewSession & { readonly replaces?: string | undefined; readonly keepsOthers?: boolean },
): Promise<string> {
  const { user, method, authTime, amr, factors, replaces, keepsOthers = false } = input;
  const now = deps.clock.now();
  const { token, hash } = newToken(deps.random);
  const before =
    replaces === undefined
      ? undefined
      : await hosted.deleteLoginSession(tx, {
          tokenHash: replaces,
          ...(keepsOthers && { userId: user.id }),
        });
  // Who proves themselves once more goes on with the session that clients know, under a new cookie; whoever was signed
  // in before somebody else is signed out.
  const isSame = before?.userId === user.id;
  const id = isSame ? before.id : deps.random.uuid();
  if (before && !isSame) await endGrantsOfSession(deps, tx, before.id);
  await hosted.insertLoginSession(tx, {
    id,
    tokenHash: hash,
    userId: user.id,
    method,
    authTime,
    amr: [...amr],
    mfaAt: factors.mfaAt,
    ip: caller.ip,
    userAgent: caller.userAgent,
    createdAt: now,
    lastSeenAt: now,
    expiresAt: new Date(now.getTime() + HOSTED_IDLE_MS),
  });
  await recordAudit(deps, tx, userAuthor(caller, user.id), {
    tenantId: null,
    action: "auth.sso_session_created",
    resource: { type: "login_session", id },
  });
  return token;
}

/** Signs the access token of a session that is on disk by now. */
export async function issuePair(deps: Deps, opened: Opened): Promise<TokenPair> {
  const { sessionId, userId, tenantId, refreshToken, authTime, amr } = opened;
  const { token, expiresAt } = await issueAccessToken(deps, {
    userId,
    tenantId,
    sessionId,
    authTime,
    amr,
  });
  return {
    access_token: token,
    token_type: "Bearer",
    expires_at: expiresAt.toISOString(),
    refresh_token: refreshToken,
    session_id: sessionId,
    user_id: userId,
    ...(tenantId !== null && { tenant_id: tenantId }),
  };
}

/**
 * Opens a session for another tenant beside the actor's, with what that one proved and when: a switch or a new workspace
 * is no new sign-in. Throws `unauthorized` when the actor's session is gone, `mfa_required` as the tenant's policy says.
 */
export async function openSuccessor(
  deps: Deps,
  tx: Tx,
  actor: Actor,
  input: {
    readonly user: Pick<UserRow, "id" | "email" | "tenantId">;
    readonly tenantId: string;
    readonly method: "tenant_switch" | "tenant_create";
  },
): Promise<Opened> {
  const { user, tenantId, method } = input;
  const current = await liveSession(tx, actor);
  const factors = await decideFactors(deps, tx, {
    userId: user.id,
    tenantId,
    homeTenantId: user.tenantId,
    amr: current.amr,
    mfaAt: current.mfaAt,
  });
  const { authTime, amr } = current;
  return openSession(deps, tx, actor.caller, { user, tenantId, method, authTime, amr, factors });
}

async function liveSession(q: Reader, { sessionId }: Actor): Promise<store.SessionRow> {
  const session = sessionId === null ? undefined : await store.findSession(q, sessionId);
  if (!session || session.revokedAt !== null) throw new AppError("unauthorized");
  return session;
}
