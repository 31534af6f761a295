/** Refresh tokens: rotation, siblings, replay (RFC 9700 §4.14, contract 00 §8, §53). */
import type { Reader, Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { hashToken, newToken } from "../../platform/crypto/tokens.ts";
import { OAuthError } from "../../platform/errors.ts";
import type { OAuthClient } from "../../platform/oauth-client.ts";
import type { Caller } from "../../platform/permissions.ts";
import { recordAudit } from "../audit/service.ts";
import { enqueue } from "../outbox/service.ts";
import { extendGrant, type GrantRow } from "./grant-store.ts";
import {
  isInGoodStanding,
  lastExpiry,
  refreshExpiry,
  revokeGrants,
  type Standing,
} from "./grants.ts";
import * as store from "./refresh-store.ts";

/** Contract 00 §53. */
const MAX_SIBLINGS = 10;
/** Races with its own siblings that one request loses before it is refused. */
const MAX_ATTEMPTS = 5;

export interface FoundRefreshToken extends Standing {
  readonly token: store.RefreshTokenRow;
  readonly grant: GrantRow;
  readonly email: string;
}

/** A refresh token, whatever has become of it, with its grant; undefined for an unknown one. */
export async function findRefreshToken(
  q: Reader,
  token: string,
): Promise<FoundRefreshToken | undefined> {
  const [row] = await store.selectRefreshToken(q, { tokenHash: hashToken(token) });
  return row;
}

/** Whether a client could refresh with it now (contract 03 §11: not revoked, not rotated, not expired). */
export const isActiveRefreshToken = (
  found: FoundRefreshToken,
  now: Date,
  client: { readonly requireMembership: boolean },
): boolean =>
  found.token.usedAt === null &&
  found.token.supersededAt === null &&
  found.token.expiresAt > now &&
  found.grant.revokedAt === null &&
  isInGoodStanding(found, client);

export interface Rotation {
  readonly client: OAuthClient;
  readonly caller: Caller;
  readonly refreshToken: string;
  /** Of the proof that came along. */
  readonly dpopJkt: string | null;
  /** Judges what else was asked for, before anything is consumed. Throws. */
  readonly check: (grant: GrantRow) => void;
}

const refused = (detail: string) => new OAuthError("invalid_grant", detail);

/**
 * Trades a refresh token for the next one. Throws `invalid_grant` for one that is unknown, another client's (which is
 * not consumed), expired, or whose user may not use it any more. One that was used before ends the grant, unless the
 * client has a leeway for requests that ran in parallel.
 */
export async function rotateRefreshToken(
  deps: Deps,
  rotation: Rotation,
): Promise<{ grant: GrantRow; refreshToken: string }> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const next = await tryRotate(deps, rotation);
    if (next !== undefined) return next;
  }
  throw refused("the refresh token is in use by other requests");
}

/** Undefined when the token changed while it was looked at. */
async function tryRotate(deps: Deps, { client, caller, ...rotation }: Rotation) {
  const found = await findRefreshToken(deps.db.read, rotation.refreshToken);
  // RFC 6749 §10.4: bound to the client that it was issued to. Whoever else holds it learns nothing, and ends nothing.
  if (!found || found.grant.clientRowId !== client.id) throw refused("unknown refresh token");
  const { grant, token } = found;
  // RFC 9449 §5: for a client without credentials the key is what binds the token to it.
  if (client.type === "public" && grant.dpopJkt !== null && grant.dpopJkt !== rotation.dpopJkt)
    throw refused("the refresh token is bound to another key");
  if (grant.revokedAt !== null) throw refused("the grant has ended");
  const now = deps.clock.now();
  // Used before expired: an old token that is replayed is a theft, however old.
  const spentAt = token.usedAt ?? token.supersededAt;
  if (spentAt !== null && !isWithinLeeway(client, spentAt, now))
    return punishReuse(deps, caller, { client, found });
  if (token.expiresAt <= now) throw refused("refresh token expired");
  if (!isInGoodStanding(found, client)) throw refused("the user may not use this client");
  rotation.check(grant);
  return spentAt === null ? rotate(deps, found, now) : addSibling(deps, found, now);
}

/** Settled 8: browsers of one session refresh in parallel; a confidential client may allow for that. */
const isWithinLeeway = (
  { type, refreshReuseLeewaySeconds: leeway }: OAuthClient,
  spentAt: Date,
  now: Date,
): boolean =>
  type === "confidential" && leeway > 0 && now.getTime() - spentAt.getTime() <= leeway * 1000;

/** One read before, then one transaction of three statements; two more where the token has siblings. */
async function rotate(deps: Deps, { token, grant }: FoundRefreshToken, now: Date) {
  const next = newToken(deps.random);
  const expiresAt = refreshExpiry(deps, grant, now);
  return deps.db.transaction(
    async (tx) => {
      await extend(deps, tx, grant, now, expiresAt);
      const [claimed] = await store.claimRefreshToken(tx, { id: token.id, usedAt: now });
      if (!claimed) return undefined;
      if (claimed.hasSiblings && claimed.parentId !== null)
        await store.supersedeSiblings(tx, {
          parentId: claimed.parentId,
          exceptId: claimed.id,
          at: now,
        });
      await store.insertRefreshToken(tx, {
        id: deps.random.uuid(),
        grantId: grant.id,
        tokenHash: next.hash,
        parentId: token.id,
        hasSiblings: false,
        supersededAt: null,
        issuedAt: now,
        expiresAt,
      });
      return { grant, refreshToken: next.token };
    },
    { serializeOn: grant.id },
  );
}

