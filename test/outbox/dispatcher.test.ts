import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { deadLetters, outboxEvents } from "../../db/schema/index.ts";
import { createDispatcher } from "../../src/modules/outbox/dispatcher.ts";
import { janitorJob } from "../../src/modules/outbox/janitor.ts";
import type { Publisher } from "../../src/modules/outbox/publishers.ts";
import { enqueue, outboxSubjectData } from "../../src/modules/outbox/service.ts";
import { AppError } from "../../src/platform/errors.ts";
import { type AuditWorld, auditWorld } from "../audit/support.ts";

let world: AuditWorld;
beforeEach(async () => {
  world = await auditWorld();
});
afterEach(() => world.db.close());

const never = new AbortController().signal;
const rows = () => world.db.read.select().from(outboxEvents).orderBy(outboxEvents.id);
const dead = () => world.db.read.select().from(deadLetters);

async function queue(count: number, tenantId: string | null = null): Promise<string[]> {
  const ids = Array.from({ length: count }, () => world.deps.random.uuid());
  await world.db.transaction(async (tx) => {
    for (const id of ids)
      await enqueue(world.deps, tx, {
        type: "user.updated",
        tenantId,
        aggregateId: id,
        payload: { id, changed: ["display_name"] },
      });
  });
  return ids;
}

/** Writes down what it hears; throws for those in `refused`. */
function recorder(refused: ReadonlySet<string> = new Set()) {
  const heard: string[] = [];
  const publisher: Publisher = {
    name: "recorder",
    async publish(_deps, tx, event) {
      if (refused.has(event.aggregateId)) throw new AppError("internal", "broken");
      tx.afterCommit(() => heard.push(event.aggregateId));
    },
  };
  return { heard, publisher };
}

test("every event once, oldest first, over several batches; the second pass has nothing to do", async () => {
  const ids = await queue(120);
  const { heard, publisher } = recorder();
  const job = createDispatcher([publisher]);
  await job.run(world.deps, never);
  expect(heard).toEqual(ids);
  await job.run(world.deps, never);
  expect(heard).toHaveLength(120);
  expect((await rows()).every(({ publishedAt, dueAt }) => publishedAt && dueAt === null)).toBe(
    true,
  );
});

test("without publishers events are just marked", async () => {
  await queue(3);
  await createDispatcher([]).run(world.deps, never);
  expect((await rows()).every(({ publishedAt }) => publishedAt !== null)).toBe(true);
});

test("01 §20: two replicas dispatch at once: each event delivered once", async () => {
  const ids = await queue(200);
  const { heard, publisher } = recorder();
  const jobs = Array.from({ length: 4 }, () => createDispatcher([publisher]));
  await Promise.all(jobs.map((job) => job.run(world.deps, never)));
  for (const job of jobs) await job.run(world.deps, never);
  expect(heard.toSorted()).toEqual(ids.toSorted());
});

test("a rolled-back transaction queues nothing", async () => {
  const failed = world.db.transaction(async (tx) => {
    await enqueue(world.deps, tx, {
      type: "user.updated",
      tenantId: null,
      aggregateId: world.deps.random.uuid(),
      payload: {},
    });
    throw new Error("no");
  });
  await expect(failed).rejects.toThrow("no");
  expect(await rows()).toEqual([]);
});

describe("failures", () => {
  test("01 §20: publisher fails 10 times: the row is a dead letter; it waited 2, 4, 8 … 300 s, and held up no other", async () => {
    const ids = await queue(5);
    const { heard, publisher } = recorder(new Set([ids[2]!]));
    const job = createDispatcher([publisher]);
    await job.run(world.deps, never);
    expect(heard).toEqual(ids.toSpliced(2, 1));
    for (const seconds of [2, 4, 8, 16, 32, 64, 128, 256, 300]) {
      const [row] = (await rows()).filter(({ publishedAt }) => publishedAt === null);
      expect(row!.dueAt!.getTime() - row!.lastAttemptAt!.getTime()).toBe(seconds * 1000);
      const before = row!.attempts;
      world.advance(seconds * 1000 - 1);
      await job.run(world.deps, never); // not yet
      expect((await rows()).find(({ id }) => id === row!.id)!.attempts).toBe(before);
      world.advance(1);
      await job.run(world.deps, never);
    }
    // The tenth failure.
    expect(await rows()).toHaveLength(4);
    expect(await dead()).toMatchObject([
      {
        aggregateId: ids[2]!,
        attempts: 10,
        lastError: "AppError internal",
        eventType: "user.updated",
      },
    ]);
  });

  test("a dispatcher that dies with events in hand holds them up for one lease", async () => {
    await queue(2);
    const ids = (await rows()).map(({ id }) => id);
    const { claimEvents } = await import("../../src/modules/outbox/store.ts");
    const now = world.deps.clock.now();
    await world.db.transaction((tx) => claimEvents(tx, ids, now, new Date(now.getTime() + 30_000)));
    const { heard, publisher } = recorder();
    const job = createDispatcher([publisher]);
    await job.run(world.deps, never);
    expect(heard).toEqual([]);
    world.advance(30_000);
    await job.run(world.deps, never);
    expect(heard).toHaveLength(2);
  });

  test("a lease that ran out while its holder was publishing: the second holder delivers, the first does not", async () => {
    await queue(1);
    const { heard, publisher } = recorder();
    const { claimEvents, markPublished } = await import("../../src/modules/outbox/store.ts");
    const ids = (await rows()).map(({ id }) => id);
    const now = world.deps.clock.now();
    const first = await world.db.transaction((tx) => claimEvents(tx, ids, now, now));
    world.advance(1);
    await createDispatcher([publisher]).run(world.deps, never);
    const late = await world.db.transaction((tx) => markPublished(tx, first, now));
    expect([heard.length, late]).toEqual([1, 0]);
  });
});

test("erasure takes the events about a user, dead ones too; nobody else's", async () => {
  const [mine, other] = await queue(2);
  const { erase } = outboxSubjectData[0]!;
  if (typeof erase !== "function") throw new Error("events are erased by a function");
  await world.db.transaction((tx) => erase(tx, mine!, world.deps.clock.now()));
  expect((await rows()).map(({ aggregateId }) => aggregateId)).toEqual([other!]);
});

test("01 §18: the janitor removes published events after 7 days and dead ones after 30; what waits stays", async () => {
  await queue(1);
  await createDispatcher([]).run(world.deps, never);
  await queue(1);
  world.advance(7 * 86_400_000);
  await janitorJob.run(world.deps, never);
  expect(await rows()).toHaveLength(2);
  world.advance(1);
  await janitorJob.run(world.deps, never);
  expect((await rows()).map(({ publishedAt }) => publishedAt)).toEqual([null]);
});
