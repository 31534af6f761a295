import { sql } from "drizzle-orm";
import { bool, id, index, instant, primaryKey, table, text, uniqueIndex } from "../kit.ts";
import { tenants } from "./tenants.ts";
import { users } from "./users.ts";

/** The catalogue, written at every start. Ids are UUIDv5 of the key, the same in every deployment. */
export const permissions = table(
  "permissions",
  {
    id: id().primaryKey(),
    key: text().notNull(),
    description: text().notNull(),
  },
  (t) => [uniqueIndex("permissions_key_key").on(t.key)],
);

export const roles = table(
  "roles",
  {
    id: id().primaryKey(),
    tenantId: id()
      .notNull()
      .references(() => tenants.id, { onDelete: "cascade" }),
    name: text().notNull(),
    description: text().notNull().default(""),
    isSystem: bool().notNull().default(false),
    createdAt: instant().notNull(),
  },
  (t) => [uniqueIndex("roles_tenant_id_name_key").on(t.tenantId, sql`lower(${t.name})`)],
);

export const rolePermissions = table(
  "role_permissions",
  {
    roleId: id()
      .notNull()
      .references(() => roles.id, { onDelete: "cascade" }),
    permissionId: id()
      .notNull()
      .references(() => permissions.id, { onDelete: "cascade" }),
  },
  (t) => [primaryKey({ name: "role_permissions_pkey", columns: [t.roleId, t.permissionId] })],
);

export const userRoles = table(
  "user_roles",
  {
    userId: id()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    tenantId: id()
      .notNull()
      .references(() => tenants.id, { onDelete: "cascade" }),
    roleId: id()
      .notNull()
      .references(() => roles.id, { onDelete: "cascade" }),
    grantedAt: instant().notNull(),
    grantedBy: id().references(() => users.id, { onDelete: "set null" }),
  },
  (t) => [
    primaryKey({ name: "user_roles_pkey", columns: [t.userId, t.tenantId, t.roleId] }),
    index("user_roles_role_id_user_id_idx").on(t.roleId, t.userId),
    index("user_roles_tenant_id_idx").on(t.tenantId),
    index("user_roles_granted_by_idx").on(t.grantedBy),
  ],
);
