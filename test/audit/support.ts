import { randomBytes } from "node:crypto";
import { type Db, openDatabase, type Tx } from "../../db/client.ts";
import { type Config, testConfig } from "../../src/config.ts";
import type { Deps } from "../../src/deps.ts";
import { type AuditEntry, type Author, recordAudit } from "../../src/modules/audit/service.ts";
import { createDerivedKeys } from "../../src/platform/crypto/derived-keys.ts";
import { createSealer, keysInMemory } from "../../src/platform/crypto/sealing.ts";
import { createOutbound } from "../../src/platform/outbound.ts";
import { createRandom } from "../../src/platform/random.ts";
import { freshDb } from "../support/db.ts";

/** The part of the program that a log needs, on a database of its own and a clock that the test moves. */
export async function auditWorld(overrides: Partial<Config> = {}, url?: string) {
  const db: Db = url === undefined ? await freshDb() : await openDatabase({ url });
  let now = new Date("2026-01-02T03:04:05.000Z");
  const clock = { now: () => now };
  const logged: { level: string; message: string; fields: unknown }[] = [];
  const write = (level: string) => (message: string, fields?: unknown) =>
    void logged.push({ level, message, fields });
  // Only what the code under test uses: a missing part fails the test at once.
  const deps = {
    config: testConfig(overrides),
    db,
    clock,
    random: createRandom(clock, randomBytes),
    log: { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") },
    sealer: createSealer(keysInMemory(new Uint8Array(32).fill(7), [])),
    outbound: createOutbound({ publicUrl: "http://localhost:4000" }),
    derivedKeys: createDerivedKeys({ jwtSecret: null, rootKey: new Uint8Array(32) }),
  } as unknown as Deps;
  return {
    db,
    deps,
    logged,
    advance(ms: number) {
      now = new Date(now.getTime() + ms);
    },
    record: (
      entry: Partial<AuditEntry> & { tenantId: string | null },
      by: Author = { system: true },
    ) =>
      db.transaction(
        (tx: Tx) =>
          recordAudit(deps, tx, by, {
            action: "user.updated",
            resource: { type: "user", id: null },
            ...entry,
          }),
        { serializeOn: entry.tenantId ?? "platform" },
      ),
  };
}

export type AuditWorld = Awaited<ReturnType<typeof auditWorld>>;
