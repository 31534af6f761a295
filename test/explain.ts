/**
 * bun test/explain.ts <file>: explains every statement that a run of the suite issued (QEETID_STATEMENTS_FILE) on a
 * fresh database, and fails when one reads all of a table that grows. DATABASE_URL decides the dialect, as ever.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dialect } from "../db/dialect.ts";
import { migrate } from "../db/migrate.ts";
import { schemaTables } from "../db/portable.ts";
import { connect, type RawConnection } from "../db/raw.ts";

/** What does not grow with users, sessions, tokens or events: all else does. */
const SMALL = ["instance_facts", "signing_keys", "job_leases", "permissions", "schema_migrations"];

/** Statements that may read a whole table, each with its reason. */
const EXCEPTIONS: readonly { readonly pattern: RegExp; readonly reason: string }[] = [
  {
    pattern: /from "mail_messages" where "mail_messages"."content_sealed" is not null order by/,
    reason: "re-keying goes through every message, in batches by id",
  },
];

const growing = new Set(
  schemaTables()
    .map(({ name }) => name)
    .filter((name) => !SMALL.includes(name)),
);

/** The tables, or aliases, that the plan of `text` reads from one end to the other. */
type Explain = (text: string) => Promise<string[]>;

function explainSqlite(connection: RawConnection): Explain {
  return async (text) => {
    const plan = await connection.values(`explain query plan ${text}`);
    // SCAN, also of an index, reads all of it; SEARCH a range. https://www.sqlite.org/eqp.html
    return plan.flatMap(([, , , detail]) => /^SCAN (\w+)/.exec(String(detail))?.[1] ?? []);
  };
}

interface PostgresPlan {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Index Cond"?: string;
  Plans?: PostgresPlan[];
}

async function explainPostgres(connection: RawConnection): Promise<Explain> {
  const rows = await connection.values(
    "select relname, pg_get_indexdef(indexrelid, 1, true), indpred is not null from pg_index join pg_class on pg_class.oid = indexrelid",
  );
  const indexes: Indexes = new Map(
    rows.map(([name, first, isPartial]) => [String(name), { first: String(first), isPartial }]),
  );
  return async (text) => {
    await connection.values("begin");
    try {
      for (;;) {
        const scans = wholeScansOf(await planOf(connection, text), indexes);
        const partial = scans.find(({ index }) => index && indexes.get(index)?.isPartial)?.index;
        if (partial === undefined) return scans.map(({ table }) => table);
        // Tables are empty here, so all of a partial index costs what one row of the right index does. Would
        // another serve, had the planner not taken this one?
        await connection.values(`drop index "${partial}"`);
      }
    } finally {
      await connection.values("rollback");
    }
  };
}

/** By name: the first column or expression, and whether only some rows are in it. */
type Indexes = ReadonlyMap<string, { first: string; isPartial: unknown }>;

async function planOf(connection: RawConnection, text: string): Promise<PostgresPlan> {
  // A prepared statement has a plan for parameters that nobody has given yet.
  await connection.values(`prepare explained as ${text}`);
  try {
    const [types] = await connection.values(
      "select cardinality(parameter_types) from pg_prepared_statements where name = 'explained'",
    );
    const nulls = Array.from({ length: Number(types![0]) }, () => "null").join(", ");
    const [row] = await connection.values(
      `explain (format json) execute explained${nulls && `(${nulls})`}`,
    );
    const json = row![0];
    const [{ Plan }] = typeof json === "string" ? JSON.parse(json) : json;
    return Plan;
  } finally {
    await connection.values("deallocate explained");
  }
}

/**
 * With sequential scans forbidden, one that is left has no index to use. An index is read as a whole as well when no
 * condition is on its first column.
 */
function wholeScansOf(
  plan: PostgresPlan,
  indexes: Indexes,
): { table: string; index: string | undefined }[] {
  const index = plan["Index Name"];
  const condition = plan["Index Cond"] ?? "";
  const isWhole =
    plan["Node Type"] === "Seq Scan" ||
    (/Index (Only )?Scan/.test(plan["Node Type"]) &&
      !condition.includes(indexes.get(index!)?.first ?? ""));
  const table = isWhole ? plan["Relation Name"] : undefined;
  const own = table === undefined ? [] : [{ table, index }];
  return [...own, ...(plan.Plans ?? []).flatMap((one) => wholeScansOf(one, indexes))];
}

/** `from "users" "u"`: SQLite names the alias. */
function tableOf(name: string, text: string): string {
  return new RegExp(`"(\\w+)"(?: as)? "${name}"`, "i").exec(text)?.[1] ?? name;
}

/** The first rows of a table in the order of an index, nothing filtered: it stops at the limit. */
const isFirstPage = (text: string) =>
  /\blimit\b/i.test(text) && !/\b(where|join|group by|distinct)\b/i.test(text);

async function databaseToExplainOn(): Promise<{ url: string; drop(): Promise<void> }> {
  if (dialect === "sqlite") {
    const directory = mkdtempSync(join(tmpdir(), "explain-"));
    const drop = async () => rmSync(directory, { recursive: true });
    return { url: `sqlite:${join(directory, "id.db")}`, drop };
  }
  const url = new URL(process.env.DATABASE_URL!);
  const admin = new Bun.SQL({ url: url.href, max: 1 });
  const name = `explain_${process.pid}`;
  await admin.unsafe(`create database ${name}`);
  url.pathname = `/${name}`;
  const drop = async () => {
    await admin.unsafe(`drop database ${name} with (force)`);
    await admin.close();
  };
  return { url: url.href, drop };
}

const file = process.argv[2];
if (file === undefined) throw new Error("usage: bun test/explain.ts <statements file>");
const texts = new Set(
  readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line): string => JSON.parse(line)),
);
const { url, drop } = await databaseToExplainOn();
await migrate(url, new Date());
const connection = await connect(url);
if (dialect === "postgres") {
  await connection.values("set enable_seqscan = off");
  await connection.values("set plan_cache_mode = force_generic_plan");
}
const explain =
  dialect === "postgres" ? await explainPostgres(connection) : explainSqlite(connection);
const explained = [...texts].filter((text) =>
  /^\s*(select|insert|update|delete|with)\b/i.test(text),
);
const failures: string[] = [];
for (const text of explained) {
  if (EXCEPTIONS.some(({ pattern }) => pattern.test(text)) || isFirstPage(text)) continue;
  const scans = (await explain(text)).map((name) => tableOf(name, text));
  const whole = [...new Set(scans)].filter((name) => growing.has(name));
  if (whole.length > 0) failures.push(`${whole.join(", ")}: ${text}`);
}
await connection.close();
await drop();
for (const failure of failures) console.error(`reads all of ${failure}\n`);
console.log(
  `${explained.length} statements explained on ${dialect}, ${failures.length} read a whole table`,
);
process.exitCode = failures.length > 0 ? 1 : 0;
