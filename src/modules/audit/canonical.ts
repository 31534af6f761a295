import { createHash, createHmac } from "node:crypto";
import type { JsonObject, JsonValue } from "../../platform/json.ts";

/** `prev_hash` of a log's first row. */
export const SEED_HASH = "0".repeat(64);

/** The members of a row that its hash covers, as they are stored (contract 08 §2.3, §2.4). */
export interface HashedRow {
  readonly id: string;
  readonly seq: number;
  readonly tenantId: string | null;
  readonly actorUserId: string | null;
  readonly actorType: string;
  readonly action: string;
  readonly resourceType: string;
  readonly resourceId: string | null;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
  readonly metadata: JsonObject;
  readonly createdAt: string;
  readonly prevHash: string;
}

/** Name of a sealed member → its seal. Empty values have none. */
export type Seals = Readonly<Record<string, string>>;

/** Top-level members of metadata that hold personal data: sealed where they are text. */
const SEALED_METADATA: ReadonlySet<string> = new Set([
  "email",
  "phone",
  "ip",
  "user_agent",
  "destination",
  "display_name",
  "identifier",
]);

/** Format 1: 13 members, personal data in clear. What older servers wrote, so that imported rows verify. */
export const canonicalV1 = (row: HashedRow): string => `{${membersOf(row, noSeals)}}`;

/** Format 2: `v` and `seq` in front, and seals in place of personal data. */
export const canonicalV2 = (row: HashedRow, seals: Seals): string =>
  `{"v":2,"seq":${row.seq},${membersOf(row, seals)}}`;

const noSeals = undefined;

function membersOf(row: HashedRow, seals: Seals | undefined): string {
  const ip = seals ? (seals.ip ?? "") : (row.ip ?? "");
  const userAgent = seals ? (seals.user_agent ?? "") : (row.userAgent ?? "");
  return (
    `"id":"${row.id}","tenant_id":"${row.tenantId ?? ""}","actor_user_id":"${row.actorUserId ?? ""}",` +
    `"actor_type":${quoted(row.actorType)},"action":${quoted(row.action)},` +
    `"resource_type":${quoted(row.resourceType)},"resource_id":"${row.resourceId ?? ""}",` +
    `"ip":${quoted(ip)},"user_agent":${quoted(userAgent)},"request_id":${quoted(row.requestId ?? "")},` +
    `"metadata":${canonicalJson(seals ? sealedMetadata(row.metadata, seals) : row.metadata)},` +
    `"created_at":"${row.createdAt}","prev_hash":"${row.prevHash}"`
  );
}

function sealedMetadata(metadata: JsonObject, seals: Seals): JsonObject {
  let copy: Record<string, JsonValue> | undefined;
  for (const name in metadata) {
    const seal = seals[`metadata.${name}`];
    if (seal === undefined) continue;
    copy ??= { ...metadata };
    copy[name] = seal;
  }
  return copy ?? metadata;
}

/** The seals of a row's personal data under its salt (contract 08 §2.4). */
export function sealsOf(
  row: Pick<HashedRow, "ip" | "userAgent" | "metadata">,
  salt: Uint8Array,
): Seals {
  const seals: Record<string, string> = {};
  const add = (name: string, value: JsonValue | undefined) => {
    if (typeof value === "string" && value !== "") seals[name] = sealOf(salt, name, value);
  };
  add("ip", row.ip);
  add("user_agent", row.userAgent);
  for (const name in row.metadata)
    if (SEALED_METADATA.has(name)) add(`metadata.${name}`, row.metadata[name]);
  return seals;
}

const sealOf = (salt: Uint8Array, name: string, value: string): string =>
  `s:${createHmac("sha256", salt).update(`${name}\0${value.toWellFormed()}`).digest("base64url")}`;

/**
 * Object members sorted by their UTF-8 bytes, no white space, text as `quoted`. Throws a TypeError for a number that
 * another program could read as a different one, and for what JSON has no word for.
 */
export function canonicalJson(value: JsonValue): string {
  if (typeof value === "string") return quoted(value);
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") {
    // −0 would come back as 0.
    if (!Number.isSafeInteger(value) || Object.is(value, -0))
      throw new TypeError("numbers in audit metadata are safe integers");
    return String(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object") throw new TypeError("not JSON");
  const members = value as JsonObject; // Array.isArray does not narrow a readonly array away
  const names = Object.keys(members);
  if (names.length > 1) names.sort(byUtf8);
  return `{${names.map((name) => `${quoted(name)}:${canonicalJson(members[name]!)}`).join(",")}}`;
}

/** UTF-16 order, which `<` has, differs from that of the bytes where surrogates meet U+E000 to U+FFFF. */
const byUtf8 = (a: string, b: string): number =>
  isAscii(a) && isAscii(b) ? (a < b ? -1 : 1) : Buffer.compare(Buffer.from(a), Buffer.from(b));

const isAscii = (text: string) => /^[\0-\x7f]*$/.test(text);

/** Text as JSON; `<`, `>`, `&`, U+2028 and U+2029 escaped; lone surrogates are U+FFFD. */
function quoted(text: string): string {
  const json = JSON.stringify(text.toWellFormed());
  return /[<>&\u2028\u2029]/.test(json) ? json.replace(/[<>&\u2028\u2029]/g, escaped) : json;
}

const escaped = (sign: string) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** Lower-case hexadecimal SHA-256: what `row_hash` is of the canonical bytes. */
export const rowHashOf = (canonical: string): string =>
  createHash("sha256").update(canonical).digest("hex");
