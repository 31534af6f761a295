import { t } from "elysia";

export const DeadLetterQuery = t.Object({
  limit: t.Optional(t.String({ description: "1 to 200 rows; 50 when absent or not a number" })),
});

export const DeadLetter = t.Object({
  id: t.String({ format: "uuid" }),
  aggregate_id: t.String({ format: "uuid" }),
  topic: t.String(),
  event_type: t.String(),
  payload: t.Record(t.String(), t.Unknown()),
  created_at: t.String({ format: "date-time" }),
  attempts: t.Integer(),
  last_error: t.String({ description: 'What went wrong last; `""` when nothing is known' }),
  dead_lettered_at: t.String({ format: "date-time" }),
});

export const DeadLetterList = t.Object({ items: t.Array(DeadLetter) });
