import { eq, sql } from "drizzle-orm";
import type { Db, Tx } from "./client.ts";
import { DatabaseFull, DatabaseUnavailable } from "./errors.ts";
import { preparedWrite } from "./prepared.ts";
import { instanceFacts } from "./schema/platform.ts";
import { withDeadline } from "./transaction.ts";

/** Longest wait for the answer, in milliseconds. */
const LIMIT_MS = 2_000;
/** How long an answer holds, in milliseconds: whoever asks, and how often, the database is asked no oftener. */
const HOLDS_MS = { good: 2_000, bad: 500 };
/** What must fit before a database that was full counts as usable again. */
const ROOM_BYTES = 65_536;
const PROBE = "readiness_probe";

const touch = preparedWrite((tx, p: { name: string; value: string; at: Date }) =>
  tx
    .insert(instanceFacts)
    .values({ name: p.name, value: p.value, updatedAt: p.at })
    .onConflictDoUpdate({
      target: instanceFacts.name,
      set: { value: sql`excluded.value`, updatedAt: sql`excluded.updated_at` },
    }),
);

/** The implementation of `Db.check`: a real write, since a full or read-only database still answers reads. */
export class Readiness {
  #latest: Promise<void> | undefined;
  #wasFull = false;

  constructor(private readonly db: Pick<Db, "transaction">) {}

  /** Tells of what a transaction has failed with. */
  noteFailure(error: unknown): void {
    if (error instanceof DatabaseFull) this.#wasFull = true;
  }

  /** Throws a DatabaseFault. */
  check(): Promise<void> {
    if (this.#latest) return this.#latest;
    const late = () => new DatabaseUnavailable(`no answer in ${LIMIT_MS} ms`);
    const mine = withDeadline(LIMIT_MS, late, () => this.#probe());
    const forget = (holdsMs: number) =>
      setTimeout(() => {
        if (this.#latest === mine) this.#latest = undefined;
      }, holdsMs).unref();
    mine.then(
      () => forget(HOLDS_MS.good),
      () => forget(HOLDS_MS.bad),
    );
    this.#latest = mine;
    return mine;
  }

  /**
   * As a rule a page is rewritten in place. That succeeds on a full disk too, within the log that is there, so once
   * a transaction found it full it takes new pages to say that there is room again.
   */
  async #probe(): Promise<void> {
    const write = (name: string, value: string) => (tx: Tx) =>
      touch(tx, { name, value, at: new Date() });
    if (this.#wasFull) {
      await this.db.transaction(write(PROBE, "x".repeat(ROOM_BYTES)));
      await this.db.transaction(async (tx) =>
        tx.delete(instanceFacts).where(eq(instanceFacts.name, PROBE)),
      );
      this.#wasFull = false;
    }
    await this.db.transaction(write("readiness", "checked"));
  }
}
