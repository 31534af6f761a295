import { id, index, instant, int, json, table, text } from "../kit.ts";

const event = () => ({
  id: id().primaryKey(),
  aggregateId: id().notNull(),
  /** Null: the platform's own. */
  tenantId: id(),
  topic: text().notNull(),
  eventType: text().notNull(),
  payload: json<Record<string, unknown>>().notNull(),
  createdAt: instant().notNull(),
  attempts: int().notNull().default(0),
  lastError: text(),
});

export const outboxEvents = table(
  "outbox_events",
  {
    ...event(),
    /** When it may be tried (again); null once published. */
    dueAt: instant(),
    leaseUntil: instant(),
    lastAttemptAt: instant(),
    publishedAt: instant(),
  },
  (t) => [
    index("outbox_events_due_at_id_idx").on(t.dueAt, t.id),
    index("outbox_events_published_at_idx").on(t.publishedAt),
    index("outbox_events_aggregate_id_idx").on(t.aggregateId),
    index("outbox_events_tenant_id_idx").on(t.tenantId),
  ],
);

export const deadLetters = table(
  "dead_letters",
  { ...event(), deadLetteredAt: instant().notNull() },
  (t) => [
    index("dead_letters_dead_lettered_at_id_idx").on(t.deadLetteredAt, t.id),
    index("dead_letters_tenant_id_dead_lettered_at_idx").on(t.tenantId, t.deadLetteredAt),
    index("dead_letters_aggregate_id_idx").on(t.aggregateId),
  ],
);
