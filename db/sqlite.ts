import { Database, type Statement } from "bun:sqlite";
import { closeSync, fsyncSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { type AsyncRemoteCallback, drizzle } from "drizzle-orm/sqlite-proxy";
import { Readiness } from "./check.ts";
import type { Db, DbOptions, Reader, Tx } from "./client.ts";
import { startSyncThread, WalSync } from "./durability.ts";
import { DatabaseOverloaded, faultOf } from "./errors.ts";
import { statements } from "./observe.ts";
import { withClient } from "./prepared.ts";
import {
  assertNotNested,
  keyedMutex,
  runInScope,
  Scope,
  transactionHandle,
} from "./transaction.ts";

/** Longest wait for another process's write lock. */
const LOCK_WAIT_MS = 5_000;

/** One writer, whose transactions run one after another, and one reader, which sees what is committed. */
export function openSqlite(options: DbOptions): Promise<Db> {
  const path = options.url.replace(/^sqlite:/, "");
  try {
    mkdirSync(dirname(path), { recursive: true });
    return Promise.resolve(new SqliteDb(path, options));
  } catch (error) {
    return Promise.reject(faultOf(error) ?? error);
  }
}

class SqliteDb implements Db {
  readonly dialect = "sqlite";
  readonly read: Reader;
  readonly #readiness = new Readiness(this);
  readonly #writer: Connection;
  readonly #reader: Connection;
  readonly #wal: WalSync | undefined;
  readonly #exclusive: ReturnType<typeof keyedMutex>;
  readonly #queueLimit: number;
  readonly #transactionLimitMs: number;
  readonly #releaseWal: () => void;

  constructor(path: string, options: DbOptions) {
    const { durable = true, queueLimit = 1_000, transactionLimitMs = 5_000 } = options;
    this.#queueLimit = queueLimit;
    this.#transactionLimitMs = transactionLimitMs;
    this.#exclusive = keyedMutex(queueLimit);
    this.#writer = new Connection(path, { create: true, readwrite: true, strict: true });
    this.#writer.database.run("pragma journal_mode = wal");
    // Fresh start: what an earlier process left in the WAL goes to the database file, and is synced there.
    this.#writer.database.run("pragma wal_checkpoint(passive)");
    this.#writer.database.run("pragma busy_timeout = 0"); // #begin waits for the lock, not SQLite
    this.#reader = new Connection(path, { readonly: true, strict: true });
    this.read = this.#handle(this.#reader);

    if (!durable) {
      this.#releaseWal = () => {};
      return;
    }
    const walFd = openWal(this.#writer.database);
    const thread = options.syncWal === undefined ? startSyncThread() : undefined;
    const sync = options.syncWal ?? thread?.sync;
    if (sync) this.#wal = new WalSync(() => sync(walFd), options.onFatal);
    this.#releaseWal = () => {
      thread?.stop();
      closeSync(walFd);
    };
  }

  async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    assertNotNested();
    this.#wal?.assertSound();
    if (this.#wal && this.#wal.waiting >= this.#queueLimit) {
      throw new DatabaseOverloaded(`${this.#wal.waiting} commits waiting for the disk`);
    }
    const scope = new Scope();
    let result: T;
    try {
      result = await this.#exclusive("writer", () => this.#run(scope, work));
    } catch (error) {
      await this.#wal?.settled(); // it may say "taken" because of a row that is not on disk yet
      const reason = faultOf(error) ?? error;
      this.#readiness.noteFailure(reason);
      throw reason;
    }
    await this.#wal?.durable(); // the writer is free meanwhile: the next transactions share this sync
    for (const hook of scope.hooks) hook();
    return result;
  }

  check(): Promise<void> {
    return this.#readiness.check();
  }

  async close(): Promise<void> {
    await this.#exclusive("writer", async () => {});
    await this.#wal?.idle();
    this.#reader.close();
    // No `pragma optimize`: statistics taken while a table is small send later plans through the whole of it (seen:
    // one tenant, and every sign-in scanned all tenants once there were thousands). Without any, keys are looked up.
    this.#writer.database.run("pragma busy_timeout = 5000");
    this.#writer.close();
    this.#releaseWal();
  }

  async #run<T>(scope: Scope, work: (tx: Tx) => Promise<T>): Promise<T> {
    const { database } = this.#writer;
    const tx = transactionHandle(this.#handle(this.#writer, scope), scope);
    await this.#begin();
    try {
      const result = await runInScope(scope, this.#transactionLimitMs, () => work(tx));
      this.#writer.run("commit");
      return result;
    } catch (error) {
      // Some failures (disk full, I/O error) have rolled back already.
      if (database.inTransaction) this.#writer.run("rollback");
      throw error;
    }
  }

  /**
   * Takes the write lock, which another *process* (a command, a second server) may hold. SQLite's own
   * busy_timeout would wait for it asleep, the event loop with it (a quarter of the throughput).
   *
   * IMMEDIATE takes it now: a deferred transaction that reads, then writes, fails with SQLITE_BUSY_SNAPSHOT
   * when another process committed in between, and cannot be waited for.
   */
  async #begin(): Promise<void> {
    if (this.#writer.database.inTransaction) this.#writer.run("rollback"); // the last one's has failed
    const giveUp = performance.now() + LOCK_WAIT_MS;
    for (;;) {
      try {
        this.#writer.run("begin immediate");
        return;
      } catch (error) {
        const busy = (error as { code?: string }).code === "SQLITE_BUSY";
        if (!busy || performance.now() > giveUp) throw error;
        await Bun.sleep(Math.random() * 2);
      }
    }
  }

  /** drizzle on a connection: in the transaction of `scope`, or of single statements without one. */
  #handle(connection: Connection, scope?: Scope): Reader {
    const client: AsyncRemoteCallback = async (text, params, method) => {
      scope?.assertUsable();
      statements.observer?.(text);
      try {
        const statement = connection.statement(text);
        let rows: unknown[] = [];
        if (method === "run") statement.run(...params);
        else rows = statement.values(...params);
        // Outside a transaction: answer nothing from what a power cut could still undo.
        if (!scope) await this.#wal?.settled();
        return { rows };
      } catch (error) {
        if (scope) scope.failed = true;
        throw faultOf(error) ?? error;
      }
    };
    // No batch callback; drizzle 0.45 reads `casing` from the third argument only.
    const handle = drizzle(client, undefined, { casing: "snake_case" });
    // Its builders are those that kit.ts casts: the Postgres types stand for both.
    return withClient(handle, client) as unknown as Reader;
  }
}

