/** A server whose disk is full, limited, read-only or broken. SQLite: Postgres has a disk of its own. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dialect } from "../../db/dialect.ts";
import { emptyDirectory, runProgram } from "../support/program.ts";
import {
  ask,
  compileShim,
  expectSoundAudit,
  expectUnavailable,
  hasCompiler,
  isRootOnLinux,
  logIn,
  post,
  signUp,
  start,
  untilReadyz,
} from "./support.ts";

setDefaultTimeout(40_000);
const onSqlite = test.skipIf(dialect === "postgres");
const asRoot = test.skipIf(dialect === "postgres" || !isRootOnLinux);
const withCompiler = test.skipIf(dialect === "postgres" || !hasCompiler);
if (dialect === "sqlite" && !isRootOnLinux)
  console.log(
    "Not root on Linux: no file system of its own can be mounted; those tests are skipped.",
  );

/** A small file system in memory, for as long as `run` takes. */
async function withDisk(options: string, run: (disk: Disk) => Promise<void>): Promise<void> {
  const cwd = emptyDirectory();
  const dataDir = join(cwd, "qeetid-data");
  mkdirSync(dataDir, { mode: 0o700 });
  const mount = (...argv: string[]) =>
    expect(Bun.spawnSync(["mount", ...argv, dataDir]).stderr.toString()).toBe("");
  mount("-t", "tmpfs", "-o", `${options},mode=700`, "tmpfs");
  try {
    await run({ cwd, dataDir, remount: (how) => mount("-o", `remount,${how}`) });
  } finally {
    Bun.spawnSync(["umount", "-l", dataDir]);
  }
}
interface Disk {
  readonly cwd: string;
  readonly dataDir: string;
  remount(how: string): void;
}

type Server = Awaited<ReturnType<typeof start>>;

/**
 * Fills what room is left, from the largest kind of write to the smallest: where a sign-up no longer fits, an API
 * key may. Who was answered, and who was refused.
 */
async function fillByRequests(base: string, token: string) {
  const emails: string[] = [];
  const refused: string[] = [];
  await untilRefused(async (number) => {
    const email = `user${number}@example.com`;
    const answer = await post(`${base}/v1/auth/signup`, { ...NOBODY, email });
    (answer.status === 201 ? emails : refused).push(email);
    return answer;
  }, 201);
  await untilRefused((n) => post(`${base}/v1/api-keys`, { name: `key ${n}` }, token), 201);
  // A failed login is counted, which takes a page or two.
  const wrong = (n: number) => ({ email: `stranger${n}@example.com`, password: "wrong horse" });
  await untilRefused((n) => post(`${base}/v1/auth/login`, wrong(n)), 401);
  return { emails, refused };
}

/** Until five in a row are refused; all others are answered by `expected`. */
async function untilRefused(
  send: (number: number) => ReturnType<typeof ask>,
  expected: number,
): Promise<void> {
  let inARow = 0;
  for (let number = 0; inARow < 5; number += 1) {
    if (number > 500) throw new Error("500 writes and the disk is not full");
    const answer = await send(number);
    inARow = answer.status === expected ? 0 : inARow + 1;
    if (inARow > 0) expectUnavailable(answer);
  }
}

/** A server that cannot write says so everywhere, and goes on reading. */
async function expectReadsOnly({ base }: Server, token: string): Promise<void> {
  expectUnavailable(await post(`${base}/v1/auth/signup`, NOBODY));
  expectUnavailable(await post(`${base}/v1/api-keys`, { name: "none" }, token));
  const { body } = await untilReadyz(base, 503);
  expect(body.status).toBe("not_ready");
  expect(body.checks.db).toStartWith("fail: ");
  expect((await ask(`${base}/healthz`)).status).toBe(200);
  const headers = { authorization: `Bearer ${token}` };
  expect((await ask(`${base}/v1/auth/me`, { headers })).status).toBe(200);
}
const NOBODY = { email: "nobody@example.com", password: "six blue herons" };

/** After it: without a restart, nothing lost, and of what was refused not a row. */
async function expectRecovered(
  server: Server,
  emails: readonly string[],
  refused: readonly string[],
) {
  await untilReadyz(server.base, 200);
  for (const email of emails) expect((await logIn(server.base, email)).status).toBe(200);
  for (const email of refused) {
    expect((await logIn(server.base, email)).status).toBe(401);
    expect((await signUp(server.base, email)).status).toBe(201);
  }
  await expectSoundAudit({ cwd: server.cwd });
  expect((await server.stop()).exitCode).toBe(0);
}

