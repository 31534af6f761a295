import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import type { Db, Tx } from "../../../db/client.ts";
import type { Config } from "../../config.ts";
import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { Recent } from "../recent.ts";
import { type DecodedJws, decodeJws, encodeJws } from "./jws.ts";
import { activateKey, readKeys, type SigningKeyRow } from "./keyring-store.ts";
import { parsePublicKeys } from "./pem.ts";
import type { Sealer } from "./sealing.ts";
import {
  ALGORITHMS,
  isTokenAlgorithm,
  type PublicJwk,
  publicJwkOf,
  type Signer,
  type TokenAlgorithm,
} from "./signer.ts";

export type { PublicJwk, TokenAlgorithm } from "./signer.ts";
export type Claims = Readonly<Record<string, unknown>>;

/** Signs and verifies this server's own tokens, and publishes what others need to do so. */
export interface Keyring {
  /** A compact JWS under the active key of `alg`. `claims` are taken as they are. */
  sign(alg: TokenAlgorithm, header: { typ: string }, claims: Claims): Promise<string>;
  /**
   * The claims of a token that this server issued and that is valid now. Anything else throws one and the same
   * `unauthorized`, which tells nothing of the reason.
   */
  verify(jwt: string, expected: Expected): Promise<Claims>;
  /** RFC 7517 §5: active keys, and retired ones for 30 days. */
  jwks(): Promise<{ keys: readonly PublicJwk[] }>;
  /** Every key there is, the newest first. No private half. */
  list(): Promise<readonly ListedKey[]>;
  /** Generates and seals a key pair, outside of any transaction. */
  prepare(alg: TokenAlgorithm): Promise<PreparedKey>;
  /** Makes a prepared key the active one. Answers the `kid` that it replaced, whose private half is deleted. */
  activate(tx: Tx, key: PreparedKey, at: Date): Promise<string | undefined>;
  /** Reads the keys anew. Without, a change made elsewhere is seen within five seconds. */
  reload(): Promise<void>;
  /** The private half of an active key, PKCS#8 PEM; undefined for another. For `keys export` alone. */
  exportPrivate(kid: string): Promise<string | undefined>;
}

export interface Expected {
  /** `at+jwt` for access tokens (RFC 9068 §2.1), `JWT` for ID tokens: exactly. */
  readonly typ: string;
  /** Default: ES256 alone. */
  readonly algorithms?: readonly TokenAlgorithm[];
  /** Default: this server's own, `JWT_AUDIENCE`. `null`: whoever. */
  readonly audience?: string | null;
  /** For an `id_token_hint`: genuine is enough, it may have expired (RP-Initiated Logout 1.0 §4). */
  readonly evenExpired?: boolean;
}

export interface PreparedKey {
  readonly alg: TokenAlgorithm;
  readonly publicJwk: PublicJwk;
  readonly privateSealed: Uint8Array;
}

export interface ListedKey {
  readonly kid: string;
  readonly alg: TokenAlgorithm;
  readonly status: "active" | "retired";
  /** Both null for keys of `JWT_RETIRED_KEYS`: they count as long as the operator lists them. */
  readonly createdAt: Date | null;
  readonly retiredAt: Date | null;
  readonly publicJwk: PublicJwk;
}

export interface KeyringDeps {
  readonly config: Pick<
    Config,
    "jwtIssuer" | "jwtLegacyIssuers" | "jwtAudience" | "jwtSigningKey" | "jwtRetiredKeys"
  >;
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Pick<Log, "warn">;
  /** Under the root key, whatever `SECRETS_KEY` says (contract 00 §58). */
  readonly sealer: Sealer;
  readonly signer: Signer;
}

interface KnownKey extends ListedKey {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject | undefined;
}

/** Contract 00 §56. */
const RETIRED_FOR_MS = 30 * 24 * 3_600_000;
const STALE_AFTER_MS = 5_000;
/** A stranger may send any number of unknown `kid`s. */
const UNKNOWN_KID_PAUSE_MS = 1_000;
/** For other instances' clocks. Never on `exp` (contract 01 §6.1). */
const LEEWAY_SECONDS = 5;

const sealContext = (kid: string) => ({ tenantId: null, label: "signing_key", id: kid });
const refused = () => new AppError("unauthorized");

/**
 * Opens the keyring: brings in the operator's `JWT_SIGNING_KEY`, and on a fresh database makes one key for each
 * algorithm. Instances that start together end with the same keys. Throws for a `JWT_SIGNING_KEY` that is no
 * P-256 private key, and SealBroken for keys that the root key does not open.
 */
