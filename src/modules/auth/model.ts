import { t } from "elysia";
import { User } from "../users/model.ts";

const Uuid = t.String({ format: "uuid" });
const Instant = t.String({ format: "date-time" });
const nullable = <T extends ReturnType<typeof t.String>>(type: T) => t.Union([type, t.Null()]);
const Email = t.String({ minLength: 1, maxLength: 320 });

export const TokenPair = t.Object({
  access_token: t.String(),
  token_type: t.Literal("Bearer"),
  expires_at: t.String({ format: "date-time", description: "Of the access token" }),
  refresh_token: t.String(),
  session_id: Uuid,
  user_id: Uuid,
  tenant_id: t.Optional(t.String({ format: "uuid", description: "Absent without a tenant" })),
});

export const SignUp = t.Object({
  email: Email,
  password: t.String({ minLength: 1, maxLength: 1024, description: "8 to 256 characters" }),
  display_name: t.Optional(t.String({ maxLength: 200 })),
});

export const SignedUp = t.Object({
  user: User,
  ...TokenPair.properties,
  roles: t.Optional(t.Array(t.String())),
});

export const LogIn = t.Object({
  email: Email,
  password: t.String({ minLength: 1, maxLength: 1024 }),
});

export const Refresh = t.Object({ refresh_token: t.String({ minLength: 1, maxLength: 65_536 }) });

export const Principal = t.Object({
  user_id: nullable(Uuid),
  tenant_id: nullable(Uuid),
  session_id: nullable(Uuid),
  actor: t.Union([t.Literal("user"), t.Literal("api_key"), t.Literal("service")]),
  scopes: t.Array(t.String()),
});

export const Session = t.Object({
  id: Uuid,
  user_id: Uuid,
  tenant_id: nullable(Uuid),
  ip: nullable(t.String()),
  user_agent: nullable(t.String()),
  created_at: Instant,
  last_seen_at: Instant,
  revoked_at: nullable(Instant),
  current: t.Boolean({ description: "The session of the token that asks" }),
});

export const SessionList = t.Object({ items: t.Array(Session) });

export const SessionQuery = t.Object({
  active: t.Optional(t.String({ description: "`true` leaves out revoked and expired ones" })),
});

export const SwitchTenant = t.Object({
  // A malformed id is 422 here (contract 02 §4.5), so it is no `format`.
  tenant_id: t.String({ pattern: "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$" }),
});

export const HostedSignIn = t.Object({ user_id: Uuid });

export const HostedSession = t.Object({
  id: Uuid,
  ip: nullable(t.String()),
  user_agent: nullable(t.String()),
  created_at: Instant,
  last_seen_at: Instant,
  expires_at: Instant,
  current: t.Boolean({ description: "The session of the browser that asks" }),
});

export const HostedSessionList = t.Object({ items: t.Array(HostedSession) });

export const HasPassword = t.Object({ has_password: t.Boolean() });

export const ChangePassword = t.Object({
  current_password: t.Optional(t.String({ minLength: 1, maxLength: 1024 })),
  new_password: t.String({ minLength: 1, maxLength: 1024, description: "8 to 256 characters" }),
});
