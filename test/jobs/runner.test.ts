import { afterEach, beforeEach, expect, test } from "bun:test";
import { jobLeases } from "../../db/schema/index.ts";
import { type Job, startJobs } from "../../src/platform/jobs/runner.ts";
import { type AuditWorld, auditWorld } from "../audit/support.ts";

let world: AuditWorld;
beforeEach(async () => {
  world = await auditWorld();
});
afterEach(() => world.db.close());

async function until(condition: () => boolean, limitMs = 3_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error("condition did not come true");
    await Bun.sleep(5);
  }
}

function counting(everyMs: number, work: () => Promise<void> = async () => {}) {
  const seen = { passes: 0 };
  const job: Job = {
    name: "count",
    everyMs,
    async run() {
      seen.passes += 1;
      await work();
    },
  };
  return { seen, job };
}

test("of two instances one runs a job; when it stops, the other takes over", async () => {
  const [mine, theirs] = [counting(5), counting(5)];
  const first = startJobs(world.deps, [mine.job]);
  await until(() => mine.seen.passes > 2);
  const second = startJobs(world.deps, [theirs.job]);
  await Bun.sleep(100);
  expect(theirs.seen.passes).toBe(0);
  await first.stop();
  await second.stop();
  const third = startJobs(world.deps, [theirs.job]);
  await until(() => theirs.seen.passes > 0);
  await third.stop();
});

test("an instance that died holds its jobs up for one lease", async () => {
  const at = world.deps.clock.now();
  const leaseUntil = new Date(at.getTime() + 30_000);
  await world.db.transaction(async (tx) => {
    const holder = world.deps.random.uuid();
    await tx.insert(jobLeases).values({ name: "count", holder, leaseUntil });
  });
  const { seen, job } = counting(5);
  const early = startJobs(world.deps, [job]);
  await Bun.sleep(50);
  await early.stop();
  expect(seen.passes).toBe(0);
  world.advance(30_000);
  const late = startJobs(world.deps, [job]);
  await until(() => seen.passes > 0);
  await late.stop();
});

test("01 §18: a crash is logged by its kind, the job runs again, others go on", async () => {
  let isBroken = true;
  const failing = counting(5, async () => {
    if (isBroken) throw new TypeError("the parameters: ann@example.com");
  });
  const other = counting(5);
  const running = startJobs(world.deps, [failing.job, { ...other.job, name: "other" }]);
  await until(() => failing.seen.passes >= 3 && other.seen.passes >= 3);
  isBroken = false;
  const before = failing.seen.passes;
  await until(() => failing.seen.passes > before);
  await running.stop();
  const errors = world.logged.filter(({ level }) => level === "error");
  expect(errors[0]).toMatchObject({
    message: "job failed",
    fields: { job: "count", kind: "TypeError", failures: 1, retry_in_ms: 10 },
  });
  expect(errors[1]).toMatchObject({ fields: { failures: 2, retry_in_ms: 20 } });
  expect(JSON.stringify(errors)).not.toContain("ann@");
});

test("01 §18: on shutdown a job finishes its batch, and begins no other", async () => {
  const batch = Promise.withResolvers<void>();
  let [begun, finished] = [0, 0];
  const job: Job = {
    name: "batches",
    everyMs: 5,
    async run(_deps, signal) {
      while (!signal.aborted) {
        begun += 1;
        await batch.promise;
        finished += 1;
      }
    },
  };
  const running = startJobs(world.deps, [job]);
  await until(() => begun === 1);
  const stopped = running.stop();
  batch.resolve();
  await stopped;
  expect([begun, finished]).toEqual([1, 1]);
  await Bun.sleep(30);
  expect([begun, finished]).toEqual([1, 1]);
});

test("an hourly job that ran before a restart waits for its hour; one that is due runs", async () => {
  const hourly = counting(3_600_000);
  const first = startJobs(world.deps, [hourly.job]);
  await until(() => hourly.seen.passes === 1);
  await first.stop();
  world.advance(3_599_000);
  const second = startJobs(world.deps, [hourly.job]);
  await Bun.sleep(50);
  await second.stop();
  expect(hourly.seen.passes).toBe(1);
  world.advance(1_000);
  const third = startJobs(world.deps, [hourly.job]);
  await until(() => hourly.seen.passes === 2);
  await third.stop();
});

test("runNow runs one pass, and throws what the pass throws", async () => {
  const { seen, job } = counting(3_600_000, async () => {
    throw new RangeError("no");
  });
  const running = startJobs(world.deps, []);
  await expect(running.runNow("count")).rejects.toThrow("no job count");
  await running.stop();
  const withJob = startJobs(world.deps, [job]);
  await until(() => seen.passes === 1);
  await expect(withJob.runNow("count")).rejects.toThrow(RangeError);
  await withJob.stop();
});
