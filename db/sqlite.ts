import { Database } from "bun:sqlite";
import { closeSync, fsyncSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { drizzle } from "drizzle-orm/sqlite-proxy";
import type { Db, DbOptions, Reader, Tx } from "./client.ts";
import { startSyncThread, WalSync } from "./durability.ts";
import { DatabaseOverloaded } from "./errors.ts";
import {
  assertNotNested,
  keyedMutex,
  runInScope,
  Scope,
  transactionHandle,
} from "./transaction.ts";

export async function openSqlite({
  url,
  durable = true,
  syncWal,
  transactionLimitMs = 5_000,
  queueLimit = 1_000,
  onFatal,
}: DbOptions): Promise<Db> {
  const path = url.replace(/^sqlite:/, "");
  mkdirSync(dirname(path), { recursive: true });
  const writer = open({ create: true, readwrite: true, strict: true });
  writer.run("pragma journal_mode = wal");
  // Fresh start: what an earlier process left in the WAL goes to the database file, and is synced there.
  writer.run("pragma wal_checkpoint(passive)");
  const reader = open({ readonly: true, strict: true });
  const walFd = durable ? openWal(writer) : undefined;
  const thread = durable && syncWal === undefined ? startSyncThread() : undefined;
  const sync = syncWal ?? thread?.sync;
  const wal = walFd === undefined || !sync ? undefined : new WalSync(() => sync(walFd), onFatal);

  function open(flags: ConstructorParameters<typeof Database>[1]): Database {
    const connection = new Database(path, flags);
    // busy_timeout first: the other pragmas may need the lock.
    connection.run("pragma busy_timeout = 5000");
    connection.run("pragma synchronous = normal"); // commits do not sync; see durability.ts
    connection.run("pragma foreign_keys = on");
    connection.run("pragma temp_store = memory");
    connection.run("pragma cache_size = -32000"); // KiB
    return connection;
  }

  function handle(connection: Database, scope?: Scope) {
    return drizzle(
      async (text, params, method) => {
        scope?.assertUsable();
        try {
          const statement = cached(connection, text);
          if (method === "run") statement.run(...params);
          const rows = method === "run" ? [] : statement.values(...params);
          // Outside a transaction: answer nothing from what a power cut could still undo.
          if (!scope) await wal?.settled();
          return { rows };
        } catch (error) {
          if (scope) scope.failed = true;
          throw error;
        }
      },
      undefined, // no batch callback; drizzle 0.45 reads `casing` from the third argument only
      { casing: "snake_case" },
    );
  }

  // drizzle's own bun-sqlite driver compiles the SQL anew on every call.
  const writerStatements = new Map<string, ReturnType<Database["prepare"]>>();
  const readerStatements: typeof writerStatements = new Map();
  function cached(connection: Database, text: string) {
    const cache = connection === writer ? writerStatements : readerStatements;
    let statement = cache.get(text);
    if (!statement) {
      statement = connection.prepare(text);
      if (cache.size >= 500) cache.clear(); // e.g. IN lists of many lengths; finalized by the GC
      cache.set(text, statement);
    }
    return statement;
  }

  const exclusive = keyedMutex(queueLimit);

  /**
   * Takes the write lock, which another *process* (a command, a second server) may hold. SQLite's own
   * busy_timeout would wait for it asleep, the event loop with it (a quarter of the throughput).
   */
  async function beginImmediate(): Promise<void> {
    const giveUp = performance.now() + 5_000;
    for (;;) {
      try {
        cached(writer, "begin immediate").run();
        return;
      } catch (error) {
        const busy = (error as { code?: string }).code === "SQLITE_BUSY";
        if (!busy || performance.now() > giveUp) throw error;
        await Bun.sleep(Math.random() * 2);
      }
    }
  }
  writer.run("pragma busy_timeout = 0");

  async function transaction<T>(work: (tx: Tx) => Promise<T>) {
    const scope = new Scope();
    const tx = transactionHandle(handle(writer, scope), scope);

    // IMMEDIATE takes the write lock now: a deferred transaction that reads, then writes, fails with
    // SQLITE_BUSY_SNAPSHOT when another process committed in between, and cannot be waited for.
    await beginImmediate();
    let result: T;
    try {
      result = await runInScope(scope, transactionLimitMs, () => work(tx));
      cached(writer, "commit").run();
    } catch (error) {
      // Some failures (disk full, I/O error) have rolled back already.
      if (writer.inTransaction) cached(writer, "rollback").run();
      throw error;
    }
    return { result, hooks: scope.hooks };
  }

  return {
    dialect: "sqlite",
    read: handle(reader) as unknown as Reader,
    async transaction(work) {
      assertNotNested();
      wal?.assertSound();
      if (wal && wal.waiting >= queueLimit) {
        throw new DatabaseOverloaded(`${wal.waiting} commits waiting for the disk`);
      }
      const { result, hooks } = await exclusive("writer", () => transaction(work)).catch(
        async (error) => {
          await wal?.settled(); // it may say "taken" because of a row that is not on disk yet
          throw error;
        },
      );
      await wal?.durable(); // the writer is free meanwhile: the next transactions share this sync
      for (const hook of hooks) hook();
      return result;
    },
    async close() {
      await exclusive("writer", async () => {});
      await wal?.idle();
      thread?.stop();
      reader.close();
      writer.run("pragma busy_timeout = 5000");
      writer.run("pragma optimize");
      writer.close();
      if (walFd !== undefined) closeSync(walFd);
    },
  };
}

/**
 * A descriptor of our own on the live WAL file. It stays the live one: SQLite truncates and overwrites the
 * file, but unlinks it only when the last connection closes, and `writer` stays open. (Never do this
 * with the database or -shm file: closing one drops SQLite's POSIX locks on that file.)
 */
function openWal(writer: Database): number {
  const { file } = writer
    .query("select file from pragma_database_list where name = 'main'")
    .get() as {
    file: string; // absolute, symbolic links resolved, as SQLite itself names the WAL
  };
  const directory = openSync(dirname(file), "r");
  fsyncSync(directory); // the directory entries of both files
  closeSync(directory);
  return openSync(`${file}-wal`, "r+");
}
