// What was answered is on disk: docs/decisions/0002 has the argument.
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { fdatasyncSync, fstatSync, mkdtempSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase, type Tx } from "../../db/client.ts";
import { dialect } from "../../db/dialect.ts";
import { DurabilityLost } from "../../db/durability.ts";
import { tenants } from "../../db/schema/index.ts";
import { freshUrl, pathOf } from "../support/db.ts";
import { newTenant } from "./support/rows.ts";

const insert = (slug: string) => (tx: Tx) => tx.insert(tenants).values(newTenant({ slug }));

/** A database whose WAL syncs wait until the test lets them through. */
async function manualDisk(onFatal?: (error: Error) => void) {
  const url = await freshUrl();
  const syncs: PromiseWithResolvers<void>[] = [];
  const syncWal = () => {
    syncs.push(Promise.withResolvers());
    return syncs.at(-1)!.promise;
  };
  const db = await openDatabase({ url, syncWal, ...(onFatal && { onFatal }) });
  /** True when `promise` has not settled, although everything that can run has run. */
  const pending = async (promise: Promise<unknown>) => {
    await Bun.sleep(2);
    return Bun.peek.status(promise) === "pending";
  };
  return { db, syncs, pending, path: pathOf(url) };
}

describe.skipIf(dialect === "postgres")("durability on SQLite", () => {
  test("no transaction resolves before a sync that began after its commit", async () => {
    const url = await freshUrl();
    // A connection of its own tells what was committed at the moment when each sync began.
    const outside = new Database(pathOf(url), { readonly: true });
    const committed = outside.query<{ slug: string }, []>("select slug from tenants");
    const onDisk = new Set<string>();
    let syncs = 0;
    const db = await openDatabase({
      url,
      async syncWal(walFd) {
        const covered = committed.all();
        fdatasyncSync(walFd);
        await Bun.sleep(Math.random() * 3);
        for (const { slug } of covered) onDisk.add(slug);
        syncs += 1;
      },
    });
    const early: string[] = [];
    await Promise.all(
      Array.from({ length: 20 }, async (_, caller) => {
        for (let n = 0; n < 25; n += 1) {
          const slug = `${caller}.${n}`;
          await db.transaction(insert(slug));
          if (!onDisk.has(slug)) early.push(slug);
          if (n % 5 === caller % 5) await Bun.sleep(Math.random() * 4); // break the lockstep
        }
      }),
    );
    expect(early).toEqual([]);
    expect(onDisk.size).toBe(500);
    expect(syncs).toBeLessThan(250); // and they were shared
    outside.close();
    await db.close();
  });

  test("who commits while a sync is in flight waits for the next one, with all the others", async () => {
    const { db, syncs, pending } = await manualDisk();
    const first = db.transaction(insert("first"));
    expect(await pending(first)).toBe(true);
    const later = ["a", "b", "c"].map((slug) => db.transaction(insert(slug)));
    expect(await pending(later[2]!)).toBe(true);
    expect(syncs).toHaveLength(1);
    syncs[0]!.resolve();
    await first;
    expect(await pending(later[0]!)).toBe(true);
    expect(syncs).toHaveLength(2);
    syncs[1]!.resolve();
    await Promise.all(later);
    expect(syncs).toHaveLength(2);
    await db.close();
  });

  test("reads and refusals that rest on a commit wait until it is on disk", async () => {
    const { db, syncs, pending } = await manualDisk();
    const hooks: string[] = [];
    const write = db.transaction(async (tx) => {
      tx.afterCommit(() => hooks.push("ran"));
      await insert("taken")(tx);
    });
    await Bun.sleep(2);
    const read = db.read.select({ slug: tenants.slug }).from(tenants);
    const rows = read.then((found) => found);
    const refused = db.transaction(insert("taken")).catch((error: Error) => error);
    expect(await pending(rows)).toBe(true);
    expect(await pending(refused)).toBe(true);
    expect(hooks).toEqual([]);
    syncs[0]!.resolve();
    await write;
    expect(await rows).toEqual([{ slug: "taken" }]);
    expect(await refused).toBeInstanceOf(Error);
    expect(hooks).toEqual(["ran"]);
    expect(syncs).toHaveLength(1); // neither a read nor a rollback syncs anything
    await db.close();
  });

  test("after a failed sync everything is refused, and nothing is synced again", async () => {
    const fatal: Error[] = [];
    const { db, syncs } = await manualDisk((error) => fatal.push(error));
    const outcomes = ["a", "b"].map((slug) => db.transaction(insert(slug)).catch((error) => error));
    await Bun.sleep(2);
    syncs[0]!.reject(new Error("EIO"));
    for (const outcome of outcomes) expect(await outcome).toBeInstanceOf(DurabilityLost);
    await expect(db.transaction(insert("c"))).rejects.toBeInstanceOf(DurabilityLost);
    await expect((async () => db.read.select().from(tenants))()).rejects.toThrow();
    await expect(db.check()).rejects.toBeInstanceOf(DurabilityLost);
    expect(fatal).toHaveLength(1); // whoever listens ends the process
    expect(fatal[0]).toBeInstanceOf(DurabilityLost);
    expect(syncs).toHaveLength(1);
    await db.close();
  });

  test("waits for another process's write lock without stopping the event loop", async () => {
    const url = await freshUrl();
    const db = await openDatabase({ url });
    const other = new Database(pathOf(url));
    other.run("begin immediate");
    let turns = 0;
    const clock = setInterval(() => (turns += 1), 1);
    const write = db.transaction(insert("patient"));
    await Bun.sleep(50);
    expect(Bun.peek.status(write)).toBe("pending");
    expect(turns).toBeGreaterThan(10);
    other.run("commit");
    other.close();
    await write;
    clearInterval(clock);
    await db.close();
  });

  test("the handle is that of the live WAL: through checkpoints, truncation and a symbolic link", async () => {
    const url = await freshUrl();
    const path = pathOf(url);
    symlinkSync(path, `${path}.link`);
    const inodes: number[] = [];
    const db = await openDatabase({
      url: `sqlite:${path}.link`,
      async syncWal(walFd) {
        inodes.push(fstatSync(walFd).ino);
      },
    });
    const outside = new Database(path);
    for (const step of ["", "pragma wal_checkpoint(truncate)", "vacuum"]) {
      if (step) outside.run(step);
      await db.transaction(insert(`after ${step}`));
    }
    outside.close();
    await db.transaction(insert("last"));
    expect(new Set(inodes)).toEqual(new Set([statSync(`${path}-wal`).ino]));
    await db.close();
  });
});

test("every acknowledged row survives kill -9, 20 times over", async () => {
  const url = await freshUrl();
  const acknowledged: string[] = [];
  for (let round = 0; round < 20; round += 1) {
    // To a file: reading a busy pipe here could starve the timer that is to kill its writer.
    const output = Bun.file(join(mkdtempSync(join(tmpdir(), "writer-")), "acknowledged"));
    const writer = Bun.spawn([process.execPath, `${import.meta.dir}/support/writer.ts`, url], {
      env: process.env, // with what the preload has set
      stdout: output,
    });
    await Bun.sleep(150 + Math.random() * 150).finally(() => writer.kill("SIGKILL"));
    await writer.exited;
    acknowledged.push(...(await output.text()).split("\n").slice(0, -1)); // the last line may be cut off
  }
  const db = await openDatabase({ url });
  const present = new Set(
    (await db.read.select({ id: tenants.id }).from(tenants)).map((t) => t.id),
  );
  expect(acknowledged.filter((id) => !present.has(id))).toEqual([]);
  expect(acknowledged.length).toBeGreaterThan(100);
  await db.close();
}, 60_000);
