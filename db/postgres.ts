import { SQL } from "bun";
import { drizzle } from "drizzle-orm/bun-sql";
import type { Db, DbOptions, Reader, Tx } from "./client.ts";
import { isRetryable } from "./errors.ts";
import {
  assertNotNested,
  keyedMutex,
  runInScope,
  Scope,
  transactionHandle,
} from "./transaction.ts";

export async function openPostgres({
  url,
  transactionLimitMs = 5_000,
  queueLimit = 1_000,
  poolSize = 10,
}: DbOptions): Promise<Db> {
  const client = new SQL({ url, max: poolSize });
  const casing = "snake_case";
  const pool = drizzle({ client, casing });
  const exclusive = keyedMutex(queueLimit);

  async function attempt<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const scope = new Scope();
    const result = await client.begin("isolation level serializable", async (connection) => {
      const tx = transactionHandle(drizzle({ client: guarded(connection, scope), casing }), scope);
      return runInScope(scope, transactionLimitMs, () => work(tx));
    });
    for (const hook of scope.hooks) hook();
    return result;
  }

  /** The two members of a Bun SQL client that drizzle uses, with the scope's checks in front. */
  function guarded(connection: Pick<InstanceType<typeof SQL>, "unsafe">, scope: Scope) {
    const watch = <R>(query: Promise<R>): Promise<R> =>
      query.catch((error) => {
        scope.failed = true;
        throw error;
      });
    return {
      unsafe(text: string, params: unknown[]) {
        scope.assertUsable();
        const query = connection.unsafe(text, params);
        return {
          values: () => watch(query.values()),
          // biome-ignore lint/suspicious/noThenProperty: a query is a lazy thenable, as Bun's own
          then: (ok: (rows: unknown) => unknown, fail: (error: unknown) => unknown) =>
            watch(query).then(ok, fail),
        };
      },
    } as unknown as InstanceType<typeof SQL>;
  }

  async function transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const maxAttempts = 8;
    for (let n = 1; ; n += 1) {
      try {
        return await attempt(work);
      } catch (error) {
        if (!isRetryable(error) || n === maxAttempts) throw error;
        await Bun.sleep(Math.random() * 2 ** n); // full jitter, up to 2, 4, 8 … 128 ms
      }
    }
  }

  return {
    dialect: "postgres",
    read: pool as unknown as Reader,
    transaction(work, options) {
      assertNotNested();
      const key = options?.serializeOn;
      return key === undefined ? transaction(work) : exclusive(key, () => transaction(work));
    },
    close: () => client.close(),
  };
}
