import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { and, eq, sql } from "drizzle-orm";
import type { Tx } from "../../db/client.ts";
import { dialect } from "../../db/dialect.ts";
import { auditEvents, auditLogs, auditNodes } from "../../db/schema/index.ts";
import { verifyAuditFile } from "../../src/cli/audit-verify-file.ts";
import { SEED_HASH } from "../../src/modules/audit/canonical.ts";
import { exportEntries, verifyLog } from "../../src/modules/audit/service.ts";
import { auditWorld } from "./support.ts";

/** Somebody with the database in their hands: the triggers are gone. Each test has a database of its own. */
async function tampered(change: (tx: Tx) => Promise<unknown>, rows = 5) {
  const mine = await auditWorld();
  const tenant = mine.deps.random.uuid();
  for (let n = 0; n < rows; n += 1)
    await mine.record({ tenantId: tenant, metadata: { n, email: "a@example.com" } });
  const ids = await mine.db.read
    .select({ id: auditEvents.id })
    .from(auditEvents)
    .orderBy(auditEvents.seq);
  const triggers = ["audit_events_no_delete", "audit_events_erasure_only"];
  const nodeTriggers =
    dialect === "postgres"
      ? ["audit_nodes_no_change"]
      : ["audit_nodes_no_delete", "audit_nodes_no_update"];
  await mine.db.transaction(async (tx) => {
    for (const [list, table] of [
      [triggers, "audit_events"],
      [nodeTriggers, "audit_nodes"],
    ] as const)
      for (const name of list)
        await rawRun(tx, `drop trigger ${name}${dialect === "postgres" ? ` on ${table}` : ""}`);
    await change(tx);
  });
  const result = await verifyLog(mine.db.read, tenant);
  const file = join(tmpdir(), `${tenant}.jsonl`);
  const lines: string[] = [];
  for await (const line of exportEntries(mine.db.read, tenant)) lines.push(line);
  writeFileSync(file, lines.join("\n"));
  const offline = await verifyAuditFile(file);
  await mine.db.close();
  return { result, offline, ids: ids.map(({ id }) => id) };
}

/** DDL has no builder; the handle of both dialects runs raw SQL by `run` or `execute`. */
async function rawRun(tx: Tx, statement: string): Promise<void> {
  // biome-ignore lint/suspicious/noExplicitAny: not in the common type, on purpose
  const handle = tx as any;
  await (handle.execute ?? handle.run).call(handle, sql.raw(statement));
}

describe("08 §12: edit metadata / delete middle row / delete tail / rebuild", () => {
  const row = (seq: number) => eq(auditEvents.seq, seq);
  const ROW = "row_hash does not match recomputed hash";
  test.each([
    {
      name: "edit metadata",
      change: (tx: Tx) => tx.update(auditEvents).set({ metadata: '{"n":9}' }).where(row(3)),
      expected: { ok: false, rowsChecked: 2, brokenReason: ROW },
      at: 3,
    },
    {
      name: "edit the plain text of a sealed member",
      change: (tx: Tx) =>
        tx.update(auditEvents).set({ metadata: '{"email":"b@example.com","n":2}' }).where(row(3)),
      expected: { ok: false, rowsChecked: 2, brokenReason: ROW },
      at: 3,
    },
    {
      name: "erase a row by half: the address stays",
      change: (tx: Tx) =>
        tx
          .update(auditEvents)
          .set({ erasedAt: new Date(0), salt: null })
          .where(row(3)),
      expected: { ok: false, rowsChecked: 2, brokenReason: ROW },
      at: 3,
    },
    {
      name: "unreadable metadata",
      change: (tx: Tx) => tx.update(auditEvents).set({ metadata: "{" }).where(row(1)),
      expected: { ok: false, rowsChecked: 0, brokenReason: ROW },
      at: 1,
    },
    {
      name: "edit an action and its row hash",
      change: (tx: Tx) => tx.update(auditEvents).set({ rowHash: SEED_HASH }).where(row(2)),
      expected: { ok: false, rowsChecked: 1, brokenReason: ROW },
      at: 2,
    },
    {
      name: "delete a middle row",
      change: (tx: Tx) => tx.delete(auditEvents).where(row(3)),
      expected: { ok: false, rowsChecked: 2, brokenReason: "sequence gap" },
      at: 4,
    },
    {
      name: "delete a middle row and close the gap",
      change: async (tx: Tx) => {
        await tx.delete(auditEvents).where(row(3));
        await tx.update(auditEvents).set({ seq: 3 }).where(row(4));
        await tx.update(auditEvents).set({ seq: 4 }).where(row(5));
      },
      expected: {
        ok: false,
        rowsChecked: 2,
        brokenReason: "prev_hash does not match preceding row_hash",
      },
      at: 4,
    },
    {
      name: "delete the tail",
      change: (tx: Tx) => tx.delete(auditEvents).where(row(5)),
      expected: { ok: false, rowsChecked: 4, brokenReason: "sequence gap" },
      offlineOk: true,
    },
    {
      name: "delete the tail and set the head back",
      change: async (tx: Tx) => {
        await tx.delete(auditEvents).where(row(5));
        await tx.update(auditLogs).set({ size: 4 });
      },
      expected: {
        ok: false,
        rowsChecked: 4,
        brokenReason: "stored tree node does not match recomputed hash",
      },
      offlineOk: true,
    },
    {
      name: "delete all rows and the head",
      change: async (tx: Tx) => {
        await tx.delete(auditEvents);
        await tx.delete(auditLogs);
      },
      expected: {
        ok: false,
        rowsChecked: 0,
        brokenReason: "stored tree node does not match recomputed hash",
      },
      offlineOk: true,
    },
    {
      name: "change the head's tip",
      change: (tx: Tx) => tx.update(auditLogs).set({ tipHash: SEED_HASH }),
      expected: {
        ok: false,
        rowsChecked: 5,
        brokenReason: "prev_hash does not match preceding row_hash",
      },
      offlineOk: true,
    },
    {
      name: "change a node of the tree",
      change: (tx: Tx) =>
        tx
          .update(auditNodes)
          .set({ hash: new Uint8Array(32) })
          .where(and(eq(auditNodes.level, 2), eq(auditNodes.idx, 0))),
      expected: {
        ok: false,
        rowsChecked: 4,
        brokenReason: "stored tree node does not match recomputed hash",
      },
      at: 4,
      offlineOk: true,
    },
    {
      name: "delete a leaf of the tree",
      change: (tx: Tx) =>
        tx.delete(auditNodes).where(and(eq(auditNodes.level, 0), eq(auditNodes.idx, 1))),
      expected: {
        ok: false,
        brokenReason: "stored tree node does not match recomputed hash",
      },
      at: 2,
      offlineOk: true,
    },
    {
      name: "nothing",
      change: async () => {},
      expected: { ok: true, rowsChecked: 5 },
      offlineOk: true,
    },
  ])("$name", async ({ change, expected, at, offlineOk = false }) => {
    const { result, offline, ids } = await tampered(change as (tx: Tx) => Promise<unknown>);
    expect(result).toMatchObject(expected as object);
    expect(result.brokenAtId).toBe(at === undefined ? undefined : ids[at - 1]);
    // A file has no head and no stored tree: it shows what its lines show.
    expect(offline.ok).toBe(offlineOk);
  });
});
