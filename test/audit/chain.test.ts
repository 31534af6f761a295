import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import type { Tx } from "../../db/client.ts";
import { migrate } from "../../db/migrate.ts";
import { auditEvents, auditLogs, auditNodes } from "../../db/schema/index.ts";
import { verifyAuditFile } from "../../src/cli/audit-verify-file.ts";
import { canonicalV1, rowHashOf, SEED_HASH } from "../../src/modules/audit/canonical.ts";
import { leafHash, TreeEdge } from "../../src/modules/audit/merkle.ts";
import { auditSubjectData, exportEntries, verifyLog } from "../../src/modules/audit/service.ts";
import type { Actor, Caller } from "../../src/platform/permissions.ts";
import { freshUrl } from "../support/db.ts";
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

test("two instances write to one log at once, and neither knows of the other", async () => {
  const url = await freshUrl();
  await migrate(url, new Date());
  const [mine, theirs] = [await auditWorld({}, url), await auditWorld({}, url)];
  const write = (from: AuditWorld) =>
    Promise.all(Array.from({ length: 10 }, () => from.record({ tenantId })));
  await Promise.all([write(mine), write(theirs)]);
  expect(await verifyLog(mine.db.read, tenantId)).toMatchObject({ ok: true, rowsChecked: 20 });
  await mine.db.close();
  await theirs.db.close();
}, 20_000);
