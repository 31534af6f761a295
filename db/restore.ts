import { createHash } from "node:crypto";
import { createReadStream, existsSync, rmSync } from "node:fs";
import { createGunzip } from "node:zlib";
import { dialect } from "./dialect.ts";
import { applyUpTo, assertForeignKeys, migrate } from "./migrate.ts";
import {
  BackupError,
  type BackupHeader,
  type BackupTrailer,
  type ColumnKind,
  decodeValue,
  FORMAT,
  FORMAT_VERSION,
  type PortableTable,
} from "./portable.ts";
import { connect, inTransaction, type RawConnection, tableNames } from "./raw.ts";

export interface VerifiedBackup {
  header: BackupHeader;
  trailer: BackupTrailer;
}

export interface RestoreFacts {
  now: Date;
  /** Called now and then, with the rows restored so far, and all there are. */
  onProgress?: (rows: number, total: number) => void;
}

/** Rows a statement, as far as the databases' limit on parameters allows. */
const BATCH_ROWS = 200;
const MAX_PARAMETERS = 10_000;
const BEGIN = { sqlite: "begin immediate", postgres: "begin" };

/**
 * Fills the empty database at `url` from `file`, whichever database the backup is of, and brings it to this
 * program's schema. The whole file is verified before anything is written; then it is all or nothing. Throws
 * BackupError (damaged, newer, not a backup; the database has tables already), DatabaseTooNew, DatabaseFault.
 */
export async function restore(
  url: string,
  file: string,
  facts: RestoreFacts,
): Promise<VerifiedBackup> {
  const backup = await verifyBackup(file);
  const path = url.replace(/^sqlite:/, "");
  const isNewFile = dialect === "sqlite" && !existsSync(path);
  const connection = await connect(url);
  try {
    await inTransaction(connection, BEGIN[dialect], async () => {
      const tables = await tableNames(connection);
      if (tables.length > 0)
        throw new BackupError("the database is not empty; restore into a new one");
      await applyUpTo(connection, backup.header.migrations.at(-1)!, facts.now);
      await insertAll(connection, file, backup, facts);
      await assertForeignKeys(connection, "the backup");
    });
  } catch (error) {
    await connection.close();
    if (isNewFile) for (const end of ["", "-wal", "-shm"]) rmSync(path + end, { force: true });
    throw error;
  }
  await connection.close();
  await migrate(url, facts.now);
  return backup;
}

/** Reads the whole file. Throws BackupError unless it is as `backup` wrote it. */
export async function verifyBackup(file: string): Promise<VerifiedBackup> {
  const hash = createHash("sha256");
  const rows: Record<string, number> = {};
  let header: BackupHeader | undefined;
  let trailer: BackupTrailer | undefined;
  let table: PortableTable | undefined;
  for await (const line of linesOf(file)) {
    const value = parse(line);
    if (trailer) throw new BackupError("the backup goes on after its end");
    if (!header) header = headerOf(value);
    else if (Array.isArray(value)) {
      if (!table || value.length !== table.columns.length)
        throw new BackupError("the backup has a row that fits no table");
      rows[table.name]! += 1;
    } else if ("table" in value) {
      table = header.tables.find(({ name }) => name === value.table);
      if (!table) throw new BackupError("the backup has rows of an unknown table");
      rows[table.name] = 0;
    } else {
      trailer = value as unknown as BackupTrailer; // held against what was read, below
      continue;
    }
    hash.update(`${line}\n`);
  }
  if (!header || !trailer) throw new BackupError("the backup is cut off");
  if (trailer.sha256 !== hash.digest("hex") || !Bun.deepEquals(trailer.rows, rows))
    throw new BackupError("the backup is damaged: its checksum does not match");
  return { header, trailer };
}

function headerOf(value: Record<string, unknown> | unknown[]): BackupHeader {
  const header = value as unknown as BackupHeader; // as its first two members say
  if (header.format !== FORMAT) throw new BackupError("this is not a backup of qeetid");
  if (header.format_version !== FORMAT_VERSION)
    throw new BackupError(
      `the backup has format ${header.format_version}, of a later version (${header.version})`,
    );
  return header;
}

async function insertAll(
  connection: RawConnection,
  file: string,
  { header, trailer }: VerifiedBackup,
  { onProgress = () => {} }: RestoreFacts,
): Promise<void> {
  const total = Object.values(trailer.rows).reduce((sum, n) => sum + n, 0);
  let done = 0;
  let table: PortableTable | undefined;
  let batch: unknown[][] = [];
  const flush = async () => {
    if (!table || batch.length === 0) return;
    await connection.values(insertText(table, batch.length), batch.flat());
    done += batch.length;
    batch = [];
    onProgress(done, total);
    await Bun.sleep(0); // other work of this process has its turn
  };
  for await (const line of linesOf(file)) {
    const value = parse(line);
    if (Array.isArray(value)) {
      batch.push(value.map((one, i) => decodeValue(table!.columns[i]!.kind, one)));
      if (batch.length >= Math.min(BATCH_ROWS, MAX_PARAMETERS / table!.columns.length))
        await flush();
    } else if ("table" in value) {
      await flush();
      table = header.tables.find(({ name }) => name === value.table);
    }
  }
  await flush();
  for (const [name, expected] of Object.entries(trailer.rows)) {
    const [row] = await connection.values(`select count(*) from ${quoted(name)}`);
    if (Number(row?.[0]) !== expected)
      throw new BackupError(`${name} has ${row?.[0]} rows, the backup ${expected}`);
  }
}

function insertText({ name, columns }: PortableTable, rows: number): string {
  let place = 0;
  const next = (kind: ColumnKind) => {
    place += 1;
    if (dialect === "sqlite") return "?";
    return kind === "json" ? `$${place}::text::jsonb` : `$${place}`;
  };
  const row = () => `(${columns.map(({ kind }) => next(kind)).join(", ")})`;
  const values = Array.from({ length: rows }, row).join(", ");
  return `insert into ${quoted(name)} (${columns.map((one) => quoted(one.name)).join(", ")}) values ${values}`;
}

/** The file's checksum guards against damage only: a name in it could be anything. */
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** Lines as bytes would have them: JSON leaves U+2028 as it is, at which `readline` would split. */
async function* linesOf(file: string): AsyncGenerator<string> {
  const source = createReadStream(file);
  const gunzip = createGunzip();
  source.on("error", (error) => gunzip.destroy(error));
  try {
    let rest = Buffer.alloc(0);
    for await (const chunk of source.pipe(gunzip)) {
      const bytes = Buffer.concat([rest, chunk as Buffer]);
      let start = 0;
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
        yield bytes.toString("utf8", start, end);
        start = end + 1;
      }
      rest = bytes.subarray(start);
    }
    if (rest.length > 0) throw new BackupError("the backup is cut off");
  } catch (error) {
    const { code = "" } = error as { code?: string };
    if (error instanceof BackupError || /^E(?!RR_)/.test(code)) throw error; // no such file, no permission
    throw new BackupError("the backup is damaged: it cannot be unpacked", { cause: error });
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

function parse(line: string): Record<string, unknown> | unknown[] {
  try {
    const value = JSON.parse(line);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // falls through
  }
  throw new BackupError("the backup is damaged: a line is not JSON");
}
