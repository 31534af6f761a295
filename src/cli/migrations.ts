import { existsSync } from "node:fs";
import { type Db, openDatabase } from "../../db/client.ts";
import { dialect } from "../../db/dialect.ts";
import { type MigrationStatus, migrate, migrationStatus } from "../../db/migrate.ts";
import { connect, tableNames } from "../../db/raw.ts";
import { instanceFacts } from "../../db/schema/platform.ts";
import type { Config } from "../config.ts";
import { CommandError } from "./command.ts";

const FACT = "version";

/** Throws CommandError unless the schema is exactly this version's. */
export async function assertCurrent(config: Config): Promise<void> {
  const status = await migrationStatus(config.databaseUrl);
  await assertKnown(config, status);
  if (status.pending.length > 0)
    throw new CommandError(
      `The database lacks ${status.pending.map(({ tag }) => tag).join(", ")}. Run: qeetid migrate`,
    );
}

async function assertKnown({ databaseUrl, version }: Config, { unknown }: MigrationStatus) {
  if (unknown.length === 0) return;
  const theirs = (await versionOf(databaseUrl)) ?? "of a later version";
  throw new CommandError(
    `The database is newer than this program: qeetid ${theirs} has applied ${unknown.join(", ")}, which qeetid ${version} does not know.
Use that version or a later one, or restore a backup from before.`,
  );
}

/** Of the program that migrated last. Not through the schema: its tables may be a newer version's, or missing. */
export async function versionOf(url: string): Promise<string | undefined> {
  if (dialect === "sqlite" && !existsSync(url.slice("sqlite:".length))) return undefined;
  const connection = await connect(url, { readonly: true });
  try {
    if (!(await tableNames(connection)).includes("instance_facts")) return undefined;
    const rows = await connection.values(`select value from instance_facts where name = '${FACT}'`);
    return rows[0]?.[0] as string | undefined;
  } finally {
    await connection.close();
  }
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
  await assertKnown(config, await migrationStatus(config.databaseUrl));
  const applied = await migrate(config.databaseUrl, now);
  if (applied.length > 0) {
    const db = await openDatabase({ url: config.databaseUrl });
    await rememberVersion(db, config.version, now).finally(() => db.close());
  }
  return applied;
}

/** For the sentence that an older program then says. */
export async function rememberVersion(db: Db, value: string, updatedAt: Date): Promise<void> {
  await db.transaction(async (tx) => {
    await tx
      .insert(instanceFacts)
      .values({ name: FACT, value, updatedAt })
      .onConflictDoUpdate({ target: instanceFacts.name, set: { value, updatedAt } });
  });
}
