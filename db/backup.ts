import { createHash } from "node:crypto";
import { once } from "node:events";
import { createWriteStream, existsSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGzip, type Gzip } from "node:zlib";
import { dialect } from "./dialect.ts";
import { ledgerOf, MigrationError, pending } from "./migrate.ts";
import {
  BackupError,
  type BackupHeader,
  type BackupTrailer,
  encodeValue,
  FORMAT,
  FORMAT_VERSION,
  type SchemaTable,
  schemaTables,
} from "./portable.ts";
import { connect, inTransaction, type RawConnection } from "./raw.ts";

export interface BackupFacts {
  /** Of this program. */
  version: string;
  now: Date;
  /** Called after each batch, with the rows written so far. */
  onProgress?: (rows: number) => void;
}

export interface BackupSummary extends BackupTrailer {
  bytes: number;
}

const NOTE =
  "The root key is not in this file. Without it, what is sealed in here cannot be read again: keep it elsewhere.";
const BATCH_ROWS = 500;
/** One snapshot for all tables; nobody waits for it. */
const BEGIN = {
  sqlite: "begin",
  postgres: "begin isolation level repeatable read read only",
};

/**
 * Writes every row of the database at `url` to `file`, as of one moment, while others go on working on it. The file
 * has mode 0600 and appears complete, on disk, or not at all. The root key is not in it. Throws BackupError when
 * `file` exists, MigrationError when the schema is not exactly this program's, DatabaseFault.
 */
export async function backup(
  url: string,
  file: string,
  facts: BackupFacts,
): Promise<BackupSummary> {
  if (existsSync(file)) throw new BackupError(`${file} exists; a backup overwrites nothing`);
  const connection = await connect(url, { readonly: true });
  const unfinished = `${file}.unfinished`;
  try {
    const trailer = await inTransaction(connection, BEGIN[dialect], async () => {
      const ledger = await ledgerOf(connection);
      const lacking = pending(ledger);
      if (lacking.length > 0)
        throw new MigrationError(`the database lacks ${lacking[0]!.tag}: migrate it first`);
      const migrations = ledger.map(({ tag }) => tag);
      return write(connection, unfinished, migrations, facts);
    });
    const handle = await open(unfinished, "r+");
    await handle.sync();
    const { size } = await handle.stat();
    await handle.close();
    await rename(unfinished, file);
    return { ...trailer, bytes: size };
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  } finally {
    await connection.close();
  }
}

async function write(
  connection: RawConnection,
  file: string,
  migrations: readonly string[],
  { version, now, onProgress = () => {} }: BackupFacts,
): Promise<BackupTrailer> {
  const tables = schemaTables();
  const gzip = createGzip();
  // "w": what a backup that was killed has left may go. Secrets are hashed or sealed in it, addresses are not.
  const written = pipeline(gzip, createWriteStream(file, { mode: 0o600 }));
  written.catch(() => {}); // awaited below
  const lines = new LineWriter(gzip, written);
  const header: BackupHeader = {
    format: FORMAT,
    format_version: FORMAT_VERSION,
    version,
    dialect,
    created_at: now.toISOString(),
    note: NOTE,
    migrations,
    tables: tables.map(({ name, columns }) => ({ name, columns })),
  };
  await lines.write(header);
  const rows: Record<string, number> = {};
  let total = 0;
  for (const table of tables) {
    await lines.write({ table: table.name });
    rows[table.name] = 0;
    for await (const batch of batches(connection, table)) {
      for (const row of batch) await lines.write(row);
      rows[table.name]! += batch.length;
      total += batch.length;
      onProgress(total);
    }
  }
  const trailer: BackupTrailer = { rows, sha256: lines.hash.digest("hex") };
  gzip.end(`${JSON.stringify(trailer)}\n`);
  await written;
  return trailer;
}

/** Rows in the order of the primary key; other work of this process has its turn between two batches. */
async function* batches(
  connection: RawConnection,
  table: SchemaTable,
): AsyncGenerator<unknown[][]> {
  const columns = table.columns.map(({ name }) => `"${name}"`).join(", ");
  const key = table.key.map((name) => `"${name}"`).join(", ");
  const at = table.key.map((name) => table.columns.findIndex((column) => column.name === name));
  const places = table.key.map((_, i) => (dialect === "postgres" ? `$${i + 1}` : "?")).join(", ");
  let last: unknown[] | undefined;
  for (;;) {
    const after = last ? `where (${key}) > (${places})` : "";
    const rows = await connection.values(
      `select ${columns} from "${table.name}" ${after} order by ${key} limit ${BATCH_ROWS}`,
      last ? at.map((i) => last![i]) : [],
    );
    yield rows.map((row) => row.map((value, i) => encodeValue(table.columns[i]!.kind, value)));
    if (rows.length < BATCH_ROWS) return;
    last = rows.at(-1);
    await Bun.sleep(0);
  }
}

class LineWriter {
  readonly hash = createHash("sha256");

  constructor(
    private readonly stream: Gzip,
    /** Rejects when the file can't be written. */
    private readonly written: Promise<void>,
  ) {}

  async write(value: unknown): Promise<void> {
    const line = `${JSON.stringify(value)}\n`;
    this.hash.update(line);
    if (this.stream.write(line)) return;
    await Promise.race([once(this.stream, "drain"), this.written]);
  }
}
