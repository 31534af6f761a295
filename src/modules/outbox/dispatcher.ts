import type { Deps } from "../../deps.ts";
import { defineJob, type Job } from "../../platform/jobs/runner.ts";
import { kindOf } from "../../platform/redact.ts";
import { PUBLISHERS, type Publisher } from "./publishers.ts";
import { bury, claimEvents, dueIds, markFailed, markPublished, type OutboxRow } from "./store.ts";

const BATCH = 50;
/** Long enough for a batch; a dispatcher that dies holds its events up for no longer. */
const LEASE_MS = 30_000;
const MAX_ATTEMPTS = 10;
const MAX_BACKOFF_SECONDS = 300;

/**
 * Hands every due event to all publishers, oldest first, in batches (contract 01 §16). An event is published in the
 * transaction that marks it: however many dispatchers run, and whenever one dies, each publisher writes it once.
 */
export const createDispatcher = (publishers: readonly Publisher[]): Job =>
  defineJob({
    name: "outbox",
    everyMs: 2_000,
    async run(deps, signal) {
      for (;;) {
        const events = await claim(deps);
        await publishAll(deps, publishers, events);
        if (events.length < BATCH || signal.aborted) return;
      }
    },
  });

export const dispatcherJob = createDispatcher(PUBLISHERS);

async function claim(deps: Deps): Promise<OutboxRow[]> {
  const now = deps.clock.now();
  const ids = await dueIds(deps.db.read, now, BATCH); // an idle server writes nothing
  if (ids.length === 0) return [];
  const leaseUntil = new Date(now.getTime() + LEASE_MS);
  return deps.db.transaction((tx) => claimEvents(tx, ids, now, leaseUntil), {
    serializeOn: "outbox",
  });
}

/** All in one transaction; when that fails, each by itself, so that one bad event holds up nobody else's. */
async function publishAll(
  deps: Deps,
  publishers: readonly Publisher[],
  events: readonly OutboxRow[],
): Promise<void> {
  if (events.length === 0) return;
  try {
    await publish(deps, publishers, events);
  } catch (error) {
    const [only] = events;
    if (events.length === 1 && only) await recordFailure(deps, only, error);
    else for (const event of events) await publishAll(deps, publishers, [event]);
  }
}

async function publish(
  deps: Deps,
  publishers: readonly Publisher[],
  events: readonly OutboxRow[],
): Promise<void> {
  await deps.db.transaction(
    async (tx) => {
      const marked = await markPublished(tx, events, deps.clock.now());
      // Some lease ran out and another dispatcher has the event: leave all to the next pass.
      if (marked < events.length) throw new LeaseLost();
      for (const event of events)
        for (const publisher of publishers) await publisher.publish(deps, tx, event);
    },
    { serializeOn: "outbox" },
  );
}

class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

async function recordFailure(deps: Deps, event: OutboxRow, error: unknown): Promise<void> {
  if (error instanceof LeaseLost) return; // it is somebody else's now
  const at = deps.clock.now();
  const attempts = event.attempts + 1;
  // Its kind only: a database error's message holds parameters, and tenants read this.
  const lastError = kindOf(error);
  deps.log.warn("event not published", { event_id: event.id, type: event.eventType, attempts });
  await deps.db.transaction(
    async (tx) => {
      if (attempts >= MAX_ATTEMPTS) return bury(tx, event, { attempts, lastError, at });
      const backoffSeconds = Math.min(2 ** attempts, MAX_BACKOFF_SECONDS);
      const dueAt = new Date(at.getTime() + backoffSeconds * 1000);
      await markFailed(tx, event, { attempts, lastError, at, dueAt });
    },
    { serializeOn: "outbox" },
  );
}
