import { type ReservedSQL, SQL } from "bun";
import { DatabaseOverloaded, DatabaseUnavailable, isConnectionLost } from "./errors.ts";
import { withDeadline } from "./transaction.ts";

export interface PoolOptions {
  url: string;
  /** Connections at most. */
  size: number;
  /** Most who may wait for a connection, and how long each may. */
  queueLimit: number;
  waitLimitMs: number;
  connectLimitMs: number;
  statementLimitMs: number;
  /** Longest that the server keeps a transaction in which nothing happens. */
  idleInTransactionLimitMs: number;
}

/** What the server may be late with its own statement timeout before it counts as silent. */
const GRACE_MS = 1_000;

/**
 * Connections to Postgres, each call with a deadline. Bun.SQL would wait for ever, for a peer that went silent
 * (no FIN: a host that vanished, a firewall that forgot) as for a free connection.
 */
export class PostgresPool {
  #sql: SQL;
  /** Pools that lost a connection, until what still runs on them has run out of time. */
  readonly #retired = new Set<SQL>();
  #free: number;
  readonly #waiting: PromiseWithResolvers<void>[] = [];
  #closed = false;

  constructor(private readonly options: PoolOptions) {
    this.#sql = this.#open();
    this.#free = options.size;
  }

  /** A connection of one's own, to be released. Throws DatabaseOverloaded or DatabaseUnavailable. */
  async acquire(): Promise<PostgresConnection> {
    if (this.#closed) throw new Error("the database is closed");
    await this.#takeSlot();
    const sql = this.#sql;
    const lost = () => this.#retire(sql);
    try {
      const reserved = await withDeadline(
        this.options.connectLimitMs + GRACE_MS,
        () => {
          lost();
          return new DatabaseUnavailable("no connection to the database in time");
        },
        () => sql.reserve(),
      );
      const limitMs = this.options.statementLimitMs + GRACE_MS;
      return new PostgresConnection(reserved, limitMs, lost, () => this.#freeSlot());
    } catch (error) {
      this.#freeSlot();
      // Refused, or timed out: no second attempt, as for a connection that breaks later.
      throw isConnectionLost(error)
        ? new DatabaseUnavailable("the database cannot be reached", { cause: error })
        : error;
    }
  }

  /** Lets what runs or waits come to its end, then closes. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(Array.from({ length: this.options.size }, () => this.#takeSlot()));
    for (const sql of [this.#sql, ...this.#retired]) await sql.close({ timeout: 0 });
  }

  #open(): SQL {
    const { url, size, connectLimitMs, statementLimitMs, idleInTransactionLimitMs } = this.options;
    return new SQL({
      url,
      max: size,
      connectionTimeout: connectLimitMs / 1_000,
      idleTimeout: 60,
      maxLifetime: 1_800,
      connection: {
        application_name: "qeetid",
        statement_timeout: statementLimitMs,
        idle_in_transaction_session_timeout: idleInTransactionLimitMs,
      },
    });
  }

  /** A connection of `sql` broke or fell silent: the others may be as dead, so nobody gets one of them any more. */
  #retire(sql: SQL): void {
    if (this.#sql !== sql) return;
    this.#sql = this.#open();
    this.#retired.add(sql);
    // Those that still run have deadlines of their own, and may yet be answered.
    setTimeout(() => {
      this.#retired.delete(sql);
      void sql.close({ timeout: 0 });
    }, this.options.statementLimitMs + GRACE_MS).unref();
  }

  async #takeSlot(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const { queueLimit, waitLimitMs } = this.options;
    if (this.#waiting.length >= queueLimit) {
      throw new DatabaseOverloaded(`${this.#waiting.length} waiting for a connection`);
    }
    const turn = Promise.withResolvers<void>();
    this.#waiting.push(turn);
    const late = () => {
      this.#waiting.splice(this.#waiting.indexOf(turn), 1);
      return new DatabaseOverloaded(`no connection was free in ${waitLimitMs} ms`);
    };
    await withDeadline(waitLimitMs, late, () => turn.promise);
  }

  #freeSlot(): void {
    const next = this.#waiting.shift();
    if (next) next.resolve();
    else this.#free += 1;
  }
}

export class PostgresConnection {
  #broken = false;

  constructor(
    private readonly reserved: ReservedSQL,
    private readonly limitMs: number,
    private readonly onLost: () => void,
    private readonly onRelease: () => void,
  ) {}

  get isBroken(): boolean {
    return this.#broken;
  }

  /** Rows as arrays of values (`values`), or as objects. Throws DatabaseUnavailable when no answer comes. */
  async run(text: string, params: unknown[] = [], values = false): Promise<unknown[]> {
    const late = () => {
      this.#markLost();
      return new DatabaseUnavailable(`the database gave no answer in ${this.limitMs} ms`);
    };
    try {
      return await withDeadline(this.limitMs, late, async () => {
        const query = this.reserved.unsafe(text, params);
        return values ? query.values() : query;
      });
    } catch (error) {
      if (isConnectionLost(error)) this.#markLost();
      throw error;
    }
  }

  #markLost(): void {
    this.#broken = true;
    this.onLost();
  }

  /** Gives it back, once, outside of a transaction; closes it when it is broken. */
  release(): void {
    if (this.#broken) void this.reserved.close({ timeout: 0 });
    else void this.reserved.release();
    this.onRelease();
  }

  /** Closes it, once: nobody knows what state it is in. */
  discard(): void {
    this.#broken = true;
    this.release();
  }
}
