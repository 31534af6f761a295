import {
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from "node:crypto";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import { calculateJwkThumbprint } from "jose";

/** A public key as the JWKS shows it (RFC 7517). */
export type PublicJwk = Readonly<Record<string, string>> & {
  readonly kty: string;
  readonly kid: string;
  readonly alg: string;
  readonly use: "sig";
};

interface Algorithm {
  generate(): Promise<KeyObject>;
  /** Whether a key is of this algorithm's kind and strong enough. */
  suits(key: KeyObject): boolean;
  /** What `node:crypto` wants beside the key. */
  readonly options: { dsaEncoding?: "ieee-p1363" };
}

const generate = promisify(generateKeyPair);

/** RFC 7518 §3.1. A further algorithm is a further entry. */
export const ALGORITHMS = {
  ES256: {
    generate: async () => (await generate("ec", { namedCurve: "P-256" })).privateKey,
    suits: (key) =>
      key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1",
    options: { dsaEncoding: "ieee-p1363" }, // RFC 7518 §3.4: R and S, 32 bytes each, no DER
  },
  RS256: {
    generate: async () => (await generate("rsa", { modulusLength: 2048 })).privateKey,
    suits: (key) =>
      key.asymmetricKeyType === "rsa" && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= 2048,
    options: {},
  },
} as const satisfies Record<string, Algorithm>;

export type TokenAlgorithm = keyof typeof ALGORITHMS;
export const isTokenAlgorithm = (alg: unknown): alg is TokenAlgorithm =>
  typeof alg === "string" && Object.hasOwn(ALGORITHMS, alg);

/** The JWK of a public or private key, with its RFC 7638 thumbprint as `kid`. Public members only. */
export async function publicJwkOf(key: KeyObject, alg: TokenAlgorithm): Promise<PublicJwk> {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  const members = publicKey.export({ format: "jwk" }) as Record<string, string> & { kty: string };
  const kid = await calculateJwkThumbprint(members, "sha256");
  return { ...members, use: "sig", alg, kid };
}

/** Signatures, each on the thread where it costs the others least. */
export interface Signer {
  sign(alg: TokenAlgorithm, key: KeyObject, data: string): Promise<Buffer>;
  verify(alg: TokenAlgorithm, key: KeyObject, data: string, signature: Buffer): Promise<boolean>;
}

/**
 * In the runtime's thread pool while a thread of it is free, else on the main thread: a signature there costs 23 µs,
 * behind a password hash in the pool 10 ms (`docs/decisions/0010-where-signatures-run.md`).
 */
export function createSigner(
  hashesRunning: () => number,
  poolThreads = availableParallelism(),
): Signer {
  const usePool = () => hashesRunning() < poolThreads;
  return {
    sign(alg, key, data) {
      const input = { key, ...ALGORITHMS[alg].options };
      const bytes = Buffer.from(data);
      if (!usePool()) return Promise.resolve(signBytes("sha256", bytes, input));
      return new Promise((resolve, reject) => {
        signBytes("sha256", bytes, input, (error, signature) =>
          error ? reject(error) : resolve(signature),
        );
      });
    },
    verify(alg, key, data, signature) {
      const input = { key, ...ALGORITHMS[alg].options };
      const bytes = Buffer.from(data);
      if (!usePool()) return Promise.resolve(verifyBytes("sha256", bytes, input, signature));
      return new Promise((resolve, reject) => {
        verifyBytes("sha256", bytes, input, signature, (error, isValid) =>
          error ? reject(error) : resolve(isValid),
        );
      });
    },
  };
}
