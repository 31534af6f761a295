import type { JsonObject } from "../../platform/json.ts";
import type { ShownUser } from "./store.ts";

/** The API's `User`, and the payload of its events. */
export function present(row: ShownUser) {
  return {
    id: row.id,
    tenant_id: row.tenantId,
    email: row.email,
    email_verified_at: row.emailVerifiedAt?.toISOString() ?? null,
    phone: row.phone,
    phone_verified_at: row.phoneVerifiedAt?.toISOString() ?? null,
    display_name: row.displayName,
    status: row.status,
    metadata: row.metadata as JsonObject,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}
