import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { dialect } from "../../db/dialect.ts";
import {
  DatabaseTooNew,
  MigrationChanged,
  migrate,
  migrationStatus,
  newestTag,
} from "../../db/migrate.ts";
import { migrations } from "../../db/migrations/index.ts";
import { connect, tableNames } from "../../db/raw.ts";
import { emptyUrl, freshUrl, pathOf } from "../support/db.ts";

const now = new Date("2026-01-02T03:04:05.678Z");
const tags = migrations[dialect].map(({ tag }) => tag);

async function run(url: string, ...statements: string[]): Promise<unknown[][]> {
  const connection = await connect(url);
  let rows: unknown[][] = [];
  for (const statement of statements) rows = await connection.values(statement);
  await connection.close();
  return rows;
}

test("both dialects have the same migrations, under the same tags", () => {
  expect(migrations.sqlite.map(({ tag }) => tag)).toEqual(
    migrations.postgres.map(({ tag }) => tag),
  );
});

test("applies everything once, in order, and says what", async () => {
  const url = await emptyUrl();
  expect(await migrationStatus(url)).toEqual({
    applied: [],
    pending: migrations[dialect],
    unknown: [],
  });
  if (dialect === "sqlite") expect(existsSync(pathOf(url))).toBe(false); // a look changes nothing
  expect(await migrate(url, now)).toEqual(tags);
  expect(await migrate(url, now)).toEqual([]);
  expect(await migrationStatus(url)).toEqual({ applied: tags, pending: [], unknown: [] });
  expect(await run(url, "select distinct applied_at from schema_migrations")).toEqual([
    [now.toISOString()],
  ]);
});

test("several processes at once: each migration is applied once, and none fails", async () => {
  const url = await emptyUrl();
  const children = Array.from({ length: 4 }, () =>
    Bun.spawn([process.execPath, join(import.meta.dir, "support/migrate.ts"), url], {
      env: process.env, // with what the preload has set
      stderr: "inherit",
    }),
  );
  const applied = await Promise.all(
    children.map(async (child) => JSON.parse(await new Response(child.stdout).text()) as string[]),
  );
  expect(applied.flat().sort()).toEqual(tags);
}, 20_000);

test("a database of a later version is refused by name, and left as it is", async () => {
  const url = await freshUrl();
  await run(url, "insert into schema_migrations values ('9999_later', 'x', 'y')");
  const error = await migrate(url, now).catch((reason) => reason);
  expect(error).toBeInstanceOf(DatabaseTooNew);
  expect(error).toMatchObject({ newestApplied: "9999_later", newestKnown: newestTag() });
  expect(error.message).toContain("9999_later");
  expect((await migrationStatus(url)).unknown).toEqual(["9999_later"]);
  expect(await run(url, "select tag from schema_migrations order by tag")).toEqual(
    [...tags, "9999_later"].map((tag) => [tag]),
  );
});

test("a migration that was changed after it was applied is refused by name", async () => {
  const url = await freshUrl();
  await run(url, `update schema_migrations set checksum = 'other' where tag = '${tags[0]}'`);
  for (const attempt of [() => migrate(url, now), () => migrationStatus(url)]) {
    const error = await attempt().catch((reason) => reason);
    expect(error).toBeInstanceOf(MigrationChanged);
    expect(error.tag).toBe(tags[0]!);
  }
});

test("a migration that fails leaves nothing of itself", async () => {
  const url = await emptyUrl();
  // In the way of the first migration, somewhere behind its beginning.
  await run(url, "create table users (id text)");
  await expect(migrate(url, now)).rejects.toThrow();
  const connection = await connect(url);
  expect((await tableNames(connection)).filter((name) => name !== "schema_migrations")).toEqual([
    "users",
  ]);
  await connection.close();
  expect((await migrationStatus(url)).applied).toEqual([]);
});
