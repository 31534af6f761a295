import { Database } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { SQL } from "bun";
import { dialect, dialectOf } from "./dialect.ts";
import { DatabaseUnavailable, faultOf, isConnectionLost } from "./errors.ts";
import { withDeadline } from "./transaction.ts";

/** Longest that one statement of a command may take: an index over a large table is built in one. */
const STATEMENT_LIMIT_MS = 15 * 60_000;
const CONNECT_LIMIT_MS = 10_000;

/** One connection without a schema: for commands that make, copy or inspect one. Not for serving. */
export interface RawConnection {
  /** Runs one statement; rows as arrays of values. Throws DatabaseFault, or what the driver throws. */
  values(text: string, params?: unknown[]): Promise<unknown[][]>;
  close(): Promise<void>;
}

export interface RawOptions {
  /** SQLite only: does not create the file, nor write to it. */
  readonly?: boolean;
  /** Longest wait for another process's lock. */
  lockWaitMs?: number;
}

/** Connects to `url`. On SQLite foreign keys are off: `pragma foreign_key_check` before committing. */
export async function connect(url: string, options: RawOptions = {}): Promise<RawConnection> {
  const { readonly = false, lockWaitMs = 60_000 } = options;
  if (dialectOf(url) !== dialect)
    throw new Error(`schema was loaded for ${dialect}; set DATABASE_URL before start`);
  try {
    return dialect === "postgres"
      ? await connectPostgres(url, lockWaitMs)
      : connectSqlite(url.replace(/^sqlite:/, ""), readonly, lockWaitMs);
  } catch (error) {
    throw faultOf(error) ?? error;
  }
}

/** Runs `work` in a transaction that `begin` opens; rolls back when it rejects. */
export async function inTransaction<T>(
  connection: RawConnection,
  begin: string,
  work: () => Promise<T>,
): Promise<T> {
  await connection.values(begin);
  try {
    const result = await work();
    await connection.values("commit");
    return result;
  } catch (error) {
    await connection.values("rollback").catch(() => {}); // some failures have rolled back already
    throw error;
  }
}

/** The names of all tables, views not included. */
export async function tableNames(connection: RawConnection): Promise<string[]> {
  const rows = await connection.values(
    dialect === "postgres"
      ? "select table_name from information_schema.tables where table_schema = current_schema() and table_type = 'BASE TABLE'"
      : "select name from sqlite_master where type = 'table' and name not like 'sqlite\\_%' escape '\\'",
  );
  return rows.map(([name]) => String(name));
}

function connectSqlite(path: string, readonly: boolean, lockWaitMs: number): RawConnection {
  if (!readonly) mkdirSync(dirname(path), { recursive: true });
  const database = new Database(path, readonly ? { readonly } : { create: true });
  database.run(`pragma busy_timeout = ${lockWaitMs}`);
  // Outside of any transaction, where it takes effect: a table rebuild drops the old table, and with
  // foreign keys on that would cascade-delete every child row.
  database.run("pragma foreign_keys = off");
  if (!readonly) database.run("pragma journal_mode = wal");
  return {
    async values(text, params = []) {
      try {
        const statement = database.query(text);
        return statement.values(...(params as string[])) as unknown[][];
      } catch (error) {
        throw faultOf(error) ?? error;
      }
    },
    close: async () => database.close(),
  };
}

async function connectPostgres(url: string, lockWaitMs: number): Promise<RawConnection> {
  const client = new SQL({
    url,
    max: 1,
    connectionTimeout: CONNECT_LIMIT_MS / 1_000,
    connection: { application_name: "qeetid", lock_timeout: lockWaitMs },
  });
  const deadline = <T>(limitMs: number, run: () => Promise<T>) =>
    withDeadline(limitMs, () => new DatabaseUnavailable(`no answer in ${limitMs} ms`), run);
  try {
    // Reserved, so that a transaction which its connection has lost does not go on, on another one.
    const connection = await deadline(CONNECT_LIMIT_MS, () => client.reserve());
    return {
      values: (text, params = []) =>
        deadline(STATEMENT_LIMIT_MS, async () => connection.unsafe(text, params).values()),
      close: () => client.close({ timeout: 0 }),
    };
  } catch (error) {
    await client.close({ timeout: 0 });
    throw isConnectionLost(error)
      ? new DatabaseUnavailable("the database cannot be reached", { cause: error })
      : error;
  }
}
