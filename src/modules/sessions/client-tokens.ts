/** Access tokens that OAuth clients hold: for a user, or for themselves. */
import type { Deps } from "../../deps.ts";
import { type Actor, foldKey, PERMISSIONS } from "../../platform/permissions.ts";
import type { CachedPrincipal } from "../../platform/principal-cache.ts";
import { findClient } from "../clients/service.ts";
import { isSatisfied, permissionsOf } from "../rbac/service.ts";
import { type LiveAccessToken, readLiveAccessToken } from "../tokens/service.ts";

const CATALOGUE: ReadonlySet<string> = new Set(PERMISSIONS);
const NOTHING: ReadonlySet<string> = new Set();

/** Whom a client's token names, as long as all that it rests on holds; undefined once something does not. */
export async function loadClientToken(
  deps: Deps,
  token: string,
): Promise<CachedPrincipal | undefined> {
  const live = await readLiveAccessToken(deps, token);
  if (live === undefined || live.clientId === null || live.tenantId === null) return undefined;
  return live.actorType === "service" ? forMachine(live) : forUser(deps, live);
}

type Known = LiveAccessToken & { readonly tenantId: string; readonly clientId: string };

/**
 * Contract 03 §9: what a client does for a user takes both: the permission's name in the token's scope, and the user's
 * own right in the client's tenant. Whoever signs in to a client gains nothing in its tenant.
 */
async function forUser(deps: Deps, live: LiveAccessToken): Promise<CachedPrincipal | undefined> {
  const { userId, tenantId, clientId, grant, scopes } = live as Known;
  if (userId === null || grant === null) return undefined;
  // Contract 00 §28: a token that was exchanged is the exchanging client's; both must still be there.
  const holder = clientId === grant.clientId ? undefined : await findClient(deps, clientId);
  if (clientId !== grant.clientId && holder === undefined) return undefined;
  const asked = scopes.includes("*") ? CATALOGUE : new Set(scopes.map(foldKey));
  const mayManage = PERMISSIONS.some((key) => isSatisfied(asked, key));
  const held = mayManage
    ? (await permissionsOf(deps.db.read, userId, tenantId)).permissions
    : NOTHING;
  return {
    ...lifeOf(live),
    tags: [
      ...tagsOf(live),
      `grant:${grant.id}`,
      `user:${userId}`,
      `client:${grant.clientRowId}`,
      ...(holder ? [`client:${holder.client.id}`] : []),
    ],
    actor: {
      kind: "oauth",
      subject: userId,
      userId,
      tenantId,
      sessionId: null,
      clientId,
      grantId: grant.id,
      scopes,
      authTime: live.authTime,
      isOwner: false,
      holds: (key) => isSatisfied(asked, key) && isSatisfied(held, key),
      permissions: new Set(PERMISSIONS.filter((key) => asked.has(key) && held.has(key))),
    },
  };
}

/** Contract 00 §7: without scopes a machine may do nothing; `*` stands for everything. */
function forMachine(live: LiveAccessToken): CachedPrincipal {
  const { subject, tenantId, clientId, scopes } = live as Known;
  const granted = scopes.includes("*") ? CATALOGUE : new Set(scopes.map(foldKey));
  return {
    ...lifeOf(live),
    tags: [...tagsOf(live), `client:${subject}`],
    actor: {
      kind: "service",
      subject,
      userId: null,
      tenantId,
      sessionId: null,
      clientId,
      scopes,
      authTime: null,
      isOwner: false,
      holds: (key: Parameters<Actor["holds"]>[0]) => isSatisfied(granted, key),
      permissions: new Set(PERMISSIONS.filter((key) => granted.has(key))),
    },
  };
}

const lifeOf = ({ expiresAt, dpopJkt }: LiveAccessToken) => ({ expiresAt, dpopJkt });
const tagsOf = ({ tokenId, tenantId }: LiveAccessToken) => [`jti:${tokenId}`, `tenant:${tenantId}`];
