/** One-time codes: how they are made, and how one is judged. */
import type { Reader, Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { isSameText } from "../../platform/crypto/tokens.ts";
import { AppError } from "../../platform/errors.ts";
import * as store from "./store.ts";

export const CODE_TTL_SECONDS = 600;
/** Wrong tries that void a code: a guess at one of a million. */
const MAX_TRIES = 5;

/** Codes of one purpose that a user gets within a day, whoever asks: fifty guesses at one of a million. */
const MAX_CODES_A_DAY = 10;
/** Codes that one e-mail address gets on a day, from all accounts together. */
const MAX_CODES_TO_ADDRESS = 20;
const DAY_MS = 86_400_000;

/** Under a server key: an unkeyed hash of six digits is undone by trying them all. */
const hashOf = (deps: Deps, id: string, code: string): string =>
  Buffer.from(deps.derivedKeys.hmac("otp", `${id}\n${code}`)).toString("base64url");

/** Six digits, each number from 000000 to 999999 as likely as another. */
function newCode(deps: Deps): string {
  // Rejection: the last, incomplete million of 2^32 would favour small numbers.
  const limit = Math.floor(2 ** 32 / 1_000_000) * 1_000_000;
  for (;;) {
    const number = Buffer.from(deps.random.bytes(4)).readUInt32BE(0);
    if (number < limit) return String(number % 1_000_000).padStart(6, "0");
  }
}

/**
 * Counts a code that somebody asks for, in the transaction that issues it. The caller's own bucket bounds one caller, not
 * a tenant's hundred keys nor a hundred accounts, each with a claim to one address. Throws 429.
 */
export async function assertMayAskForCode(
  deps: Deps,
  tx: Tx,
  { userId, purpose, emailKey }: { userId: string; purpose: store.Purpose; emailKey?: string },
): Promise<void> {
  const now = deps.clock.now();
  const since = new Date(now.getTime() - DAY_MS);
  if ((await store.countSince(tx, { userId, purpose, since }, MAX_CODES_A_DAY)) >= MAX_CODES_A_DAY)
    throw tooMany("too many codes for this user today");
  if (emailKey === undefined) return;
  if ((await countMessage(deps, tx, emailKey)) > MAX_CODES_TO_ADDRESS)
    throw tooMany("too many codes to this address today");
}

export const tooMany = (detail: string): AppError =>
  new AppError("too_many_requests", detail, { headers: { "retry-after": "3600" } });

/** Messages to this number or address on this UTC day, this one included. */
export function countMessage(deps: Deps, tx: Tx, destination: string): Promise<number> {
  const now = deps.clock.now();
  const day = now.toISOString().slice(0, 10);
  const mac = deps.derivedKeys.hmac("sms", `${destination}\n${day}`);
  const expiresAt = new Date(now.getTime() + 2 * DAY_MS);
  return store.countMessage(tx, Buffer.from(mac).toString("base64url"), expiresAt);
}

/** Makes a code for `destination`, good for ten minutes; older ones of the purpose end. */
export async function issueCode(
  deps: Deps,
  tx: Tx,
  input: { userId: string; purpose: store.Purpose; destination: string },
): Promise<{ id: string; code: string }> {
  const now = deps.clock.now();
  const id = deps.random.uuid();
  const code = newCode(deps);
  await store.voidOpen(tx, input.userId, input.purpose, now);
  await store.insertVerification(tx, {
    id,
    ...input,
    codeHash: hashOf(deps, id, code),
    expiresAt: new Date(now.getTime() + CODE_TTL_SECONDS * 1000),
    createdAt: now,
  });
  return { id, code };
}

/**
 * Judges `code` against the newest of the user's codes. A try is counted, and on disk, before it is judged. Answers the
 * code's row, not used up yet. Throws `bad_request`: `invalid code`, `code already used`, `code expired`.
 */
export async function judgeCode(
  deps: Deps,
  q: Reader,
  { userId, purpose, code }: { userId: string; purpose: store.Purpose; code: string },
): Promise<store.VerificationRow> {
  const row = await store.newest(q, userId, purpose);
  if (!row) throw new AppError("bad_request", "invalid code");
  return judgeRow(deps, row, code);
}

export async function judgeRow(
  deps: Deps,
  row: store.VerificationRow,
  code: string,
): Promise<store.VerificationRow> {
  if (row.usedAt !== null) throw new AppError("bad_request", "code already used");
  if (row.expiresAt <= deps.clock.now()) throw new AppError("bad_request", "code expired");
  const tries = await deps.db.transaction((tx) => store.spendTry(tx, row.id, MAX_TRIES));
  if (tries === undefined) throw new AppError("bad_request", "code expired");
  if (!isSameText(hashOf(deps, row.id, code.trim()), row.codeHash))
    throw new AppError("bad_request", "invalid code");
  return row;
}