/**
 * The first statement of each rotation: whoever comes to the same grant waits at its row. Begun at the tokens, siblings
 * lock each other's rows crosswise, and Postgres takes a second to find out (seen: five refreshes in five seconds).
 * Throws, and with that undoes all, for a grant that was revoked meanwhile.
 */
async function extend(deps: Deps, tx: Tx, grant: GrantRow, now: Date, refreshExpiresAt: Date) {
  const expiresAt = lastExpiry(deps, now, refreshExpiresAt);
  const live = await extendGrant(tx, { id: grant.id, expiresAt });
  if (live.length === 0) throw refused("the grant has ended");
}

/**
 * Within the leeway: another token beside the one that was given already. A superseded sibling counts as the one that was
 * rotated, so that all of a family come together again in the next generation.
 */
async function addSibling(deps: Deps, { token, grant }: FoundRefreshToken, now: Date) {
  const next = newToken(deps.random);
  const expiresAt = refreshExpiry(deps, grant, now);
  return deps.db.transaction(
    async (tx) => {
      await extend(deps, tx, grant, now, expiresAt);
      const parentId = token.usedAt === null ? await rotatedSibling(tx, token) : token.id;
      if (parentId === undefined) return undefined;
      const siblings = await store.childrenOf(tx, parentId);
      if (siblings.length > MAX_SIBLINGS) throw refused("too many refreshes in parallel");
      await store.markSiblings(tx, parentId);
      // The next generation may have begun: what is given now is as old as the rest of this one.
      const supersededAt = siblings.find(({ usedAt }) => usedAt !== null)?.usedAt ?? null;
      await store.insertRefreshToken(tx, {
        id: deps.random.uuid(),
        grantId: grant.id,
        tokenHash: next.hash,
        parentId,
        hasSiblings: true,
        supersededAt,
        issuedAt: now,
        expiresAt,
      });
      return { grant, refreshToken: next.token };
    },
    { serializeOn: grant.id },
  );
}

async function rotatedSibling(
  tx: Tx,
  { parentId }: store.RefreshTokenRow,
): Promise<string | undefined> {
  if (parentId === null) return undefined;
  const siblings = await store.childrenOf(tx, parentId);
  return siblings.find(({ usedAt }) => usedAt !== null)?.id;
}

/**
 * RFC 9700 §4.14.2: of two who present one refresh token, one has stolen it, and nobody can tell who. The grant ends with
 * all its tokens; other grants of the user and the client are other devices, and stay.
 */
async function punishReuse(
  deps: Deps,
  caller: Caller,
  { client, found }: { client: OAuthClient; found: FoundRefreshToken },
): Promise<never> {
  const { grant, token } = found;
  await deps.db.transaction(
    async (tx) => {
      if ((await revokeGrants(deps, tx, { grantId: grant.id }, "refresh_reuse")) === 0) return;
      await enqueue(deps, tx, {
        type: "oauth.grant.revoked_for_reuse",
        tenantId: grant.tenantId,
        aggregateId: grant.id,
        payload: {
          grant_id: grant.id,
          client_id: client.clientId,
          user_id: grant.userId,
          tenant_id: grant.tenantId,
          ip: caller.ip,
          user_agent: caller.userAgent,
        },
      });
      await recordAudit(
        deps,
        tx,
        { system: true, userId: grant.userId, caller },
        {
          tenantId: grant.tenantId,
          action: "oidc.refresh_reuse_detected",
          resource: { type: "oidc_refresh_token", id: token.id },
          metadata: {
            client_id: client.clientId,
            grant_id: grant.id,
            refresh_token_id: token.id,
            reason: "refresh_token_reuse",
          },
        },
      );
      tx.afterCommit(() => deps.metrics.refreshReuse.inc());
    },
    { serializeOn: grant.tenantId },
  );
  throw refused("the refresh token was used before: the grant has ended");
}

/** RFC 7009 §2.1: a refresh token of the client's ends its whole grant. False for anybody else's, and for an unknown one. */
export async function revokeByRefreshToken(
  deps: Deps,
  caller: Caller,
  client: Pick<OAuthClient, "id" | "clientId" | "tenantId">,
  refreshToken: string,
): Promise<boolean> {
  const found = await findRefreshToken(deps.db.read, refreshToken);
  if (!found || found.grant.clientRowId !== client.id) return false;
  const { grant } = found;
  await deps.db.transaction(
    async (tx) => {
      if ((await revokeGrants(deps, tx, { grantId: grant.id }, "client")) === 0) return;
      await recordAudit(
        deps,
        tx,
        { system: true, type: "service", userId: grant.userId, caller },
        {
          tenantId: client.tenantId,
          action: "oauth.token_revoked",
          resource: { type: "oidc_client", id: client.id },
          metadata: { client_id: client.clientId, token_type: "refresh_token" },
        },
      );
    },
    { serializeOn: client.tenantId },
  );
  return true;
}
