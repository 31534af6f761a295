import { afterAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { asc } from "drizzle-orm";
import { backup } from "../../db/backup.ts";
import { type Db, openDatabase, type Tx } from "../../db/client.ts";
import { dialect } from "../../db/dialect.ts";
import { DatabaseTooNew, migrationStatus } from "../../db/migrate.ts";
import { BackupError, schemaTables } from "../../db/portable.ts";
import { connect, tableNames } from "../../db/raw.ts";
import { restore, verifyBackup } from "../../db/restore.ts";
import {
  auditEvents,
  auditNodes,
  instanceFacts,
  sessions,
  tenants,
  users,
} from "../../db/schema/index.ts";
import { emptyUrl, freshUrl } from "../support/db.ts";

const now = new Date("2026-01-02T03:04:05.678Z");
const facts = { version: "1.2.3", now };
const directory = mkdtempSync(join(tmpdir(), "backup-"));
let files = 0;
const newFile = () => join(directory, `${++files}.backup`);
const open: Db[] = [];
afterAll(() => Promise.all(open.map((db) => db.close())));

async function opened(url: string): Promise<Db> {
  const db = await openDatabase({ url });
  open.push(db);
  return db;
}

const tenant = (slug: string) => ({
  id: Bun.randomUUIDv7(),
  slug,
  name: slug,
  metadata: { text: "a\u2028b'\"\\é", list: [1, null, { deep: true }] },
  personal: true,
  createdAt: now,
  updatedAt: new Date("1970-01-01T00:00:00.001Z"),
  deletedAt: null,
});

/** Something of every column type, in tables that depend on each other. */
async function fill(db: Db, count: number): Promise<void> {
  await db.transaction(async (tx) => {
    const home = tenant("home");
    await tx.insert(tenants).values(home);
    for (let i = 0; i < count; i += 100) {
      const rows = Array.from({ length: 100 }, (_, n) => ({
        id: Bun.randomUUIDv7(),
        tenantId: home.id,
        email: `${i + n}@example.test`,
        emailKey: `${i + n}@example.test`,
        createdAt: now,
        updatedAt: now,
      }));
      await tx.insert(users).values(rows);
      await tx.insert(sessions).values(
        rows.slice(0, 10).map((user) => ({
          id: Bun.randomUUIDv7(),
          userId: user.id,
          method: "password",
          authTime: now,
          amr: ["pwd", "otp"],
          createdAt: now,
          lastSeenAt: now,
        })),
      );
    }
    await insertAudit(tx);
  });
}

async function insertAudit(tx: Tx): Promise<void> {
  await tx.insert(auditEvents).values({
    id: Bun.randomUUIDv7(),
    logId: "platform",
    seq: 1,
    chainVersion: 2,
    actorType: "system",
    action: "user.created",
    resourceType: "user",
    metadata: '{"b":1,"a":2}',
    createdAt: "2026-01-02T03:04:05.678901Z",
    prevHash: "0",
    rowHash: "1",
    salt: new Uint8Array([0, 255, 10, 13]),
    seals: {},
  });
  await tx
    .insert(auditNodes)
    .values({ logId: "platform", level: 0, idx: 0, hash: randomBytes(32) });
}

/** Every row of every table, as JSON, in the order of the primary keys. */
async function contents(url: string): Promise<Record<string, unknown[]>> {
  const file = newFile();
  await backup(url, file, facts);
  const lines = gunzipSync(readFileSync(file)).toString().split("\n").slice(1, -2);
  const found: Record<string, unknown[]> = {};
  let rows: unknown[] = [];
  for (const value of lines.map((line) => JSON.parse(line))) {
    if (Array.isArray(value)) rows.push(value);
    else found[value.table] = rows = [];
  }
  return found;
}

async function filled(count = 1_300): Promise<string> {
  const url = await freshUrl();
  const db = await openDatabase({ url });
  await fill(db, count);
  await db.close();
  return url;
}

/** Rewrites a backup as a liar would: with a checksum that fits. */
function forged(file: string, change: (lines: string[]) => string[]): string {
  const lines = change(gunzipSync(readFileSync(file)).toString().split("\n").slice(0, -1));
  const trailer = JSON.parse(lines.pop()!);
  const body = lines.map((line) => `${line}\n`).join("");
  trailer.sha256 = createHash("sha256").update(body).digest("hex");
  const result = newFile();
  writeFileSync(result, gzipSync(`${body}${JSON.stringify(trailer)}\n`));
  return result;
}

test("every table of the database is in a backup, but for the ledger of migrations", async () => {
  const connection = await connect(await freshUrl());
  const names = await tableNames(connection);
  await connection.close();
  expect([...names].sort()).toEqual(
    [...schemaTables().map(({ name }) => name), "schema_migrations"].sort(),
  );
  for (const table of schemaTables()) expect(table.key, table.name).not.toEqual([]);
});

test("a round trip keeps every row and every type, and can be worked with", async () => {
  const url = await filled();
  const file = newFile();
  const summary = await backup(url, file, facts);
  expect(summary.rows.users).toBe(1_300);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(summary.bytes).toBe(statSync(file).size);
  expect(existsSync(`${file}.unfinished`)).toBe(false);

  const target = await emptyUrl();
  let progress = 0;
  const { header, trailer } = await restore(target, file, {
    now,
    onProgress: (rows) => {
      progress = rows;
    },
  });
  expect(header).toMatchObject({ version: "1.2.3", dialect, created_at: now.toISOString() });
  expect(header.note).toContain("root key is not in this file");
  expect(progress).toBe(Object.values(trailer.rows).reduce((sum, n) => sum + n, 0));
  expect(await contents(target)).toEqual(await contents(url));
  const [before, after] = [await opened(url), await opened(target)];
  for (const table of [tenants, auditEvents, instanceFacts])
    expect(await after.read.select().from(table)).toEqual(await before.read.select().from(table));
  expect(await after.read.select().from(users).orderBy(asc(users.id)).limit(3)).toEqual(
    await before.read.select().from(users).orderBy(asc(users.id)).limit(3),
  );
  expect((await migrationStatus(target)).pending).toEqual([]);
  // The triggers of the audit log are there too.
  await expect(after.transaction(async (tx) => tx.delete(auditEvents))).rejects.toThrow();
});

test("a backup is of one moment, while others write", async () => {
  const url = await filled(3_000);
  const db = await opened(url);
  let run = true;
  // Each transaction adds one tenant and one fact: a consistent copy has as many of both.
  const writer = (async () => {
    for (let n = 0; run; n += 1)
      await db.transaction(async (tx) => {
        await tx.insert(tenants).values(tenant(`t${n}`));
        await tx.insert(instanceFacts).values({ name: `t${n}`, value: "", updatedAt: now });
      });
  })();
  const before = await db.read.$count(tenants);
  const { rows } = await backup(url, newFile(), facts);
  run = false;
  await writer;
  expect(rows.tenants! - 1).toBe(rows.instance_facts!);
  expect(await db.read.$count(tenants)).toBeGreaterThan(before); // it did write meanwhile
});

test("a backup overwrites no file, and a restore no database", async () => {
  const url = await filled(100);
  const file = newFile();
  await backup(url, file, facts);
  await expect(backup(url, file, facts)).rejects.toBeInstanceOf(BackupError);
  const before = await contents(url);
  await expect(restore(url, file, { now })).rejects.toThrow("not empty");
  expect(await contents(url)).toEqual(before);
  await expect(restore(await freshUrl(), file, { now })).rejects.toThrow("not empty");
});

describe("refused before anything is written", () => {
  const file = newFile();
  const made = filled(200).then((url) => backup(url, file, facts));
  const bytes = () => readFileSync(file);
  const written = (content: Uint8Array) => {
    const result = newFile();
    writeFileSync(result, content);
    return result;
  };
  test.each([
    [
      "a flipped bit",
      "damaged",
      () => written(bytes().map((byte, i) => (i === 900 ? byte ^ 4 : byte))),
    ],
    ["a file that is cut off", "damaged", () => written(bytes().subarray(0, -400))],
    ["an empty file", "", () => written(new Uint8Array())],
    ["another gzip", "not a backup", () => written(gzipSync('{"a":1}\n'))],
    ["no gzip", "damaged", () => written(Buffer.from("hello"))],
    [
      "a changed row under the old checksum",
      "checksum",
      () =>
        written(
          gzipSync(gunzipSync(bytes()).toString().replace("7@example.test", "9@example.test")),
        ),
    ],
    [
      "a missing row",
      "checksum",
      () => forged(file, (lines) => lines.filter((l) => !l.includes('"57@'))),
    ],
    [
      "a later format",
      "later version",
      () =>
        forged(file, ([head, ...rest]) => [
          head!.replace('"format_version":1', '"format_version":2'),
          ...rest,
        ]),
    ],
    [
      "no trailer",
      "cut off",
      () =>
        written(
          gzipSync(`${gunzipSync(bytes()).toString().split("\n").slice(0, -2).join("\n")}\n`),
        ),
    ],
    [
      "more after the trailer",
      "after its end",
      () =>
        written(gzipSync(Buffer.concat([gunzipSync(bytes()), Buffer.from('{"table":"users"}\n')]))),
    ],
  ])("%s", async (_name, message, make) => {
    await made;
    const target = await emptyUrl();
    const error = await restore(target, make(), { now }).catch((reason) => reason);
    expect(error).toBeInstanceOf(BackupError);
    expect(error.message).toContain(message);
    if (dialect === "sqlite") expect(existsSync(target.replace("sqlite:", ""))).toBe(false);
    else expect(await leftIn(target)).toEqual([]);
  });

  test("a backup of a later schema, by name", async () => {
    await made;
    const later = forged(file, ([head, ...rest]) => [
      JSON.stringify({ ...JSON.parse(head!), migrations: ["0000_init", "0099_later"] }),
      ...rest,
    ]);
    const target = await emptyUrl();
    const error = await restore(target, later, { now }).catch((reason) => reason);
    expect(error).toBeInstanceOf(DatabaseTooNew);
    expect(error.message).toContain("0099_later");
    if (dialect === "sqlite") expect(existsSync(target.replace("sqlite:", ""))).toBe(false);
    else expect(await leftIn(target)).toEqual([]);
  });

  test("a row that the schema refuses leaves nothing behind", async () => {
    await made;
    // A checksum that fits does not make a session of nobody valid.
    const orphan = forged(file, (lines) => {
      const at = lines.indexOf('{"table":"sessions"}') + 1;
      const row = JSON.parse(lines[at]!);
      row[1] = Bun.randomUUIDv7();
      return lines.map((line, i) => (i === at ? JSON.stringify(row) : line));
    });
    const target = await emptyUrl();
    await expect(restore(target, orphan, { now })).rejects.toThrow();
    if (dialect === "sqlite") expect(existsSync(target.replace("sqlite:", ""))).toBe(false);
    else expect(await leftIn(target)).toEqual([]);
  });
});

async function leftIn(url: string): Promise<string[]> {
  const connection = await connect(url);
  const names = await tableNames(connection);
  await connection.close();
  return names;
}

// On SQLite there is no Postgres to go to; on Postgres both ways are gone.
test.skipIf(dialect === "sqlite")(
  "a backup of Postgres restores into SQLite, and back",
  async () => {
    const url = await filled();
    const [file, back] = [newFile(), newFile()];
    await backup(url, file, facts);
    // A process of its own: the schema is loaded for one dialect.
    const other = `sqlite:${join(directory, "other.db")}`;
    const script = `${import.meta.dir}/support/carry.ts`;
    const child = Bun.spawn([process.execPath, script, other, file, back], {
      env: { ...process.env, DATABASE_URL: "" },
      stderr: "inherit",
    });
    expect(await child.exited).toBe(0);
    const target = await emptyUrl();
    const { header, trailer } = await restore(target, back, { now });
    expect(header.dialect).toBe("sqlite");
    expect(trailer.rows).toEqual((await verifyBackup(file)).trailer.rows);
    expect(await contents(target)).toEqual(await contents(url));
  },
);
