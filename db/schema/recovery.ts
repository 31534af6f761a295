import { id, index, instant, int, table, text, uniqueIndex } from "../kit.ts";
import { tenants } from "./tenants.ts";
import { users } from "./users.ts";

export const passwordResets = table(
  "password_resets",
  {
    id: id().primaryKey(),
    userId: id()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    tokenHash: text().notNull(),
    expiresAt: instant().notNull(),
    usedAt: instant(),
    createdAt: instant().notNull(),
  },
  (t) => [
    uniqueIndex("password_resets_token_hash_key").on(t.tokenHash),
    index("password_resets_user_id_idx").on(t.userId),
    index("password_resets_expires_at_idx").on(t.expiresAt),
  ],
);

export const magicLinks = table(
  "magic_links",
  {
    id: id().primaryKey(),
    tenantId: id().references(() => tenants.id, { onDelete: "cascade" }),
    userId: id()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    email: text().notNull(),
    tokenHash: text().notNull(),
    expiresAt: instant().notNull(),
    usedAt: instant(),
    createdAt: instant().notNull(),
  },
  (t) => [
    uniqueIndex("magic_links_token_hash_key").on(t.tokenHash),
    index("magic_links_user_id_idx").on(t.userId),
    index("magic_links_tenant_id_idx").on(t.tenantId),
    index("magic_links_expires_at_idx").on(t.expiresAt),
  ],
);

/** One-time codes that prove an address: the user's own (`email`), a new one (`email_change`), a number. */
export const verifications = table(
  "verifications",
  {
    id: id().primaryKey(),
    userId: id()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    purpose: text(["email", "email_change", "phone"]).notNull(),
    /** The e-mail address or the number (E.164) that the code was sent to. */
    destination: text().notNull(),
    /** HMAC-SHA-256 under a server key: a plain hash of six digits protects nothing. */
    codeHash: text().notNull(),
    failedCount: int().notNull().default(0),
    expiresAt: instant().notNull(),
    usedAt: instant(),
    createdAt: instant().notNull(),
  },
  (t) => [
    index("verifications_user_id_purpose_created_at_idx").on(t.userId, t.purpose, t.createdAt),
    index("verifications_expires_at_idx").on(t.expiresAt),
  ],
);

/** Text messages to one number on one UTC day: the brake on toll fraud. */
export const smsCounters = table(
  "sms_counters",
  {
    /** HMAC of number and day. */
    key: text().primaryKey(),
    sentCount: int().notNull(),
    expiresAt: instant().notNull(),
  },
  (t) => [index("sms_counters_expires_at_idx").on(t.expiresAt)],
);
