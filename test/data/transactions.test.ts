// Guarantees of `db.transaction` that are the same on both databases.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import type { Db, Tx } from "../../db/client.ts";
import { dialect } from "../../db/dialect.ts";
import { TransactionTimeout } from "../../db/errors.ts";
import { tenants, users } from "../../db/schema/index.ts";
import { freshDb } from "../support/db.ts";
import { newTenant, newUser } from "./support/rows.ts";

let db: Db;
beforeAll(async () => {
  db = await freshDb();
});
afterAll(() => db.close());

describe(`transactions on ${dialect}`, () => {
  test("refuses a nested transaction instead of waiting for itself", async () => {
    await expect(db.transaction(async () => db.transaction(async () => {}))).rejects.toThrow(
      "nested",
    );
  });

  test("refuses the tx after the callback has settled", async () => {
    let leaked: Tx | undefined;
    await db.transaction(async (tx) => {
      leaked = tx;
    });
    await expect(
      (async () => leaked!.insert(tenants).values(newTenant({ slug: "leak" })))(),
    ).rejects.toThrow();
    expect(await db.read.$count(tenants, eq(tenants.slug, "leak"))).toBe(0);
  });

  test("work that swallows a database error does not commit", async () => {
    const [first, second] = [newUser({ emailKey: "swallow" }), newUser({ emailKey: "swallow" })];
    const attempt = db.transaction(async (tx) => {
      await tx.insert(users).values(first);
      await tx
        .insert(users)
        .values(second)
        .catch(() => {});
    });
    await expect(attempt).rejects.toThrow("swallowed");
    expect(await db.read.$count(users, eq(users.emailKey, "swallow"))).toBe(0);
  });

  test("a stuck transaction is rolled back and the queue moves on", async () => {
    const impatient = await freshDb({ transactionLimitMs: 100 });
    const stuck = impatient.transaction(async (tx) => {
      await tx.insert(tenants).values(newTenant({ slug: "stuck" }));
      await new Promise(() => {});
    });
    const next = impatient.transaction((tx) =>
      tx.insert(tenants).values(newTenant({ slug: "next" })),
    );
    await expect(stuck).rejects.toBeInstanceOf(TransactionTimeout);
    await next;
    expect(await impatient.read.select({ slug: tenants.slug }).from(tenants)).toEqual([
      { slug: "next" },
    ]);
    await impatient.close();
  });

  test("afterCommit hooks run only after a commit", async () => {
    const ran: string[] = [];
    await db.transaction(async (tx) => {
      tx.afterCommit(() => ran.push("kept"));
    });
    await db
      .transaction(async (tx) => {
        tx.afterCommit(() => ran.push("dropped"));
        throw new Error();
      })
      .catch(() => {});
    expect(ran).toEqual(["kept"]);
  });
});
