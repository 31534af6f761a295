import {
  bytes,
  id,
  index,
  instant,
  int,
  int53,
  json,
  primaryKey,
  table,
  text,
  uniqueIndex,
} from "../kit.ts";

/** One row a log: the tip that the next event extends. `log_id` is a tenant's id, or `platform`. */
export const auditLogs = table("audit_logs", {
  logId: text().primaryKey(),
  size: int53().notNull(),
  tipHash: text().notNull(),
  /** Canonical text, microseconds: instants of a log only ever rise. */
  lastCreatedAt: text().notNull(),
  /** Right edge of the Merkle tree, largest subtree first, 32 bytes each: an append reads no node. */
  edge: bytes().notNull(),
});

/** Append only, by trigger: nothing but erasure changes a row, nothing deletes one. */
export const auditEvents = table(
  "audit_events",
  {
    id: id().primaryKey(),
    logId: text().notNull(),
    /** 1, 2, 3 … without a gap. */
    seq: int53().notNull(),
    chainVersion: int().notNull(),
    tenantId: id(),
    actorUserId: id(),
    actorType: text().notNull(),
    action: text().notNull(),
    resourceType: text().notNull(),
    resourceId: id(),
    ip: text(),
    userAgent: text(),
    requestId: text(),
    /** Canonical JSON text, verbatim as hashed but for sealed members, which stand in clear until erased. */
    metadata: text().notNull(),
    createdAt: text().notNull(),
    prevHash: text().notNull(),
    rowHash: text().notNull(),
    salt: bytes(),
    seals: json<Record<string, string>>().notNull(),
    erasedAt: instant(),
  },
  (t) => [
    uniqueIndex("audit_events_log_id_seq_key").on(t.logId, t.seq),
    index("audit_events_log_id_action_seq_idx").on(t.logId, t.action, t.seq),
    index("audit_events_log_id_actor_user_id_seq_idx").on(t.logId, t.actorUserId, t.seq),
    index("audit_events_log_id_resource_id_seq_idx").on(t.logId, t.resourceId, t.seq),
    index("audit_events_actor_user_id_idx").on(t.actorUserId),
    index("audit_events_resource_id_idx").on(t.resourceId),
  ],
);

/** RFC 6962 §2.1, complete subtrees: node (level, idx) covers leaves [idx·2^level, (idx+1)·2^level). */
export const auditNodes = table(
  "audit_nodes",
  {
    logId: text().notNull(),
    level: int().notNull(),
    idx: int53().notNull(),
    hash: bytes().notNull(),
  },
  (t) => [primaryKey({ name: "audit_nodes_pkey", columns: [t.logId, t.level, t.idx] })],
);
