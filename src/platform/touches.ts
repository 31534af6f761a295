import type { Db, Tx } from "../../db/client.ts";
import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";

/** Writes "used just now" to rows of one kind. `ids` always has `TOUCH_BATCH` entries, some more than once. */
export type Touch = (tx: Tx, ids: readonly string[], at: Date) => Promise<void>;

/** Rows that one statement touches: one length, so that it is compiled once. */
export const TOUCH_BATCH = 100;
const FLUSH_MS = 1_000;
/** More than this many distinct rows a second are not worth the memory: the rest is noted the next time. */
const MAX_PENDING = 20_000;

/**
 * Collects what was used, and writes it down once a second: a commit for each first use of a key or session would cost
 * more than the request. Best effort: a crash loses at most a second of "last used".
 */
export class Touches<K extends string = "session" | "api_key" | "service_principal"> {
  readonly #pending = new Map<K, Set<string>>();
  #timer: Timer | undefined;

  constructor(
    private readonly needs: { db: Db; clock: Clock; log: Pick<Log, "warn"> },
    private readonly kinds: Readonly<Record<K, Touch>>,
  ) {}

  note(kind: K, id: string): void {
    let ids = this.#pending.get(kind);
    if (!ids) {
      ids = new Set();
      this.#pending.set(kind, ids);
    }
    if (ids.size < MAX_PENDING) ids.add(id);
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref();
  }

  /** Writes what was noted. Never rejects. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { db, clock, log } = this.needs;
    const pending = [...this.#pending];
    this.#pending.clear();
    try {
      for (const [kind, set] of pending) {
        const ids = [...set];
        for (let from = 0; from < ids.length; from += TOUCH_BATCH) {
          const batch = ids.slice(from, from + TOUCH_BATCH);
          while (batch.length < TOUCH_BATCH) batch.push(batch[0]!);
          await db.transaction((tx) => this.kinds[kind](tx, batch, clock.now()));
        }
      }
    } catch {
      log.warn("could not note when sessions and keys were last used");
    }
  }
}
