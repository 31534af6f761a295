import { createLocalJWKSet, type JSONWebKeySet } from "jose";
import type { Clock } from "../clock.ts";
import { type Outbound, OutboundError } from "../outbound.ts";
import { Recent } from "../recent.ts";

export type KeySet = ReturnType<typeof createLocalJWKSet>;

interface Entry {
  /** Undefined: the last attempt brought nothing. */
  readonly keys: KeySet | undefined;
  readonly kids: ReadonlySet<string>;
  readonly fetchedAt: number;
}

const KEEP_MS = 5 * 60_000;
/** For a `kid` that is not in the set: rotated a moment ago, or made up by a stranger. */
const REFETCH_PAUSE_MS = 60_000;
/** A document that could not be fetched is not asked for again by each request. */
const FAILURE_PAUSE_MS = 10_000;
const TIMEOUT_MS = 5_000;
const MAX_BYTES = 64 * 1024;
const MAX_KEYS = 100;
const MAX_DOCUMENTS = 500;

/** Public keys that other parties publish at an address of theirs (RFC 7517 §5), remembered for five minutes. */
export class RemoteJwks {
  readonly #entries = new Recent<Entry>(MAX_DOCUMENTS);
  readonly #pending = new Map<string, Promise<Entry>>();

  constructor(
    private readonly needs: {
      readonly outbound: Pick<Outbound, "json">;
      readonly clock: Clock;
      /** Also `http:`, and addresses inside the own network. */
      readonly allowPrivate: boolean;
    },
  ) {}

  /** The keys at `uri`; undefined when there are none to be had. `kid`: the one that is looked for. */
  async keysAt(uri: string, kid: string | undefined): Promise<KeySet | undefined> {
    const known = this.#entries.get(uri);
    const age = known ? this.needs.clock.now().getTime() - known.fetchedAt : Infinity;
    if (known && age < this.#lifeOf(known, kid)) return known.keys;
    return (await this.#fetchOnce(uri)).keys;
  }

  #lifeOf({ keys, kids }: Entry, kid: string | undefined): number {
    if (!keys) return FAILURE_PAUSE_MS;
    return kid === undefined || kids.has(kid) ? KEEP_MS : REFETCH_PAUSE_MS;
  }

  /** Many that wait for one document wait for one request. */
  #fetchOnce(uri: string): Promise<Entry> {
    const underWay = this.#pending.get(uri);
    if (underWay) return underWay;
    const fetching = this.#fetch(uri).finally(() => this.#pending.delete(uri));
    this.#pending.set(uri, fetching);
    return fetching;
  }

  async #fetch(uri: string): Promise<Entry> {
    const { outbound, clock, allowPrivate } = this.needs;
    let document: unknown;
    try {
      document = await outbound.json({
        url: uri,
        timeoutMs: TIMEOUT_MS,
        maxBytes: MAX_BYTES,
        allowPrivate,
      });
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
    }
    const fetchedAt = clock.now().getTime();
    const entry = { ...keySetOf(document), fetchedAt };
    this.#entries.set(uri, entry);
    return entry;
  }
}

function keySetOf(document: unknown): Pick<Entry, "keys" | "kids"> {
  const none = { keys: undefined, kids: new Set<string>() };
  const keys = (document as { keys?: unknown } | null | undefined)?.keys;
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) return none;
  const kids = keys.flatMap((key) => (typeof key?.kid === "string" ? [key.kid as string] : []));
  try {
    // Throws for members that are no objects.
    return { keys: createLocalJWKSet(document as JSONWebKeySet), kids: new Set(kids) };
  } catch {
    return none;
  }
}