export async function createKeyring(deps: KeyringDeps): Promise<Keyring> {
  const { db, clock, config } = deps;
  const ring = new Ring(deps, await retiredKeysOf(deps));
  await ring.reload();

  const offers: PreparedKey[] = [];
  if (config.jwtSigningKey !== null) {
    const key = await ring.seal("ES256", createPrivateKey(config.jwtSigningKey));
    if (ring.activeKid("ES256") !== key.publicJwk.kid)
      await db.transaction((tx) => activateKey(tx, key, clock.now()));
    await ring.reload();
  }
  for (const alg of Object.keys(ALGORITHMS) as TokenAlgorithm[])
    if (ring.activeKid(alg) === undefined) offers.push(await ring.prepare(alg));
  if (offers.length > 0) {
    await db.transaction(async (tx) => {
      for (const key of offers) await activateKey(tx, key, clock.now(), { unlessActive: true });
    });
    await ring.reload();
  }
  return ring;
}

/** `JWT_RETIRED_KEYS`: verify only. What does not parse is skipped, and said (contract 01 §6.1). */
async function retiredKeysOf({ config, log }: KeyringDeps): Promise<KnownKey[]> {
  if (config.jwtRetiredKeys === null) return [];
  const { keys, unusable } = parsePublicKeys(config.jwtRetiredKeys);
  const known: KnownKey[] = [];
  let skipped = unusable;
  for (const publicKey of keys) {
    const alg = (Object.keys(ALGORITHMS) as TokenAlgorithm[]).find((name) =>
      ALGORITHMS[name].suits(publicKey),
    );
    if (!alg) {
      skipped += 1;
      continue;
    }
    const publicJwk = await publicJwkOf(publicKey, alg);
    const { kid } = publicJwk;
    const ages = { createdAt: null, retiredAt: null, status: "retired" } as const;
    known.push({ kid, alg, publicJwk, publicKey, privateKey: undefined, ...ages });
  }
  if (skipped > 0) log.warn("JWT_RETIRED_KEYS: some blocks are no usable public key", { skipped });
  return known;
}

function isTrusted(key: KnownKey, now: Date): boolean {
  return key.retiredAt === null || now.getTime() - key.retiredAt.getTime() < RETIRED_FOR_MS;
}

class Ring implements Keyring {
  #keys: ReadonlyMap<string, KnownKey> = new Map();
  #loadedAtMs = Number.NEGATIVE_INFINITY;
  #loads = 0;
  #appliedLoad = 0;
  #refreshing: Promise<void> | undefined;
  /**
   * Tokens whose signature was found good: the same bytes under the same key (`kid` is its thumbprint) stay good,
   * and a busy client sends them with each request. Everything else about a token is judged every time.
   */
  readonly #proved = new Recent<DecodedJws>(10_000);

  constructor(
    private readonly deps: KeyringDeps,
    private readonly retiredByConfig: readonly KnownKey[],
  ) {}

