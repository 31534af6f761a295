import type { JsonObject } from "../../platform/json.ts";
import type { TenantRow } from "./store.ts";

/** The API's `Tenant`, and the payload of its events. */
export function present(row: TenantRow) {
  return {
    id: row.id,
    slug: row.slug,
    name: row.name,
    status: row.status,
    plan: row.plan,
    region: row.region,
    metadata: row.metadata as JsonObject,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}
