import { sql } from "drizzle-orm";
import { bool, id, index, instant, json, primaryKey, table, text, uniqueIndex } from "../kit.ts";
import { tenants } from "./tenants.ts";

export const users = table(
  "users",
  {
    id: id().primaryKey(),
    /** Home tenant. */
    tenantId: id().references(() => tenants.id, { onDelete: "set null" }),
    /** As typed, trimmed. */
    email: text().notNull(),
    /** NFC and lower case: what is compared. Free again once the user is deleted. */
    emailKey: text().notNull(),
    emailVerifiedAt: instant(),
    phone: text(),
    phoneVerifiedAt: instant(),
    displayName: text(),
    status: text(["active", "invited", "suspended", "deleted"]).notNull().default("active"),
    /** The status that `restore` goes back to. */
    statusBeforeDeletion: text(["active", "invited", "suspended"]),
    metadata: json<Record<string, unknown>>().notNull().default({}),
    createdAt: instant().notNull(),
    updatedAt: instant().notNull(),
    deletedAt: instant(),
    erasedAt: instant(),
  },
  (t) => [
    uniqueIndex("users_email_key_key").on(t.emailKey).where(sql`${t.deletedAt} is null`),
    index("users_tenant_id_deleted_at_id_idx").on(t.tenantId, t.deletedAt, t.id),
  ],
);

export const passwordCredentials = table("password_credentials", {
  userId: id()
    .primaryKey()
    .references(() => users.id, { onDelete: "cascade" }),
  /** PHC string. */
  passwordHash: text().notNull(),
  updatedAt: instant().notNull(),
});

/** Who belongs to which tenant: the single truth of membership. No role comes with it. */
export const memberships = table(
  "memberships",
  {
    tenantId: id()
      .notNull()
      .references(() => tenants.id, { onDelete: "cascade" }),
    userId: id()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    /** How it began; one that began with a role ends with the last role. */
    source: text(["signup", "tenant", "admin", "invite", "role", "federation", "scim"]).notNull(),
    /** False while suspended in this tenant. */
    active: bool().notNull().default(true),
    /** A copy: who is in the bin is not on the tenant's page of users. */
    userDeleted: bool().notNull().default(false),
    /** Copies of what never changes, so that one index serves the page of users, and of tenants. */
    userCreatedAt: instant().notNull(),
    tenantCreatedAt: instant().notNull(),
    createdAt: instant().notNull(),
  },
  (t) => [
    primaryKey({ name: "memberships_pkey", columns: [t.tenantId, t.userId] }),
    index("memberships_tenant_page_idx").on(t.tenantId, t.userDeleted, t.userCreatedAt, t.userId),
    index("memberships_user_page_idx").on(t.userId, t.active, t.tenantCreatedAt, t.tenantId),
  ],
);
