/** Grants, how they begin and how they end. */
import type { Reader, Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { newToken } from "../../platform/crypto/tokens.ts";
import type { OAuthClient } from "../../platform/oauth-client.ts";
import { queueBackchannelLogouts } from "../backchannel-logout/service.ts";
import * as store from "./grant-store.ts";
import type { Authorization } from "./model.ts";
import { insertRefreshToken } from "./refresh-store.ts";

/** With the refresh token that began with it, in clear: it is nowhere after this. */
export interface Grant extends store.GrantRow {
  readonly refreshToken?: string;
}

/** What a user has to be, to be acted for: RFC 6749 has no word for it, contract 03 §2 calls the rest `invalid_grant`. */
export interface Standing {
  readonly userStatus: string;
  readonly userDeletedAt: Date | null;
  readonly tenantStatus: string | null;
  readonly isMember: boolean | null;
}

/** Whether the user is active, the client's tenant too, and they are a member of it where the client asks for that. */
export const isInGoodStanding = (
  { userStatus, userDeletedAt, tenantStatus, isMember }: Standing,
  { requireMembership }: { readonly requireMembership: boolean },
): boolean =>
  userDeletedAt === null &&
  (userStatus === "active" || userStatus === "invited") &&
  tenantStatus === "active" &&
  (!requireMembership || isMember === true);

/**
 * Writes down that a user has authorised a client; the tokens of it come from `issueTokens`, after the commit. A client
 * that may refresh gets a refresh token with it. `codeHash` names the code that it came from, if any.
 */
export async function openGrant(
  deps: Deps,
  tx: Tx,
  input: Authorization & {
    readonly grantType: string;
    readonly codeHash: string | null;
    readonly client: Pick<OAuthClient, "id" | "grantTypes">;
  },
): Promise<Grant> {
  const { config, clock, random } = deps;
  const now = clock.now();
  const endsAt = after(now, config.refreshTokenMaxLifetimeSeconds);
  const mayRefresh = input.client.grantTypes.includes("refresh_token");
  const refreshExpiresAt = refreshExpiry(deps, { endsAt }, now);
  const grant: store.GrantRow = {
    id: random.uuid(),
    clientRowId: input.client.id,
    userId: input.userId,
    tenantId: input.tenantId,
    grantType: input.grantType,
    codeHash: input.codeHash,
    scopes: [...input.scopes],
    nonce: input.nonce,
    claims: input.claims,
    resources: [...input.resources],
    dpopJkt: input.dpopJkt,
    loginSessionId: input.loginSessionId,
    sid: input.sid,
    authTime: input.authTime,
    amr: [...input.amr],
    acr: input.acr,
    offline: input.scopes.includes("offline_access"),
    createdAt: now,
    expiresAt: lastExpiry(deps, now, mayRefresh ? refreshExpiresAt : now),
    endsAt,
    revokedAt: null,
    revokedReason: null,
  };
  await store.insertGrant(tx, grant);
  if (!mayRefresh) return grant;
  const { token, hash } = newToken(random);
  await insertRefreshToken(tx, {
    id: random.uuid(),
    grantId: grant.id,
    tokenHash: hash,
    parentId: null,
    hasSiblings: false,
    supersededAt: null,
    issuedAt: now,
    expiresAt: refreshExpiresAt,
  });
  return { ...grant, refreshToken: token };
}

const after = (at: Date, seconds: number): Date => new Date(at.getTime() + seconds * 1000);
const later = (a: Date, b: Date): Date => (a > b ? a : b);

/** Contract 03 §8.3: 30 days idle, and never past the end of the grant. */
export function refreshExpiry(
  { config }: Pick<Deps, "config">,
  { endsAt }: { readonly endsAt: Date },
  now: Date,
): Date {
  const idle = after(now, config.refreshTokenTtlSeconds);
  return idle < endsAt ? idle : endsAt;
}

/** When the last token that is issued now can have expired. */
export const lastExpiry = (
  { config }: Pick<Deps, "config">,
  now: Date,
  refreshExpiresAt: Date,
): Date => later(refreshExpiresAt, after(now, config.accessTokenTtlSeconds));

/**
 * Ends grants with all their tokens, from now on. Answers how many were live. Telling people, clients and the audit log
 * is the caller's.
 */
export async function revokeGrants(
  deps: Deps,
  tx: Tx,
  which: store.WhichGrants,
  reason: string,
): Promise<number> {
  return (await endGrants(deps, tx, which, reason)).length;
}

/** The same, and answers which. */
export async function endGrants(
  deps: Deps,
  tx: Tx,
  which: store.WhichGrants,
  reason: string,
): Promise<store.EndedGrant[]> {
  const ended = await store.revokeWhere(tx, which, reason, deps.clock.now());
  if (ended.length > 0) tx.afterCommit(() => deps.principals.forget(...tagsOf(ended)));
  return ended;
}

/** Grants of one transaction that are forgotten one by one. */
const MAX_TAGS = 500;

/** A whole tenant's may be hundreds of thousands: then all of the tenant is looked up anew. */
const tagsOf = (ended: readonly store.EndedGrant[]): string[] =>
  ended.length <= MAX_TAGS
    ? ended.map(({ id }) => `grant:${id}`)
    : [...new Set(ended.map(({ tenantId }) => `tenant:${tenantId}`))];

/**
 * A hosted session ended, and its clients are told: what it gave to clients ends too, but for the refresh tokens that
 * outlive a sign-out (contract 03 §12.5). Their grants go on under a `sid` of their own, which no access token from before has.
 * False when it had given nothing that still held.
 */
export async function endGrantsOfSession(
  deps: Deps,
  tx: Tx,
  loginSessionId: string,
): Promise<boolean> {
  // All clients hear of it, those too whose grant stays: they signed the user in with this session.
  const logins = await store.grantsOfSession(tx, loginSessionId);
  await endGrants(deps, tx, { loginSessionId, onlyOnline: true }, "logout");
  for (const { id } of await store.grantsOfSession(tx, loginSessionId)) {
    await store.detachGrant(tx, { id, sid: deps.random.uuid() });
    tx.afterCommit(() => deps.principals.forget(`grant:${id}`));
  }
  await queueBackchannelLogouts(deps, tx, logins);
  return logins.length > 0;
}

/** A grant that holds: its user, tenant and client do, and it was not revoked; nor was the token that was looked at. */
export interface LiveGrant {
  readonly id: string;
  readonly clientRowId: string;
  readonly clientId: string;
  readonly userId: string;
  readonly email: string;
  readonly tenantId: string;
  readonly scopes: readonly string[];
  readonly claims: store.GrantRow["claims"];
  readonly loginSessionId: string | null;
  readonly sid: string;
  readonly authTime: Date;
  readonly amr: readonly string[];
  readonly acr: string;
  readonly offline: boolean;
  /** What the client is registered for now. */
  readonly clientScopes: readonly string[];
  /** The user is an active member of the client's tenant. */
  readonly isMember: boolean;
}

/** All that decides whether a client's token still holds: one statement. Undefined when it does not. */
export async function findLiveGrant(
  q: Reader,
  grantId: string,
  jti: string,
): Promise<LiveGrant | undefined> {
  const [row] = await store.selectGrantLiveness(q, { id: grantId, jti });
  if (!row || row.grant.revokedAt !== null || row.revokedJti !== null) return undefined;
  if (row.clientDeletedAt !== null || !isInGoodStanding(row, row)) return undefined;
  const { grant, clientId, clientScopes, email, isMember } = row;
  return {
    id: grant.id,
    clientRowId: grant.clientRowId,
    clientId,
    userId: grant.userId,
    email,
    tenantId: grant.tenantId,
    scopes: grant.scopes,
    claims: grant.claims,
    loginSessionId: grant.loginSessionId,
    sid: grant.sid,
    authTime: grant.authTime,
    amr: grant.amr,
    acr: grant.acr,
    offline: grant.offline,
    clientScopes,
    isMember: isMember === true,
  };
}
