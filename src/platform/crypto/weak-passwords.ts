import commonest from "@zxcvbn-ts/language-common/src/passwords.json" with { type: "text" };
import { type FieldError, invalidField } from "../errors.ts";

const MIN_CODE_POINTS = 8;
const MAX_CODE_POINTS = 256;
/** Words of this rank or better are weak with digits and signs around them, too. */
const COMMON_RANK = 10_000;

/** A demand beyond those of everybody: answers what is missing, as a sentence for the user. */
export type PasswordRule = (password: string) => string | undefined;

/**
 * The demands on every password that is set (contract 02 §1). Throws 422 naming `field` and the first one unmet.
 * `rules` are the tenant's own. Cheap: hash only what has passed.
 */
export function assertAcceptablePassword(
  password: string,
  {
    email,
    field = "password",
    rules = [],
  }: {
    email: string | null;
    field?: "password" | "new_password";
    rules?: readonly PasswordRule[];
  },
): void {
  const refuse = (code: FieldError["code"], message: string) => invalidField(field, code, message);
  const length = codePoints(password);
  if (length < MIN_CODE_POINTS)
    throw refuse("too_short", `${field} must have at least ${MIN_CODE_POINTS} characters`);
  if (length > MAX_CODE_POINTS)
    throw refuse("too_long", `${field} must have at most ${MAX_CODE_POINTS} characters`);
  const weakness = weaknessOf(password, email);
  if (weakness !== undefined) throw refuse("not_allowed", weakness);
  for (const rule of rules) {
    const unmet = rule(password);
    if (unmet !== undefined) throw refuse("not_allowed", unmet);
  }
}

/** NIST SP 800-63B §3.1.1.2 counts code points. A lone surrogate counts as one. */
function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/**
 * Why a guesser would try this password early; undefined when it would not. Works offline.
 *
 * @see https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver
 */
export function weaknessOf(password: string, email: string | null): string | undefined {
  const lower = password.toLowerCase();
  if (isNameOf(lower, email)) return "password must not be your e-mail address";
  if (/^(.)\1*$/su.test(lower)) return "password must not be one repeated character";
  if (isSequence(lower)) return "password must not be a plain sequence";
  if (isCommon(lower)) return "password is too common";
  return undefined;
}

function isNameOf(lower: string, email: string | null): boolean {
  if (email === null) return false;
  const address = email.trim().toLowerCase();
  return lower.trim() === address || lower.trim() === address.slice(0, address.lastIndexOf("@"));
}

/** What fingers and children run along, both ways. */
const RUNS = [
  "abcdefghijklmnopqrstuvwxyz",
  "01234567890",
  "qwertyuiop[]",
  "qwertzuiopü",
  "azertyuiop",
  "asdfghjkl;'",
  "zxcvbnm,./",
  "yxcvbnm,.-",
  "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
  "qazwsxedcrfvtgbyhnujmikolp",
].flatMap((run) => [run, [...run].reverse().join("")]);

/** Cut into runs of three or more along a row of the keyboard or the alphabet: `abcdefgh`, `12345678`, `qwerty123`. */
function isSequence(lower: string): boolean {
  let at = 0;
  while (at < lower.length) {
    let end = at + 3;
    if (end > lower.length) return false;
    while (end <= lower.length && RUNS.some((run) => run.includes(lower.slice(at, end)))) end += 1;
    if (end - 1 - at < 3) return false;
    at = end - 1;
  }
  return true;
}

/** Word → rank, 0 the commonest. Parsed when the first password is set, not at start. */
let ranks: ReadonlyMap<string, number> | undefined;

function isCommon(lower: string): boolean {
  // `type: "text"` gives the file as it stands; TypeScript types every .json import by its content.
  ranks ??= new Map((JSON.parse(commonest as unknown as string) as string[]).map((w, i) => [w, i]));
  if (ranks.has(lower)) return true;
  const known = ranks;
  return variantsOf(lower).some((word) => (known.get(word) ?? COMMON_RANK) < COMMON_RANK);
}

const LOOKALIKES: Readonly<Record<string, string>> = {
  "0": "o",
  "1": "i",
  "3": "e",
  "4": "a",
  "5": "s",
  "7": "t",
  "@": "a",
  $: "s",
  "!": "i",
};

/** The words behind `Password123!`, `p@ssw0rd`, `2024dragon`, `monkeymonkey`: those of four letters and more. */
function variantsOf(lower: string): string[] {
  const bare = (text: string) => text.replace(/^[\d\p{P}\p{S}\s]+|[\d\p{P}\p{S}\s]+$/gu, "");
  const plain = (text: string) => text.replace(/[013457@$!]/g, (sign) => LOOKALIKES[sign]!);
  const words = new Set([bare(lower), plain(lower), plain(bare(lower)), bare(plain(lower))]);
  for (const word of [...words, lower]) {
    const repeated = /^(.{4,}?)\1+$/su.exec(word)?.[1];
    if (repeated !== undefined) words.add(repeated);
  }
  return [...words].filter((word) => word.length >= 4);
}
