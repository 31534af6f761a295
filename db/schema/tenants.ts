import { bool, id, index, instant, json, table, text, uniqueIndex } from "../kit.ts";

export const tenants = table(
  "tenants",
  {
    id: id().primaryKey(),
    /** Lower case. Unique for ever: a deleted tenant keeps its own. */
    slug: text().notNull(),
    name: text().notNull(),
    status: text(["active", "suspended", "deleted"]).notNull().default("active"),
    plan: text(["free", "pro", "enterprise"]).notNull().default("free"),
    region: text().notNull().default("us-east-1"),
    metadata: json<Record<string, unknown>>().notNull().default({}),
    /** Made by sign-up; gives way to the first workspace that its user creates. */
    personal: bool().notNull().default(false),
    createdBy: id(),
    createdAt: instant().notNull(),
    updatedAt: instant().notNull(),
    deletedAt: instant(),
  },
  (t) => [
    uniqueIndex("tenants_slug_key").on(t.slug),
    index("tenants_created_by_created_at_idx").on(t.createdBy, t.createdAt),
  ],
);
