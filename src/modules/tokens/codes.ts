/** Authorization codes and the ids that come with them. */
import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { newToken } from "../../platform/crypto/tokens.ts";
import { OAuthError } from "../../platform/errors.ts";
import { insertCode, selectLoginSession } from "./code-store.ts";
import type { Authorization } from "./model.ts";

export interface NewCode extends Authorization {
  /** As the authorization request had it, byte for byte. */
  readonly redirectUri: string;
  /** RFC 7636, S256; null where the client sent none. */
  readonly codeChallenge: string | null;
}

/**
 * Writes an authorization code and answers it: good once, for `AUTHORIZATION_CODE_TTL`. Throws `login_required` where the
 * hosted session has ended since it was looked at: a reset that ended it has deleted the codes there were, not this one.
 */
export async function issueCode(deps: Deps, tx: Tx, input: NewCode): Promise<string> {
  const { clock, config, random } = deps;
  const session = await selectLoginSession(tx, { id: input.loginSessionId });
  if (session.length === 0) throw new OAuthError("login_required", "the user has signed out");
  const { token, hash } = newToken(random);
  const now = clock.now();
  await insertCode(tx, {
    codeHash: hash,
    clientRowId: input.clientRowId,
    userId: input.userId,
    tenantId: input.tenantId,
    redirectUri: input.redirectUri,
    scopes: [...input.scopes],
    nonce: input.nonce,
    codeChallenge: input.codeChallenge,
    dpopJkt: input.dpopJkt,
    claims: input.claims,
    resources: [...input.resources],
    loginSessionId: input.loginSessionId,
    sid: input.sid,
    authTime: input.authTime,
    amr: [...input.amr],
    acr: input.acr,
    expiresAt: new Date(now.getTime() + config.authorizationCodeTtlSeconds * 1000),
    createdAt: now,
  });
  return token;
}

/**
 * `sid`: one id per hosted session and client (contract 03 §9), the same whenever it is asked for, so that nothing need
 * be kept for it. Two clients can't tell by it that they serve the same session.
 */
export function sidOf(
  { derivedKeys }: Pick<Deps, "derivedKeys">,
  loginSessionId: string,
  clientRowId: string,
): string {
  const bytes = derivedKeys.hmac("sid", `${loginSessionId} ${clientRowId}`).slice(0, 16);
  // RFC 9562 §5.8: version 8, whose other bits are the maker's own.
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
