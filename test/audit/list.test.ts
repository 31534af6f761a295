import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { auditEvents } from "../../db/schema/index.ts";
import { canonicalV1, rowHashOf, SEED_HASH } from "../../src/modules/audit/canonical.ts";
import { type AuditFilter, listAudit, SCAN_LIMIT } from "../../src/modules/audit/list.ts";
import { AppError } from "../../src/platform/errors.ts";
import { type AuditWorld, auditWorld } from "./support.ts";

let world: AuditWorld;
let tenantId: string;
let [user, other, resource] = ["", "", ""];
beforeAll(async () => {
  world = await auditWorld();
});
afterAll(() => world.db.close());
beforeEach(() => {
  [tenantId, user, other, resource] = Array.from({ length: 4 }, () => world.deps.random.uuid()) as [
    string,
    string,
    string,
    string,
  ];
});

const list = (filter: AuditFilter = {}, limit = 50, cursor?: string) =>
  listAudit(world.deps, tenantId, filter, { limit, cursor });
const seqs = async (filter: AuditFilter) => (await list(filter)).items.map(({ seq }) => seq);

async function all(filter: AuditFilter, limit: number): Promise<number[]> {
  const seen: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await list(filter, limit, cursor);
    seen.push(...page.items.map(({ seq }) => seq));
    cursor = page.next_cursor;
  } while (cursor !== "");
  return seen;
}

const by = (id: string, userAgent: string | null = null) => ({
  user: { id },
  caller: { requestId: "r", ip: null, userAgent },
});

async function sixEvents() {
  const about = (id: string) => ({ type: "user", id });
  await world.record({ tenantId, action: "user.created", resource: about(resource) }, by(user));
  world.advance(1_000);
  await world.record({ tenantId, action: "user.updated", resource: about(resource) }, by(other));
  world.advance(1_000);
  await world.record({ tenantId, action: "user.updated" }, by(user, "Mozilla/5.0 Firefox"));
  world.advance(1_000);
  await world.record({
    tenantId,
    action: "tenant.updated",
    resource: { type: "tenant", id: null },
  });
  world.advance(1_000);
  await world.record({ tenantId, action: "user.updated", metadata: { note: "Ärger" } }, by(user));
  world.advance(1_000);
  await world.record(
    { tenantId, action: "role.created", resource: { type: "role", id: null } },
    by(user),
  );
  world.advance(-5_000);
}

describe("08 §12: filters action / actor / since; bad actor UUID", () => {
  test("every filter, alone and together", async () => {
    await sixEvents();
    const second = (n: number) =>
      new Date(world.deps.clock.now().getTime() + n * 1_000).toISOString();
    const rows: [AuditFilter, number[]][] = [
      [{}, [6, 5, 4, 3, 2, 1]],
      [{ action: "user.updated" }, [5, 3, 2]],
      [{ action: "user.created,role.created" }, [6, 1]],
      [{ action: "user.*" }, [5, 3, 2, 1]],
      [{ action: "user.*,tenant.updated" }, [5, 4, 3, 2, 1]],
      [{ action: "user" }, []],
      [{ resource_type: "tenant" }, [4]],
      [{ actor_type: "system" }, [4]],
      [{ actor_user_id: user }, [6, 5, 3, 1]],
      [{ actor_user_id: user.toUpperCase() }, [6, 5, 3, 1]],
      [{ resource_id: resource }, [2, 1]],
      [{ resource_id: resource, actor_user_id: user }, [1]],
      [{ resource_id: resource, actor_user_id: user, action: "user.updated" }, []],
      [{ actor_user_id: user, action: "user.updated" }, [5, 3]],
      [{ actor_user_id: user, action: "user.updated", q: "FIREFOX" }, [3]],
      [{ q: "firefox" }, [3]],
      [{ q: "ärger" }, [5]],
      [{ q: "role" }, [6]],
      [{ q: "%" }, []],
      [{ since: second(2) }, [6, 5, 4, 3]],
      [{ until: second(2) }, [2, 1]],
      [{ since: second(1), until: second(3) }, [3, 2]],
      [{ since: second(9) }, []],
      [{ until: second(-9) }, []],
      [{ since: second(2), action: "user.updated" }, [5, 3]],
    ];
    for (const [filter, expected] of rows)
      expect([filter, await seqs(filter)] as unknown).toEqual([filter, expected]);
  });

  test.each([
    [{ actor_user_id: "x" }, "invalid actor_user_id"],
    [{ resource_id: "x" }, "invalid resource_id"],
    [{ since: "yesterday" }, "invalid since"],
    [{ until: "2026-02-31T00:00:00Z" }, "invalid until"],
  ] as [AuditFilter, string][])("%p is 400 %s", async (filter, detail) => {
    await expect(list(filter)).rejects.toMatchObject({ code: "bad_request", detail });
  });

  test("01 §20: empty list: another tenant's events are not there", async () => {
    await world.record({ tenantId: world.deps.random.uuid() });
    await world.record({ tenantId: null });
    expect(await list()).toEqual({ items: [], next_cursor: "" });
  });
});

