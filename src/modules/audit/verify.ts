import type { Reader } from "../../../db/client.ts";
import type { JsonObject } from "../../platform/json.ts";
import {
  canonicalV1,
  canonicalV2,
  rowHashOf,
  SEED_HASH,
  type Seals,
  sealsOf,
} from "./canonical.ts";
import { nextTurn } from "./list.ts";
import { leafHash, TreeEdge, type TreeNode } from "./merkle.ts";
import { readMetadata } from "./present.ts";
import { type AuditRow, eventsAfter, findHead, nodesBetween, storedSizes } from "./store.ts";

export type BrokenReason =
  | "prev_hash does not match preceding row_hash"
  | "row_hash does not match recomputed hash"
  | "sequence gap"
  | "stored tree node does not match recomputed hash";

const ROW_HASH: BrokenReason = "row_hash does not match recomputed hash";

export interface Verification {
  readonly ok: boolean;
  /** Rows that passed. */
  readonly rowsChecked: number;
  readonly lastVerifiedId?: string;
  readonly brokenAtId?: string;
  readonly brokenReason?: BrokenReason;
  /** Of the rows that passed. */
  readonly rootHash: Uint8Array;
}

/** Rows between two turns of the event loop, about 6 ms; contract 08 §2.2's 1,000 held everybody up for 22 ms. */
const BATCH = 250;

/**
 * Walks a log from its first row to the size it had at the start, and stops at the first row that is not what the
 * chain, the tree or the head say. Finds edits, deletions and gaps; a log that somebody rewrote from end to end, tree
 * and head with it, is consistent: only a signed tree head, held elsewhere, shows that.
 */
export async function verifyLog(q: Reader, logId: string): Promise<Verification> {
  // In this order: an append between the reads can only make the head larger.
  const stored = await storedSizes(q, logId);
  const head = await findHead(q, logId);
  const size = head?.size ?? 0;

  const edge = new TreeEdge();
  let last: AuditRow | undefined;
  const broken = (brokenReason: BrokenReason, at?: AuditRow): Verification => ({
    ok: false,
    ...passed(edge, last),
    ...(at && { brokenAtId: at.id }),
    brokenReason,
  });

  while (edge.size < size) {
    const start = edge.size;
    const rows = await eventsAfter(q, logId, start, Math.min(BATCH, size - start));
    const nodes = await storedNodes(q, logId, start, start + rows.length);
    for (const row of rows) {
      const canonical = canonicalOf(row);
      const reason = faultOf(row, canonical, edge.size + 1, last?.rowHash ?? SEED_HASH);
      if (reason || canonical === undefined) return broken(reason ?? ROW_HASH, row);
      const made = edge.append(leafHash(canonical));
      if (!made.every((node) => isStored(nodes, node)))
        return broken("stored tree node does not match recomputed hash", row);
      last = row;
    }
    if (rows.length === 0) return broken("sequence gap"); // the end is missing
    await nextTurn();
  }

  if (stored.events > size) return broken("sequence gap");
  if (stored.leaves > size) return broken("stored tree node does not match recomputed hash");
  // The next row would say so.
  if (head && head.tipHash !== last?.rowHash)
    return broken("prev_hash does not match preceding row_hash");
  if (head && !Buffer.from(head.edge).equals(edge.bytes()))
    return broken("stored tree node does not match recomputed hash");
  return { ok: true, ...passed(edge, last) };
}

const passed = (edge: TreeEdge, last: AuditRow | undefined) => ({
  rowsChecked: edge.size,
  ...(last && { lastVerifiedId: last.id }),
  rootHash: edge.root(),
});

function faultOf(
  row: AuditRow,
  canonical: string | undefined,
  seq: number,
  prevHash: string,
): BrokenReason | undefined {
  if (row.seq !== seq) return "sequence gap";
  if (row.prevHash !== prevHash) return "prev_hash does not match preceding row_hash";
  if (canonical === undefined || rowHashOf(canonical) !== row.rowHash) return ROW_HASH;
  return undefined;
}

/** What the row's hash must be of; undefined when the row contradicts itself. */
export function canonicalOf(row: AuditRow): string | undefined {
  const metadata = readMetadata(row);
  if (metadata === undefined) return undefined;
  const hashed = { ...row, metadata };
  if (row.chainVersion === 1) return canonicalV1(hashed);
  const seals =
    row.erasedAt === null ? recomputedSeals(row, metadata) : sealsOfErased(row, metadata);
  return seals && canonicalV2(hashed, seals);
}

/** The stored seals become the truth once the row is erased, so they must be right before. */
function recomputedSeals(row: AuditRow, metadata: JsonObject): Seals | undefined {
  if (row.salt === null) return undefined;
  const seals = sealsOf({ ...row, metadata }, row.salt);
  const names = Object.keys(row.seals);
  const isSame =
    names.length === Object.keys(seals).length &&
    names.every((name) => row.seals[name] === seals[name]);
  return isSame ? seals : undefined;
}

/** An erased row holds no personal data; what somebody writes there later is no part of the log. */
function sealsOfErased(row: AuditRow, metadata: JsonObject): Seals | undefined {
  const isEmpty =
    row.salt === null &&
    row.ip === null &&
    row.userAgent === null &&
    Object.keys(row.seals).every(
      (name) => !name.startsWith("metadata.") || metadata[name.slice(9)] === null,
    );
  return isEmpty ? row.seals : undefined;
}

/** Every stored node that leaves `start` up to, not including, `end` completed: level and index → hash. */
async function storedNodes(
  q: Reader,
  logId: string,
  start: number,
  end: number,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const nodes = new Map<string, Uint8Array>();
  for (let level = 0; 2 ** level <= end; level += 1) {
    const leaves = 2 ** level;
    const first = Math.floor(start / leaves);
    const last = Math.floor(end / leaves) - 1;
    if (first > last) continue;
    for (const { idx, hash } of await nodesBetween(q, logId, { level, first, last }))
      nodes.set(`${level}.${idx}`, hash);
  }
  return nodes;
}

function isStored(nodes: ReadonlyMap<string, Uint8Array>, { level, idx, hash }: TreeNode): boolean {
  const stored = nodes.get(`${level}.${idx}`);
  return stored !== undefined && Buffer.from(hash).equals(stored);
}
