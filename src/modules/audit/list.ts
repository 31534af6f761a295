import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import { parseMicros } from "./micros.ts";
import {
  type AuditRow,
  findSeq,
  type IndexedFilter,
  instantFrom,
  listEvents,
  logIdOf,
} from "./store.ts";

/** Contract 08 §2.1. All given members must fit. */
export interface AuditFilter {
  /** A comma list; one that ends in `.*` stands for all below it. */
  readonly action?: string;
  readonly resource_type?: string;
  readonly actor_type?: string;
  readonly actor_user_id?: string;
  readonly resource_id?: string;
  /** RFC 3339, inclusive. */
  readonly since?: string;
  /** RFC 3339, exclusive. */
  readonly until?: string;
  /** Part of action, resource type, actor type, user agent or metadata; case does not matter. */
  readonly q?: string;
}

/** Most rows that one request looks at: about 50 ms of one core. Then it answers what it has, and a cursor. */
export const SCAN_LIMIT = 5_000;
/** Rows between two turns of the event loop. */
const BATCH = 250;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * One page of a tenant's log, newest first. A page may hold fewer than `limit` events, or none, and still have a
 * `next_cursor`: nothing that fits was found so far. Throws `bad_request` for a cursor of another filter or log, and
 * for a malformed instant or id.
 */
export async function listAudit(
  deps: Deps,
  tenantId: string,
  filter: AuditFilter,
  { limit, cursor }: { limit: number; cursor: string | undefined },
): Promise<{ items: AuditRow[]; next_cursor: string }> {
  const logId = logIdOf(tenantId);
  const actions = filter.action === undefined ? [] : filter.action.split(",").filter(Boolean);
  const indexed = narrowestOf(filter, actions);
  const [fromSeq, untilSeq] = await Promise.all([
    seqAt(deps, logId, filter, "since", 1),
    seqAt(deps, logId, filter, "until", Number.MAX_SAFE_INTEGER),
  ]);
  const start = cursor === undefined ? undefined : await readCursor(deps, logId, filter, cursor);
  let beforeSeq = Math.min(untilSeq, start ?? Number.MAX_SAFE_INTEGER);

  const fits = matcherOf(filter, actions, indexed);
  if (fits === undefined) return scan();
  return inTurn(deps, logId, scan);

  async function scan() {
    const items: AuditRow[] = [];
    for (let seen = 0; seen < SCAN_LIMIT; ) {
      const wanted = fits === undefined ? limit + 1 : BATCH;
      const rows = await listEvents(deps.db.read, logId, { fromSeq, beforeSeq }, indexed, wanted);
      for (const row of rows) {
        if (!(fits?.(row) ?? true)) continue;
        if (items.length === limit)
          return { items, next_cursor: cursorOf(deps, logId, filter, items.at(-1)!.seq) };
        items.push(row);
      }
      if (rows.length < wanted) return { items, next_cursor: "" };
      beforeSeq = rows.at(-1)!.seq;
      seen += rows.length;
      await nextTurn(); // SQLite answers at once: without this, nobody else would get a turn
    }
    return { items, next_cursor: cursorOf(deps, logId, filter, beforeSeq) };
  }
}

/** Searches of one log that may wait or run. */
const MAX_SEARCHES = 4;

interface Searches {
  readonly byLog: Map<string, number>;
  last: Promise<unknown>;
}
const searchesOf = new WeakMap<Deps, Searches>();

/**
 * One search at a time: thirty a second, which one user may ask for, are more than a core can look through, and they
 * would share it with all other requests. Throws 429 when too many of one log wait.
 */
async function inTurn<T>(deps: Deps, logId: string, search: () => Promise<T>): Promise<T> {
  const searches = searchesOf.get(deps) ?? { byLog: new Map(), last: Promise.resolve() };
  searchesOf.set(deps, searches);
  const waiting = searches.byLog.get(logId) ?? 0;
  if (waiting >= MAX_SEARCHES)
    throw new AppError("too_many_requests", "too many searches at once", {
      headers: { "retry-after": "1" },
    });
  searches.byLog.set(logId, waiting + 1);
  const mine = searches.last.then(search);
  searches.last = mine.catch(() => {});
  try {
    return await mine;
  } finally {
    const left = searches.byLog.get(logId)! - 1;
    if (left === 0) searches.byLog.delete(logId);
    else searches.byLog.set(logId, left);
  }
}

