import type { Reader, Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { putConsent, selectConsent } from "./consent-store.ts";

export interface Consent {
  readonly scopes: readonly string[];
  /** Names of single claims, as `userinfo.name`. */
  readonly claims: readonly string[];
}

/** What a user has allowed a client before; undefined for nothing. */
export async function consentOf(
  q: Reader,
  userId: string,
  clientRowId: string,
): Promise<Consent | undefined> {
  const [row] = await selectConsent(q, { userId, clientRowId });
  return row && { scopes: row.scopes, claims: row.claims };
}

/** Adds to what a user has allowed a client; takes nothing away (contract 03 §7.4). */
export async function rememberConsent(
  deps: Deps,
  tx: Tx,
  {
    userId,
    clientRowId,
    scopes,
    claims,
  }: Consent & { readonly userId: string; readonly clientRowId: string },
): Promise<void> {
  const before = await consentOf(tx, userId, clientRowId);
  await putConsent(tx, {
    userId,
    clientRowId,
    scopes: [...new Set([...(before?.scopes ?? []), ...scopes])],
    claims: [...new Set([...(before?.claims ?? []), ...claims])],
    grantedAt: deps.clock.now(),
  });
}
