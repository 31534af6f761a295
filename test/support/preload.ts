/**
 * Before any test file (bunfig.toml): what a run of the suite needs, and takes away again.
 *
 * QEETID_TEST_POSTGRES=1: starts a real Postgres and sets DATABASE_URL, which `db/dialect.ts` reads at import.
 * QEETID_STATEMENTS_FILE: the distinct statements of the program are added to this file, for test/explain.ts.
 */
import { afterAll } from "bun:test";
import { appendFileSync, chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Everything temporary in one place, which outlives no run.
const directory = mkdtempSync(join(tmpdir(), "qeetid-test-"));
chmodSync(directory, 0o755); // Postgres runs as another user
process.env.TMPDIR = directory;
afterAll(() => rmSync(directory, { recursive: true, force: true }));
watch(`rm -rf '${directory}'`);

if (process.env.QEETID_TEST_POSTGRES === "1" && !process.env.DATABASE_URL) {
  const { startPostgres } = await import("./postgres.ts");
  const postgres = await startPostgres(directory);
  process.env.DATABASE_URL = postgres.url;
  afterAll(() => postgres.stop());
  watch(`kill -QUIT ${postgres.pid}; sleep 1; rm -rf '${directory}'`);
}

const { endPrograms } = await import("./program.ts");
afterAll(endPrograms);

const statementsFile = process.env.QEETID_STATEMENTS_FILE;
if (statementsFile) {
  const { collectStatements } = await import("./statements.ts");
  const seen = collectStatements();
  afterAll(() =>
    appendFileSync(statementsFile, [...seen].map((text) => `${JSON.stringify(text)}\n`).join("")),
  );
}

/** Runs `command` once this process is gone: `bun test` runs no exit handlers, and it may be killed. */
function watch(command: string): void {
  Bun.spawn(["sh", "-c", `while kill -0 ${process.pid}; do sleep 1; done; ${command}`], {
    stdio: ["ignore", "ignore", "ignore"],
  }).unref();
}
