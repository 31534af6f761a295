import { createHash } from "node:crypto";
import { presentedTokens } from "../../db/schema/index.ts";
import type { Deps } from "../deps.ts";

/**
 * Notes that a token which may be used once was used. False when it was before: whoever comes second has copied it.
 * The note goes once the token has expired by itself.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7523#section-3
 * @see https://www.rfc-editor.org/rfc/rfc9449#section-11.1
 */
export async function presentOnce(
  { db }: Pick<Deps, "db">,
  token: {
    readonly kind: "client_assertion" | "dpop_proof";
    /** Whose `jti` it is: two issuers may choose the same. */
    readonly issuer: string;
    readonly jti: string;
    readonly expiresAt: Date;
  },
): Promise<boolean> {
  const { kind, issuer, jti, expiresAt } = token;
  const key = createHash("sha256")
    .update(JSON.stringify([kind, issuer, jti]))
    .digest("base64url");
  const noted = await db.transaction((tx) =>
    tx
      .insert(presentedTokens)
      .values({ key, expiresAt })
      .onConflictDoNothing()
      .returning({ key: presentedTokens.key }),
  );
  return noted.length === 1;
}
