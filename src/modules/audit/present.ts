import type { JsonObject } from "../../platform/json.ts";
import type { AuditRow } from "./store.ts";

/** An event as the API shows it; with `proof`, also what its seals are recomputed from (contract 08 §2.4). */
export const presentEvent = (row: AuditRow, proof = false) => ({
  id: row.id,
  tenant_id: row.tenantId,
  actor_user_id: row.actorUserId,
  actor_type: row.actorType,
  action: row.action,
  resource_type: row.resourceType,
  resource_id: row.resourceId,
  ip: row.ip,
  user_agent: row.userAgent,
  request_id: row.requestId,
  created_at: row.createdAt,
  // A row that somebody spoiled must not hide the others; `verify` names it.
  metadata: readMetadata(row) ?? {},
  seq: row.seq,
  prev_hash: row.prevHash,
  row_hash: row.rowHash,
  erased_at: row.erasedAt?.toISOString() ?? null,
  ...(proof && {
    salt: row.salt === null ? null : Buffer.from(row.salt).toString("base64url"),
    seals: row.seals,
  }),
});

/** Undefined when the stored text is no JSON object. */
export function readMetadata({ metadata }: Pick<AuditRow, "metadata">): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(metadata);
    return typeof value === "object" && value !== null ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
