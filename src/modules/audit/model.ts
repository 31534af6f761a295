import { t } from "elysia";
import { ListQuery, Page } from "../../platform/http/page.ts";

const nullable = t.Union([t.String(), t.Null()]);

export const AuditQuery = t.Object({
  ...ListQuery.properties,
  action: t.Optional(
    t.String({ maxLength: 1000, description: "Exact, a comma list, or `user.*` for all below" }),
  ),
  resource_type: t.Optional(t.String({ maxLength: 100 })),
  actor_type: t.Optional(t.String({ maxLength: 100 })),
  actor_user_id: t.Optional(t.String({ maxLength: 100 })),
  resource_id: t.Optional(t.String({ maxLength: 100 })),
  since: t.Optional(t.String({ maxLength: 64, description: "RFC 3339, inclusive" })),
  until: t.Optional(t.String({ maxLength: 64, description: "RFC 3339, exclusive" })),
  q: t.Optional(
    t.String({
      maxLength: 200,
      description: "Part of action, resource type, actor type, user agent or metadata",
    }),
  ),
  include: t.Optional(
    t.String({ maxLength: 64, description: "`proof` adds `salt` and `seals` to each item" }),
  ),
});

export const AuditEvent = t.Object({
  id: t.String({ format: "uuid" }),
  tenant_id: nullable,
  actor_user_id: nullable,
  actor_type: t.String({ description: "`user`, `system`, `api_key`, `service` or `scim`" }),
  action: t.String(),
  resource_type: t.String(),
  resource_id: nullable,
  ip: nullable,
  user_agent: nullable,
  request_id: nullable,
  created_at: t.String({ description: "RFC 3339, up to microseconds" }),
  metadata: t.Record(t.String(), t.Unknown()),
  seq: t.Integer({ description: "Place in the log: 1, 2, 3 … without a gap" }),
  prev_hash: t.String(),
  row_hash: t.String(),
  erased_at: nullable,
  salt: t.Optional(nullable),
  seals: t.Optional(t.Record(t.String(), t.String())),
});

export const AuditPage = Page(AuditEvent);

export const AuditVerification = t.Object({
  ok: t.Boolean(),
  rows_checked: t.Integer({ description: "Rows that passed" }),
  verified_count: t.Integer({ description: "The same as `rows_checked`" }),
  last_verified_id: t.Optional(t.String()),
  broken_at_id: t.Optional(t.String()),
  broken_reason: t.Optional(t.String()),
  tree_size: t.Integer(),
  root_hash: t.String({ description: "Base64: RFC 6962 root of the rows that passed" }),
});
