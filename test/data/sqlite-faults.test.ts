// SQLite on a disk that is full, limited, read-only or broken: told as such, nothing half-written, nothing lost.
import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../../db/client.ts";
import { dialect } from "../../db/dialect.ts";
import { DatabaseFull, DatabaseOverloaded, DatabaseUnavailable, faultOf } from "../../db/errors.ts";
import { freshUrl, pathOf } from "../support/db.ts";

const root = mkdtempSync(join(tmpdir(), "faults-"));
const isRootOnLinux = process.platform === "linux" && userInfo().uid === 0;
const hasCompiler = process.platform === "linux" && Bun.which("cc") !== null;

/** A process that writes on demand. `prefix` is what a shell does before. */
function startWriter(path: string, prefix = "", env: Record<string, string> = {}) {
  const script = join(import.meta.dir, "support/row-writer.ts");
  const child = Bun.spawn(
    ["sh", "-c", `${prefix} exec "$0" "$1" "$2"`, process.execPath, script, path],
    {
      env: { ...process.env, ...env },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    },
  );
  const lines = readLines(child.stdout);
  return {
    child,
    async ask(line: string): Promise<string> {
      child.stdin.write(`${line}\n`);
      child.stdin.flush();
      return (await lines.next()).value ?? "ended";
    },
    async end() {
      child.stdin.end();
      return child.exited;
    },
  };
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

/** Both rows of each transaction, or neither; the file is sound. */
function names(path: string): string[] {
  const database = new Database(path);
  expect(database.query("pragma integrity_check").values()).toEqual([["ok"]]);
  const slugs = database
    .query("select slug from tenants order by slug")
    .values()
    .flat() as string[];
  const facts = database.query(
    "select name from instance_facts where name <> 'readiness' order by name",
  );
  expect(facts.values().flat()).toEqual(slugs);
  database.close();
  return slugs;
}

/** Fills the disk, sees writes refused and reads answered, makes room, and sees writes again. */
async function fillAndRecover(path: string, prefix: string, makeRoom: () => void) {
  const writer = startWriter(path, prefix);
  try {
    const written: string[] = [];
    let refusal = "";
    for (let n = 100; n < 900 && refusal === ""; n += 1) {
      const answer = await writer.ask(`row${n}`);
      if (answer === "done") written.push(`row${n}`);
      else refusal = answer;
    }
    expect(refusal).toBe("DatabaseFull");
    expect(written.length).toBeGreaterThan(5);
    expect(await writer.ask("check")).toBe("DatabaseFull");
    expect(await writer.ask("read")).toBe("done");
    makeRoom();
    await Bun.sleep(600); // a bad answer to `check` holds for half a second
    expect(await writer.ask("after")).toBe("done");
    expect(await writer.ask("check")).toBe("done");
    expect(await writer.end()).toBe(0);
    expect(names(path)).toEqual(["after", ...written]);
  } finally {
    writer.child.kill();
  }
}

describe.skipIf(dialect === "postgres")("SQLite", () => {
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test.skipIf(!isRootOnLinux)(
    "a full disk: refused, nothing half-written, and recovers when there is room",
    async () => {
      const disk = join(root, "disk");
      mkdirSync(disk);
      expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk]).exitCode).toBe(
        0,
      );
      try {
        const path = join(disk, "id.db");
        copyFileSync(pathOf(await freshUrl()), path);
        writeFileSync(join(disk, "ballast"), new Uint8Array(1_000_000));
        await fillAndRecover(path, "", () => truncateSync(join(disk, "ballast")));
      } finally {
        Bun.spawnSync(["umount", "-l", disk]);
      }
    },
    20_000,
  );

  test("ulimit -f: a write past it ends no process, and is told as a full disk", async () => {
    const path = join(root, "limited.db");
    copyFileSync(pathOf(await freshUrl()), path);
    const writer = startWriter(path, "ulimit -f 2000;"); // blocks of 512 bytes
    const answers = new Set<string>();
    for (let n = 0; n < 200 && !answers.has("DatabaseFull"); n += 1)
      answers.add(await writer.ask(`row${n}`));
    expect([...answers]).toEqual(["done", "DatabaseFull"]);
    expect(await writer.ask("read")).toBe("done");
    expect(await writer.ask("check")).toBe("DatabaseFull");
    writer.child.kill();
    await writer.child.exited;
    names(path);
  }, 20_000);

  test.skipIf(!isRootOnLinux)(
    "a read-only disk: refused at the start, as one that cannot write",
    async () => {
      const disk = join(root, "read-only");
      mkdirSync(disk);
      const mount = (...options: string[]) =>
        expect(Bun.spawnSync(["mount", ...options, disk]).exitCode).toBe(0);
      mount("-t", "tmpfs", "tmpfs");
      try {
        copyFileSync(pathOf(await freshUrl()), join(disk, "id.db"));
        mount("-o", "remount,ro");
        const error = await openDatabase({ url: `sqlite:${join(disk, "id.db")}` }).catch(
          (reason) => reason,
        );
        expect(error).toBeInstanceOf(DatabaseFull);
      } finally {
        Bun.spawnSync(["umount", "-l", disk]);
      }
    },
  );

  test.skipIf(!hasCompiler)(
    "a failed fsync ends the process, and nothing more is acknowledged",
    async () => {
      const shim = join(root, "failing-sync.so");
      const source = `${import.meta.dir}/../probe/failing-sync.c`;
      expect(
        Bun.spawnSync([
          "cc",
          "-shared",
          "-fPIC",
          "-O2",
          "-o",
          shim,
          source,
          "-ldl",
        ]).stderr.toString(),
      ).toBe("");
      const path = join(root, "broken.db");
      copyFileSync(pathOf(await freshUrl()), path);
      const trigger = join(root, "fail-now");
      const writer = startWriter(path, "", { LD_PRELOAD: shim, FAIL_SYNC: trigger });
      expect(await writer.ask("good")).toBe("done");
      writeFileSync(trigger, "");
      expect(await writer.ask("doubtful")).toBe("fatal DurabilityLost");
      expect(await writer.child.exited).toBe(1);
      // What was acknowledged is there; the other one may be.
      expect(names(path)).toContain("good");
    },
  );

  test.each([
    ["SQLITE_FULL", DatabaseFull],
    ["SQLITE_IOERR_WRITE", DatabaseFull],
    ["SQLITE_IOERR_SHMSIZE", DatabaseFull],
    ["SQLITE_CANTOPEN", DatabaseFull],
    ["SQLITE_BUSY", DatabaseOverloaded],
    ["SQLITE_IOERR_READ", DatabaseUnavailable],
    ["SQLITE_CORRUPT", DatabaseUnavailable],
  ])("%s is a fault of the database", (code, kind) => {
    expect(
      faultOf(new Error("wrapped", { cause: Object.assign(new Error(), { code }) })),
    ).toBeInstanceOf(kind);
  });

  test("a constraint is nobody's fault", () => {
    expect(
      faultOf(Object.assign(new Error(), { code: "SQLITE_CONSTRAINT_UNIQUE" })),
    ).toBeUndefined();
    expect(faultOf(new Error("bug"))).toBeUndefined();
  });
});
