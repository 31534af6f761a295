/** Commands beside a running server: what they change is seen by it, and what they save is whole. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { dialect } from "../../db/dialect.ts";
import { emptyUrl } from "../support/db.ts";
import { callApi, emptyDirectory, type RunOptions, runProgram } from "../support/program.ts";
import { ask, expectSoundAudit, logIn, post, signUp, start } from "./support.ts";

setDefaultTimeout(60_000);
/** What another process did is seen when a cache of 5 s is over; and a busy machine adds to that. */
const SEEN_WITHIN_MS = 5_000 + 3_000;

const databaseEnv = async (): Promise<Record<string, string>> =>
  dialect === "postgres" ? { DATABASE_URL: await emptyUrl() } : {};

async function succeed(argv: readonly string[], options: RunOptions) {
  const { exitCode, stdout, stderr } = await runProgram(argv, options);
  expect(`${exitCode} ${stderr}`).toStartWith("0 ");
  return JSON.parse(stdout);
}

/** Asks until `isSeen`; fails when that takes longer than the contract allows. */
async function untilSeen(isSeen: () => Promise<boolean>): Promise<void> {
  const giveUp = performance.now() + SEEN_WITHIN_MS;
  while (!(await isSeen())) {
    expect(performance.now()).toBeLessThan(giveUp);
    await Bun.sleep(100);
  }
}

const headerOf = (token: string) =>
  JSON.parse(Buffer.from(token.split(".", 1)[0]!, "base64url").toString());

test("keys rotate: the running server publishes the new key, signs with it, and still takes the old one's tokens", async () => {
  const env = await databaseEnv();
  const server = await start([], { env });
  const options = { cwd: server.cwd, env };
  const { body: before } = await signUp(server.base, "ada@example.com");
  const { rotated } = await succeed(["keys", "rotate", "--alg", "ES256", "--json"], options);
  const [{ kid, replacedKid }] = rotated;
  expect(headerOf(before.access_token).kid).toBe(replacedKid);
  const kids = async () =>
    (await callApi(server.base, "/.well-known/jwks.json")).body.keys.map(
      (key: { kid: string }) => key.kid,
    );
  // The next login already may be signed by the new key: whoever sees it must find the key.
  const after = async () =>
    headerOf((await logIn(server.base, "ada@example.com")).body.access_token).kid as string;
  await untilSeen(async () => (await kids()).includes(kid));
  expect(await kids()).toContain(replacedKid);
  await untilSeen(async () => (await after()) === kid);
  const me = await callApi(server.base, "/v1/auth/me", { token: before.access_token });
  expect(me.status).toBe(200);
  const list = await succeed(["keys", "list", "--json"], options);
  expect(list.keys.map((key: { kid: string }) => key.kid)).toEqual(
    expect.arrayContaining([kid, replacedKid]),
  );
  expect((await server.stop()).exitCode).toBe(0);
});

test("audit verify beside a server that writes: whole each time", async () => {
  const env = await databaseEnv();
  const server = await start([], { env });
  let isOver = false;
  let written = 0;
  const writer = (async () => {
    while (!isOver) {
      expect((await signUp(server.base, `user${written}@example.com`)).status).toBe(201);
      written += 1;
    }
  })();
  try {
    for (let run = 0; run < 4 || written < 8; run += 1)
      await expectSoundAudit({ cwd: server.cwd, env });
  } finally {
    isOver = true;
    await writer;
  }
  expect((await server.stop()).exitCode).toBe(0);
});

test("a backup under load, restored elsewhere and served: all that was answered before it, and nothing by halves", async () => {
  const env = await databaseEnv();
  const server = await start([], { env });
  const file = join(server.cwd, "id.backup");
  const answered: string[] = [];
  const sent: string[] = [];
  let isOver = false;
  const clients = [0, 1, 2].map(async (client) => {
    for (let number = 0; !isOver; number += 1) {
      const email = `client${client}-${number}@example.com`;
      sent.push(email);
      expect((await signUp(server.base, email)).status).toBe(201);
      answered.push(email);
    }
  });
  let before: string[];
  const session = (await signUp(server.base, "first@example.com")).body;
  const key = await post(`${server.base}/v1/api-keys`, { name: "kept" }, session.access_token);
  try {
    await Bun.sleep(1_000);
    before = [...answered];
    await succeed(["backup", file, "--json"], { cwd: server.cwd, env });
  } finally {
    isOver = true;
    await Promise.all(clients);
  }
  await server.stop("SIGKILL");

  const cwd = emptyDirectory();
  const elsewhere = await databaseEnv();
  await succeed(["restore", file, "--json"], { cwd, env: elsewhere });
  mkdirSync(join(cwd, "qeetid-data/keys"), { recursive: true, mode: 0o700 });
  copyFileSync(join(server.dataDir, "keys/root.key"), join(cwd, "qeetid-data/keys/root.key"));
  const restored = await start(["--public-url", server.base.replace("127.0.0.1", "localhost")], {
    cwd,
    env: elsewhere,
  });
  expect(before.length).toBeGreaterThan(0);
  for (const email of before) expect((await logIn(restored.base, email)).status).toBe(200);
  // What was under way at the moment of the backup is in it as a whole, or can be done again.
  for (const email of sent.filter((one) => !before.includes(one)).slice(0, 20))
    if ((await logIn(restored.base, email)).status !== 200)
      expect((await signUp(restored.base, email)).status).toBe(201);
  const users = await ask(`${restored.base}/v1/users?limit=1`, {
    headers: { authorization: `ApiKey ${key.body.secret}` },
  });
  expect(users.status).toBe(200);
  const me = await callApi(restored.base, "/v1/auth/me", { token: session.access_token });
  expect(me).toMatchObject({ status: 200, body: { user_id: session.user_id } });
  const refreshed = await post(`${restored.base}/v1/auth/refresh`, {
    refresh_token: session.refresh_token,
  });
  expect(refreshed.status).toBe(200);
  await expectSoundAudit({ cwd, env: elsewhere });
  expect((await restored.stop()).exitCode).toBe(0);
});
