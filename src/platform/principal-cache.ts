/** What has changed of late, for every cache that rests on it. */
interface Changes {
  epoch: number;
  /** Tag → the epoch of its last change. Kept as long as an older entry could live. */
  readonly byTag: Map<string, { epoch: number; until: number }>;
}

/**
 * Remembers, for at most five seconds, whom a credential names, so that a busy client costs no look-up a
 * request. Whoever changes what an entry rests on calls `forget` with a tag after the commit; an entry that
 * was loaded, or began to load, before that is never used again. Other processes see the change within the five seconds.
 */
export class PrincipalCache<T extends { readonly tags: readonly string[] } = CachedPrincipal> {
  readonly #entries = new Map<string, { value: T; epoch: number; until: number }>();

  constructor(
    /** Monotonic milliseconds: a clock that is set back must not lengthen a life. */
    private readonly elapsedMs: () => number,
    private readonly ttlMs = 5_000,
    private readonly maxEntries = 20_000,
    private readonly changes: Changes = { epoch: 0, byTag: new Map() },
  ) {}

  /** An empty cache of other values, which forgets whatever this one is told to forget. */
  sharing<U extends { readonly tags: readonly string[] }>(): PrincipalCache<U> {
    return new PrincipalCache<U>(this.elapsedMs, this.ttlMs, this.maxEntries, this.changes);
  }

  /** The remembered value of `key`, without waiting; undefined when it must be loaded. */
  peek(key: string): T | undefined {
    const found = this.#entries.get(key);
    if (found && found.until > this.elapsedMs() && this.#isCurrent(found.value, found.epoch))
      return found.value;
    return undefined;
  }

  /** The remembered value of `key`, or what `load` answers; undefined results are not remembered. */
  async get(key: string, load: () => Promise<T | undefined>): Promise<T | undefined> {
    const known = this.peek(key);
    if (known) return known;
    const now = this.elapsedMs();
    const { epoch } = this.changes;
    const value = await load();
    if (value === undefined) {
      this.#entries.delete(key);
      return undefined;
    }
    if (this.#entries.size >= this.maxEntries) this.#evict(now);
    this.#entries.set(key, { value, epoch, until: now + this.ttlMs });
    return value;
  }

  /** Drops every entry that carries one of these tags: `user:…`, `tenant:…`, `session:…`, `key:…`, `role:…`. */
  forget(...tags: string[]): void {
    const now = this.elapsedMs();
    const { changes } = this;
    changes.epoch += 1;
    // A load may be under way since before the change: keep the mark for twice an entry's life.
    for (const tag of tags)
      changes.byTag.set(tag, { epoch: changes.epoch, until: now + 2 * this.ttlMs });
    if (changes.byTag.size > this.maxEntries)
      for (const [tag, { until }] of changes.byTag) if (until <= now) changes.byTag.delete(tag);
  }

  #isCurrent(value: T, epoch: number): boolean {
    return value.tags.every((tag) => (this.changes.byTag.get(tag)?.epoch ?? 0) <= epoch);
  }

  #evict(now: number): void {
    for (const [key, { until }] of this.#entries) if (until <= now) this.#entries.delete(key);
    // Still full of live ones: the oldest half goes (a Map keeps the order of insertion).
    let surplus = this.#entries.size - this.maxEntries / 2;
    for (const key of this.#entries.keys()) {
      if (surplus-- <= 0) break;
      this.#entries.delete(key);
    }
  }
}

/** What `authenticate` keeps of a credential: all of an Actor but the request it came with. */
export interface CachedPrincipal {
  readonly tags: readonly string[];
  readonly actor: Omit<import("./permissions.ts").Actor, "caller">;
  /** Past it the credential is refused, remembered or not. */
  readonly expiresAt?: Date | null;
  /** Set: good only with a proof of this key (RFC 9449). */
  readonly dpopJkt?: string | null;
  /** The tenant is suspended: refused but on the routes that work then (contract 01 §5). */
  readonly isTenantSuspended?: boolean;
}
