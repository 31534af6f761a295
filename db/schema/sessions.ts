import { id, index, instant, int, json, table, text, uniqueIndex } from "../kit.ts";
import { tenants } from "./tenants.ts";
import { users } from "./users.ts";

export const sessions = table(
  "sessions",
  {
    id: id().primaryKey(),
    userId: id()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    /** Null: signed in, but to no tenant. */
    tenantId: id().references(() => tenants.id, { onDelete: "cascade" }),
    method: text().notNull(),
    /** When the user proved a first factor. A switch of tenant keeps it. */
    authTime: instant().notNull(),
    /** RFC 8176 values. */
    amr: json<string[]>().notNull(),
    mfaAt: instant(),
    ip: text(),
    userAgent: text(),
    createdAt: instant().notNull(),
    lastSeenAt: instant().notNull(),
    revokedAt: instant(),
    revokedReason: text(),
  },
  (t) => [
    index("sessions_user_id_created_at_id_idx").on(t.userId, t.createdAt, t.id),
    index("sessions_tenant_id_created_at_idx").on(t.tenantId, t.createdAt),
    index("sessions_last_seen_at_idx").on(t.lastSeenAt),
  ],
);

export const refreshTokens = table(
  "refresh_tokens",
  {
    id: id().primaryKey(),
    sessionId: id()
      .notNull()
      .references(() => sessions.id, { onDelete: "cascade" }),
    tokenHash: text().notNull(),
    issuedAt: instant().notNull(),
    expiresAt: instant().notNull(),
    usedAt: instant(),
    replacedBy: id(),
  },
  (t) => [
    uniqueIndex("refresh_tokens_token_hash_key").on(t.tokenHash),
    index("refresh_tokens_session_id_idx").on(t.sessionId),
    index("refresh_tokens_expires_at_idx").on(t.expiresAt),
  ],
);

/** Hosted sign-in sessions: what the cookie `qe_ls` names. */
export const loginSessions = table(
  "login_sessions",
  {
    id: id().primaryKey(),
    tokenHash: text().notNull(),
    userId: id()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    /** The tenant whose own identity provider opened it: it serves that tenant alone. */
    pinnedTenantId: id().references(() => tenants.id, { onDelete: "cascade" }),
    method: text().notNull(),
    authTime: instant().notNull(),
    amr: json<string[]>().notNull(),
    mfaAt: instant(),
    ip: text(),
    userAgent: text(),
    createdAt: instant().notNull(),
    lastSeenAt: instant().notNull(),
    expiresAt: instant().notNull(),
  },
  (t) => [
    uniqueIndex("login_sessions_token_hash_key").on(t.tokenHash),
    index("login_sessions_user_id_created_at_idx").on(t.userId, t.createdAt),
    index("login_sessions_pinned_tenant_id_idx").on(t.pinnedTenantId),
    index("login_sessions_expires_at_idx").on(t.expiresAt),
  ],
);

/** Failed sign-ins in a row, by address (known or not), or by a browser that signed in before. */
export const loginAttempts = table(
  "login_attempts",
  {
    /** HMAC of the address, or of address and browser: no list of addresses at rest. */
    key: text().primaryKey(),
    failedCount: int().notNull(),
    lastFailedAt: instant().notNull(),
    lockedUntil: instant(),
  },
  (t) => [index("login_attempts_last_failed_at_idx").on(t.lastFailedAt)],
);
