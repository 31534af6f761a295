import type { Random } from "../../platform/random.ts";

/** RFC 8628 §6.1: no vowels, so that no word comes of it, and no letters that look like another. */
const ALPHABET = "BCDFGHJKLMNPQRSTVWXZ";
const LETTERS = 8;
/** The largest multiple of the alphabet in a byte: beyond it some letters would come more often. */
const FAIR_BYTES = 256 - (256 % ALPHABET.length);
const USER_CODE = new RegExp(`^[${ALPHABET}]{${LETTERS}}$`);

/** Eight random letters (34.5 bits), as they are stored. */
export function newUserCode(random: Pick<Random, "bytes">): string {
  let code = "";
  while (code.length < LETTERS)
    for (const byte of random.bytes(2 * LETTERS))
      if (byte < FAIR_BYTES && code.length < LETTERS) code += ALPHABET[byte % ALPHABET.length];
  return code;
}

/** What somebody typed in, as it is stored; undefined when it can be no code. Case, dashes and blanks do not count. */
export function readUserCode(text: string): string | undefined {
  const code = text.replace(/[\s\p{Dash}]/gu, "").toUpperCase();
  return USER_CODE.test(code) ? code : undefined;
}

/** As people read it: `BCDF-GHJK`. */
export const showUserCode = (code: string): string => `${code.slice(0, 4)}-${code.slice(4)}`;
