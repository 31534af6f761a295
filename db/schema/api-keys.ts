import { id, index, instant, json, table, text } from "../kit.ts";
import { tenants } from "./tenants.ts";
import { users } from "./users.ts";

export const apiKeys = table(
  "api_keys",
  {
    id: id().primaryKey(),
    tenantId: id()
      .notNull()
      .references(() => tenants.id, { onDelete: "cascade" }),
    /** Bound to this user: the key can do no more than they can. */
    userId: id().references(() => users.id, { onDelete: "cascade" }),
    createdBy: id().references(() => users.id, { onDelete: "set null" }),
    name: text().notNull(),
    /** Of the newest secret; what people see. */
    prefix: text().notNull(),
    scopes: json<string[]>().notNull(),
    expiresAt: instant(),
    lastUsedAt: instant(),
    revokedAt: instant(),
    createdAt: instant().notNull(),
  },
  (t) => [
    index("api_keys_tenant_id_created_at_id_idx").on(t.tenantId, t.createdAt, t.id),
    index("api_keys_user_id_idx").on(t.userId),
    index("api_keys_created_by_idx").on(t.createdBy),
  ],
);

/** More than one while a rotation's grace lasts. */
export const apiKeySecrets = table(
  "api_key_secrets",
  {
    prefix: text().primaryKey(),
    apiKeyId: id()
      .notNull()
      .references(() => apiKeys.id, { onDelete: "cascade" }),
    /** SHA-256, base64url: 192 random bits need no slow hash. */
    secretHash: text().notNull(),
    expiresAt: instant(),
    createdAt: instant().notNull(),
  },
  (t) => [index("api_key_secrets_api_key_id_idx").on(t.apiKeyId)],
);
