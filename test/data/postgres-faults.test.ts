// Postgres silent, gone, back, slow and crowded: every call ends in time, and nothing needs a restart.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { eq, sql } from "drizzle-orm";
import { type Db, openDatabase } from "../../db/client.ts";
import { dialect } from "../../db/dialect.ts";
import {
  DatabaseFault,
  DatabaseFull,
  DatabaseOverloaded,
  DatabaseUnavailable,
  faultOf,
  TransactionTimeout,
} from "../../db/errors.ts";
import { connect } from "../../db/raw.ts";
import { tenants } from "../../db/schema/index.ts";
import { freshUrl } from "../support/db.ts";
import { proxyBefore } from "./support/proxy.ts";
import { newTenant } from "./support/rows.ts";

const STATEMENT_LIMIT_MS = 300;
/** Statement limit, the grace on top of it, and what a busy machine adds. */
const IN_TIME_MS = STATEMENT_LIMIT_MS + 1_000 + 1_000;

describe.skipIf(dialect === "sqlite")("Postgres", () => {
  let url: string;
  let proxy: Awaited<ReturnType<typeof proxyBefore>>;
  let db: Db;
  const open = async (options = {}) => {
    db = await openDatabase({
      url: proxy.url,
      poolSize: 3,
      statementLimitMs: STATEMENT_LIMIT_MS,
      connectLimitMs: 500,
      transactionLimitMs: 1_000,
      ...options,
    });
  };
  beforeEach(async () => {
    url = await freshUrl();
    proxy = await proxyBefore(url);
    await open();
  });
  afterEach(async () => {
    await db.close();
    await proxy.stop();
  });

  const read = async () => db.read.select({ slug: tenants.slug }).from(tenants);
  const insert = (slug: string) =>
    db.transaction(async (tx) => {
      await tx.insert(tenants).values(newTenant({ slug }));
    });
  /** What is in the database, not asked through the proxy. */
  const slugs = async () => {
    const connection = await connect(url);
    const rows = await connection.values("select slug from tenants order by slug");
    await connection.close();
    return rows.flat();
  };
  /** The fault that `run` ends in, and how long it took. */
  const faultIn = async (run: () => Promise<unknown>) => {
    const start = performance.now();
    const error = await run().then(
      () => undefined,
      (reason) => reason,
    );
    return { fault: faultOf(error), ms: performance.now() - start };
  };

  test("silent: reads and transactions end in time, and the next ones work once it speaks", async () => {
    await Promise.all([insert("a"), insert("b"), insert("c")]); // three connections are up
    proxy.fallSilent();
    const outcomes = await Promise.all(
      [read, read, () => insert("d"), () => db.check()].map(faultIn),
    );
    for (const { fault, ms } of outcomes) {
      expect(fault).toBeInstanceOf(DatabaseFault);
      expect(ms).toBeLessThan(2 * IN_TIME_MS); // the fourth may have waited for a connection
    }
    expect(outcomes[0]!.fault).toBeInstanceOf(DatabaseUnavailable);
    expect((await faultIn(read)).ms).toBeLessThan(IN_TIME_MS); // nor does connecting hang
    proxy.speakAgain();
    expect(await read()).toHaveLength(3);
    await insert("e");
    expect(await slugs()).toEqual(["a", "b", "c", "e"]);
  }, 20_000);

  test("silent in the middle of a transaction: an error in time, nothing written", async () => {
    const { fault, ms } = await faultIn(() =>
      db.transaction(async (tx) => {
        await tx.insert(tenants).values(newTenant({ slug: "half" }));
        proxy.fallSilent();
        await tx.insert(tenants).values(newTenant({ slug: "other half" }));
      }),
    );
    expect(fault).toBeInstanceOf(DatabaseFault);
    expect(ms).toBeLessThan(IN_TIME_MS);
    proxy.speakAgain();
    await insert("after");
    expect(await slugs()).toEqual(["after"]);
  }, 20_000);

  test("gone, and back: refused at once, no restart needed", async () => {
    await insert("before");
    await proxy.goAway();
    for (const run of [read, () => insert("lost"), () => db.check()]) {
      const { fault, ms } = await faultIn(run);
      expect(fault).toBeInstanceOf(DatabaseUnavailable);
      expect(ms).toBeLessThan(1_000);
    }
    await proxy.comeBack();
    expect(await read()).toEqual([{ slug: "before" }]);
    await insert("again");
    await Bun.sleep(600); // a bad answer holds for half a second
    await db.check();
    expect(await slugs()).toEqual(["again", "before"]);
  });

  test("a connection that broke while idle is not noticed by anybody", async () => {
    await Promise.all([insert("a"), insert("b"), insert("c")]);
    proxy.cut();
    await Bun.sleep(20);
    expect(await read()).toHaveLength(3);
    proxy.cut();
    await insert("d");
    expect(await slugs()).toEqual(["a", "b", "c", "d"]);
  });

  test("a connection that breaks before COMMIT: run again, once, and written once", async () => {
    let runs = 0;
    await db.transaction(async (tx) => {
      runs += 1;
      await tx.insert(tenants).values(newTenant({ slug: "once" }));
      if (runs === 1) proxy.cut();
      await tx.$count(tenants);
    });
    expect(runs).toBe(2);
    expect(await slugs()).toEqual(["once"]);
    const { fault } = await faultIn(() =>
      db.transaction(async (tx) => {
        proxy.cut();
        await tx.$count(tenants);
      }),
    );
    expect(fault).toBeInstanceOf(DatabaseUnavailable); // not for ever
  });

  test("a statement over its limit is ended by the server, and the connection lives on", async () => {
    const { fault, ms } = await faultIn(async () =>
      db.read.select({ x: sql`pg_sleep(5)` }).from(tenants),
    );
    expect(fault).toBeUndefined(); // nobody is in the table: nothing sleeps
    expect(ms).toBeLessThan(1_000);
    await insert("a");
    const slow = await faultIn(async () => db.read.select({ x: sql`pg_sleep(5)` }).from(tenants));
    expect(slow.fault).toBeInstanceOf(TransactionTimeout);
    expect(slow.ms).toBeLessThan(IN_TIME_MS);
    expect(await read()).toEqual([{ slug: "a" }]);
  });

  test("a crowd: the queue has an end, in number and in time", async () => {
    await db.close();
    await open({ poolSize: 1, queueLimit: 2, transactionLimitMs: 500 });
    const done = Promise.withResolvers<void>();
    const holder = db.transaction(async () => done.promise);
    await Bun.sleep(50);
    const waiting = [faultIn(read), faultIn(read)];
    const refused = await faultIn(read);
    expect(refused.fault).toBeInstanceOf(DatabaseOverloaded);
    expect(refused.ms).toBeLessThan(100);
    done.resolve();
    await holder;
    expect((await Promise.all(waiting)).map(({ fault }) => fault)).toEqual([undefined, undefined]);
  });

  test("a transaction over its limit is told so at once, while its statement still runs", async () => {
    await db.close();
    await open({ transactionLimitMs: 100, statementLimitMs: 1_500 });
    await faultIn(() => insert("a"));
    const { fault, ms } = await faultIn(() =>
      db.transaction(async (tx) => tx.select({ x: sql`pg_sleep(1)` }).from(tenants)),
    );
    expect(fault).toBeInstanceOf(TransactionTimeout);
    expect(ms).toBeLessThan(800);
    expect(await read()).toEqual([{ slug: "a" }]);
  });

  test("a database that went read-only: writes say full, readiness too; reads go on", async () => {
    await insert("a");
    await db.close();
    const connection = await connect(url);
    const name = new URL(url).pathname.slice(1);
    await connection.values(`alter database ${name} set default_transaction_read_only = on`);
    await open();
    expect((await faultIn(() => insert("b"))).fault).toBeInstanceOf(DatabaseFull);
    expect((await faultIn(() => db.check())).fault).toBeInstanceOf(DatabaseFull);
    expect(await read()).toEqual([{ slug: "a" }]);
    await connection.values("set transaction_read_only = off");
    await connection.values(`alter database ${name} reset default_transaction_read_only`);
    await connection.close();
  });

  test("eight lost races end in DatabaseOverloaded, which is tried again later", async () => {
    await insert("row");
    const { fault } = await faultIn(() =>
      db.transaction(async (tx) => {
        await tx.select().from(tenants);
        // Somebody else is always quicker.
        await db.read.$count(tenants);
        const other = await connect(url);
        await other.values("update tenants set name = name || 'x'");
        await other.close();
        await tx.update(tenants).set({ name: "mine" }).where(eq(tenants.slug, "row"));
      }),
    );
    expect(fault).toBeInstanceOf(DatabaseOverloaded);
  }, 20_000);
});