  async sign(alg: TokenAlgorithm, { typ }: { typ: string }, claims: Claims): Promise<string> {
    if (this.#isOlderThan(STALE_AFTER_MS)) await this.#refresh();
    const key = this.#active(alg);
    if (!key?.privateKey) throw new Error(`no active ${alg} key`);
    const input = encodeJws({ alg, kid: key.kid, typ }, claims);
    const signature = await this.deps.signer.sign(alg, key.privateKey, input);
    return `${input}.${signature.toString("base64url")}`;
  }

  async verify(jwt: string, expected: Expected): Promise<Claims> {
    const { typ, algorithms = ["ES256"], audience = this.deps.config.jwtAudience } = expected;
    const { evenExpired = false } = expected;
    const proved = this.#proved.get(jwt);
    const jws = proved ?? decodeJws(jwt);
    if (!jws) throw refused();
    const { header, claims, input, signature } = jws;
    // RFC 8725 §3.1, §3.11: algorithm and type are ours to say. RFC 7515 §4.1.11: no extension is understood here, so
    // `crit` refuses. `jwk`, `jku` and `x5u` are never looked at: a key is known by its `kid`, or not at all.
    if (header.typ !== typ || "crit" in header || typeof header.kid !== "string") throw refused();
    const key = await this.#find(header.kid);
    if (!key || header.alg !== key.alg || !algorithms.includes(key.alg)) throw refused();
    const now = this.deps.clock.now();
    if (!isTrusted(key, now) || !this.#isValidAt(now, claims, { audience, evenExpired }))
      throw refused();
    if (!proved) {
      if (!(await this.deps.signer.verify(key.alg, key.publicKey, input, signature)))
        throw refused();
      this.#proved.set(jwt, jws);
    }
    return claims;
  }

  #isValidAt(
    now: Date,
    { iss, aud, exp, nbf, iat }: Claims,
    { audience, evenExpired }: { audience: string | null; evenExpired: boolean },
  ): boolean {
    const { jwtIssuer, jwtLegacyIssuers } = this.deps.config;
    const nowSeconds = now.getTime() / 1000;
    const isForUs = aud === audience || (Array.isArray(aud) && aud.includes(audience));
    const isOurs = iss === jwtIssuer || jwtLegacyIssuers.includes(iss as string);
    if (!isOurs || (audience !== null && !isForUs)) return false;
    if (typeof exp !== "number") return false;
    if (exp <= nowSeconds && !evenExpired) return false; // RFC 7519 §4.1.4: "on or after"
    return [nbf, iat].every(
      (from) =>
        from === undefined || (typeof from === "number" && from <= nowSeconds + LEEWAY_SECONDS),
    );
  }

  async jwks(): Promise<{ keys: readonly PublicJwk[] }> {
    if (this.#isOlderThan(STALE_AFTER_MS)) await this.#refresh();
    const now = this.deps.clock.now();
    const keys = [...this.#keys.values()].filter((key) => isTrusted(key, now));
    // Some verifiers know EC alone and look at the first key.
    keys.sort((a, b) => a.alg.localeCompare(b.alg));
    return { keys: keys.map((key) => key.publicJwk) };
  }

  async list(): Promise<readonly ListedKey[]> {
    await this.reload();
    return [...this.#keys.values()].map(({ publicKey: _, privateKey: __, ...listed }) => listed);
  }

  async prepare(alg: TokenAlgorithm): Promise<PreparedKey> {
    return this.seal(alg, await ALGORITHMS[alg].generate());
  }

  async seal(alg: TokenAlgorithm, key: KeyObject): Promise<PreparedKey> {
    if (!ALGORITHMS[alg].suits(key)) throw new Error(`not a private key for ${alg}`);
    const publicJwk = await publicJwkOf(key, alg);
    const der = key.export({ format: "der", type: "pkcs8" });
    return {
      alg,
      publicJwk,
      privateSealed: await this.deps.sealer.seal(der, sealContext(publicJwk.kid)),
    };
  }

  activate(tx: Tx, key: PreparedKey, at: Date): Promise<string | undefined> {
    return activateKey(tx, key, at);
  }

  async exportPrivate(kid: string): Promise<string | undefined> {
    await this.reload();
    const key = this.#keys.get(kid)?.privateKey;
    return key?.export({ format: "pem", type: "pkcs8" }) as string | undefined;
  }

  activeKid(alg: TokenAlgorithm): string | undefined {
    return this.#active(alg)?.kid;
  }

  async reload(): Promise<void> {
    this.#loads += 1;
    const load = this.#loads;
    const startedMs = performance.now();
    const keys = new Map<string, KnownKey>();
    for (const row of await readKeys(this.deps.db.read)) {
      const key = await this.#fromRow(row);
      if (key) keys.set(key.kid, key);
    }
    for (const key of this.retiredByConfig)
      if (keys.get(key.kid)?.status !== "active") keys.set(key.kid, key);
    if (load < this.#appliedLoad) return; // one that began later has read something newer
    this.#appliedLoad = load;
    this.#loadedAtMs = startedMs;
    this.#keys = keys;
  }

  /** Opens a row, or takes what was opened before: key objects are costly to make. */
  async #fromRow(row: SigningKeyRow): Promise<KnownKey | undefined> {
    const { kid, alg, status, privateSealed, createdAt, retiredAt } = row;
    if (!isTokenAlgorithm(alg)) return undefined; // of a later version of this program
    const publicJwk = row.publicJwk as PublicJwk;
    const before = this.#keys.get(kid);
    const publicKey =
      before?.publicKey ?? createPublicKey({ key: publicJwk as JsonWebKey, format: "jwk" });
    let privateKey: KeyObject | undefined;
    if (status === "active" && privateSealed !== null)
      privateKey = before?.privateKey ?? (await this.#unseal(kid, privateSealed));
    return { kid, alg, status, createdAt, retiredAt, publicJwk, publicKey, privateKey };
  }

  async #unseal(kid: string, sealed: Uint8Array): Promise<KeyObject> {
    const der = await this.deps.sealer.open(sealed, sealContext(kid));
    return createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
  }

  #active(alg: TokenAlgorithm): KnownKey | undefined {
    for (const key of this.#keys.values())
      if (key.alg === alg && key.status === "active") return key;
    return undefined;
  }

  /** Another instance may have rotated a moment ago: an unknown `kid` is worth a look, now and then. */
  async #find(kid: string): Promise<KnownKey | undefined> {
    const key = this.#keys.get(kid);
    if (key && !this.#isOlderThan(STALE_AFTER_MS)) return key;
    if (key || this.#isOlderThan(UNKNOWN_KID_PAUSE_MS)) await this.#refresh();
    return this.#keys.get(kid);
  }

  #isOlderThan(ageMs: number): boolean {
    return performance.now() - this.#loadedAtMs > ageMs;
  }

  /** What is known still serves while the database can't be read. */
  async #refresh(): Promise<void> {
    this.#refreshing ??= this.reload()
      .catch(() => this.deps.log.warn("signing keys could not be read anew"))
      .finally(() => {
        this.#refreshing = undefined;
      });
    await this.#refreshing;
  }
}
