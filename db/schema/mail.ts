import { bytes, id, index, instant, int, table, text } from "../kit.ts";

/** Messages to people, queued in the transaction that causes them. Bodies hold links and codes: sealed. */
export const mailMessages = table(
  "mail_messages",
  {
    id: id().primaryKey(),
    tenantId: id(),
    userId: id(),
    channel: text(["email", "sms"]).notNull(),
    template: text().notNull(),
    recipient: text().notNull(),
    /** Subject and body, sealed; gone once sent (kept in dev, for the mailbox page). */
    contentSealed: bytes(),
    status: text(["queued", "sent", "failed"]).notNull().default("queued"),
    attempts: int().notNull().default(0),
    /** When it may be tried (again); null once sent or given up. */
    dueAt: instant(),
    leaseUntil: instant(),
    lastError: text(),
    createdAt: instant().notNull(),
    finishedAt: instant(),
  },
  (t) => [
    index("mail_messages_due_at_id_idx").on(t.dueAt, t.id),
    index("mail_messages_created_at_id_idx").on(t.createdAt, t.id),
    index("mail_messages_finished_at_idx").on(t.finishedAt),
    index("mail_messages_user_id_idx").on(t.userId),
    index("mail_messages_tenant_id_idx").on(t.tenantId),
  ],
);
