import { RedisClient } from "bun";
import type { BucketName, Config } from "../../config.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { kindOf } from "../redact.ts";
import { LocalRateLimiter, PASS, type RateLimiter, type Verdict, verdictOf } from "./rate.ts";

interface Needs {
  readonly config: Pick<Config, "rateLimits" | "redisUrl">;
  readonly clock: Clock;
  readonly log: Pick<Log, "warn" | "info">;
  readonly metrics: Pick<Metrics, "rateStoreFailures">;
}

/** A bucket is one hash: tokens and the time of the last refill, by Redis' own clock, so that instances agree. */
const TAKE = `
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local stored = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(stored[1]) or burst, tonumber(stored[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local taken = 0
if tokens >= 1 then tokens = tokens - 1 taken = 1 end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], ARGV[3])
return { taken, string.format('%.6f', tokens) }`;

const COMMAND_MS = 250;
/** A store that did not answer is left alone for so long, or every request would wait for it in vain. */
const PAUSE_MS = 1_000;

/** Its message is for the operator, and names no secret. */
class RedisUnavailable extends Error {
  override readonly name = "RedisUnavailable";
}

/** In this process, or shared where REDIS_URL is set. Rejects when Redis does not answer at start. */
export async function createRateLimiter(needs: Needs): Promise<RateLimiter> {
  const { config, clock } = needs;
  const local = new LocalRateLimiter(config.rateLimits, () => clock.now().getTime());
  if (config.redisUrl === null) return local;
  const client = new RedisClient(config.redisUrl, {
    connectionTimeout: 1_000,
    // A client whose retries are used up stays dead after the server is back.
    maxRetries: 2 ** 31 - 1,
    // While it is down a command shall fail at once, not wait for its return.
    enableOfflineQueue: false,
  });
  try {
    await within(client.connect(), 3_000);
  } catch (cause) {
    client.close();
    throw new RedisUnavailable(`REDIS_URL: ${new URL(config.redisUrl).host} does not answer`, {
      cause,
    });
  }
  return new SharedRateLimiter(client, local, needs);
}

class SharedRateLimiter implements RateLimiter {
  /** Monotonic milliseconds. */
  #pausedUntil = 0;
  #isAway = false;

  constructor(
    private readonly client: RedisClient,
    private readonly local: LocalRateLimiter,
    private readonly needs: Needs,
  ) {}

  readonly check = async (): Promise<void> => {
    await within(this.client.send("PING", []), COMMAND_MS);
  };

  take(bucket: BucketName, key: string): Verdict | Promise<Verdict> {
    const limit = this.needs.config.rateLimits[bucket];
    if (limit === "off") return PASS;
    if (performance.now() < this.#pausedUntil) return this.#without(bucket, key);
    return this.#ask(bucket, key, limit.ratePerSecond, limit.burst);
  }

  async #ask(bucket: BucketName, key: string, rate: number, burst: number): Promise<Verdict> {
    // Contract 01 §10: long enough for a bucket to be full again, so that forgetting it changes nothing.
    const ttlSeconds = Math.max(60, Math.ceil(burst / rate) + 1);
    try {
      const args = [TAKE, "1", `rl:${bucket}:${key}`, String(rate), String(burst), `${ttlSeconds}`];
      const [taken, tokens] = (await within(this.client.send("EVAL", args), COMMAND_MS)) as [
        number,
        string,
      ];
      if (this.#isAway) {
        this.#isAway = false;
        this.needs.log.info("the store of rate limits is back");
      }
      return verdictOf(Number(tokens), taken === 1, { ratePerSecond: rate, burst });
    } catch (error) {
      this.#pausedUntil = performance.now() + PAUSE_MS;
      if (!this.#isAway) {
        this.#isAway = true;
        this.needs.log.warn("the store of rate limits does not answer: counting addresses here", {
          kind: kindOf(error),
        });
      }
      return this.#without(bucket, key);
    }
  }

  /** Strangers are still held back, by this process; who has proved who they are passes. */
  #without(bucket: BucketName, key: string): Verdict {
    this.needs.metrics.rateStoreFailures.inc();
    return bucket === "ip" ? this.local.take(bucket, key) : PASS;
  }

  close(): void {
    this.client.close();
  }
}

/** RedisClient has no timeout for a command: a silent peer would hold it for ever. */
async function within<T>(command: Promise<T>, ms: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("timeout")), ms);
  command.catch(() => {}); // its late answer may still be a rejection
  try {
    return await Promise.race([command, late]);
  } finally {
    clearTimeout(timer);
  }
}