asRoot.each([
  ["the file system grows", (disk: Disk) => disk.remount("size=24m")],
  ["a file is deleted", (disk: Disk) => rmSync(join(disk.dataDir, "ballast"))],
])("a full disk: writes are refused, reads go on, and %s: it recovers", async (_, makeRoom) => {
  await withDisk("size=12m", async (disk) => {
    const server = await start([], { cwd: disk.cwd });
    const { body } = await signUp(server.base, "first@example.com");
    fill(join(disk.dataDir, "ballast"));
    const { emails, refused } = await fillByRequests(server.base, body.access_token);
    await expectReadsOnly(server, body.access_token);
    makeRoom(disk);
    await expectRecovered(server, ["first@example.com", ...emails], [...refused, NOBODY.email]);
  });
});

/** Takes what room there is, but for some 200 kB. */
function fill(path: string): void {
  const { stdout } = Bun.spawnSync(["stat", "-f", "-c", "%a %S", join(path, "..")]);
  const [blocks = 0, size = 0] = stdout.toString().split(" ").map(Number);
  writeFileSync(path, new Uint8Array(Math.max(0, blocks * size - 200_000)));
}

withCompiler("read-only while it runs, and writable again: as a full disk", async () => {
  const cwd = emptyDirectory();
  const trigger = join(cwd, "read-only-now");
  const env = { LD_PRELOAD: compileShim("read-only", cwd), READ_ONLY: trigger };
  const server = await start([], { cwd, env });
  const { body } = await signUp(server.base, "first@example.com");
  writeFileSync(trigger, "");
  await expectReadsOnly(server, body.access_token);
  rmSync(trigger);
  await expectRecovered(server, ["first@example.com"], [NOBODY.email]);
});

asRoot("a read-only data directory at the start: a sentence, and 78", async () => {
  await withDisk("size=32m", async (disk) => {
    disk.remount("ro");
    const fresh = await runProgram(["serve"], { cwd: disk.cwd });
    expect(fresh.exitCode).toBe(78);
    expect(fresh.stderr).toContain(
      `The data directory ${disk.dataDir} can't be used: the file system is read-only`,
    );
    disk.remount("rw");
    const server = await start([], { cwd: disk.cwd });
    await server.stop();
    disk.remount("ro");
    const again = await runProgram(["serve"], { cwd: disk.cwd });
    expect(again.exitCode).toBe(78);
    expect(again.stderr).toContain("the file system is read-only");
    expect(again.stderr).not.toContain("    at ");
  });
});

onSqlite.skipIf(process.platform === "win32")(
  "ulimit -f: the file grows no further, the process lives, and a restart without it has everything",
  async () => {
    const cwd = emptyDirectory();
    const program = process.env.QEETID_BINARY
      ? [process.env.QEETID_BINARY]
      : [process.execPath, join(import.meta.dir, "../../src/main.ts")];
    const limited = ["sh", "-c", 'ulimit -f 6000; exec "$0" "$@"', ...program]; // × 512 bytes: less than the log grows to before it is written back
    const server = await start([], { cwd, command: limited });
    const { body } = await signUp(server.base, "first@example.com");
    const { emails, refused } = await fillByRequests(server.base, body.access_token);
    await expectReadsOnly(server, body.access_token);
    await server.stop("SIGKILL");
    const after = await start([], { cwd });
    const kept = ["first@example.com", ...emails.slice(0, 3), ...emails.slice(-3)];
    await expectRecovered(after, kept, [...refused, NOBODY.email]);
  },
);

withCompiler("a failed fsync: it ends, not with 0, and nothing more is acknowledged", async () => {
  const cwd = emptyDirectory();
  const trigger = join(cwd, "fail-now");
  const env = { LD_PRELOAD: compileShim("failing-sync", cwd), FAIL_SYNC: trigger };
  const server = await start([], { cwd, env });
  expect((await signUp(server.base, "good@example.com")).status).toBe(201);
  writeFileSync(trigger, "");
  const doubtful = await Promise.all(
    [1, 2, 3, 4].map((number) =>
      signUp(server.base, `doubtful${number}@example.com`).then(
        ({ status }) => status,
        () => "no answer",
      ),
    ),
  );
  for (const outcome of doubtful) expect(outcome).not.toBe(201);
  const exitCode = await server.child.exited;
  expect(exitCode).toBeGreaterThan(0);
  expect(server.stderr).toContain("The disk refused to keep what was written");
  expect(await ask(`${server.base}/healthz`).catch(() => "gone")).toBe("gone");

  const after = await start([], { cwd });
  expect((await logIn(after.base, "good@example.com")).status).toBe(200);
  await expectSoundAudit({ cwd });
});
