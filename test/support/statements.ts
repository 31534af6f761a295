import { PgDatabase } from "drizzle-orm/pg-core";
import { BaseSQLiteDatabase } from "drizzle-orm/sqlite-core";
import { statements } from "../../db/observe.ts";

/** What is reached of drizzle's insides. */
type Method = (this: Handle, ...input: unknown[]) => unknown;
type Client = Method | { unsafe: Method };
type Handle = { session: { client: Client } } & Record<string, Method>;

const METHODS = ["select", "selectDistinct", "insert", "update", "delete", "$count"] as const;

/**
 * Collects the distinct statements that the program issues. What a test itself builds (to look at rows, to tamper
 * with them) is left out: whose it is shows on the stack only when the builder is made, so that is where it is asked.
 */
export function collectStatements(): ReadonlySet<string> {
  const seen = new Set<string>();
  statements.observer = (text) => seen.add(text);
  for (const { prototype } of [PgDatabase, BaseSQLiteDatabase]) {
    const methods = prototype as unknown as Record<string, Method>; // protected ones would not show
    for (const method of METHODS) {
      const original = methods[method]!;
      methods[method] = function (...input) {
        return original.apply(isCalledByTest() ? unobserved(this) : this, input);
      };
    }
  }
  return seen;
}

function isCalledByTest(): boolean {
  const frames = new Error().stack!.split("\n").slice(1);
  const caller = frames.find(
    (line) => !/node_modules|support\/statements\.ts|\(native|node:/.test(line),
  );
  return caller?.includes("/test/") ?? false;
}

/** The same database, whose statements are not collected. */
function unobserved(db: Handle): Handle {
  const { client } = db.session;
  const quiet =
    typeof client === "function"
      ? (...call: unknown[]) => quietly(() => client.apply(db, call))
      : { unsafe: (...call: unknown[]) => quietly(() => client.unsafe.apply(db, call)) };
  return Object.create(db, {
    session: { value: Object.create(db.session, { client: { value: quiet } }) },
  });
}

/** The observer is called before anything is awaited. */
function quietly<T>(run: () => T): T {
  const { observer } = statements;
  statements.observer = undefined;
  try {
    return run();
  } finally {
    statements.observer = observer;
  }
}
