import type { Db } from "../db/client.ts";
import type { Config } from "./config.ts";
import type { DerivedKeys } from "./platform/crypto/derived-keys.ts";
import type { Keyring } from "./platform/crypto/keyring.ts";
import type { PasswordHasher } from "./platform/crypto/passwords.ts";
import type { RemoteJwks } from "./platform/crypto/remote-jwks.ts";
import type { Sealer } from "./platform/crypto/sealing.ts";
import type { RateLimiter } from "./platform/http/rate.ts";
import type { Log } from "./platform/log.ts";
import type { Metrics } from "./platform/metrics.ts";
import type { CachedClient } from "./platform/oauth-client.ts";
import type { Outbound } from "./platform/outbound.ts";
import type { PrincipalCache } from "./platform/principal-cache.ts";
import type { SubjectData } from "./platform/subject-data.ts";
import type { Touches } from "./platform/touches.ts";

/** Everything the program asks of the outside world. Built once, by `createDeps`; tests build their own. */
export interface Deps {
  readonly config: Config;
  readonly db: Db;
  /** The only source of time. Instants are `Date`s; durations are numbers named …Ms or …Seconds. */
  readonly clock: { now(): Date };
  /** The only source of randomness: cryptographically secure outside of tests. `uuid` is version 7, of the clock's time. */
  readonly random: { bytes(length: number): Uint8Array; uuid(): string };
  readonly log: Log;
  readonly metrics: Metrics;
  /** Signs and verifies tokens; publishes the JWKS. */
  readonly keyring: Keyring;
  /** Seals what must be read back (contract 08 §6). */
  readonly sealer: Sealer;
  readonly passwords: PasswordHasher;
  /** HMAC keys by purpose: CSRF, one-time codes, lockout, cookies. */
  readonly derivedKeys: DerivedKeys;
  readonly rate: RateLimiter;
  /** Whom a credential named a moment ago; forgotten when what it rests on changes. */
  readonly principals: PrincipalCache;
  /** OAuth clients and service principals by client_id, likewise. Tags `client:…` (row id) and `tenant:…`. */
  readonly clients: PrincipalCache<CachedClient>;
  /** Notes what was used just now, off the request's path. */
  readonly touches: Touches;
  readonly outbound: Outbound;
  /** Keys that clients publish at a `jwks_uri`. */
  readonly remoteJwks: RemoteJwks;
  readonly subjectData: SubjectData;
}
