import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { EVENT_TOPICS, type EventType } from "../../platform/events.ts";
import type { JsonObject } from "../../platform/json.ts";
import { insertOutboxEvent } from "./store.ts";

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
  const now = deps.clock.now();
  await insertOutboxEvent(tx, {
    id: deps.random.uuid(),
    aggregateId,
    tenantId,
    topic: EVENT_TOPICS[type],
    eventType: type,
    payload,
    createdAt: now,
    dueAt: now,
  });
}
