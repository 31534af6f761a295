/** Contract 01 §4: by attribute name, whatever its case and however deep. */
const MASKED = new Set([
  "password",
  "new_password",
  "old_password",
  "current_password",
  "secret",
  "client_secret",
  "signing_secret",
  "webhook_secret",
  "token",
  "access_token",
  "refresh_token",
  "id_token",
  "mfa_token",
  "bearer",
  "code",
  "otp",
  "recovery_code",
  "api_key",
  "apikey",
  "authorization",
  "cookie",
  "set-cookie",
  "x-api-key",
  "private_key",
  "client_assertion",
  "registration_access_token",
  "subject_token",
  "actor_token",
  "device_code",
  "user_code",
  "code_verifier",
  "logout_token",
  "id_token_hint",
]);
const EMAILS = new Set(["email", "email_addr", "to"]);
const PHONES = new Set(["phone", "phone_number"]);
const MAX_DEPTH = 8;

/** `password` and `newPassword` alike: this program spells attributes both ways. */
const attributeOf = (name: string): string =>
  name.replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();

/** A copy that is safe to log. Errors are reduced to their kind: messages may hold parameters. */
export function redact(value: unknown): unknown {
  return copy(value, 0, new Set());
}

function copy(value: unknown, depth: number, above: Set<object>): unknown {
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Error) return { kind: kindOf(value) };
  if (value instanceof Uint8Array) return `[${value.length} bytes]`;
  if (depth >= MAX_DEPTH || above.has(value)) return "[…]";
  above.add(value);
  const safe = Array.isArray(value)
    ? value.map((item) => copy(item, depth + 1, above))
    : Object.fromEntries(
        Object.entries(value).map(([name, member]) => [name, mask(name, member, depth, above)]),
      );
  above.delete(value);
  return safe;
}

function mask(name: string, value: unknown, depth: number, above: Set<object>): unknown {
  const attribute = attributeOf(name);
  if (MASKED.has(attribute)) return value === null || value === undefined ? value : "[REDACTED]";
  if (EMAILS.has(attribute)) return each(value, maskEmail);
  if (PHONES.has(attribute)) return each(value, maskPhone);
  return copy(value, depth + 1, above);
}

const each = (value: unknown, maskOne: (text: string) => string): unknown => {
  if (typeof value === "string") return maskOne(value);
  if (Array.isArray(value)) return value.map((item) => each(item, maskOne));
  return value === null || value === undefined ? value : "[REDACTED]";
};

/** `a***@host`; a local part of one letter shows as `*@host`. */
export function maskEmail(text: string): string {
  const at = text.lastIndexOf("@");
  if (at < 1) return "[REDACTED]";
  return at === 1 ? `*${text.slice(at)}` : `${text[0]}***${text.slice(at)}`;
}

/** The last four digits. */
export const maskPhone = (text: string): string => `***${text.replace(/\D/g, "").slice(-4)}`;

/** The kind of an error, for logs: its class and code, never its message. */
export function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { code } = error as { code?: unknown };
  const name = error.constructor.name || error.name;
  return typeof code === "string" || typeof code === "number" ? `${name} ${code}` : name;
}
