import type { Db } from "../../db/client.ts";
import { createKeyring, type Keyring } from "../../src/platform/crypto/keyring.ts";
import { createSealer, keysInMemory } from "../../src/platform/crypto/sealing.ts";
import { createSigner } from "../../src/platform/crypto/signer.ts";
import { freshDb } from "../support/db.ts";

export const ISSUER = "https://id.example.com";
export const AUDIENCE = "qeet-identity";
export const ROOT = new Uint8Array(32).fill(7);
export const START = new Date("2026-01-01T00:00:00.000Z");

const opened: Db[] = [];

/** A fresh database for one test; `closeDbs` goes into `afterEach`. */
export async function openDb(): Promise<Db> {
  const db = await freshDb();
  opened.push(db);
  return db;
}

export async function closeDbs(): Promise<void> {
  await Promise.all(opened.splice(0).map((db) => db.close()));
}

/** A keyring over `db`, as one instance of many has it, with time in the test's hands. */
export async function openRing(
  db: Db,
  overrides: Partial<Parameters<typeof createKeyring>[0]["config"]> = {},
  root = ROOT,
) {
  let now = START;
  const warnings: string[] = [];
  const deps = {
    config: {
      jwtIssuer: ISSUER,
      jwtLegacyIssuers: [],
      jwtAudience: AUDIENCE,
      jwtSigningKey: null,
      jwtRetiredKeys: null,
      ...overrides,
    },
    db,
    clock: { now: () => now },
    log: { warn: (message: string) => void warnings.push(message) },
    sealer: createSealer(keysInMemory(root, [])),
    signer: createSigner(() => 0),
  };
  const ring = await createKeyring(deps);
  return {
    ring,
    warnings,
    clock: deps.clock,
    advance(ms: number) {
      now = new Date(now.getTime() + ms);
    },
    rotate: (alg: "ES256" | "RS256" = "ES256") => rotate(db, ring, now, alg),
  };
}

export async function rotate(db: Db, ring: Keyring, at: Date, alg: "ES256" | "RS256" = "ES256") {
  const key = await ring.prepare(alg);
  await db.transaction(async (tx) => void (await ring.activate(tx, key, at)));
  await ring.reload();
  return key.publicJwk.kid;
}

export const seconds = (at: Date): number => Math.floor(at.getTime() / 1000);
