/**
 * The format of a backup: the same for both databases, and restored into either.
 *
 * A gzip of lines of JSON. First the header; then, for each table in its order, `{"table":"users"}` and one array a
 * row; last the trailer, with the SHA-256 of every byte before it (uncompressed) and the number of rows of each table.
 */
import { getTableColumns, getTableName, is } from "drizzle-orm";
import { CasingCache } from "drizzle-orm/casing";
import { PgTable, getTableConfig as postgresConfig } from "drizzle-orm/pg-core";
import { SQLiteTable, getTableConfig as sqliteConfig } from "drizzle-orm/sqlite-core";
import { dialect } from "./dialect.ts";
import * as schema from "./schema/index.ts";

export const FORMAT = "qeetid-backup";
export const FORMAT_VERSION = 1;

/** How a column's value is written: what JSON lacks as text (instants RFC 3339, bytes base64). */
export type ColumnKind = "text" | "integer" | "boolean" | "instant" | "bytes" | "json";

export interface PortableTable {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly kind: ColumnKind }[];
}

export interface BackupHeader {
  readonly format: typeof FORMAT;
  readonly format_version: number;
  /** Of the program that wrote it. */
  readonly version: string;
  readonly dialect: "sqlite" | "postgres";
  readonly created_at: string;
  readonly note: string;
  /** Tags of the migrations that made the schema. */
  readonly migrations: readonly string[];
  /** Those that others refer to come first. */
  readonly tables: readonly PortableTable[];
}

export interface BackupTrailer {
  readonly rows: Readonly<Record<string, number>>;
  readonly sha256: string;
}

/** The file is damaged, not a backup, or of a newer version; or the target is not empty. For the operator. */
export class BackupError extends Error {
  override readonly name = "BackupError";
}

export interface SchemaTable extends PortableTable {
  /** Column names of the primary key: the order in which its rows are read. */
  readonly key: readonly string[];
}

/** Every table of the schema, parents before children. */
export function schemaTables(): SchemaTable[] {
  const casing = new CasingCache("snake_case");
  const tables = Object.values(schema).filter((one) => is(one, PgTable) || is(one, SQLiteTable));
  const found = new Map<string, Found>(
    tables.map((table) => [getTableName(table), { table, config: configOf(table) }]),
  );
  const ordered: SchemaTable[] = [];
  const visit = (name: string, path: readonly string[]) => {
    if (ordered.some((done) => done.name === name)) return;
    if (path.includes(name)) throw new Error(`tables refer to each other: ${path.join(", ")}`);
    const { table, config } = found.get(name)!;
    for (const parent of config.parents) if (parent !== name) visit(parent, [...path, name]);
    const columns = Object.values(getTableColumns(table)).map((column) => ({
      name: casing.getColumnCasing(column),
      kind: kindOf(column),
    }));
    ordered.push({
      name,
      columns,
      key: config.key.map((column) => casing.getColumnCasing(column)),
    });
  };
  for (const name of found.keys()) visit(name, []);
  return ordered;
}

type Table = PgTable;
type Found = { table: Table; config: ReturnType<typeof configOf> };
type Column = ReturnType<typeof getTableColumns<Table>>[string];

function configOf(table: Table) {
  // On SQLite they are SQLite's tables, cast (kit.ts), and only its own function reads them.
  const config =
    dialect === "postgres"
      ? postgresConfig(table)
      : (sqliteConfig(table as unknown as SQLiteTable) as unknown as ReturnType<
          typeof postgresConfig
        >);
  const own = config.columns.filter((column) => column.primary);
  return {
    key: own.length > 0 ? own : (config.primaryKeys[0]?.columns ?? []),
    parents: config.foreignKeys.map((key) => getTableName(key.reference().foreignTable)),
  };
}

/** The kit (kit.ts) has no other columns than these. */
function kindOf(column: Column): ColumnKind {
  if (column.dataType === "date") return "instant";
  if (column.dataType === "boolean") return "boolean";
  if (column.dataType === "number") return "integer";
  const type = column.getSQLType();
  if (type === "bytea" || type === "blob") return "bytes";
  if (type === "jsonb" || column.dataType === "json") return "json";
  if (column.dataType === "string") return "text";
  throw new Error(`a backup knows no columns of type ${type}`);
}

/** A value as the driver yields it, as JSON. */
export function encodeValue(kind: ColumnKind, value: unknown): unknown {
  if (value === null) return null;
  switch (kind) {
    case "integer":
      return Number(value); // Postgres sends int8 as text
    case "boolean":
      return value === true || value === 1;
    case "instant":
      return new Date(value as Date | number).toISOString();
    case "bytes":
      return Buffer.from(value as Uint8Array).toString("base64");
    case "json":
      return typeof value === "string" ? JSON.parse(value) : value;
    case "text":
      return value;
  }
}

/** A value of a backup, as the driver of this database takes it. */
export function decodeValue(kind: ColumnKind, value: unknown): unknown {
  if (value === null) return null;
  switch (kind) {
    case "boolean":
      return dialect === "sqlite" ? Number(value) : value;
    case "instant":
      return dialect === "sqlite" ? new Date(value as string).getTime() : value;
    case "bytes":
      return new Uint8Array(Buffer.from(value as string, "base64"));
    case "json":
      return JSON.stringify(value);
    default:
      return value;
  }
}
