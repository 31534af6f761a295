import { t } from "elysia";
import { ListQuery, Page } from "../../platform/http/page.ts";

const Uuid = t.String({ format: "uuid" });
const Instant = t.String({ format: "date-time" });
const nullable = <T extends ReturnType<typeof t.String>>(type: T) => t.Union([type, t.Null()]);

export const ServicePrincipal = t.Object({
  id: t.String({ format: "uuid", description: "Its `client_id` too" }),
  tenant_id: Uuid,
  name: t.String(),
  description: nullable(t.String()),
  scopes: t.Array(t.String()),
  disabled_at: nullable(Instant),
  last_used_at: nullable(Instant),
  created_at: Instant,
});

export const ServicePrincipalPage = Page(ServicePrincipal);

export const ServicePrincipalQuery = t.Object({
  ...ListQuery.properties,
  limit: t.Optional(t.String({ description: "1 to 200 rows; 1000 when absent or not a number" })),
});

/** RFC 6749 §3.3: `scope-token`. */
export const ScopeToken = t.String({
  pattern: "^[\\x21\\x23-\\x5B\\x5D-\\x7E]{1,128}$",
  maxLength: 128,
});

export const CreateServicePrincipal = t.Object({
  tenant_id: t.Optional(t.String({ format: "uuid", description: "The credential's, if given" })),
  name: t.String({ minLength: 1, maxLength: 200, description: "Unique in the tenant" }),
  description: t.Optional(t.String({ maxLength: 1000 })),
  scopes: t.Optional(
    t.Array(ScopeToken, {
      maxItems: 100,
      description: "Empty: it may do nothing. Keys of permissions only as far as you hold them.",
    }),
  ),
});

const secretMembers = {
  client_secret: t.String({ description: "Not shown again" }),
  warning: t.String(),
};

export const CreatedServicePrincipal = t.Object({
  service_principal: ServicePrincipal,
  client_id: Uuid,
  ...secretMembers,
  id: Uuid,
  name: t.String(),
});

export const RotatedSecret = t.Object(secretMembers);
