import type { SQL } from "bun";
import { drizzle } from "drizzle-orm/bun-sql";
import { Readiness } from "./check.ts";
import type { Db, DbOptions, Reader, TransactionOptions, Tx } from "./client.ts";
import {
  DatabaseFault,
  faultOf,
  isConnectionLost,
  isRetryable,
  TransactionTimeout,
} from "./errors.ts";
import { statements } from "./observe.ts";
import { type PostgresConnection, PostgresPool } from "./postgres-pool.ts";
import { withClient } from "./prepared.ts";
import {
  assertNotNested,
  keyedMutex,
  runInScope,
  Scope,
  transactionHandle,
} from "./transaction.ts";

/** How often a transaction is run that loses to others (40001, 40P01) before it gives up. */
const MAX_ATTEMPTS = 8;

/** Serializable transactions, run again where Postgres asks for it; every call with a deadline. */
export async function openPostgres(options: DbOptions): Promise<Db> {
  return new PostgresDb(options);
}

type Run = (text: string, params: unknown[], values: boolean) => Promise<unknown[]>;

class PostgresDb implements Db {
  readonly dialect = "postgres";
  readonly read: Reader;
  readonly #readiness = new Readiness(this);
  readonly #pool: PostgresPool;
  readonly #exclusive: ReturnType<typeof keyedMutex>;
  readonly #transactionLimitMs: number;

  constructor(options: DbOptions) {
    const { queueLimit = 1_000, transactionLimitMs = 5_000 } = options;
    this.#transactionLimitMs = transactionLimitMs;
    this.#exclusive = keyedMutex(queueLimit);
    this.#pool = new PostgresPool({
      url: options.url,
      size: options.poolSize ?? 10,
      queueLimit,
      waitLimitMs: transactionLimitMs,
      connectLimitMs: options.connectLimitMs ?? 3_000,
      statementLimitMs: options.statementLimitMs ?? 5_000,
      idleInTransactionLimitMs: transactionLimitMs + 5_000,
    });
    this.read = handleOn((text, params, values) =>
      retryOnLostConnection(() => this.#readOnce(text, params, values)),
    );
  }

  async transaction<T>(work: (tx: Tx) => Promise<T>, options?: TransactionOptions): Promise<T> {
    assertNotNested();
    const key = options?.serializeOn;
    const run = () => this.#retried(work);
    try {
      return await (key === undefined ? run() : this.#exclusive(key, run));
    } catch (error) {
      const reason = faultOf(error) ?? error;
      this.#readiness.noteFailure(reason);
      throw reason;
    }
  }

  check(): Promise<void> {
    return this.#readiness.check();
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  async #readOnce(text: string, params: unknown[], values: boolean): Promise<unknown[]> {
    const connection = await this.#pool.acquire();
    try {
      return await connection.run(text, params, values);
    } finally {
      connection.release();
    }
  }

  async #retried<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    for (let n = 1; ; n += 1) {
      try {
        return await retryOnLostConnection(() => this.#attempt(work));
      } catch (error) {
        if (!isRetryable(error) || n === MAX_ATTEMPTS) throw error;
        await Bun.sleep(Math.random() * 2 ** n); // full jitter, up to 2, 4, 8 … 128 ms
      }
    }
  }

  async #attempt<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const scope = new Scope();
    const connection = await this.#pool.acquire();
    const tx = transactionHandle(handleOn(guard(connection, scope)), scope);
    let result: T;
    try {
      await connection.run("begin isolation level serializable");
      result = await runInScope(scope, this.#transactionLimitMs, () => work(tx));
    } catch (error) {
      const rolledBack = rollback(connection);
      // A statement may still be running, up to its own limit: whoever waits has waited long enough.
      if (!(error instanceof TransactionTimeout)) await rolledBack;
      throw error;
    }
    try {
      await connection.run("commit");
    } catch (error) {
      connection.release(); // the server has rolled back whatever it refuses to commit
      throw faultOf(error) ?? error; // not run again when the connection is lost: it may be committed
    }
    connection.release();
    for (const hook of scope.hooks) hook();
    return result;
  }
}

async function rollback(connection: PostgresConnection): Promise<void> {
  if (connection.isBroken) return connection.release();
  try {
    await connection.run("rollback");
    connection.release();
  } catch {
    connection.discard(); // which ends the transaction as well
  }
}

/**
 * Runs once more what a broken connection ended: a read, or a transaction whose COMMIT was not sent yet, which has
 * had no effect. Not after silence, which has taken long enough already.
 */
async function retryOnLostConnection<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof DatabaseFault || !isConnectionLost(error)) throw error;
    return await run();
  }
}

/** Statements of one transaction, refused once it is over or broken. */
function guard(connection: PostgresConnection, scope: Scope): Run {
  return async (text, params, values) => {
    scope.assertUsable();
    try {
      return await connection.run(text, params, values);
    } catch (error) {
      scope.failed = true;
      throw error;
    }
  };
}

/** drizzle on top of `run`, through the two members of a Bun SQL client that it uses. */
function handleOn(run: Run): Reader {
  const client = {
    unsafe(text: string, params: unknown[]) {
      statements.observer?.(text);
      return {
        values: () => run(text, params, true),
        // biome-ignore lint/suspicious/noThenProperty: a query is a lazy thenable, as Bun's own
        then: (ok: (rows: unknown) => unknown, fail: (error: unknown) => unknown) =>
          run(text, params, false).then(ok, fail),
      };
    },
  } as unknown as SQL; // of which drizzle's type wants all
  // It differs from what kit.ts calls canonical in what a write without `.returning()` yields.
  return withClient(drizzle({ client, casing: "snake_case" }), client) as unknown as Reader;
}
