import type { RateLimit } from "../../config/types.ts";
import type { BucketName, Config } from "../../config.ts";

/** What taking one token from a bucket came to. */
export interface Verdict {
  /** 0 when the request may pass; else whole seconds until one would. */
  readonly waitSeconds: number;
  /** Size of the bucket; 0 when it is off. */
  readonly limit: number;
  /** Whole tokens left. */
  readonly remaining: number;
  /** Seconds until the bucket is full again. */
  readonly resetSeconds: number;
}

/** Token buckets (contract 01 §10), in this process or shared through Redis. */
export interface RateLimiter {
  /** Takes one token of `key`'s bucket. Never rejects. */
  take(bucket: BucketName, key: string): Verdict | Promise<Verdict>;
  /** Rejects when the shared store does not answer; undefined where there is none. */
  readonly check: (() => Promise<void>) | undefined;
  close(): void;
}

interface Bucket {
  tokens: number;
  /** Milliseconds. */
  at: number;
}

/** Of a bucket that is off. */
export const PASS: Verdict = { waitSeconds: 0, limit: 0, remaining: 0, resetSeconds: 0 };

/** Buckets of one kind that this process keeps at most: about 10 MB for all kinds. */
const MAX_BUCKETS = 20_000;

/** What is left after a refill, and whether a token could be taken. Shared with the Lua script of `redis-rate.ts`. */
export function verdictOf(tokens: number, isTaken: boolean, limit: RateLimit): Verdict {
  const { ratePerSecond, burst } = limit;
  return {
    waitSeconds: isTaken ? 0 : Math.max(1, Math.ceil((1 - tokens) / ratePerSecond)),
    limit: burst,
    remaining: Math.max(0, Math.floor(tokens)),
    resetSeconds: Math.ceil((burst - tokens) / ratePerSecond),
  };
}

/** Buckets of this process. Memory is bounded: full buckets go first, then the longest idle ones. */
export class LocalRateLimiter implements RateLimiter {
  readonly check = undefined;
  readonly #buckets: Record<string, Map<string, Bucket>> = {};

  constructor(
    private readonly limits: Config["rateLimits"],
    private readonly nowMs: () => number,
  ) {
    for (const name of Object.keys(limits)) this.#buckets[name] = new Map();
  }

  take(name: BucketName, key: string): Verdict {
    const limit = this.limits[name];
    if (limit === "off") return PASS;
    const buckets = this.#buckets[name]!;
    const now = this.nowMs();
    let bucket = buckets.get(key);
    if (bucket === undefined) {
      if (buckets.size >= MAX_BUCKETS) evict(buckets, limit, now);
      bucket = { tokens: limit.burst, at: now };
      buckets.set(key, bucket);
    } else {
      const refill = (Math.max(0, now - bucket.at) / 1000) * limit.ratePerSecond;
      bucket.tokens = Math.min(limit.burst, bucket.tokens + refill);
      bucket.at = now;
    }
    const isTaken = bucket.tokens >= 1;
    if (isTaken) bucket.tokens -= 1;
    return verdictOf(bucket.tokens, isTaken, limit);
  }

  /** Buckets kept, of all kinds. */
  get size(): number {
    return Object.values(this.#buckets).reduce((sum, buckets) => sum + buckets.size, 0);
  }

  close(): void {}
}

/** A bucket that would be full by now says nothing that a new one would not. */
function evict(buckets: Map<string, Bucket>, { ratePerSecond, burst }: RateLimit, now: number) {
  for (const [key, { tokens, at }] of buckets)
    if (tokens + ((now - at) / 1000) * ratePerSecond >= burst) buckets.delete(key);
  // Enough room, or the next newcomer would have to look through all of them again.
  if (buckets.size <= (MAX_BUCKETS * 3) / 4) return;
  // All are in use: an attacker with many addresses. The longest idle quarter is nearest to being full.
  const oldest = [...buckets].sort(([, a], [, b]) => a.at - b.at).slice(0, MAX_BUCKETS / 4);
  for (const [key] of oldest) buckets.delete(key);
}
