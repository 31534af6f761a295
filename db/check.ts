import { sql } from "drizzle-orm";
import type { Db } from "./client.ts";
import { DatabaseUnavailable } from "./errors.ts";
import { preparedWrite } from "./prepared.ts";
import { instanceFacts } from "./schema/platform.ts";
import { withDeadline } from "./transaction.ts";

/** Longest wait for the answer, in milliseconds. */
const LIMIT_MS = 2_000;
/** How long an answer holds, in milliseconds: whoever asks, and how often, the database is asked no oftener. */
const HOLDS_MS = { good: 2_000, bad: 500 };

const touch = preparedWrite((tx, p: { at: Date }) =>
  tx
    .insert(instanceFacts)
    .values({ name: "readiness", value: "checked", updatedAt: p.at })
    .onConflictDoUpdate({
      target: instanceFacts.name,
      set: { updatedAt: sql`excluded.updated_at` },
    }),
);

/**
 * The implementation of `Db.check`: a real write, committed and synced, since a full or read-only database still
 * answers reads. Throws a DatabaseFault.
 */
export function readinessCheck(db: Pick<Db, "transaction">): () => Promise<void> {
  let latest: Promise<void> | undefined;
  return () => {
    if (latest) return latest;
    const late = () => new DatabaseUnavailable(`no answer in ${LIMIT_MS} ms`);
    const mine = withDeadline(LIMIT_MS, late, () =>
      db.transaction((tx) => touch(tx, { at: new Date() })).then(() => {}),
    );
    const forget = (holdsMs: number) =>
      setTimeout(() => {
        if (latest === mine) latest = undefined;
      }, holdsMs).unref();
    mine.then(
      () => forget(HOLDS_MS.good),
      () => forget(HOLDS_MS.bad),
    );
    latest = mine;
    return mine;
  };
}
