/**
 * bun test/run.ts: every check and every suite. The last line is `N passed, N failed`, over all of them; a check
 * (lint, types, …) counts as one.
 */
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgres } from "./support/postgres.ts";

const root = join(import.meta.dir, "..");
const results = join(root, "test-results");

interface Outcome {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
}

interface Step {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A suite, counted by its tests; otherwise a check, which passes or fails as one. */
  readonly isSuite?: true;
}

const BUN = process.execPath;
const report = (name: string) => join(results, name);
const suite = (name: string, path: string[], env: Step["env"] = {}): Step => ({
  name,
  command: [BUN, "test", ...path],
  env,
  isSuite: true,
});

/** What talks to a program from outside: on SQLite to the compiled one alone, since from source it would say the same. */
const OUTSIDE = ["test/binary/", "test/cli/", "test/counterparts/", "test/faults/", "test/readme/"];
/** Of those, what depends on the database: from source, and as the binary. */
const ON_POSTGRES = ["test/faults/"];
const BINARY_ON_POSTGRES = ["test/counterparts/"];
const INSIDE = readdirSync(join(root, "test"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() || entry.name.endsWith(".test.ts"))
  // With its slash: bun looks for the text in the path, and `test/cli` stands in `test/clients`, too.
  .map((entry) => `test/${entry.name}${entry.isDirectory() ? "/" : ""}`)
  .filter((path) => !OUTSIDE.includes(path));

const checks: readonly Step[] = [
  { name: "lint", command: [BUN, "x", "biome", "ci", "."] },
  { name: "types", command: [BUN, "x", "tsc", "-p", "."] },
  { name: "dead code", command: [BUN, "x", "knip"] },
  { name: "generated files", command: [BUN, "run", "generated"] },
];

/** The suite on one database, and what can be said about all it did there. */
const suiteOn = (database: "SQLite" | "Postgres", env: Step["env"]): Step[] => {
  const statements = report(`${database}-statements`);
  const answers = report(`${database}-answers`);
  const files = { QEETID_STATEMENTS_FILE: statements, QEETID_ANSWERS_FILE: answers };
  const explain = {
    name: `no scans on ${database}`,
    command: [BUN, "test/explain.ts", statements],
  };
  const paths = database === "SQLite" ? INSIDE : [...INSIDE, ...ON_POSTGRES];
  return [suite(`suite on ${database}`, paths, { ...env, ...files }), { ...explain, env }].concat(
    database === "SQLite"
      ? [{ name: "every answer seen", command: [BUN, "test/answers.ts", answers], env }]
      : [],
  );
};

const built = join(root, "dist/qeetid");
const builds: readonly Step[] = [
  { name: "build", command: [BUN, "build.ts"] },
  ...(Bun.which("qemu-aarch64") === null
    ? []
    : [{ name: "build for arm64", command: [BUN, "build.ts", "--target", "linux-arm64"] }]),
];
const binaryOnSqlite = suite("binary", OUTSIDE, {
  DATABASE_URL: undefined,
  QEETID_KILL_ROUNDS: "20",
  QEETID_BINARY: built,
});

async function run({ name, command, env, isSuite }: Step): Promise<Outcome> {
  const startedAt = performance.now();
  const file = name.replaceAll(" ", "-");
  const junit = report(`${file}.xml`);
  console.log(`-- ${name} begins`);
  const reporter = isSuite ? ["--reporter=junit", `--reporter-outfile=${junit}`] : [];
  // Two may run at once: what each says is shown whole, when it has ended.
  const log = report(`${file}.log`);
  const output = openSync(log, "a");
  const child = Bun.spawn([...command, ...reporter], {
    cwd: root,
    stdio: ["ignore", output, output],
    env: { ...process.env, ...env },
  });
  const alive = setInterval(() => console.log(`-- ${name} goes on`), 60_000);
  const isDone = (await child.exited) === 0;
  clearInterval(alive);
  closeSync(output);
  console.log(`\n== ${name}\n${readFileSync(log, "utf8")}`);
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  const counts = isSuite ? countsOf(junit) : { passed: 0, failed: 0, skipped: 0 };
  // A suite that ends badly without a failing test (a crash, an error between tests) has failed as well.
  const failed = isDone ? counts.failed : Math.max(1, counts.failed);
  const passed = isSuite ? counts.passed : Number(isDone);
  return { name, passed, failed, skipped: counts.skipped, seconds };
}

function countsOf(junit: string): { passed: number; failed: number; skipped: number } {
  let xml = "";
  try {
    xml = readFileSync(junit, "utf8");
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const [totals = ""] = /<testsuites [^>]*>/.exec(xml) ?? [];
  const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(totals)?.[1] ?? 0);
  const failed = count("failures");
  const skipped = count("skipped");
  return { passed: count("tests") - failed - skipped, failed, skipped };
}

rmSync(results, { recursive: true, force: true });
mkdirSync(results);
const outcomes: Outcome[] = [];
const runAll = async (steps: readonly Step[]) => {
  for (const step of steps) outcomes.push(await run(step));
};
await runAll([...checks, ...builds]);
const directory = mkdtempSync(join(tmpdir(), "qeetid-postgres-"));
chmodSync(directory, 0o755); // Postgres runs as another user
const postgres = await startPostgres(directory);
try {
  const onPostgres = { QEETID_TEST_POSTGRES: "1", DATABASE_URL: postgres.url };
  // Side by side: each keeps one core busy, and spends much of its time waiting.
  await Promise.all([
    runAll(suiteOn("SQLite", { DATABASE_URL: undefined })),
    runAll([
      ...suiteOn("Postgres", onPostgres),
      suite("binary on Postgres", BINARY_ON_POSTGRES, { ...onPostgres, QEETID_BINARY: built }),
    ]),
  ]);
} finally {
  await postgres.stop();
  rmSync(directory, { recursive: true, force: true });
}
await runAll([binaryOnSqlite]);
console.log("");
for (const { name, passed, failed, skipped, seconds } of outcomes)
  console.log(
    `${failed > 0 ? "✗" : "✓"} ${name}: ${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""} (${seconds} s)`,
  );
const sum = (key: "passed" | "failed") => outcomes.reduce((total, one) => total + one[key], 0);
console.log(`${sum("passed")} passed, ${sum("failed")} failed`);
process.exit(sum("failed") > 0 ? 1 : 0);
