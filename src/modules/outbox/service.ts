import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import { EVENT_TOPICS, type EventType } from "../../platform/events.ts";
import type { JsonObject } from "../../platform/json.ts";
import { isPlatformOperator } from "../../platform/operators.ts";
import type { Actor, Permission } from "../../platform/permissions.ts";
import type { SubjectData } from "../../platform/subject-data.ts";
import { recordAudit } from "../audit/service.ts";
import {
  type DeadLetterRow,
  deleteEventsAbout,
  insertOutboxEvent,
  listDeadLetters,
  revive,
} from "./store.ts";

export { countBacklog } from "./store.ts";

export interface NewEvent {
  readonly type: EventType;
  /** Null: the platform's own. */
  readonly tenantId: string | null;
  /** A UUID: what the event is about. */
  readonly aggregateId: string;
  /** No password, hash, token, code or secret. */
  readonly payload: JsonObject;
}

/** Queues an event in the caller's transaction: it is delivered if, and only if, the change commits. */
export async function enqueue(
  deps: Deps,
  tx: Tx,
  { type, tenantId, aggregateId, payload }: NewEvent,
): Promise<void> {
  await insertOutboxEvent(tx, {
    id: deps.random.uuid(),
    aggregateId,
    tenantId,
    topic: EVENT_TOPICS[type],
    eventType: type,
    payload,
    createdAt: deps.clock.now(),
  });
}

/**
 * Events that could not be delivered, newest first: all of them for a platform operator, those of the credential's
 * tenant for others. Throws 401 without a tenant and 403 without `audit.read`.
 */
export async function listDeadEvents(
  deps: Deps,
  actor: Actor,
  limit: number,
): Promise<DeadLetterRow[]> {
  return listDeadLetters(deps.db.read, await scopeOf(deps, actor, ["audit.read"]), limit);
}

/** Queues a dead event again, with all its attempts. Throws `not_found` for what the caller can't list. */
export async function replayDeadEvent(deps: Deps, actor: Actor, id: string): Promise<void> {
  const tenantId = await scopeOf(deps, actor, ["audit.read", "webhook.write"]);
  const now = deps.clock.now();
  await deps.db.transaction(
    async (tx) => {
      const event = await revive(tx, id, tenantId, now);
      if (!event) throw new AppError("not_found");
      await recordAudit(deps, tx, actor, {
        tenantId: event.tenantId,
        action: "outbox.event_replayed",
        resource: { type: "outbox_event", id },
        metadata: { event_type: event.eventType, attempts: event.attempts },
      });
    },
    { serializeOn: actor.tenantId ?? "platform" },
  );
}

/** The tenant whose rows the caller may see; undefined for all. */
async function scopeOf(
  deps: Deps,
  actor: Actor,
  keys: readonly Permission[],
): Promise<string | undefined> {
  if (await isPlatformOperator(deps, actor)) return undefined;
  if (actor.tenantId === null) throw new AppError("unauthorized", "tenant scope required");
  const missing = keys.find((key) => !actor.holds(key));
  if (missing !== undefined) throw new AppError("forbidden", `missing permission: ${missing}`);
  return actor.tenantId;
}

export const outboxSubjectData: SubjectData = [
  // Payloads may hold an address. A purge keeps the events that tell of it; they go within days.
  { table: "outbox_events", purge: "keep", erase: deleteEventsAbout },
  { table: "dead_letters", purge: "keep", erase: "none" }, // with the outbox's,
];
