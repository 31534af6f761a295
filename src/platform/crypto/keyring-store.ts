import { and, desc, eq, ne } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { signingKeys } from "../../../db/schema/platform.ts";
import type { PreparedKey } from "./keyring.ts";
import type { TokenAlgorithm } from "./signer.ts";

export type SigningKeyRow = typeof signingKeys.$inferSelect;

/** Every token key, the newest first: as many as there were rotations. */
export const readKeys = async (q: Reader): Promise<SigningKeyRow[]> =>
  q
    .select()
    .from(signingKeys)
    .where(eq(signingKeys.use, "token"))
    .orderBy(desc(signingKeys.createdAt), desc(signingKeys.kid));

/**
 * Makes `key` the only active one of its algorithm and answers the `kid` that it replaced. A retired key only
 * verifies: its private half is deleted. With `unlessActive`, does nothing where there is an active key.
 */
export async function activateKey(
  tx: Tx,
  key: PreparedKey,
  at: Date,
  { unlessActive = false } = {},
): Promise<string | undefined> {
  const active = and(
    eq(signingKeys.use, "token"),
    eq(signingKeys.alg, key.alg),
    eq(signingKeys.status, "active"),
    ne(signingKeys.kid, key.publicJwk.kid),
  );
  if (unlessActive && (await hasActive(tx, key.alg))) return undefined;
  const [replaced] = await tx
    .update(signingKeys)
    .set({ status: "retired", retiredAt: at, privateSealed: null })
    .where(active)
    .returning({ kid: signingKeys.kid });
  const state = { status: "active", retiredAt: null, privateSealed: key.privateSealed } as const;
  await tx
    .insert(signingKeys)
    .values({
      kid: key.publicJwk.kid,
      use: "token",
      alg: key.alg,
      publicJwk: key.publicJwk,
      createdAt: at,
      ...state,
    })
    .onConflictDoUpdate({ target: signingKeys.kid, set: state });
  return replaced?.kid;
}

// On Postgres, isolation makes of two that look at once one that has looked first; no constraint is needed.
async function hasActive(q: Reader, alg: TokenAlgorithm): Promise<boolean> {
  const rows = await q
    .select({ kid: signingKeys.kid })
    .from(signingKeys)
    .where(
      and(eq(signingKeys.use, "token"), eq(signingKeys.alg, alg), eq(signingKeys.status, "active")),
    )
    .limit(1);
  return rows.length > 0;
}
