import { randomBytes } from "node:crypto";
import type { Db, Tx } from "../../db/client.ts";
import { testConfig } from "../../src/config.ts";
import type { Deps } from "../../src/deps.ts";
import { type AuditEntry, type Author, recordAudit } from "../../src/modules/audit/service.ts";
import { createDerivedKeys } from "../../src/platform/crypto/derived-keys.ts";
import { createRandom } from "../../src/platform/random.ts";
import { freshDb } from "../support/db.ts";

/** The part of the program that a log needs, on a database of its own and a clock that the test moves. */
export async function auditWorld() {
  const db: Db = await freshDb();
  let now = new Date("2026-01-02T03:04:05.000Z");
  const clock = { now: () => now };
  const silent = () => {};
  // Only what the code under test uses: a missing part fails the test at once.
  const deps = {
    config: testConfig(),
    db,
    clock,
    random: createRandom(clock, randomBytes),
    log: { debug: silent, info: silent, warn: silent, error: silent },
    derivedKeys: createDerivedKeys({ jwtSecret: null, rootKey: new Uint8Array(32) }),
  } as unknown as Deps;
  return {
    db,
    deps,
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
