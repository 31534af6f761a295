import { createHash, createHmac } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

/**
 * Verifies an exported audit log without the server and its database. On purpose it shares no code with the writer:
 * a mistake in one of them then shows as a difference. It follows contract 08 §2.3 to §2.5 from the text alone.
 */
export interface FileVerification {
  readonly ok: boolean;
  /** Entries that passed. */
  readonly entries: number;
  /** Base64; of the entries that passed. To be compared with a tree head that somebody else kept. */
  readonly rootHash: string;
  /** Line number, from 1. */
  readonly brokenLine?: number;
  readonly reason?: string;
}

/** Reads a file of `{ leaf_index, leaf_input, event }` lines, oldest entry first, and stops at the first fault. */
export async function verifyAuditFile(path: string): Promise<FileVerification> {
  const lines = createInterface({ input: createReadStream(path, "utf8"), crlfDelay: Infinity });
  const subtrees: { size: number; hash: Buffer }[] = [];
  let entries = 0;
  let line = 0;
  let prevHash = "0".repeat(64);
  for await (const text of lines) {
    line += 1;
    if (text.trim() === "") continue;
    const checked = checkEntry(text, entries, prevHash);
    if (typeof checked === "string")
      return { ok: false, entries, rootHash: rootOf(subtrees), brokenLine: line, reason: checked };
    prevHash = checked.rowHash;
    entries += 1;
    addLeaf(subtrees, sha256(Buffer.from([0]), checked.bytes));
  }
  return { ok: true, entries, rootHash: rootOf(subtrees) };
}

/** The entry's bytes and hash; or, as text, what is wrong with it. */
function checkEntry(
  text: string,
  index: number,
  prevHash: string,
): string | { bytes: Buffer; rowHash: string } {
  const entry = parseObject(text);
  const event = entry && asObject(entry.event);
  if (!entry || !event || typeof entry.leaf_input !== "string") return "not an entry";
  if (entry.leaf_index !== index || event.seq !== index + 1) return "sequence gap";
  const bytes = Buffer.from(entry.leaf_input, "base64");
  const leaf = parseObject(bytes.toString("utf8"));
  if (!leaf) return "leaf_input is no JSON object";
  if (event.prev_hash !== prevHash || leaf.prev_hash !== prevHash)
    return "prev_hash does not match preceding row_hash";
  const rowHash = createHash("sha256").update(bytes).digest("hex");
  if (event.row_hash !== rowHash) return "row_hash does not match recomputed hash";
  const rebuilt = "v" in leaf ? format2(event) : format1(event, event);
  if (rebuilt === undefined) return "seals do not match the event";
  if (!Buffer.from(rebuilt).equals(bytes)) return "leaf_input does not match the event";
  return { bytes, rowHash };
}

type Members = Readonly<Record<string, unknown>>;

const SEALED = ["email", "phone", "ip", "user_agent", "destination", "display_name", "identifier"];

/** The thirteen members, ip, user agent and metadata taken from `personal`. */
function members(event: Members, personal: Members): string {
  const plain = (name: string) => `${json(name)}:${json(event[name] ?? "")}`;
  return [
    ...["id", "tenant_id", "actor_user_id", "actor_type", "action", "resource_type"].map(plain),
    plain("resource_id"),
    `"ip":${json(personal.ip ?? "")}`,
    `"user_agent":${json(personal.user_agent ?? "")}`,
    plain("request_id"),
    `"metadata":${json(personal.metadata ?? {})}`,
    plain("created_at"),
    plain("prev_hash"),
  ].join();
}

const format1 = (event: Members, personal: Members) => `{${members(event, personal)}}`;

/** Undefined when the seals are not those of the event's plain text. */
function format2(event: Members): string | undefined {
  const seals = asObject(event.seals) ?? {};
  const metadata = asObject(event.metadata) ?? {};
  const expected = new Map<string, unknown>([
    ["ip", event.ip],
    ["user_agent", event.user_agent],
    ...SEALED.filter((name) => name in metadata).map((name): [string, unknown] => [
      `metadata.${name}`,
      metadata[name],
    ]),
  ]);
  const isErased = event.erased_at !== null;
  const salt = typeof event.salt === "string" ? Buffer.from(event.salt, "base64url") : undefined;
  if (isErased === (salt !== undefined)) return undefined;
  for (const [name, value] of expected) {
    if (isErased) {
      if (name in seals && value !== null) return undefined;
      continue;
    }
    const isSealed = typeof value === "string" && value !== "";
    const seal = isSealed ? sealed(salt!, name, value) : undefined;
    if (seals[name] !== seal) return undefined;
  }
  if (!Object.keys(seals).every((name) => expected.has(name))) return undefined;
  const hidden: Record<string, unknown> = { ...metadata };
  for (const name of SEALED)
    if (`metadata.${name}` in seals) hidden[name] = seals[`metadata.${name}`];
  const personal = { ip: seals.ip, user_agent: seals.user_agent, metadata: hidden };
  return `{"v":2,"seq":${String(event.seq)},${members(event, personal)}}`;
}

const sealed = (salt: Buffer, name: string, value: string) =>
  `s:${createHmac("sha256", salt).update(name).update("\0").update(value).digest("base64url")}`;

/** JSON as the hash covers it: names sorted by their bytes, five signs escaped beyond what JSON asks. */
function json(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(json).join()}]`;
  const object = asObject(value);
  if (!object)
    return JSON.stringify(value)
      .replaceAll("<", "\\u003c")
      .replaceAll(">", "\\u003e")
      .replaceAll("&", "\\u0026")
      .replaceAll("\u2028", "\\u2028")
      .replaceAll("\u2029", "\\u2029");
  const names = Object.keys(object).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `{${names.map((name) => `${json(name)}:${json(object[name])}`).join()}}`;
}

function parseObject(text: string): Members | undefined {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return undefined;
  }
}

const asObject = (value: unknown): Members | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Members)
    : undefined;

const sha256 = (...parts: Uint8Array[]) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** RFC 6962 §2.1: subtrees of equal size join, so their sizes are the binary digits of the number of leaves. */
function addLeaf(subtrees: { size: number; hash: Buffer }[], leaf: Buffer): void {
  let joined = { size: 1, hash: leaf };
  for (let last = subtrees.at(-1); last?.size === joined.size; last = subtrees.at(-1)) {
    subtrees.pop();
    joined = { size: 2 * joined.size, hash: sha256(Buffer.from([1]), last.hash, joined.hash) };
  }
  subtrees.push(joined);
}

function rootOf(subtrees: readonly { hash: Buffer }[]): string {
  let root: Buffer | undefined;
  for (const { hash } of [...subtrees].reverse())
    root = root === undefined ? hash : sha256(Buffer.from([1]), hash, root);
  return (root ?? sha256()).toString("base64");
}
