import { invalidField } from "./errors.ts";

/** RFC 5321 §4.5.3.1.3, less the angle brackets. */
const MAX_EMAIL_CHARS = 254;

export interface EmailAddress {
  /** As typed, trimmed: what is shown and written to. */
  readonly email: string;
  /** NFC and lower case: what is compared. SQLite's own `lower()` knows ASCII only. */
  readonly emailKey: string;
}

// One @, a dot-atom-like local part, a domain of labels; no quoted strings, no literals (RFC 5321 §4.1.2, the useful part).
const SYNTAX =
  /^[^\s@<>()[\]\\,;:"\p{C}]{1,64}@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)*[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?$/u;

/** The key of an address that need not be one: for look-ups, which then find nothing. */
export const emailKeyOf = (text: string): string => text.trim().normalize("NFC").toLowerCase();

/** Throws 422 for what is no address, naming `field`. */
export function parseEmail(text: string, field = "email"): EmailAddress {
  const email = text.trim();
  const local = email.slice(0, email.lastIndexOf("@"));
  if (email === "") throw invalidField(field, "required", `${field} is required`);
  if (
    email.length > MAX_EMAIL_CHARS ||
    !SYNTAX.test(email) ||
    local.startsWith(".") ||
    local.endsWith(".") ||
    local.includes("..")
  )
    throw invalidField(field, "invalid_email", `${field} must be an e-mail address`);
  return { email, emailKey: emailKeyOf(email) };
}
