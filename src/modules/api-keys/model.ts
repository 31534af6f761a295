import { t } from "elysia";
import { AppError } from "../../platform/errors.ts";
import { ListQuery, Page } from "../../platform/http/page.ts";

const Uuid = t.String({ format: "uuid" });
const Instant = t.String({ format: "date-time" });
const nullable = <T extends ReturnType<typeof t.String>>(type: T) => t.Union([type, t.Null()]);

export const ApiKey = t.Object({
  id: Uuid,
  tenant_id: Uuid,
  user_id: nullable(Uuid),
  name: t.String(),
  prefix: t.String({ description: "The part of the key before its dot" }),
  scopes: t.Array(t.String(), { description: "Empty: everything in the tenant" }),
  expires_at: nullable(Instant),
  last_used_at: nullable(Instant),
  revoked_at: nullable(Instant),
  created_at: Instant,
});

export const ApiKeyPage = Page(ApiKey);

export const ApiKeyQuery = t.Object({
  ...ListQuery.properties,
  limit: t.Optional(t.String({ description: "1 to 200 rows; 1000 when absent or not a number" })),
});

/** Contract 07 §1.4, and `*`. */
const Scope = t.String({
  pattern: "^(\\*|[A-Za-z0-9_-]{1,64}([.:][A-Za-z0-9_-]{1,64}){0,3})$",
  maxLength: 259,
});

export const CreateApiKey = t.Object({
  name: t.String({ minLength: 1, maxLength: 200 }),
  tenant_id: t.Optional(t.String({ format: "uuid", description: "The credential's, if given" })),
  user_id: t.Optional(nullable(Uuid)),
  scopes: t.Optional(t.Array(Scope, { maxItems: 64 })),
  expires_at: t.Optional(
    nullable(t.String({ maxLength: 64, description: "RFC 3339, or `YYYY-MM-DDTHH:mm[:ss]`, UTC" })),
  ),
});

export const RotateApiKey = t.Object({
  grace_seconds: t.Optional(
    t.Integer({ minimum: 0, maximum: 86_400, description: "How long the old secret still works" }),
  ),
});

export const CreatedApiKey = t.Object({
  api_key: ApiKey,
  secret: t.String({ description: "The whole key. It is not shown again." }),
  warning: t.String(),
  id: Uuid,
  name: t.String(),
  key: t.String({ description: "The same as `secret`" }),
  raw: t.String({ description: "The same as `secret`" }),
});

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i;
/** What `<input type="datetime-local">` sends. */
const LOCAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?$/;

/** Contract 07 §5: an instant without an offset is UTC. Throws `bad_request`. */
export function readExpiry(text: string | null | undefined): Date | null {
  if (text === null || text === undefined) return null;
  const at = LOCAL.test(text) ? `${text}Z` : RFC_3339.test(text) ? text : "";
  const expiry = new Date(at);
  if (Number.isNaN(expiry.getTime())) throw new AppError("bad_request", "invalid expires_at");
  return expiry;
}
