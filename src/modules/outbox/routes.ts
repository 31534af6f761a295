import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import { readPage } from "../../platform/http/page.ts";
import { DeadLetterList, DeadLetterQuery } from "./model.ts";
import { listDeadEvents, replayDeadEvent } from "./service.ts";

/** Who may is decided by the service: an operator needs no tenant, everybody else a key in theirs. */
export const outboxRoutes = (deps: Deps) =>
  routeGroup({ name: "outbox", prefix: "/v1", tag: "Admin" })
    .get(
      "/admin/outbox/dlq",
      async ({ actor, query }) => {
        const rows = await listDeadEvents(deps, actor, readPage(query).limit);
        return {
          items: rows.map((row) => ({
            id: row.id,
            aggregate_id: row.aggregateId,
            topic: row.topic,
            event_type: row.eventType,
            payload: row.payload,
            created_at: row.createdAt.toISOString(),
            attempts: row.attempts,
            last_error: row.lastError ?? "",
            dead_lettered_at: row.deadLetteredAt.toISOString(),
          })),
        };
      },
      {
        self: "any",
        http: { oauth: true }, // the service asks for `audit.read`, as a gate would
        query: DeadLetterQuery,
        response: { 200: DeadLetterList },
        detail: { operationId: "listDeadEvents", summary: "List events that were not delivered" },
      },
    )
    .post(
      "/admin/outbox/dlq/:id/replay",
      async ({ actor, params: { id }, set }) => {
        await replayDeadEvent(deps, actor, id);
        set.status = 202;
      },
      {
        self: "any",
        http: { oauth: true, bodyOptional: true },
        params: t.Object({ id: t.String({ format: "uuid" }) }),
        response: { 202: t.Void(), 404: ErrorBody },
        detail: { operationId: "replayDeadEvent", summary: "Queue a dead event again" },
      },
    );
