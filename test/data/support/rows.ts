import type { tenants, users } from "../../../db/schema/index.ts";

export const at = new Date("2026-01-02T03:04:05.678Z");
export const later = (ms: number) => new Date(at.getTime() + ms);
export const uuid = () => Bun.randomUUIDv7();
export const tick = () => new Promise((resolve) => setTimeout(resolve, 1));

export const newTenant = (over: Partial<typeof tenants.$inferInsert> = {}) => {
  const id = uuid();
  return { id, slug: id, name: "n", createdAt: at, updatedAt: at, ...over };
};

export const newUser = (over: Partial<typeof users.$inferInsert> = {}) => {
  const id = uuid();
  const email = `${id}@example.test`;
  return { id, email, emailKey: email, createdAt: at, updatedAt: at, ...over };
};