export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function uuidOf(filter: AuditFilter, name: "resource_id" | "actor_user_id"): string | undefined {
  const text = filter[name];
  if (text !== undefined && !UUID.test(text)) throw new AppError("bad_request", `invalid ${name}`);
  return text?.toLowerCase();
}

/**
 * The first event at or after an instant. Within a log instants only rise with `seq`, so halving finds it by some
 * twenty reads of an index, and no order by time needs one of its own.
 */
async function seqAt(
  deps: Deps,
  logId: string,
  filter: AuditFilter,
  name: "since" | "until",
  absent: number,
): Promise<number> {
  const text = filter[name];
  if (text === undefined) return absent;
  const micros = parseMicros(text);
  if (micros === undefined) throw new AppError("bad_request", `invalid ${name}`);
  let [low, high] = [1, 1];
  const isBefore = async (seq: number): Promise<boolean> => {
    const found = await instantFrom(deps.db.read, logId, seq);
    return found !== undefined && (parseMicros(found.createdAt) ?? 0) < micros;
  };
  while (await isBefore(high)) [low, high] = [high + 1, high * 2];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

const isPrefix = (action: string) => action.endsWith(".*");

/** The part of the filter that an index serves: the one member that most likely leaves the fewest events. */
function narrowestOf(filter: AuditFilter, actions: readonly string[]): IndexedFilter {
  const resourceId = uuidOf(filter, "resource_id");
  const actorUserId = uuidOf(filter, "actor_user_id");
  const [action] = actions;
  if (resourceId !== undefined) return { resourceId };
  if (actorUserId !== undefined) return { actorUserId };
  return action !== undefined && actions.length === 1 && !isPrefix(action) ? { action } : {};
}

/** The rest of the filter, which no index serves; undefined when nothing is left. */
function matcherOf(
  filter: AuditFilter,
  actions: readonly string[],
  indexed: IndexedFilter,
): ((row: AuditRow) => boolean) | undefined {
  const { resource_type, actor_type, q } = filter;
  const tests: ((row: AuditRow) => boolean)[] = [];
  const actor = uuidOf(filter, "actor_user_id");
  if (actor !== undefined && indexed.actorUserId === undefined)
    tests.push((row) => row.actorUserId === actor);
  if (actions.length > 0 && indexed.action === undefined) {
    const exact = new Set(actions);
    const prefixes = actions.filter(isPrefix).map((one) => one.slice(0, -1));
    tests.push(
      ({ action }) => exact.has(action) || prefixes.some((prefix) => action.startsWith(prefix)),
    );
  }
  if (resource_type !== undefined) tests.push((row) => row.resourceType === resource_type);
  if (actor_type !== undefined) tests.push((row) => row.actorType === actor_type);
  if (q !== undefined && q !== "") {
    const needle = q.toLowerCase();
    tests.push((row) =>
      [row.action, row.resourceType, row.actorType, row.userAgent, row.metadata].some((text) =>
        text?.toLowerCase().includes(needle),
      ),
    );
  }
  return tests.length === 0 ? undefined : (row) => tests.every((one) => one(row));
}

/** Names the last event looked at, and is of no use with another filter or log. */
function cursorOf(deps: Deps, logId: string, filter: AuditFilter, seq: number): string {
  return Buffer.from(`${seq}.${bindingOf(deps, logId, filter, seq)}`).toString("base64url");
}

function bindingOf(deps: Deps, logId: string, filter: AuditFilter, seq: number): string {
  const members = Object.entries(filter)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const mac = deps.derivedKeys.hmac("cursor", JSON.stringify(["audit", logId, seq, members]));
  return Buffer.from(mac.subarray(0, 12)).toString("base64url");
}

async function readCursor(
  deps: Deps,
  logId: string,
  filter: AuditFilter,
  cursor: string,
): Promise<number> {
  // Contract 08 §2.1: a bare event id means "the last one I saw".
  const seq = UUID.test(cursor)
    ? await findSeq(deps.db.read, logId, cursor.toLowerCase())
    : boundSeq(deps, logId, filter, cursor);
  if (seq === undefined) throw new AppError("bad_request", "invalid cursor");
  return seq;
}

function boundSeq(
  deps: Deps,
  logId: string,
  filter: AuditFilter,
  cursor: string,
): number | undefined {
  const match = /^(\d{1,15})\.([\w-]{16})$/.exec(Buffer.from(cursor, "base64url").toString());
  if (!match) return undefined;
  const seq = Number(match[1]);
  return bindingOf(deps, logId, filter, seq) === match[2] ? seq : undefined;
}
