import { existsSync } from "node:fs";
import { type Db, openDatabase } from "../../db/client.ts";
import { dialect } from "../../db/dialect.ts";
import { type Migration, migrate } from "../../db/migrate.ts";
import { migrations } from "../../db/migrations/index.ts";
import { instanceFacts } from "../../db/schema/platform.ts";
import type { Config } from "../config.ts";
import { CommandError } from "./command.ts";

const FACT = "version";

export interface MigrationState {
  readonly applied: readonly string[];
  readonly pending: readonly Migration[];
  /** Applied by a newer version; this one can't work on such a database. */
  readonly unknown: readonly string[];
  /** Of the program that migrated last. */
  readonly version: string | undefined;
}

/**
 * Compares the database's ledger with what this version knows. Changes nothing; a missing database has no ledger. Throws CommandError when it can't be reached.
 */
export async function migrationState(url: string): Promise<MigrationState> {
  const { tags, version } = await readLedger(url).catch(
    (error: { code?: string; name: string }) => {
      throw new CommandError(
        `The database can't be reached (${error.code ?? error.name}): check DATABASE_URL, the network, and that it runs.`,
      );
    },
  );
  const known = migrations[dialect];
  return {
    applied: tags,
    pending: known.filter(({ tag }) => !tags.includes(tag)),
    unknown: tags.filter((tag) => !known.some((one) => one.tag === tag)),
    version,
  };
}

interface Ledger {
  readonly tags: readonly string[];
  readonly version: string | undefined;
}

const TAGS = "select tag from schema_migrations order by tag";
const VERSION = `select value from instance_facts where name = '${FACT}'`;

/** Not through the schema: its tables may not be there, or be a newer version's. */
async function readLedger(url: string): Promise<Ledger> {
  if (dialect === "sqlite" && !existsSync(url.slice("sqlite:".length)))
    return { tags: [], version: undefined };
  const { query, close } = await connect(url);
  try {
    const tables = await query(
      dialect === "sqlite"
        ? "select name from sqlite_master"
        : "select table_name as name from information_schema.tables where table_schema = current_schema()",
    );
    const has = (table: string) => tables.some(({ name }) => name === table);
    const tags = has("schema_migrations") ? await query(TAGS) : [];
    const facts = has("instance_facts") ? await query(VERSION) : [];
    return { tags: tags.map(({ tag }) => tag!), version: facts[0]?.value };
  } finally {
    await close();
  }
}

async function connect(url: string) {
  type Rows = Record<string, string>[];
  if (dialect === "postgres") {
    const client = new Bun.SQL({ url, max: 1, connectionTimeout: 10 });
    return {
      query: async (text: string): Promise<Rows> => client.unsafe(text),
      close: () => client.close(),
    };
  }
  const { Database } = await import("bun:sqlite");
  const db = new Database(url.slice("sqlite:".length), { readonly: true });
  return { query: async (text: string) => db.query(text).all() as Rows, close: () => db.close() };
}

/** Throws CommandError unless the schema is exactly this version's. */
export async function assertCurrent(config: Config): Promise<void> {
  const state = await migrationState(config.databaseUrl);
  assertKnown(config, state);
  if (state.pending.length > 0)
    throw new CommandError(
      `The database lacks ${state.pending.map(({ tag }) => tag).join(", ")}. Run: qeetid migrate`,
    );
}

function assertKnown({ version }: Config, { unknown, version: theirs }: MigrationState): void {
  if (unknown.length > 0)
    throw new CommandError(
      `The database is newer than this program: qeetid ${theirs ?? "of a later version"} has applied ${unknown.join(", ")}, which qeetid ${version} does not know.
Use that version or a later one, or restore a backup from before.`,
    );
}

/** Applies what is pending, unless the operator wants to do so (`--no-migrate`); answers what was applied. */
export async function migrateAtStart(config: Config, now: Date): Promise<readonly string[]> {
  if (!config.autoMigrate) {
    await assertCurrent(config);
    return [];
  }
  return applyPending(config, now);
}

/** Under a lock, each migration in a transaction; the database then remembers this version. */
export async function applyPending(config: Config, now: Date): Promise<readonly string[]> {
  assertKnown(config, await migrationState(config.databaseUrl));
  const applied = await migrate(config.databaseUrl, now);
  if (applied.length > 0) {
    const db = await openDatabase({ url: config.databaseUrl });
    await rememberVersion(db, config.version, now).finally(() => db.close());
  }
  return applied;
}

async function rememberVersion(db: Db, value: string, updatedAt: Date): Promise<void> {
  await db.transaction(async (tx) => {
    await tx
      .insert(instanceFacts)
      .values({ name: FACT, value, updatedAt })
      .onConflictDoUpdate({ target: instanceFacts.name, set: { value, updatedAt } });
  });
}
