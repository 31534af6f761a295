import type { Deps } from "../../deps.ts";
import type { ListedKey, TokenAlgorithm } from "../../platform/crypto/keyring.ts";
import { AppError } from "../../platform/errors.ts";
import { isPlatformOperator } from "../../platform/operators.ts";
import type { Actor } from "../../platform/permissions.ts";
import { type Author, recordAudit } from "../audit/service.ts";

/**
 * Puts a new signing key in the place of the active one, which verifies for 30 days more. Answers both `kid`s.
 * Other instances sign with the new key within five seconds, and know it at once. Throws `conflict` where the key is
 * the operator's own: the next start would bring it back.
 */
export async function rotateSigningKey(
  deps: Deps,
  by: Author,
  alg: TokenAlgorithm,
  action: "key.rotated" | "oidc.signing_key_rotated" = "key.rotated",
): Promise<{ kid: string; replacedKid: string | undefined }> {
  if (alg === "ES256" && deps.config.jwtSigningKey !== null)
    throw new AppError(
      "conflict",
      "the signing key is set by JWT_SIGNING_KEY: set another one there, and start again",
    );
  const key = await deps.keyring.prepare(alg);
  const { kid } = key.publicJwk;
  const at = deps.clock.now();
  const replacedKid = await deps.db.transaction(
    async (tx) => {
      const replaced = await deps.keyring.activate(tx, key, at);
      await recordAudit(deps, tx, by, {
        tenantId: null,
        action,
        resource: { type: "signing_key", id: null },
        metadata: { alg, new_kid: kid, ...(replaced !== undefined && { old_kid: replaced }) },
      });
      return replaced;
    },
    { serializeOn: "platform" },
  );
  await deps.keyring.reload();
  return { kid, replacedKid };
}

/** Keys that sign and verify tokens, the newest first. Throws `forbidden` for who is no platform operator. */
export async function listSigningKeys(deps: Deps, actor: Actor): Promise<readonly ListedKey[]> {
  await assertOperator(deps, actor);
  return deps.keyring.list();
}

/** `rotateSigningKey` for an operator by session. Throws `forbidden` for anybody else. */
export async function rotateSigningKeyAs(
  deps: Deps,
  actor: Actor,
  alg: TokenAlgorithm,
): Promise<string> {
  await assertOperator(deps, actor);
  return (await rotateSigningKey(deps, actor, alg, "oidc.signing_key_rotated")).kid;
}

async function assertOperator(deps: Deps, actor: Actor): Promise<void> {
  if (!(await isPlatformOperator(deps, actor)))
    throw new AppError("forbidden", "only platform operators may manage signing keys");
}
