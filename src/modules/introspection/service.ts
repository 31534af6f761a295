import type { Deps } from "../../deps.ts";
import { hashToken } from "../../platform/crypto/tokens.ts";
import { OAuthError } from "../../platform/errors.ts";
import type { ClientCredential } from "../../platform/oauth-client.ts";
import { findClient } from "../clients/service.ts";
import {
  findRefreshToken,
  isActiveRefreshToken,
  type LiveAccessToken,
  readLiveAccessToken,
} from "../tokens/service.ts";
import { type IntrospectionAnswer, isJwt } from "./model.ts";
import { selectClientOfGrant } from "./store.ts";

export { revokeToken } from "./revoke.ts";

const INACTIVE: IntrospectionAnswer = { active: false };

/** An access token that held a moment ago. */
interface Introspected {
  readonly tags: readonly string[];
  readonly tenantId: string | null;
  readonly expiresAt: Date;
  readonly answer: IntrospectionAnswer;
}

/** Answers what a token is good for, to a client that has proved who it is. */
export type Introspect = (
  credential: ClientCredential,
  token: string,
) => Promise<IntrospectionAnswer>;

/**
 * Refresh tokens and access tokens of any audience, of the asking client's tenant; anything else is
 * inactive, without a reason. An access token that held less than five seconds ago costs no statement, unless something
 * that it rests on has changed. Throws `invalid_client` for a public client.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7662#section-2
 */
export function createIntrospection(deps: Deps): Introspect {
  const known = deps.principals.sharing<Introspected>();

  return async ({ client, method }, token) => {
    // RFC 7662 §2.1: whoever may ask without a proof may try tokens out.
    if (method === "none")
      throw new OAuthError("invalid_client", "introspection is for clients that authenticate");
    // Each kind has its own shape, so the hint has nothing to order.
    if (!isJwt(token)) return introspectRefreshToken(deps, client.tenantId, token);
    // Under its hash: the token itself stays nowhere.
    const name = hashToken(token);
    const found = known.peek(name) ?? (await known.get(name, () => load(deps, token)));
    if (!found || found.tenantId !== client.tenantId) return INACTIVE;
    return found.expiresAt > deps.clock.now() ? found.answer : INACTIVE;
  };
}

async function load(deps: Deps, token: string): Promise<Introspected | undefined> {
  const live = await readLiveAccessToken(deps, token);
  if (!live) return undefined;
  const tags = [`jti:${live.tokenId}`, `tenant:${live.tenantId}`];
  if (live.userId !== null) tags.push(`user:${live.userId}`);
  if (live.actorType === "service") tags.push(`client:${live.subject}`);
  if (live.clientId === null) tags.push(`session:${live.sessionId}`);
  if (live.grant) {
    tags.push(`grant:${live.grant.id}`, `client:${live.grant.clientRowId}`);
    if (live.clientId !== null && live.clientId !== live.grant.clientId) {
      // Contract 00 §28: an exchanged token is the exchanging client's; both must still be there.
      const holder = await findClient(deps, live.clientId);
      if (!holder) return undefined;
      tags.push(`client:${holder.client.id}`);
    }
  }
  const { tenantId, expiresAt } = live;
  return { tags, tenantId, expiresAt, answer: describe(deps, live) };
}

function describe({ config }: Pick<Deps, "config">, live: LiveAccessToken): IntrospectionAnswer {
  const { audiences, dpopJkt, act } = live;
  return {
    active: true,
    token_type: dpopJkt === null ? "Bearer" : "DPoP",
    sub: live.subject,
    ...(live.email !== null && { username: live.email }),
    ...(live.scopes.length > 0 && { scope: live.scopes.join(" ") }),
    ...(live.clientId !== null && { client_id: live.clientId }),
    ...(live.tenantId !== null && { tenant_id: live.tenantId }),
    ...(live.sessionId !== null && { sid: live.sessionId }),
    iss: config.jwtIssuer,
    aud: audiences.length === 1 ? audiences[0]! : [...audiences],
    exp: secondsOf(live.expiresAt),
    iat: secondsOf(live.issuedAt),
    nbf: secondsOf(live.issuedAt),
    jti: live.tokenId,
    actor_type: live.actorType,
    ...(dpopJkt !== null && { cnf: { jkt: dpopJkt } }),
    ...(act !== null && { act: { sub: act } }),
  };
}

async function introspectRefreshToken(
  deps: Deps,
  tenantId: string,
  token: string,
): Promise<IntrospectionAnswer> {
  const found = await findRefreshToken(deps.db.read, token);
  if (!found || found.grant.tenantId !== tenantId) return INACTIVE;
  const { grant, email } = found;
  const [client] = await selectClientOfGrant(deps.db.read, { id: grant.clientRowId });
  if (!client || client.deletedAt !== null) return INACTIVE;
  if (!isActiveRefreshToken(found, deps.clock.now(), client)) return INACTIVE;
  const { issuedAt, expiresAt } = found.token;
  return {
    active: true,
    token_type: "refresh_token",
    sub: grant.userId,
    username: email,
    ...(grant.scopes.length > 0 && { scope: grant.scopes.join(" ") }),
    client_id: client.clientId,
    tenant_id: grant.tenantId,
    sid: grant.sid,
    iss: deps.config.jwtIssuer,
    exp: secondsOf(expiresAt),
    iat: secondsOf(issuedAt),
    actor_type: "user",
    ...(grant.dpopJkt !== null && { cnf: { jkt: grant.dpopJkt } }),
  };
}

const secondsOf = (at: Date): number => Math.floor(at.getTime() / 1000);
