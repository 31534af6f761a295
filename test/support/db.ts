import { copyFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SQL } from "bun";
import { type DbOptions, openDatabase } from "../../db/client.ts";
import { dialect } from "../../db/dialect.ts";
import { migrate } from "../../db/migrate.ts";

let count = 0;

/** A fresh, migrated database, opened. */
export async function freshDb(options: Partial<DbOptions> = {}) {
  return openDatabase({ url: await freshUrl(), ...options });
}

/** A fresh, migrated database: a file, or a Postgres database beside that of DATABASE_URL. */
export async function freshUrl(): Promise<string> {
  template ??= emptyUrl().then(async (url) => {
    await migrate(url, new Date());
    return url;
  });
  const from = await template;
  if (dialect === "postgres")
    return createDatabase(`template "${new URL(from).pathname.slice(1)}"`);
  const url = fileUrl();
  copyFileSync(pathOf(from), pathOf(url));
  return url;
}
let template: Promise<string> | undefined;

/** A database without a table in it: on SQLite, a file that does not exist yet. */
export async function emptyUrl(): Promise<string> {
  return dialect === "postgres" ? createDatabase("template template0") : fileUrl();
}

/** The path of a SQLite URL. */
export const pathOf = (url: string) => url.replace(/^sqlite:/, "");

const fileUrl = () => `sqlite:${join(mkdtempSync(join(tmpdir(), "db-")), "id.db")}`;

async function createDatabase(clause: string): Promise<string> {
  const url = new URL(process.env.DATABASE_URL!);
  const name = `t_${process.pid}_${++count}_${Date.now().toString(36)}`;
  const admin = new SQL({ url: url.href, max: 1 });
  // One at a time: a template must not be in use, not even by another copy.
  const created = creating.then(() => admin.unsafe(`create database ${name} ${clause}`));
  creating = created.catch(() => {});
  await created.finally(() => admin.close());
  url.pathname = `/${name}`;
  return url.href;
}
let creating: Promise<unknown> = Promise.resolve();
