import { t } from "elysia";
import { ListQuery, Page } from "../../platform/http/page.ts";
import { clientAuthFields } from "../clients/model.ts";

const Uuid = t.String({ format: "uuid" });
const Instant = t.String({ format: "date-time" });
const nullable = <T extends ReturnType<typeof t.String>>(type: T) => t.Union([type, t.Null()]);

/** RFC 8628 §3.1. */
export const DeviceAuthorizationForm = t.Object({
  ...clientAuthFields,
  scope: t.Optional(
    t.String({ maxLength: 8192, description: "Absent: every scope that the client has" }),
  ),
  resource: t.Optional(t.Array(t.String({ maxLength: 2048 }), { maxItems: 10 })),
});

/** RFC 8628 §3.2. */
export const DeviceAuthorizationAnswer = t.Object({
  device_code: t.String(),
  user_code: t.String({ description: "What the person types in, as `BCDF-GHJK`" }),
  verification_uri: t.String(),
  verification_uri_complete: t.String(),
  expires_in: t.Integer({ description: "Seconds" }),
  interval: t.Integer({ description: "Seconds that the client waits between two polls" }),
});

const UserCode = t.String({ maxLength: 64 });

export const DeviceQuery = t.Object({ user_code: t.Optional(UserCode) });

export const WaitingDevice = t.Object({
  client_name: t.String(),
  scopes: t.Array(t.String()),
});

export const DeviceDecision = t.Object({
  user_code: t.Optional(UserCode),
  approve: t.Boolean(),
});

export const DecidedDevice = t.Object({
  status: t.Union([t.Literal("authorized"), t.Literal("denied")]),
});

export const Device = t.Object({
  id: Uuid,
  client_id: t.String(),
  user_code: t.String(),
  status: t.Union([t.Literal("pending"), t.Literal("authorized"), t.Literal("denied")]),
  user_id: nullable(Uuid),
  user_email: t.String({ description: "Empty while nobody has decided" }),
  scopes: t.Array(t.String()),
  created_at: Instant,
  expires_at: Instant,
  last_polled_at: nullable(Instant),
});

export const DevicePage = Page(Device);
export { ListQuery };
