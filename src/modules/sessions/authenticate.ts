/** Whom a credential names, and whether it still holds (contract 01 §5). */
import type { Deps } from "../../deps.ts";
import { verifyAccessToken } from "../../platform/crypto/access-token.ts";
import { verifyDpopProof } from "../../platform/crypto/dpop.ts";
import { hashToken } from "../../platform/crypto/tokens.ts";
import { AppError, OAuthError } from "../../platform/errors.ts";
import type { Authenticate, AuthenticateOptions } from "../../platform/http/gate.ts";
import type { Actor, Caller } from "../../platform/permissions.ts";
import type { CachedPrincipal } from "../../platform/principal-cache.ts";
import { authenticateApiKey } from "../api-keys/service.ts";
import { type Granted, isSatisfied, permissionsOf } from "../rbac/service.ts";
import { findMembership, findUser } from "../users/service.ts";
import { loadClientToken } from "./client-tokens.ts";
import * as store from "./store.ts";

/** `last_seen_at` is written at most this often. */
const TOUCH_MS = 60_000;
const NOBODY: Granted = { permissions: new Set(), isOwner: false };

/**
 * Finds who is calling. Throws `unauthorized` for a credential that is not, or no longer, good; `forbidden` for a suspended
 * user or tenant; `mfa_required` for a sign-in that waits for its second factor.
 */
export const authenticate: Authenticate = (deps, authorization, caller, options) => {
  if (authorization === "") {
    if (options.dev) return fromDevHeaders(deps, options.dev, caller);
    throw new AppError("unauthorized");
  }
  // RFC 9110 §11.1: the name of the scheme has no case.
  const [, scheme = "", credential = ""] = /^(\S+) +(\S+)$/.exec(authorization) ?? [];
  switch (scheme.toLowerCase()) {
    case "apikey":
      return authenticateApiKey(deps, credential, caller, options);
    case "bearer":
      // An unfinished sign-in opens nothing but the operations that finish it.
      if (credential.startsWith("mfa_")) throw new AppError("mfa_required");
      return fromToken(deps, credential, caller, options);
    case "dpop":
      return fromBoundToken(deps, credential, caller, options);
    default:
      throw new AppError("unauthorized");
  }
};

function fromToken(
  deps: Deps,
  token: string,
  caller: Caller,
  { whileSuspended }: AuthenticateOptions,
): Actor | Promise<Actor> {
  const admit = (found: CachedPrincipal | undefined): Actor => {
    const { actor, dpopJkt } = assertGood(deps, found, whileSuspended);
    // RFC 9449 §7.1: a token that is bound to a key is worth nothing without the key.
    if (dpopJkt != null) throw new AppError("unauthorized");
    return { ...actor, caller };
  };
  const name = nameOf(token);
  const known = deps.principals.peek(name);
  return known ? admit(known) : deps.principals.get(name, () => load(deps, token)).then(admit);
}

/** Scheme `DPoP`: the token, and a proof of the key that it is bound to, made for this request. */
async function fromBoundToken(
  deps: Deps,
  token: string,
  caller: Caller,
  { whileSuspended, dpop }: AuthenticateOptions,
): Promise<Actor> {
  const found = await deps.principals.get(nameOf(token), () => load(deps, token));
  const { actor, dpopJkt } = assertGood(deps, found, whileSuspended);
  if (dpop === undefined || dpopJkt == null) throw new AppError("unauthorized");
  const jkt = await verifyDpopProof(deps, { ...dpop, accessToken: token }).catch((error) => {
    if (!(error instanceof OAuthError)) throw error;
    throw new AppError("unauthorized", error.detail, { cause: error });
  });
  if (jkt !== dpopJkt) throw new AppError("unauthorized");
  return { ...actor, caller };
}

/** Under its hash: the token itself stays nowhere. */
const nameOf = (token: string): string => `token:${hashToken(token)}`;

/** A remembered token is as good as its signature was; its time must still be looked at. */
function assertGood(
  deps: Deps,
  found: CachedPrincipal | undefined,
  whileSuspended: boolean,
): CachedPrincipal {
  if (!found?.expiresAt || found.expiresAt <= deps.clock.now()) throw new AppError("unauthorized");
  if (found.isTenantSuspended && !whileSuspended)
    throw new AppError("forbidden", "tenant suspended");
  return found;
}

async function load(deps: Deps, token: string): Promise<CachedPrincipal | undefined> {
  const claims = await verifyAccessToken(deps, token);
  const { sessionId, userId, tenantId, clientId, expiresAt } = claims;
  if (clientId !== null) return loadClientToken(deps, token);
  if (sessionId === null || userId === null) throw new AppError("unauthorized");
  const found = await loadSession(deps, sessionId);
  if (!found || found.actor.userId !== userId || found.actor.tenantId !== tenantId)
    return undefined;
  return { ...found, expiresAt };
}

async function loadSession(deps: Deps, sessionId: string): Promise<CachedPrincipal | undefined> {
  const [row] = await store.selectLiveness(deps.db.read, { sessionId });
  if (!row || row.userDeletedAt !== null) return undefined;
  const { userId, tenantId, userStatus, tenantStatus, isMember } = row;
  // Suspension is named, also where it has ended the session (contract 01 §20).
  if (userStatus === "suspended") throw new AppError("forbidden", "account suspended");
  if (row.revokedAt !== null) return undefined;
  if (tenantId !== null && (tenantStatus === "deleted" || !isMember)) return undefined;

  const granted =
    tenantId === null
      ? NOBODY
      : await permissionsOf(deps.db.read, userId, tenantId, { evenSuspended: true });
  if (deps.clock.now().getTime() - row.lastSeenAt.getTime() >= TOUCH_MS)
    deps.touches.note("session", sessionId);
  return {
    tags: [
      `session:${sessionId}`,
      `user:${userId}`,
      ...(tenantId === null ? [] : [`tenant:${tenantId}`]),
    ],
    isTenantSuspended: tenantStatus === "suspended",
    actor: {
      kind: "user",
      subject: userId,
      userId,
      tenantId,
      sessionId,
      clientId: null,
      scopes: [],
      authTime: row.authTime,
      holds: (key) => isSatisfied(granted.permissions, key),
      ...granted,
    },
  };
}

/** Development only, behind a setting that production refuses (contract 01 §5). */
async function fromDevHeaders(
  deps: Deps,
  { userId, tenantId }: NonNullable<AuthenticateOptions["dev"]>,
  caller: Caller,
): Promise<Actor> {
  const user = await findUser(deps.db.read, userId);
  if (user?.status !== "active") throw new AppError("unauthorized");
  if (tenantId !== null && !(await findMembership(deps.db.read, tenantId, userId))?.active)
    throw new AppError("unauthorized");
  const granted = tenantId === null ? NOBODY : await permissionsOf(deps.db.read, userId, tenantId);
  return {
    kind: "user",
    subject: userId,
    userId,
    tenantId,
    sessionId: null,
    clientId: null,
    scopes: [],
    authTime: null,
    holds: (key) => isSatisfied(granted.permissions, key),
    ...granted,
    caller,
  };
}
