import type { Reader, Tx } from "../../db/client.ts";
import type { Deps } from "../deps.ts";
import type { SealContext } from "./crypto/sealing.ts";
import type { RevocationReason } from "./events.ts";

/** Whose access is refused: a user everywhere, a user in one tenant, or (no user) a whole tenant. */
export interface Refusal {
  readonly userId?: string;
  readonly tenantId?: string;
  readonly reason: RevocationReason;
  readonly at: Date;
  /** A session that stays: the caller's own, when they changed their own password. */
  readonly exceptSessionId?: string;
  /** True when the user or tenant is suspended or gone: user-bound keys end too, not only sessions. */
  readonly revokesKeys: boolean;
}

/** What one table does with the data of a subject. Each hook runs in the caller's transaction. */
export interface SubjectTable {
  /** As the database names it. */
  readonly table: string;
  /** Ends sessions, tokens, keys. Answers how many it ended. */
  readonly refuseAccess?: (deps: Deps, tx: Tx, refusal: Refusal) => Promise<number>;
  /** The tenant is soft-deleted: what must not outlive that. */
  readonly removeTenant?: (tx: Tx, tenantId: string, at: Date) => Promise<void>;
  /** The user's row is about to be deleted. "cascade": the foreign key does it. "keep": it stays on purpose. */
  readonly purge: "cascade" | "keep" | "none" | ((tx: Tx, userId: string) => Promise<void>);
  /** GDPR Art. 17: the user's row stays as a tombstone. "delete": as `purge`. */
  readonly erase: "keep" | "none" | ((tx: Tx, userId: string, at: Date) => Promise<void>);
  /** GDPR Art. 15/20: plain JSON, no credential. */
  readonly exportUser?: (q: Reader, userId: string) => Promise<object[]>;
  /** First proof of an address: removes what was set up before anyone proved to own it (settled 22). */
  readonly firstProof?: (deps: Deps, tx: Tx, userId: string, at: Date) => Promise<void>;
  /**
   * Sealed columns: seals the next batch of rows under the current key, in keyset order after `after`.
   * Answers the last row's key, undefined at the end.
   */
  readonly rekey?: (
    tx: Tx,
    reseal: (sealed: Uint8Array, context: SealContext) => Promise<Uint8Array>,
    after: string | undefined,
  ) => Promise<string | undefined>;
}

/** Every table with a user, a tenant or a sealed column; `createDeps` puts the modules' lists together. */
export type SubjectData = readonly SubjectTable[];

/** Runs `refuseAccess` of every table. Answers how many sessions, tokens and keys were ended, together. */
export async function refuseAccess(deps: Deps, tx: Tx, refusal: Refusal): Promise<number> {
  let ended = 0;
  for (const { refuseAccess: refuse } of deps.subjectData)
    ended += (await refuse?.(deps, tx, refusal)) ?? 0;
  return ended;
}
