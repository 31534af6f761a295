// Runs on SQLite when DATABASE_URL is unset, on Postgres when it is set. Same tests, same assertions.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { and, asc, count, desc, eq, gt, isNull, sql } from "drizzle-orm";
import type { Db, Tx } from "../../db/client.ts";
import { dialect } from "../../db/dialect.ts";
import { violationOf } from "../../db/errors.ts";
import { before } from "../../db/keyset.ts";
import {
  auditNodes,
  instanceFacts,
  magicLinks,
  passwordResets,
  roles,
  sessions,
  tenants,
  users,
} from "../../db/schema/index.ts";
import { freshDb } from "../support/db.ts";
import { at, later, newTenant, newUser, tick, uuid } from "./support/rows.ts";

let db: Db;
const tenantId = uuid();
beforeAll(async () => {
  db = await freshDb();
  await db.transaction((tx) =>
    tx.insert(tenants).values(newTenant({ id: tenantId, slug: "acme" })),
  );
});
afterAll(() => db.close());

describe(`data layer on ${dialect}`, () => {
  test("round-trips every column type", async () => {
    const tenant = newTenant({ personal: true, metadata: { theme: "dark", tags: ["a", "é"] } });
    const node = { logId: uuid(), level: 3, idx: 2 ** 53 - 1, hash: new Uint8Array([0, 255, 7]) };
    const [inserted] = await db.transaction(async (tx) => {
      await tx.insert(auditNodes).values(node);
      return tx.insert(tenants).values(tenant).returning();
    });
    const [read] = await db.read.select().from(tenants).where(eq(tenants.id, tenant.id));
    expect(read).toEqual(inserted!);
    expect(read!.createdAt).toEqual(at);
    expect(read!.createdAt.getMilliseconds()).toBe(678);
    expect(read!.personal).toBe(true);
    expect(read!.metadata).toEqual({ theme: "dark", tags: ["a", "é"] });
    expect(read!.deletedAt).toBeNull();
    expect(read!.status).toBe("active");
    const [found] = await db.read.select().from(auditNodes).where(eq(auditNodes.logId, node.logId));
    expect({ ...found!, hash: [...found!.hash] }).toEqual({ ...node, hash: [0, 255, 7] });
  });

  test("a JSON array of text and one of objects come back as they went", async () => {
    const user = newUser();
    const amr = ["pwd", "otp", 'quo"te', "{}"];
    await db.transaction(async (tx) => {
      await tx.insert(users).values(user);
      await tx.insert(sessions).values({
        id: uuid(),
        userId: user.id,
        method: "password",
        authTime: at,
        amr,
        createdAt: at,
        lastSeenAt: at,
      });
    });
    const [session] = await db.read.select().from(sessions).where(eq(sessions.userId, user.id));
    expect(session!.amr).toEqual(amr);
    // Not text that holds a document: other clients, and ->>, see an array.
    const type = dialect === "postgres" ? sql`jsonb_typeof(amr)` : sql`json_type(amr)`;
    const [row] = await db.read.select({ type }).from(sessions).where(eq(sessions.id, session!.id));
    expect(row!.type).toBe("array");
  });

  test("reads a value inside a JSON column", async () => {
    const user = newUser({ metadata: { theme: "solarized" } });
    await db.transaction((tx) => tx.insert(users).values(user));
    const rows = await db.read
      .select({ id: users.id })
      .from(users)
      .where(sql`${users.metadata} ->> 'theme' = ${"solarized"}`);
    expect(rows).toEqual([{ id: user.id }]);
  });

  test("filters by instant and counts as a number", async () => {
    const early = await db.read
      .select({ n: count() })
      .from(users)
      .where(gt(users.createdAt, later(1)));
    expect(early).toEqual([{ n: 0 }]);
  });

  test("rolls back an async callback that rejects after awaiting", async () => {
    const user = newUser();
    await expect(
      db.transaction(async (tx) => {
        await tx.insert(users).values(user);
        await tick();
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    expect(await db.read.select().from(users).where(eq(users.id, user.id))).toEqual([]);
  });

  test("outside readers do not see an open transaction", async () => {
    const user = newUser();
    let seen: unknown;
    await db.transaction(async (tx) => {
      await tx.insert(users).values(user);
      await tick();
      seen = await db.read.select().from(users).where(eq(users.id, user.id));
      expect(await tx.select().from(users).where(eq(users.id, user.id))).toHaveLength(1);
    });
    expect(seen).toEqual([]);
    expect(await db.read.select().from(users).where(eq(users.id, user.id))).toHaveLength(1);
  });

  const fact = (name: string) => ({ name, value: "0", updatedAt: at });
  const bump = async (tx: Tx, name: string) => {
    const row = eq(instanceFacts.name, name);
    const [found] = await tx.select().from(instanceFacts).where(row);
    await tick(); // invite interleaving
    await tx
      .update(instanceFacts)
      .set({ value: String(Number(found!.value) + 1) })
      .where(row);
  };
  const factValue = async (name: string) => {
    const [row] = await db.read.select().from(instanceFacts).where(eq(instanceFacts.name, name));
    return Number(row!.value);
  };

  test("interleaved read-modify-write transactions lose no update", async () => {
    await db.transaction((tx) => tx.insert(instanceFacts).values(fact("hot")));
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, () => db.transaction((tx) => bump(tx, "hot"))),
    );
    const won = results.filter((result) => result.status === "fulfilled").length;
    expect(await factValue("hot")).toBe(won); // on Postgres some may give up after 8 attempts, and say so
    expect(won).toBeGreaterThan(dialect === "sqlite" ? 39 : 15);
  });

  test("serializeOn lets every one of 200 contending transactions through", async () => {
    await db.transaction((tx) => tx.insert(instanceFacts).values(fact("queue")));
    await Promise.all(
      Array.from({ length: 200 }, () =>
        db.transaction((tx) => bump(tx, "queue"), { serializeOn: tenantId }),
      ),
    );
    expect(await factValue("queue")).toBe(200);
  }, 20_000);

  test("a one-time token is consumed exactly once by 50 concurrent callers", async () => {
    const user = newUser();
    await db.transaction(async (tx) => {
      await tx.insert(users).values(user);
      await tx.insert(passwordResets).values({
        id: uuid(),
        tokenHash: "h",
        userId: user.id,
        expiresAt: later(1000),
        createdAt: at,
      });
    });
    const consume = async (tx: Tx) => {
      const [row] = await tx
        .update(passwordResets)
        .set({ usedAt: at })
        .where(
          and(
            eq(passwordResets.tokenHash, "h"),
            isNull(passwordResets.usedAt),
            gt(passwordResets.expiresAt, at),
          ),
        )
        .returning({ userId: passwordResets.userId });
      return row?.userId;
    };
    const results = await Promise.all(Array.from({ length: 50 }, () => db.transaction(consume)));
    expect(results.filter(Boolean)).toEqual([user.id]);
  });

  test.each([
    [
      "unique index",
      { kind: "unique", constraint: "tenants_slug_key" },
      async (tx: Tx) => {
        await tx.insert(tenants).values(newTenant({ slug: "dup" }));
        await tx.insert(tenants).values(newTenant({ slug: "dup" }));
      },
    ],
    [
      "partial unique index",
      { kind: "unique", constraint: "users_email_key_key" },
      async (tx: Tx) => {
        await tx.insert(users).values(newUser({ emailKey: "dup@example.test" }));
        await tx.insert(users).values(newUser({ emailKey: "dup@example.test" }));
      },
    ],
    [
      "unique index over an expression",
      { kind: "unique", constraint: "roles_tenant_id_name_key" },
      async (tx: Tx) => {
        const role = (name: string) => ({ id: uuid(), tenantId, name, createdAt: at });
        await tx.insert(roles).values([role("Admin"), role("ADMIN")]);
      },
    ],
    [
      "primary key",
      { kind: "unique", constraint: "tenants_pkey" },
      async (tx: Tx) => {
        await tx.insert(tenants).values(newTenant({ id: tenantId }));
      },
    ],
    [
      "foreign key",
      { kind: "foreign_key" },
      async (tx: Tx) => {
        await tx.insert(users).values(newUser({ tenantId: uuid() }));
      },
    ],
    [
      "not null",
      { kind: "not_null" },
      async (tx: Tx) => {
        await tx.insert(tenants).values(newTenant({ slug: null as never }));
      },
    ],
  ] as const)("maps a violation: %s", async (_name, expected, work) => {
    const error = await db.transaction(work).then(
      () => undefined,
      (e) => e,
    );
    expect(violationOf(error)).toMatchObject(expected);
    expect(violationOf(new Error("other"))).toBeUndefined();
  });

  test("the partial unique index frees the e-mail of a deleted user", async () => {
    const emailKey = "again@example.test";
    await db.transaction((tx) => tx.insert(users).values(newUser({ emailKey, deletedAt: at })));
    await db.transaction((tx) => tx.insert(users).values(newUser({ emailKey })));
    expect(await db.read.$count(users, eq(users.emailKey, emailKey))).toBe(2);
  });

  test("upserts, with the conflicting row's values at hand", async () => {
    const put = (value: string) =>
      db.transaction((tx) =>
        tx
          .insert(instanceFacts)
          .values({ name: "theme", value, updatedAt: at })
          .onConflictDoUpdate({
            target: instanceFacts.name,
            set: { value: sql`excluded.value || ${instanceFacts.value}` },
          })
          .returning(),
      );
    expect(await put("1")).toMatchObject([{ value: "1" }]);
    expect(await put("2")).toMatchObject([{ value: "21" }]);
    const ignored = await db.transaction((tx) =>
      tx
        .insert(instanceFacts)
        .values({ name: "theme", value: "9", updatedAt: at })
        .onConflictDoNothing()
        .returning(),
    );
    expect(ignored).toEqual([]);
  });

  test("keyset pages visit every row once, in order, on ties too", async () => {
    const paged = uuid();
    await db.transaction(async (tx) => {
      await tx.insert(tenants).values(newTenant({ id: paged }));
      await tx
        .insert(users)
        .values(
          Array.from({ length: 25 }, (_, i) =>
            newUser({ tenantId: paged, createdAt: later(Math.floor(i / 5)) }),
          ),
        );
    });
    const order = [desc(users.createdAt), desc(users.id)];
    const seen: string[] = [];
    let from: { at: Date; id: string } | undefined;
    do {
      const page = await db.read
        .select({ id: users.id, at: users.createdAt })
        .from(users)
        .where(and(eq(users.tenantId, paged), from && before(users.createdAt, users.id, from)))
        .orderBy(...order)
        .limit(7 + 1);
      const rows = page.slice(0, 7);
      seen.push(...rows.map((row) => row.id));
      from = page.length > 7 ? rows.at(-1) : undefined;
    } while (from);
    const all = await db.read
      .select({ id: users.id })
      .from(users)
      .where(eq(users.tenantId, paged))
      .orderBy(...order);
    expect(seen).toEqual(all.map((row) => row.id));
    expect(seen).toHaveLength(25);
  });

  test("deleting a tenant cascades", async () => {
    const gone = uuid();
    await db.transaction(async (tx) => {
      const user = newUser();
      await tx.insert(tenants).values(newTenant({ id: gone }));
      await tx.insert(users).values(user);
      await tx.insert(magicLinks).values({
        id: uuid(),
        tenantId: gone,
        userId: user.id,
        email: "a@b.c",
        tokenHash: "t",
        expiresAt: at,
        createdAt: at,
      });
      await tx.delete(tenants).where(eq(tenants.id, gone));
      expect(await tx.$count(magicLinks, eq(magicLinks.tenantId, gone))).toBe(0);
      expect(await tx.$count(users, eq(users.id, user.id))).toBe(1);
    });
  });

  test("joins", async () => {
    await db.transaction((tx) => tx.insert(users).values(newUser({ tenantId })));
    const rows = await db.read
      .select({ slug: tenants.slug, email: users.email })
      .from(users)
      .innerJoin(tenants, eq(tenants.id, users.tenantId))
      .where(eq(tenants.slug, "acme"))
      .orderBy(asc(users.email))
      .limit(1);
    expect(rows[0]!.slug).toBe("acme");
  });

  test("only shared builder methods compile on the handles", () => {
    // @ts-expect-error: db.read has no writes
    void (() => db.read.insert);
    // @ts-expect-error: no SQLite-only terminals; await the builder
    void (() => db.read.select().from(users).all());
  });

  test.skipIf(dialect === "postgres")("writes cannot go through the read handle", async () => {
    const handle = db.read as unknown as Tx; // on Postgres by type only
    await expect((async () => handle.insert(tenants).values(newTenant()))()).rejects.toThrow();
  });

  test("readiness is a write, and asked as often as one likes", async () => {
    const [fact] = [eq(instanceFacts.name, "readiness")];
    const own = await freshDb();
    await Promise.all(Array.from({ length: 50 }, () => own.check()));
    const [row] = await own.read.select().from(instanceFacts).where(fact);
    expect(row!.updatedAt.getTime()).toBeGreaterThan(Date.now() - 5_000);
    await own.check();
    expect(await own.read.select().from(instanceFacts).where(fact)).toEqual([row!]); // the same answer
    await own.close();
  });
});
