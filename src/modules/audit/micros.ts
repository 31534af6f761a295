/**
 * Instants of the audit log: microseconds since 1970 as an integer (exact until the year 2255), and their canonical
 * text `YYYY-MM-DDTHH:MM:SS[.f…]Z` without trailing zeros (contract 08 §2.3).
 */
export function microsText(micros: number): string {
  const ms = Math.floor(micros / 1000);
  const iso = new Date(ms).toISOString();
  const rest = micros - ms * 1000;
  const fraction = `${iso.slice(20, 23)}${String(rest).padStart(3, "0")}`.replace(/0+$/, "");
  return fraction === "" ? `${iso.slice(0, 19)}Z` : `${iso.slice(0, 19)}.${fraction}Z`;
}

const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,20}))?([Zz]|[+-]\d\d:\d\d)$/;

/**
 * Reads any RFC 3339 date-time; digits below the microsecond are cut off. Undefined when `text` is none.
 *
 * @see https://www.rfc-editor.org/rfc/rfc3339#section-5.6
 */
export function parseMicros(text: string): number | undefined {
  const match = RFC3339.exec(text);
  if (!match) return undefined;
  const [, date, time, fraction = "", offset] = match;
  const ms = Date.parse(`${date}T${time}${offset!.toUpperCase()}`);
  // Date.parse takes 31 February for 3 March.
  if (Number.isNaN(ms) || !isRealDate(date!)) return undefined;
  return ms * 1000 + Number(fraction.padEnd(6, "0").slice(0, 6));
}

function isRealDate(date: string): boolean {
  const parsed = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(date);
}
