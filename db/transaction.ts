import { AsyncLocalStorage } from "node:async_hooks";
import type { Reader, Tx } from "./client.ts";
import { DatabaseOverloaded, TransactionTimeout } from "./errors.ts";

/** State of one transaction. Its handle refuses to work once it is closed, or a statement has failed. */
export class Scope {
  open = true;
  failed = false;
  /** What runs after the commit. */
  readonly hooks: (() => void)[] = [];

  assertUsable(): void {
    if (!this.open) throw new Error("transaction is already finished (missing await?)");
    if (this.failed) throw new Error("transaction is aborted: an earlier statement failed");
  }

  /**
   * Postgres aborts a transaction at the first failing statement and turns a later COMMIT into a
   * silent ROLLBACK; SQLite would carry on. Both behave alike here: work that swallows a database
   * error cannot commit. Use `onConflictDoNothing().returning()`, or catch outside the transaction.
   */
  assertCommittable(): void {
    if (this.failed) throw new Error("transaction swallowed a database error; not committed");
  }
}

const current = new AsyncLocalStorage<Scope>();

/** On SQLite a nested call would wait for itself forever; both databases refuse, so that tests catch it. */
export function assertNotNested(): void {
  if (current.getStore()?.open) {
    throw new Error("nested db.transaction(): pass the outer tx down instead");
  }
}

/** Runs `work` inside `scope`, for at most `limitMs`; throws TransactionTimeout past it. Closes the scope. */
export async function runInScope<T>(
  scope: Scope,
  limitMs: number,
  work: () => Promise<T>,
): Promise<T> {
  try {
    const value = await withDeadline(
      limitMs,
      () => new TransactionTimeout(`transaction exceeded ${limitMs} ms`),
      () => current.run(scope, work),
    );
    scope.assertCommittable();
    return value;
  } finally {
    scope.open = false;
  }
}

/** Runs callbacks of one key strictly one after another, in arrival order; refuses past `queueLimit`. */
export function keyedMutex(queueLimit: number) {
  const tails = new Map<string, { last: Promise<void>; queued: number }>();
  return function exclusive<T>(key: string, run: () => Promise<T>): Promise<T> {
    let tail = tails.get(key);
    if (!tail) {
      tail = { last: Promise.resolve(), queued: 0 };
      tails.set(key, tail);
    }
    if (tail.queued >= queueLimit) {
      return Promise.reject(new DatabaseOverloaded(`${tail.queued} transactions waiting`));
    }
    tail.queued += 1;
    const result = tail.last.then(run);
    const done = () => {
      tail.queued -= 1;
      if (tail.queued === 0) tails.delete(key);
    };
    tail.last = result.then(done, done);
    return result;
  };
}

/** Settles as `run()` does, or rejects with `late()` after `limitMs`; `run` goes on, its outcome ignored. */
export async function withDeadline<T>(
  limitMs: number,
  late: () => Error,
  run: () => Promise<T>,
): Promise<T> {
  let timer: Timer | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), limitMs);
  });
  try {
    return await Promise.race([run(), expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** The handle that the work of a transaction gets. */
export function transactionHandle(handle: Reader, scope: Scope): Tx {
  const afterCommit = (hook: () => void) => void scope.hooks.push(hook);
  return Object.assign(handle, { afterCommit }) as Tx;
}