describe("paging", () => {
  test("08 §12: limit 1..n over rows sharing one timestamp: every row exactly once", async () => {
    // Format 1 came from clocks that could stand still: seven rows of one instant.
    await world.db.transaction(async (tx) => {
      for (let seq = 1; seq <= 7; seq += 1) {
        const row = {
          id: world.deps.random.uuid(),
          seq,
          tenantId,
          actorUserId: null,
          actorType: "user",
          action: "user.updated",
          resourceType: "user",
          resourceId: null,
          ip: null,
          userAgent: null,
          requestId: null,
          metadata: {},
          createdAt: "2025-01-01T00:00:00Z",
          prevHash: SEED_HASH,
        };
        const rowHash = rowHashOf(canonicalV1(row));
        await tx
          .insert(auditEvents)
          .values({ ...row, metadata: "{}", logId: tenantId, chainVersion: 1, rowHash, seals: {} });
      }
    });
    for (let limit = 1; limit <= 8; limit += 1) {
      expect(await all({}, limit)).toEqual([7, 6, 5, 4, 3, 2, 1]);
      expect(await all({ q: "user" }, limit)).toEqual([7, 6, 5, 4, 3, 2, 1]);
    }
  });

  test("a page that ends with the last event has no next_cursor; events written meanwhile change no page", async () => {
    await sixEvents();
    const first = await list({}, 3);
    await world.record({ tenantId });
    const second = await list({}, 3, first.next_cursor);
    expect(second.items.map(({ seq }) => seq)).toEqual([3, 2, 1]);
    expect(second.next_cursor).toBe("");
  });

  test("a bare event id goes on after that event", async () => {
    await sixEvents();
    const { items } = await list({}, 2);
    const { items: next } = await list({}, 2, items[1]!.id);
    expect(next.map(({ seq }) => seq)).toEqual([4, 3]);
  });

  test("08 §12: cursor garbage, cursor with other filters, of another log, unknown id: 400 invalid cursor", async () => {
    await sixEvents();
    const { next_cursor } = await list({ action: "user.updated" }, 1);
    await world.record({ tenantId: null });
    const foreign = { code: "bad_request", detail: "invalid cursor" };
    for (const cursor of ["%%%", "x", btoa("junk"), btoa("3.AAAAAAAAAAAAAAAA"), next_cursor, other])
      await expect(list({}, 1, cursor)).rejects.toMatchObject(foreign);
    expect((await list({ action: "user.updated" }, 1, next_cursor)).items).toHaveLength(1);
    await expect(
      listAudit(world.deps, other, { action: "user.updated" }, { limit: 1, cursor: next_cursor }),
    ).rejects.toBeInstanceOf(AppError);
  });

  test("a search that finds nothing within its bound answers an empty page and a cursor, and goes on from there", async () => {
    const count = SCAN_LIMIT + 300;
    const row = (n: number) => ({
      id: world.deps.random.uuid(),
      logId: tenantId,
      seq: n + 1,
      chainVersion: 1,
      tenantId,
      actorType: "user",
      action: "user.updated",
      resourceType: n === 10 ? "needle" : "user",
      metadata: "{}",
      createdAt: "2025-01-01T00:00:00Z",
      prevHash: SEED_HASH,
      rowHash: SEED_HASH,
      seals: {},
    });
    for (let n = 0; n < count; n += 100)
      await world.db.transaction(async (tx) => {
        await tx.insert(auditEvents).values(Array.from({ length: 100 }, (_, k) => row(n + k)));
      });
    const first = await list({ resource_type: "needle" });
    expect(first.items).toEqual([]);
    expect(first.next_cursor).not.toBe("");
    const second = await list({ resource_type: "needle" }, 50, first.next_cursor);
    expect(second.items.map(({ seq }) => seq)).toEqual([11]);
    expect(second.next_cursor).toBe("");
  }, 20_000);
});
