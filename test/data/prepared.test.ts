import { afterAll, beforeAll, expect, test } from "bun:test";
import { and, eq, gt, sql } from "drizzle-orm";
import type { Db, Tx } from "../../db/client.ts";
import { violationOf } from "../../db/errors.ts";
import { prepared, preparedWrite } from "../../db/prepared.ts";
import { tenants } from "../../db/schema/index.ts";
import { freshDb } from "../support/db.ts";
import { at, later, newTenant, uuid } from "./support/rows.ts";

let db: Db;
beforeAll(async () => {
  db = await freshDb();
});
afterAll(() => db.close());

const insertTenant = preparedWrite((tx, p: Required<typeof tenants.$inferInsert>) =>
  tx
    .insert(tenants)
    .values({
      id: p.id,
      slug: p.slug,
      name: p.name,
      status: p.status,
      metadata: p.metadata,
      personal: p.personal,
      createdBy: p.createdBy,
      createdAt: p.createdAt,
      updatedAt: p.updatedAt,
      deletedAt: p.deletedAt,
    })
    .returning(),
);
const row = (over: Partial<typeof tenants.$inferInsert> = {}) => ({
  ...newTenant(),
  status: "active" as const,
  plan: "free" as const,
  region: "us-east-1",
  metadata: { list: [1, "two", { three: null }] },
  personal: true,
  createdBy: null,
  deletedAt: null,
  ...over,
});
const bySlug = prepared((q, p: { slug: string }) =>
  q.select().from(tenants).where(eq(tenants.slug, p.slug)),
);

test("a prepared query is built once, for every database, on reads and in transactions", async () => {
  let built = 0;
  const find = prepared((q, p: { slug: string }) => {
    built += 1;
    return q.select({ id: tenants.id }).from(tenants).where(eq(tenants.slug, p.slug));
  });
  for (const one of [await freshDb(), await freshDb()]) {
    const tenant = newTenant({ slug: "acme" });
    await one.transaction(async (tx) => {
      await tx.insert(tenants).values(tenant);
      expect(await find(tx, { slug: "acme" })).toEqual([{ id: tenant.id }]); // not committed yet
      expect(await find(one.read, { slug: "acme" })).toEqual([]);
    });
    expect(await find(one.read, { slug: "acme" })).toEqual([{ id: tenant.id }]);
    expect(await find(one.read, { slug: "nobody" })).toEqual([]);
    await one.close();
  }
  expect(built).toBe(1);
});

test("a prepared insert writes every column type, NULL included, and answers the row", async () => {
  const given = row({ deletedAt: null });
  const [inserted] = await db.transaction((tx) => insertTenant(tx, given));
  expect(inserted).toEqual(given);
  const other = row({ deletedAt: later(5), personal: false, createdBy: uuid(), metadata: {} });
  expect(await db.transaction((tx) => insertTenant(tx, other))).toEqual([other]);
  expect(await bySlug(db.read, { slug: other.slug })).toEqual([other]);
  expect(await db.read.select().from(tenants).where(eq(tenants.id, given.id))).toEqual([given]);
  // JSON is a document on both, not text that holds one.
  const theme = sql<string>`${tenants.metadata} ->> 'list'`;
  const [found] = await db.read.select({ theme }).from(tenants).where(eq(tenants.id, given.id));
  expect(JSON.parse(found!.theme)).toEqual(given.metadata.list);
});

test("prepared updates and deletes, with instants, flags and JSON in set and where", async () => {
  const update = preparedWrite(
    (
      tx,
      p: { id: string; before: Date; personal: boolean; metadata: object; deletedAt: Date | null },
    ) =>
      tx
        .update(tenants)
        .set({ metadata: p.metadata as Record<string, unknown>, deletedAt: p.deletedAt })
        .where(
          and(
            eq(tenants.id, p.id),
            gt(tenants.createdAt, p.before),
            eq(tenants.personal, p.personal),
          ),
        )
        .returning(),
  );
  const remove = preparedWrite((tx, p: { id: string; createdAt: Date }) =>
    tx
      .delete(tenants)
      .where(
        and(eq(tenants.id, p.id), eq(tenants.createdAt, sql.param(p.createdAt, tenants.createdAt))),
      )
      .returning({ id: tenants.id }),
  );
  const given = row();
  await db.transaction(async (tx) => {
    await insertTenant(tx, given);
    const set = { id: given.id, personal: true, metadata: { a: [] }, deletedAt: at };
    expect(await update(tx, { ...set, before: at })).toEqual([]);
    expect(await update(tx, { ...set, before: later(-1), personal: false })).toEqual([]);
    expect(await update(tx, { ...set, before: later(-1) })).toEqual([
      { ...given, metadata: { a: [] }, deletedAt: at },
    ]);
    expect(await remove(tx, { id: given.id, createdAt: later(1) })).toEqual([]);
    expect(await remove(tx, { id: given.id, createdAt: at })).toEqual([{ id: given.id }]);
  });
  expect(await bySlug(db.read, { slug: given.slug })).toEqual([]);
});

test("a limit may be a placeholder", async () => {
  const some = prepared((q, p: { n: number }) => q.select().from(tenants).limit(p.n));
  await db.transaction(async (tx) => {
    await insertTenant(tx, row());
    await insertTenant(tx, row());
  });
  expect(await some(db.read, { n: 1 })).toHaveLength(1);
  expect((await some(db.read, { n: 9 })).length).toBeGreaterThan(1);
});

test("a dead transaction refuses prepared statements, and a forgotten value is no NULL", async () => {
  let leaked: Tx | undefined;
  await db.transaction(async (tx) => {
    leaked = tx;
  });
  const given = row();
  await expect(insertTenant(leaked!, given)).rejects.toThrow();
  await expect(bySlug(leaked!, { slug: "x" })).rejects.toThrow();
  expect(await bySlug(db.read, { slug: given.slug })).toEqual([]);
  const { name: _, ...incomplete } = given;
  await expect(
    db.transaction((tx) => insertTenant(tx, incomplete as typeof given)),
  ).rejects.toThrow("no value for name");
});

test("a violation in a prepared write is told as any other, and dooms its transaction", async () => {
  const given = row();
  await db.transaction((tx) => insertTenant(tx, given));
  const error = await db
    .transaction((tx) => insertTenant(tx, row({ slug: given.slug })))
    .catch((reason) => reason);
  expect(violationOf(error)).toEqual({ kind: "unique", constraint: "tenants_slug_key" });
  const swallowed = db.transaction(async (tx) => {
    await insertTenant(tx, row({ slug: given.slug })).catch(() => {});
  });
  await expect(swallowed).rejects.toThrow("swallowed");
});

test("two transactions at once keep to themselves", async () => {
  const [first, second] = [row(), row()];
  const open = Promise.withResolvers<void>();
  const failing = db.transaction(async (tx) => {
    await insertTenant(tx, first);
    await open.promise;
    throw new Error("no");
  });
  const other = db.transaction((tx) => insertTenant(tx, second));
  open.resolve();
  await expect(failing).rejects.toThrow("no");
  await other;
  expect(await bySlug(db.read, { slug: first.slug })).toEqual([]);
  expect(await bySlug(db.read, { slug: second.slug })).toHaveLength(1);
});
