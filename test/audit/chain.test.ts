import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { and, eq, sql } from "drizzle-orm";
import type { Tx } from "../../db/client.ts";
import { dialect } from "../../db/dialect.ts";
import { auditEvents, auditLogs, auditNodes } from "../../db/schema/index.ts";
import { verifyAuditFile } from "../../src/cli/audit-verify-file.ts";
import { canonicalV1, rowHashOf, SEED_HASH } from "../../src/modules/audit/canonical.ts";
import { leafHash, TreeEdge } from "../../src/modules/audit/merkle.ts";
import { auditSubjectData, exportEntries, verifyLog } from "../../src/modules/audit/service.ts";
import type { Actor, Caller } from "../../src/platform/permissions.ts";
import { type AuditWorld, auditWorld } from "./support.ts";

let world: AuditWorld;
let tenantId: string;
beforeAll(async () => {
  world = await auditWorld();
});
afterAll(() => world.db.close());
beforeEach(() => {
  tenantId = world.deps.random.uuid();
});

const caller: Caller = { requestId: "req-1", ip: "203.0.113.7", userAgent: "curl/8.9" };
const verify = () => verifyLog(world.db.read, tenantId);
const logOf = () =>
  world.db.read
    .select()
    .from(auditEvents)
    .where(eq(auditEvents.logId, tenantId))
    .orderBy(auditEvents.seq);

describe("append", () => {
  test("08 §12: 200 concurrent audited writes, one tenant, then verify; clock set back 1 h", async () => {
    await Promise.all(Array.from({ length: 100 }, () => world.record({ tenantId })));
    world.advance(-3_600_000);
    await Promise.all(Array.from({ length: 100 }, () => world.record({ tenantId })));
    world.advance(3_600_000);
    expect(await verify()).toMatchObject({ ok: true, rowsChecked: 200 });
    const rows = await logOf();
    expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: 200 }, (_, n) => n + 1));
    expect(rows[0]!.createdAt).toBe("2026-01-02T03:04:05Z");
    expect(rows[1]!.createdAt).toBe("2026-01-02T03:04:05.000001Z");
    expect(rows[199]!.createdAt).toBe("2026-01-02T03:04:05.000199Z");
  });

  test('08 §12: user agent with <>&"\\, U+2028, emoji, lone surrogate; IPv6', async () => {
    const userAgent = '<>&"\\ \u2028 \u{1f600} \ud800 \0';
    await world.record(
      { tenantId, metadata: { display_name: userAgent, note: userAgent } },
      {
        ...caller,
        ip: "2001:db8::1",
        userAgent,
      },
    );
    expect(await verify()).toMatchObject({ ok: true, rowsChecked: 1 });
    const [row] = await logOf();
    expect(row!.userAgent).toBe('<>&"\\ \u2028 \u{1f600} \ufffd \ufffd');
  });

  test("a rolled-back transaction leaves no row, no node and the head as it was", async () => {
    await world.record({ tenantId });
    const failed = world.db.transaction(async (tx: Tx) => {
      const { recordAudit } = await import("../../src/modules/audit/service.ts");
      const entry = { tenantId, action: "user.updated", resource: { type: "user", id: null } };
      await recordAudit(world.deps, tx, { system: true }, entry as never);
      throw new Error("no");
    });
    await expect(failed).rejects.toThrow("no");
    await world.record({ tenantId });
    expect(await verify()).toMatchObject({ ok: true, rowsChecked: 2 });
  });

  test("who acted: a key and a service say which, a user at a client says the client, a plain caller nobody", async () => {
    const actor = (part: Partial<Actor>) =>
      ({ userId: null, clientId: null, caller, ...part }) as unknown as Actor;
    const key = world.deps.random.uuid();
    const client = world.deps.random.uuid();
    const user = world.deps.random.uuid();
    await world.record({ tenantId }, actor({ kind: "api_key", subject: key }));
    await world.record({ tenantId }, actor({ kind: "service", subject: "s", clientId: client }));
    await world.record({ tenantId }, actor({ kind: "user", subject: user, userId: user }));
    await world.record({ tenantId }, actor({ kind: "oauth", userId: user, clientId: "qci_1" }));
    await world.record({ tenantId }, caller);
    await world.record({ tenantId }, { system: true });
    const seen = (await logOf()).map((row) => [row.actorType, row.actorUserId, row.metadata]);
    expect(seen).toEqual([
      ["api_key", null, `{"actor_key_id":"${key}"}`],
      ["service", null, `{"actor_client_id":"${client}"}`],
      ["user", user, "{}"],
      ["user", user, '{"actor_client_id":"qci_1"}'],
      ["user", null, "{}"],
      ["system", null, "{}"],
    ]);
    expect(await verify()).toMatchObject({ ok: true, rowsChecked: 6 });
  });

  test("a resource id that is no UUID is a bug", async () => {
    const resource = { type: "key", id: "kid" };
    await expect(world.record({ tenantId, resource })).rejects.toThrow(TypeError);
  });

  test("the database refuses to change or delete a row", async () => {
    await world.record({ tenantId });
    const attempts: ((tx: Tx) => Promise<unknown>)[] = [
      (tx: Tx) => tx.delete(auditEvents).where(eq(auditEvents.logId, tenantId)),
      (tx: Tx) =>
        tx.update(auditEvents).set({ action: "x" }).where(eq(auditEvents.logId, tenantId)),
      (tx: Tx) => tx.delete(auditNodes).where(eq(auditNodes.logId, tenantId)),
      (tx: Tx) => tx.update(auditNodes).set({ idx: 9 }).where(eq(auditNodes.logId, tenantId)),
    ];
    for (const attempt of attempts)
      await expect(world.db.transaction(async (tx) => void (await attempt(tx)))).rejects.toThrow();
    expect(await verify()).toMatchObject({ ok: true, rowsChecked: 1 });
  });
});

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

