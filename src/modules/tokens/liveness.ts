/** Whether an access token still holds: its signature says what it was, the database what it is. */
import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { type AccessToken, verifyAccessToken } from "../../platform/crypto/access-token.ts";
import { AppError } from "../../platform/errors.ts";
import type { OAuthClient } from "../../platform/oauth-client.ts";
import type { Caller } from "../../platform/permissions.ts";
import { recordAudit } from "../audit/service.ts";
import { findClient } from "../clients/service.ts";
import * as store from "./grant-store.ts";
import { findLiveGrant, type LiveGrant } from "./grants.ts";

export interface LiveAccessToken extends AccessToken {
  /** Its user's; null for a machine. */
  readonly email: string | null;
  /** Set for a user's token that an OAuth client has. */
  readonly grant: LiveGrant | null;
}

/**
 * An access token of any kind and audience that is genuine and still holds; undefined for anything else. Two
 * checks: signature and time, then one statement for all that may have ended since.
 */
export async function readLiveAccessToken(
  deps: Deps,
  token: string,
): Promise<LiveAccessToken | undefined> {
  const read = await verifyAccessToken(deps, token, { audience: null }).catch(refusedAsUndefined);
  if (!read) return undefined;
  if (read.actorType === "service") return liveMachine(deps, read);
  if (read.userId === null) return undefined;
  return read.clientId === null ? liveSession(deps, read) : liveGrant(deps, read);
}

function refusedAsUndefined(error: unknown): undefined {
  if (error instanceof AppError && error.code === "unauthorized") return undefined;
  throw error;
}

async function liveGrant(deps: Deps, token: AccessToken): Promise<LiveAccessToken | undefined> {
  if (token.grantId === null) return undefined;
  const grant = await findLiveGrant(deps.db.read, token.grantId, token.tokenId);
  if (grant === undefined || grant.userId !== token.userId) return undefined;
  // Issued in a hosted session that has ended, to a grant that goes on without it.
  if (token.sessionId !== grant.sid) return undefined;
  // Contract 00 §28: a token that was exchanged is another client's than the grant, and needs both.
  const isExchanged = token.clientId !== null && token.clientId !== grant.clientId;
  if (isExchanged && !(await findClient(deps, token.clientId))) return undefined;
  const scopes = stillGiven(token.scopes, grant.clientScopes);
  return { ...token, scopes, email: grant.email, grant };
}

/** What was taken from the client's registration since the token was issued does not count any more. */
const stillGiven = (scopes: readonly string[], registered: readonly string[]): readonly string[] =>
  // A machine with `*` may have asked for any permission of the catalogue by its name.
  registered.includes("*") ? scopes : scopes.filter((scope) => registered.includes(scope));

async function liveSession(deps: Deps, token: AccessToken): Promise<LiveAccessToken | undefined> {
  const { sessionId, userId, tenantId, tokenId } = token;
  if (sessionId === null) return undefined;
  const [row] = await store.selectSessionLiveness(deps.db.read, { id: sessionId, jti: tokenId });
  if (!row || row.revokedAt !== null || row.revokedJti !== null || row.userDeletedAt !== null)
    return undefined;
  if (row.userId !== userId || row.tenantId !== tenantId) return undefined;
  if (row.userStatus !== "active" && row.userStatus !== "invited") return undefined;
  if (tenantId !== null && (row.tenantStatus !== "active" || !row.isMember)) return undefined;
  return { ...token, email: row.email, grant: null };
}

async function liveMachine(deps: Deps, token: AccessToken): Promise<LiveAccessToken | undefined> {
  const { subject, clientId, tokenId } = token;
  // A service principal is its own client; a client that acts for itself has an id of its own.
  const select = clientId === subject ? store.selectMachineLiveness : store.selectClientLiveness;
  const [row] = await select(deps.db.read, { id: subject, jti: tokenId });
  if (!row || row.disabledAt !== null || row.revokedJti !== null) return undefined;
  if (row.tenantStatus !== "active") return undefined;
  return { ...token, scopes: stillGiven(token.scopes, row.scopes), email: null, grant: null };
}

/**
 * Ends one access token, at once and until it expires by itself (RFC 7009 §2.1). With `by`, writes
 * `oauth.token_revoked` to the log of the client's tenant. Does nothing for one that was revoked before.
 */
export async function revokeAccessToken(
  deps: Deps,
  { tokenId, expiresAt, userId }: AccessToken,
  by?: {
    readonly caller: Caller;
    readonly client: Pick<OAuthClient, "id" | "clientId" | "tenantId">;
  },
): Promise<void> {
  const work = async (tx: Tx) => {
    if (!(await store.denyAccessToken(tx, { jti: tokenId, expiresAt }))) return;
    tx.afterCommit(() => deps.principals.forget(`jti:${tokenId}`));
    if (by === undefined) return;
    await recordAudit(
      deps,
      tx,
      { system: true, type: "service", userId, caller: by.caller },
      {
        tenantId: by.client.tenantId,
        action: "oauth.token_revoked",
        resource: {
          // A service principal is its own client.
          type: by.client.id === by.client.clientId ? "service_principal" : "oidc_client",
          id: by.client.id,
        },
        metadata: { client_id: by.client.clientId, token_type: "access_token" },
      },
    );
  };
  await deps.db.transaction(work, by && { serializeOn: by.client.tenantId });
}
