/** Redeeming an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.6). */
import { createHash } from "node:crypto";
import type { Deps } from "../../deps.ts";
import { hashToken, isSameText } from "../../platform/crypto/tokens.ts";
import { OAuthError } from "../../platform/errors.ts";
import type { OAuthClient } from "../../platform/oauth-client.ts";
import type { Caller } from "../../platform/permissions.ts";
import { recordAudit } from "../audit/service.ts";
import * as store from "./code-store.ts";
import { findGrantOfCode } from "./grant-store.ts";
import { type Grant, isInGoodStanding, openGrant, revokeGrants } from "./grants.ts";

export interface Redemption {
  readonly client: OAuthClient;
  readonly caller: Caller;
  readonly code: string;
  readonly redirectUri: string;
  readonly codeVerifier: string | undefined;
  /** Of the proof that came along. */
  readonly dpopJkt: string | null;
  /** Of the token request; the code's own where it is empty. */
  readonly resources: readonly string[];
}

/** Contract 03 §8.2. */
const MAX_WRONG_VERIFIERS = 5;
/** RFC 7636 §4.1. */
const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/;

const refused = (detail: string) => new OAuthError("invalid_grant", detail);

/**
 * Trades a code for a grant: one read, then one transaction. Throws `invalid_grant` for a code that is unknown, expired,
 * another client's, or does not go with what came along: none of these burns it, but the fifth wrong verifier. A code
 * that was redeemed before ends the grant that it gave (RFC 6749 §4.1.2).
 */
export async function redeemCode(deps: Deps, redemption: Redemption): Promise<Grant> {
  const { client, caller, dpopJkt } = redemption;
  const codeHash = hashToken(redemption.code);
  const [found] = await store.selectCode(deps.db.read, { codeHash });
  if (!found) return punishReuse(deps, { client, caller, codeHash });
  const { code } = found;
  if (code.clientRowId !== client.id) throw unknownCode();
  if (code.expiresAt <= deps.clock.now()) throw refused("the code has expired");
  if (code.redirectUri !== redemption.redirectUri)
    throw refused("redirect_uri is not the one that the code was asked for with");
  await checkVerifier(deps, code, redemption.codeVerifier);
  // RFC 9449 §10: the code was asked for with this key.
  if (code.dpopJkt !== null && code.dpopJkt !== dpopJkt)
    throw refused("the code is bound to another key");
  const resources = narrowed(code.resources, redemption.resources);
  if (!isInGoodStanding(found, client)) throw refused("the user may not use this client");
  // Signed out between the two: what the sign-out would have ended does not begin.
  const isOnline = !code.scopes.includes("offline_access");
  if (isOnline && found.sessionId === null) throw refused("the user has signed out");

  const grant = await deps.db.transaction(async (tx) => {
    const take = isOnline ? store.takeCodeOfSession : store.takeCode;
    const taken = await take(tx, { codeHash });
    if (taken.length === 0) return undefined;
    return openGrant(deps, tx, {
      ...code,
      resources,
      grantType: "authorization_code",
      codeHash,
      // RFC 9449 §5: refresh tokens of public clients are bound to the key, those of others to the client.
      dpopJkt: client.type === "public" ? dpopJkt : null,
      client,
    });
  });
  return grant ?? punishReuse(deps, { client, caller, codeHash });
}

const unknownCode = () => refused("unknown code");

async function checkVerifier(
  deps: Deps,
  { codeHash, codeChallenge }: store.CodeRow,
  verifier: string | undefined,
): Promise<void> {
  if (codeChallenge === null) {
    // RFC 9700 §2.1.1: somebody has taken the challenge out of the authorization request.
    if (verifier !== undefined) throw refused("no code_challenge was sent for this code");
    return;
  }
  if (verifier === undefined) throw refused("code_verifier is missing");
  if (VERIFIER.test(verifier) && isSameText(challengeOf(verifier), codeChallenge)) return;
  await deps.db.transaction((tx) => store.countWrongVerifier(tx, codeHash, MAX_WRONG_VERIFIERS));
  throw refused("code_verifier does not match");
}

/** RFC 7636 §4.2, S256. */
const challengeOf = (verifier: string): string =>
  createHash("sha256").update(verifier, "ascii").digest("base64url");

/**
 * RFC 8707 §2.2: a token request names fewer resources than the authorization did, not others. Where the authorization
 * named none, those of the first token request are the grant's. Throws `invalid_target`.
 */
function narrowed(authorized: readonly string[], wanted: readonly string[]): readonly string[] {
  if (authorized.length === 0) return wanted;
  assertResources(authorized, wanted);
  return authorized;
}

/** Throws `invalid_target` for a resource that the grant does not hold. */
export function assertResources(held: readonly string[], wanted: readonly string[]): void {
  const foreign = wanted.find((one) => !held.includes(one));
  if (foreign !== undefined)
    throw new OAuthError("invalid_target", "resource was not part of the authorization");
}

/** The code is gone: expired and swept, made up, or redeemed, by this client now or before. */
async function punishReuse(
  deps: Deps,
  {
    client,
    caller,
    codeHash,
  }: { readonly client: OAuthClient; readonly caller: Caller; readonly codeHash: string },
): Promise<never> {
  const grant = await findGrantOfCode(deps.db.read, codeHash);
  // Another client that shows it ends nothing: it was refused while the code was good, too.
  if (grant?.clientRowId !== client.id) throw unknownCode();
  await deps.db.transaction(
    async (tx) => {
      if ((await revokeGrants(deps, tx, { grantId: grant.id }, "code_reuse")) === 0) return;
      await recordAudit(
        deps,
        tx,
        { system: true, userId: grant.userId, caller },
        {
          tenantId: grant.tenantId,
          action: "oidc.code_reuse_detected",
          resource: { type: "oidc_grant", id: grant.id },
          metadata: { client_id: client.clientId, grant_id: grant.id },
        },
      );
    },
    { serializeOn: grant.tenantId },
  );
  throw refused("the code was used before: what it gave has ended");
}
