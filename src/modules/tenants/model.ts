import { t } from "elysia";
import { Page } from "../../platform/http/page.ts";
import { Metadata } from "../users/model.ts";

const Uuid = t.String({ format: "uuid" });
const Instant = t.String({ format: "date-time" });
const Plan = t.Union([t.Literal("free"), t.Literal("pro"), t.Literal("enterprise")]);

export const Tenant = t.Object({
  id: Uuid,
  slug: t.String(),
  name: t.String(),
  status: t.Union([t.Literal("active"), t.Literal("suspended"), t.Literal("deleted")]),
  plan: Plan,
  region: t.String(),
  metadata: Metadata,
  created_at: Instant,
  updated_at: Instant,
});

export const TenantPage = Page(Tenant);

export const CreateTenant = t.Object({
  // Bounds and syntax are the service's: it trims and folds first.
  slug: t.Optional(t.String({ maxLength: 256, description: "Derived from the name, if left out" })),
  name: t.String({ minLength: 1, maxLength: 200, pattern: "\\S" }),
  plan: t.Optional(Plan),
  region: t.Optional(t.String({ maxLength: 64 })),
  metadata: t.Optional(Metadata),
});

export const CreatedTenant = t.Object({
  tenant: Tenant,
  tenant_id: Uuid,
  roles: t.Array(t.String()),
  access_token: t.Optional(t.String()),
  token_type: t.Optional(t.Literal("Bearer")),
  expires_at: t.Optional(Instant),
  refresh_token: t.Optional(t.String()),
  session_id: t.Optional(Uuid),
  user_id: t.Optional(Uuid),
  // Clients read the answer itself as a Tenant (contract 02 §10.2).
  ...Tenant.properties,
});

export const UpdateTenant = t.Object({
  name: t.Optional(t.String({ minLength: 1, maxLength: 200, pattern: "\\S" })),
  status: t.Optional(t.Union([t.Literal("active"), t.Literal("suspended")])),
  plan: t.Optional(Plan),
  region: t.Optional(t.String({ minLength: 1, maxLength: 64 })),
  metadata: t.Optional(Metadata),
});