describe("erasure", () => {
  test("08 §12: verify after GDPR erasure of an actor: still ok; ip null, seals unchanged", async () => {
    const userId = world.deps.random.uuid();
    await world.record(
      {
        tenantId,
        resource: { type: "user", id: userId },
        metadata: { email: "a@b.example", n: 1 },
      },
      caller,
    );
    await world.record({ tenantId }, { user: { id: userId }, caller });
    await world.record({ tenantId }, caller);
    const before = await logOf();
    const { erase } = auditSubjectData[0]!;
    if (typeof erase !== "function") throw new Error("audit events are erased by a function");
    const at = new Date("2026-02-01T00:00:00.000Z");
    await world.db.transaction((tx) => erase(tx, userId, at));

    const after = await logOf();
    expect(after.map(({ ip, userAgent, erasedAt }) => [ip, userAgent, erasedAt])).toEqual([
      [null, null, at],
      [null, null, at],
      ["203.0.113.7", "curl/8.9", null],
    ]);
    expect(after[0]!.metadata).toBe('{"email":null,"n":1}');
    expect(after.slice(0, 2).map(({ salt }) => salt)).toEqual([null, null]);
    expect(after.map(({ seals }) => seals)).toEqual(before.map(({ seals }) => seals));
    expect(await verify()).toMatchObject({ ok: true, rowsChecked: 3 });

    const file = join(tmpdir(), `${tenantId}.jsonl`);
    const lines: string[] = [];
    for await (const line of exportEntries(world.db.read, tenantId)) lines.push(line);
    writeFileSync(file, lines.join("\n"));
    const { rootHash } = await verify();
    expect(await verifyAuditFile(file)).toEqual({
      ok: true,
      entries: 3,
      rootHash: Buffer.from(rootHash).toString("base64"),
    });
  });
});

test("08 §2.4: rows of format 1 and 2 follow each other in one chain", async () => {
  const id = world.deps.random.uuid();
  const row = {
    id,
    seq: 1,
    tenantId,
    actorUserId: null,
    actorType: "user",
    action: "tenant.created",
    resourceType: "tenant",
    resourceId: tenantId,
    ip: "203.0.113.7",
    userAgent: "<x>",
    requestId: null,
    metadata: { name: "A&B" },
    createdAt: "2025-01-02T03:04:05Z",
    prevHash: SEED_HASH,
  };
  const canonical = canonicalV1(row);
  const edge = new TreeEdge();
  const [leaf] = edge.append(leafHash(canonical));
  await world.db.transaction(async (tx) => {
    const rowHash = rowHashOf(canonical);
    await tx.insert(auditEvents).values({
      ...row,
      metadata: JSON.stringify(row.metadata),
      logId: tenantId,
      chainVersion: 1,
      rowHash,
      seals: {},
    });
    await tx.insert(auditNodes).values({ logId: tenantId, ...leaf! });
    await tx.insert(auditLogs).values({
      logId: tenantId,
      size: 1,
      tipHash: rowHash,
      lastCreatedAt: row.createdAt,
      edge: edge.bytes(),
    });
  });
  await world.record({ tenantId });
  await world.record({ tenantId });
  expect(await verify()).toMatchObject({ ok: true, rowsChecked: 3 });
});

test("an empty log is in order, and its root is the hash of nothing", async () => {
  const { ok, rowsChecked, rootHash } = await verify();
  expect([ok, rowsChecked]).toEqual([true, 0]);
  expect(Buffer.from(rootHash).toString("base64")).toBe(
    "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
  );
});

test("a log that spans batches verifies, and its file too", async () => {
  const mine = await auditWorld();
  const tenant = mine.deps.random.uuid();
  const { recordAudit } = await import("../../src/modules/audit/service.ts");
  for (let batch = 0; batch < 3; batch += 1)
    await mine.db.transaction(async (tx) => {
      for (let n = 0; n < 500; n += 1)
        await recordAudit(mine.deps, tx, caller, {
          tenantId: tenant,
          action: "user.updated",
          resource: { type: "user", id: null },
          metadata: { n },
        });
    });
  const result = await verifyLog(mine.db.read, tenant);
  expect(result).toMatchObject({ ok: true, rowsChecked: 1500 });
  await mine.db.close();
}, 20_000);
