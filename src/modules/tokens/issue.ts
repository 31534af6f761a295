/** Signing what a client gets. */
import { createHash } from "node:crypto";
import type { Deps } from "../../deps.ts";
import { issueClientToken } from "../../platform/crypto/access-token.ts";
import type { OAuthClient } from "../../platform/oauth-client.ts";
import { findUser } from "../users/service.ts";
import { userClaims } from "./claims.ts";
import type { GrantRow } from "./grant-store.ts";
import type { TokenResponse } from "./model.ts";

export interface Issue {
  readonly grant: GrantRow;
  readonly client: OAuthClient;
  /** Of the grant, or fewer. */
  readonly scopes: readonly string[];
  readonly resources: readonly string[];
  readonly refreshToken?: string | undefined;
  /** OpenID Connect Core 1.0 §12.2: with the first ID token alone. */
  readonly nonce?: string | null;
  /** The key that this access token is bound to, where it is not the grant's own. */
  readonly dpopJkt?: string | null;
}

/**
 * The answer of the token endpoint for a grant that is committed: an access token, an ID token with scope `openid`, the
 * refresh token as given.
 *
 * @see https://openid.net/specs/openid-connect-core-1_0.html#TokenResponse
 */
export async function issueTokens(deps: Deps, input: Issue): Promise<TokenResponse> {
  const { grant, client, scopes, resources, refreshToken } = input;
  const dpopJkt = input.dpopJkt === undefined ? grant.dpopJkt : input.dpopJkt;
  const at = deps.clock.now();
  const { token, expiresAt } = await issueClientToken(
    deps,
    {
      clientId: client.clientId,
      tenantId: client.tenantId,
      scopes,
      resources,
      dpopJkt,
      holder: {
        kind: "user",
        userId: grant.userId,
        grantId: grant.id,
        sid: grant.sid,
        authTime: grant.authTime,
        amr: grant.amr,
        acr: grant.acr,
      },
    },
    at,
  );
  const idToken = scopes.includes("openid")
    ? await issueIdToken(deps, input, { accessToken: token, at })
    : undefined;
  return {
    access_token: token,
    ...(idToken !== undefined && { id_token: idToken }),
    ...(refreshToken !== undefined && { refresh_token: refreshToken }),
    token_type: dpopJkt === null ? "Bearer" : "DPoP",
    expires_in: secondsOf(expiresAt) - secondsOf(at),
    ...(scopes.length > 0 && { scope: scopes.join(" ") }),
  };
}

/** Contract 03 §9. It holds nothing about the person but what `claims.id_token` asks for: the rest is userinfo's. */
async function issueIdToken(
  deps: Deps,
  { grant, client, nonce }: Issue,
  { accessToken, at }: { accessToken: string; at: Date },
): Promise<string> {
  const { config, keyring } = deps;
  const iat = secondsOf(at);
  return keyring.sign(
    client.idTokenAlg,
    { typ: "JWT" },
    {
      ...(await requestedClaims(deps, grant)),
      iss: config.jwtIssuer,
      sub: grant.userId,
      aud: client.clientId,
      exp: iat + config.accessTokenTtlSeconds,
      iat,
      ...(typeof nonce === "string" && { nonce }),
      auth_time: secondsOf(grant.authTime),
      acr: grant.acr,
      amr: grant.amr,
      sid: grant.sid,
      at_hash: atHashOf(accessToken),
      ...(config.idTokenTenantClaim && { tenant_id: client.tenantId }),
    },
  );
}

async function requestedClaims(deps: Deps, { userId, claims }: GrantRow) {
  const wanted = claims?.id_token;
  if (wanted === undefined || Object.keys(wanted).length === 0) return {};
  const user = await findUser(deps.db.read, userId);
  return user === undefined ? {} : userClaims(user, { scopes: [], claims: wanted });
}

/** OpenID Connect Core 1.0 §3.1.3.6: the left half of the hash that the signature uses, SHA-256 for both algorithms. */
const atHashOf = (accessToken: string): string =>
  createHash("sha256").update(accessToken, "ascii").digest().subarray(0, 16).toString("base64url");

const secondsOf = (at: Date): number => Math.floor(at.getTime() / 1000);