/** A connection and its compiled statements: drizzle's own bun-sqlite driver compiles the SQL anew on every call. */
class Connection {
  readonly database: Database;
  readonly #compiled = new Map<string, Statement>();

  constructor(path: string, flags: ConstructorParameters<typeof Database>[1]) {
    this.database = new Database(path, flags);
    // busy_timeout first: the other pragmas may need the lock.
    this.database.run("pragma busy_timeout = 5000");
    this.database.run("pragma synchronous = normal"); // commits do not sync; see durability.ts
    this.database.run("pragma foreign_keys = on");
    this.database.run("pragma temp_store = memory");
    this.database.run("pragma cache_size = -32000"); // KiB
  }

  statement(text: string): Statement {
    let statement = this.#compiled.get(text);
    if (!statement) {
      statement = this.database.prepare(text);
      if (this.#compiled.size >= 500) this.#compiled.clear(); // e.g. IN lists of many lengths; the GC finalizes
      this.#compiled.set(text, statement);
    }
    return statement;
  }

  run(text: string): void {
    this.statement(text).run();
  }

  close(): void {
    this.database.close();
  }
}

/**
 * A descriptor of our own on the live WAL file. It stays the live one: SQLite truncates and overwrites the
 * file, but unlinks it only when the last connection closes, and the writer stays open. (Never do this
 * with the database or -shm file: closing one drops SQLite's POSIX locks on that file.)
 */
function openWal(writer: Database): number {
  // Absolute, symbolic links resolved, as SQLite itself names the WAL.
  const { file } = writer
    .query("select file from pragma_database_list where name = 'main'")
    .get() as { file: string };
  const directory = openSync(dirname(file), "r");
  fsyncSync(directory); // the directory entries of both files
  closeSync(directory);
  return openSync(`${file}-wal`, "r+");
}
