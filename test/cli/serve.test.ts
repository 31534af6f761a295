/** `qeetid serve` as an operator meets it: from source, or the binary when QEETID_BINARY names one. */
import { Database } from "bun:sqlite";
import { afterEach, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { emptyUrl } from "../support/db.ts";
import {
  callApi,
  emptyDirectory,
  freePort,
  type RunningProgram,
  runProgram,
  startProgram,
} from "../support/program.ts";

const PASSWORD = "six blue herons";
const isPostgresRun = process.env.QEETID_TEST_POSTGRES !== undefined;

const running = new Set<RunningProgram>();
async function start(...args: Parameters<typeof startProgram>): Promise<RunningProgram> {
  const server = await startProgram(...args);
  running.add(server);
  return server;
}
afterEach(async () => {
  for (const server of running) if (server.child.exitCode === null) await server.stop("SIGKILL");
  running.clear();
});

// These keep their data in SQLite files of their own: once is enough.
describe.skipIf(isPostgresRun)("serve", () => {
  test("starts in an empty directory and says what there is to know, once", async () => {
    const first = await start();
    const banner = first.stderr;
    for (const words of [
      `serves http://localhost:${first.port} (development)`,
      `${first.dataDir} (database: qeetid.db)`,
      `${first.dataDir}/keys/root.key, generated. Keep a copy elsewhere`,
      "ES256 and RS256 signing keys, generated and sealed",
      "anybody may sign up; every user may create workspaces",
      `http://localhost:${first.port}/docs`,
      `http://localhost:${first.port}/dev/mailbox`,
      "admin create --email you@example.com --tenant Acme --api-key",
    ])
      expect(banner).toContain(words);
    expect(statSync(first.dataDir).mode & 0o777).toBe(0o700);
    expect(statSync(join(first.dataDir, "keys/root.key")).mode & 0o777).toBe(0o600);
    await first.stop();

    const second = await start([], { cwd: first.cwd, port: first.port });
    expect(second.stderr.trim().split("\n")).toHaveLength(1);
    expect(second.stderr).toContain(`serves http://localhost:${first.port} (development)`);
    await second.stop();
  }, 30_000);

  test("a restart keeps keys, sessions and tokens", async () => {
    const before = await start();
    const { port, cwd } = before;
    const email = "ada@example.com";
    const signUp = await callApi(before.base, "/v1/auth/signup", {
      body: { email, password: PASSWORD },
    });
    expect(signUp.status).toBe(201);
    const jwks = await callApi(before.base, "/.well-known/jwks.json");
    await before.stop();

    const after = await start([], { cwd, port });
    expect(await callApi(after.base, "/.well-known/jwks.json")).toEqual(jwks);
    const me = await callApi(after.base, "/v1/auth/me", { token: signUp.body.access_token });
    expect(me).toMatchObject({ status: 200, body: { user_id: signUp.body.user_id } });
    const refreshed = await callApi(after.base, "/v1/auth/refresh", {
      body: { refresh_token: signUp.body.refresh_token },
    });
    expect(refreshed.status).toBe(200);
    await after.stop();
  }, 30_000);

  test("two on one data directory: the second names the first and ends with 1", async () => {
    const first = await start();
    const second = await runProgram(["serve", "--http-port", String(freePort())], {
      cwd: first.cwd,
    });
    expect(second.exitCode).toBe(1);
    expect(second.stderr).toContain(
      `${first.dataDir} is in use: a server runs on it (process ${first.child.pid})`,
    );
    // Commands work beside it, and the lock is gone with the process, however that ended.
    expect((await runProgram(["keys", "list"], { cwd: first.cwd })).exitCode).toBe(0);
    await first.stop("SIGKILL");
    const third = await start([], { cwd: first.cwd, port: first.port });
    await third.stop();
  }, 30_000);

  test("a rotated key signs at once and the old one stays in the JWKS", async () => {
    const server = await start();
    const before = await callApi(server.base, "/.well-known/jwks.json");
    const rotated = await runProgram(["keys", "rotate", "--alg", "ES256", "--json"], {
      cwd: server.cwd,
    });
    const [{ kid, replacedKid }] = JSON.parse(rotated.stdout).rotated;
    expect(before.body.keys.map((key: { kid: string }) => key.kid)).toContain(replacedKid);
    const exported = await runProgram(["keys", "export"], { cwd: server.cwd });
    const kids = JSON.parse(exported.stdout).keys.map((key: { kid: string }) => key.kid);
    expect(kids).toEqual(expect.arrayContaining([kid, replacedKid]));
    const list = await runProgram(["keys", "list", "--json"], { cwd: server.cwd });
    expect(JSON.parse(list.stdout).keys).toContainEqual(
      expect.objectContaining({ kid: replacedKid, status: "retired" }),
    );
    const pem = await runProgram(["keys", "export", "--", kid], { cwd: server.cwd });
    expect(pem.stdout).toStartWith("-----BEGIN PRIVATE KEY-----");
    const gone = await runProgram(["keys", "export", "--", replacedKid], { cwd: server.cwd });
    expect(gone).toMatchObject({ exitCode: 1, stdout: "" });
    await server.stop();
  }, 30_000);

  test("a data directory that can't be used: a sentence, and 78", async () => {
    const cwd = emptyDirectory();
    const file = join(cwd, "file");
    writeFileSync(file, "");
    const inFile = await runProgram(["serve", "--data-dir", join(file, "data")], { cwd });
    expect(inFile.exitCode).toBe(78);
    expect(inFile.stderr).toContain(`The data directory ${file}/data can't be used: `);
    expect(inFile.stderr).toContain("Choose another with --data-dir");
    const readOnly = await runProgram(["serve", "--data-dir", "/proc/qeetid"], { cwd });
    expect(readOnly.exitCode).toBe(78);
    expect(readOnly.stderr).toContain("The data directory /proc/qeetid can't be used: ");
  });

  test("a port that another program has: a sentence, and 1", async () => {
    const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    const cwd = emptyDirectory();
    const { exitCode, stderr } = await runProgram(["serve", "--http-port", String(other.port)], {
      cwd,
    });
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`Port ${other.port} on 127.0.0.1 is in use by another program`);
    await other.stop(true);
    // That was no first start: this one says all there is to know.
    const server = await start([], { cwd });
    expect(server.stderr).toContain("admin create");
    await server.stop();
  });

  test("contract 01 §13: REDIS_URL that does not answer: a sentence, and 1", async () => {
    const { exitCode, stderr } = await runProgram(["serve"], {
      env: { REDIS_URL: `redis://:secret@127.0.0.1:${freePort()}` },
    });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^REDIS_URL: 127\.0\.0\.1:\d+ does not answer\n$/);
  }, 30_000);

  test("a database newer than the program: refused, naming both versions", async () => {
    const server = await start();
    const { cwd, port } = server;
    await server.stop();
    const db = new Database(join(server.dataDir, "qeetid.db"));
    db.run("insert into schema_migrations values ('9999_from_the_future', 'x', '2030-01-01')");
    db.run("update instance_facts set value = '99.1.0' where name = 'version'");
    db.close();
    for (const command of [["serve", "--http-port", String(port)], ["keys", "list"], ["migrate"]]) {
      const { exitCode, stderr } = await runProgram(command, { cwd });
      expect(exitCode).toBe(1);
      expect(stderr).toContain("9999_from_the_future");
      expect(stderr).toContain("99.1.0");
    }
  }, 30_000);

  test("--no-migrate refuses a database that is not migrated; `migrate` makes it so", async () => {
    const cwd = emptyDirectory();
    const refused = await runProgram(["serve", "--no-migrate"], { cwd });
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain("0000_init");
    expect(refused.stderr).toContain("qeetid migrate");
    const keys = await runProgram(["keys", "list"], { cwd });
    expect(keys).toMatchObject({ exitCode: 1, stdout: "" });
    const status = await runProgram(["migrate", "--status", "--json"], { cwd });
    expect(JSON.parse(status.stdout)).toMatchObject({
      applied: [],
      pending: ["0000_init", "0001_audit_append_only", "0002_oauth"],
    });
    const dry = await runProgram(["migrate", "--dry-run"], { cwd });
    expect(dry.stdout).toContain("CREATE TABLE");
    expect(JSON.parse((await runProgram(["migrate", "--json"], { cwd })).stdout).applied).toContain(
      "0000_init",
    );
    const done = await runProgram(["migrate", "--status", "--json"], { cwd });
    expect(JSON.parse(done.stdout).pending).toEqual([]);
    const server = await start(["--no-migrate"], { cwd });
    await server.stop();
  }, 30_000);

  describe("another origin (contract 00 §57)", () => {
    test("from development to production needs no flag; from there on, one", async () => {
      const { cwd, stop, port } = await start();
      await stop();
      const trust = ["--host", "127.0.0.1"];
      const moved = await start(["--public-url", "https://id.acme.test", ...trust], { cwd, port });
      await moved.stop();
      const refused = await runProgram(
        ["serve", "--public-url", "https://login.acme.test", ...trust, "--http-port", String(port)],
        { cwd },
      );
      expect(refused.exitCode).toBe(78);
      for (const words of [
        "https://id.acme.test",
        "https://login.acme.test",
        "passkeys",
        "--accept-new-public-url",
      ])
        expect(refused.stderr).toContain(words);
      const back = await runProgram(["serve", "--http-port", String(port)], { cwd });
      expect(back.exitCode).toBe(78);
      const accepted = await start(
        ["--public-url", "https://login.acme.test", "--accept-new-public-url", ...trust],
        { cwd, port },
      );
      await accepted.stop();
      const again = await start(["--public-url", "https://login.acme.test", ...trust], {
        cwd,
        port,
      });
      await again.stop();
    }, 40_000);

    test("once a client knows the development origin, leaving it needs the flag", async () => {
      const { base, cwd, stop, port } = await start();
      const post = (path: string, body: object, token?: string) =>
        fetch(base + path, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            ...(token !== undefined && { authorization: `Bearer ${token}` }),
          },
          body: JSON.stringify(body),
        });
      const account = { email: "ada@example.com", password: "six blue herons" };
      const signedUp = await (await post("/v1/auth/signup", account)).json();
      const client = { name: "App", redirect_uris: ["https://app.example.com/cb"] };
      expect((await post("/v1/oidc/clients", client, signedUp.access_token)).status).toBe(201);
      await stop();
      const refused = await runProgram(
        [
          ...["serve", "--public-url", "https://id.acme.test", "--host", "127.0.0.1"],
          ...["--http-port", String(port)],
        ],
        { cwd },
      );
      expect(refused.exitCode).toBe(78);
      expect(refused.stderr).toContain("--accept-new-public-url");
    }, 40_000);
  });

  test("contract 00 §58: another root key is refused by its id, and none is generated", async () => {
    const server = await start();
    const { cwd } = server;
    await server.stop();
    const other = { ROOT_KEY: Buffer.alloc(32, 7).toString("base64") };
    const refused = await runProgram(["serve"], { cwd, env: other });
    expect(refused.exitCode).toBe(78);
    expect(refused.stderr).toMatch(/sealed by root key [0-9a-f]{8}.*ROOT_KEY_FILE/s);
    const empty = join(cwd, "elsewhere");
    mkdirSync(empty, { mode: 0o700 });
    const missing = await runProgram(
      ["serve", "--data-dir", empty, "--database-url", `sqlite:${server.dataDir}/qeetid.db`],
      { cwd },
    );
    expect(missing.exitCode).toBe(78);
    expect(missing.stderr).toContain("ROOT_KEY_FILE");
    expect(existsSync(join(empty, "keys/root.key"))).toBe(false);
  }, 30_000);

  test("01 §20: SIGTERM with a slow request in flight: it completes, is audited, exit 0", async () => {
    const server = await start();
    // A sign-up whose last byte comes after the signal.
    const body = JSON.stringify({ email: "slow@example.com", password: PASSWORD });
    const socket = connect(server.port, "127.0.0.1");
    let answer = "";
    socket.on("data", (data) => {
      answer += data;
    });
    socket.write(
      `POST /v1/auth/signup HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, -1)}`,
    );
    await Bun.sleep(300);
    const stopped = server.stop();
    await Bun.sleep(300);
    socket.write(body.slice(-1));
    const { exitCode } = await stopped;
    expect(exitCode).toBe(0);
    expect(answer).toStartWith("HTTP/1.1 201");

    const db = new Database(join(server.dataDir, "qeetid.db"));
    const events = db
      .query("select action, metadata from audit_events where action like 'system.%' order by seq")
      .all() as { action: string; metadata: string }[];
    expect(events.map(({ action }) => action)).toEqual(["system.startup", "system.shutdown"]);
    expect(JSON.parse(events[1]!.metadata)).toMatchObject({
      env: "dev",
      in_flight_at_signal: 1,
      dropped_requests: 0,
    });
    db.close();
  }, 30_000);

  test("a request that does not end within the grace is cut off, and counted", async () => {
    const server = await start(["--shutdown-grace", "1s"]);
    const socket = connect(server.port, "127.0.0.1");
    socket.write(
      "POST /v1/auth/signup HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
    );
    await Bun.sleep(300);
    const { exitCode, stderr } = await server.stop();
    expect(exitCode).toBe(0);
    expect(stderr).toContain("Cut off 1 requests");
  }, 30_000);

  test("backup beside the server, restore elsewhere, once; the root key is asked for", async () => {
    const server = await start();
    const file = join(server.cwd, "id.backup");
    const jwks = await callApi(server.base, "/.well-known/jwks.json");
    const saved = await runProgram(["backup", file, "--json"], { cwd: server.cwd });
    expect(saved.exitCode).toBe(0);
    const { rows, root_key_id } = JSON.parse(saved.stdout);
    expect(rows.signing_keys).toBe(2);
    expect((await runProgram(["backup", file], { cwd: server.cwd })).exitCode).toBe(1);
    const inUse = await runProgram(["restore", file], { cwd: server.cwd });
    expect(inUse).toMatchObject({ exitCode: 1, stdout: "" });
    expect(inUse.stderr).toContain("is in use");
    await server.stop();

    const cwd = emptyDirectory();
    const restored = await runProgram(["restore", file], { cwd });
    expect(restored.exitCode).toBe(0);
    expect(restored.stdout).toContain(root_key_id);
    expect(restored.stdout).toContain("ROOT_KEY_FILE");
    const again = await runProgram(["restore", file], { cwd });
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toContain("not empty");
    expect((await runProgram(["serve"], { cwd })).exitCode).toBe(78);
    mkdirSync(join(cwd, "qeetid-data/keys"), { mode: 0o700 });
    copyFileSync(join(server.dataDir, "keys/root.key"), join(cwd, "qeetid-data/keys/root.key"));
    const other = await start([], { cwd, port: server.port });
    expect(await callApi(other.base, "/.well-known/jwks.json")).toEqual(jwks);
    await other.stop();
  }, 40_000);

  test("audit verify: unbroken beside the server, in an export too; a changed row is named", async () => {
    const server = await start();
    const { cwd } = server;
    const signUp = await callApi(server.base, "/v1/auth/signup", {
      body: { email: "ada@example.com", password: PASSWORD },
    });
    const log = signUp.body.tenant_id;
    const sound = await runProgram(["audit", "verify", "--json"], { cwd });
    expect(sound.exitCode).toBe(0);
    expect(JSON.parse(sound.stdout).logs.map((one: { log: string }) => one.log)).toEqual(
      expect.arrayContaining(["platform", log]),
    );
    const exported = await runProgram(["audit", "export", "--tenant", log], { cwd });
    const file = join(cwd, "audit.jsonl");
    writeFileSync(file, exported.stdout);
    expect((await runProgram(["audit", "verify", file], { cwd })).exitCode).toBe(0);
    writeFileSync(
      file,
      exported.stdout.replace('"action":"tenant.created"', '"action":"tenant.deleted"'),
    );
    const forged = await runProgram(["audit", "verify", file], { cwd });
    expect(forged.exitCode).toBe(1);
    expect(forged.stdout).toContain(": broken in line ");
    await server.stop();

    const db = new Database(join(server.dataDir, "qeetid.db"));
    db.run("drop trigger audit_events_erasure_only");
    db.run("update audit_events set action = 'auth.logged_out' where log_id = ? and seq = 1", [
      log,
    ]);
    db.close();
    const broken = await runProgram(["audit", "verify"], { cwd });
    expect(broken.exitCode).toBe(1);
    expect(broken.stdout).toContain(`${log}: broken at event `);
    const other = await runProgram(["audit", "verify", "--tenant", "platform"], { cwd });
    expect(other.exitCode).toBe(0);
  }, 30_000);

  test("openapi prints the document, whatever database is set", async () => {
    const { exitCode, stdout } = await runProgram(["openapi"], {
      env: { DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" },
    });
    expect(exitCode).toBe(0);
    const document = JSON.parse(stdout);
    expect(document.openapi).toStartWith("3.1");
    expect(document.paths["/v1/auth/signup"].post).toBeObject();
  }, 30_000);

  test("healthcheck: 0 while it runs, 1 after", async () => {
    const server = await start();
    const argv = ["healthcheck", "--http-port", String(server.port)];
    expect((await runProgram(argv)).exitCode).toBe(0);
    await server.stop();
    expect((await runProgram(argv)).exitCode).toBe(1);
  }, 30_000);

  test("doctor: nothing wrong beside a running server; a wrong root key and a lax directory are named", async () => {
    const server = await start();
    const argv = ["doctor", "--http-port", String(server.port)];
    const well = await runProgram(argv, { cwd: server.cwd });
    expect(well.stdout).not.toContain("✗");
    expect(well.exitCode).toBe(0);
    Bun.spawnSync(["chmod", "755", server.dataDir]);
    const ill = await runProgram([...argv, "--json"], {
      cwd: server.cwd,
      env: { ROOT_KEY: Buffer.alloc(32, 7).toString("base64"), NODE_TLS_REJECT_UNAUTHORIZED: "0" },
    });
    expect(ill.exitCode).toBe(1);
    const failed = JSON.parse(ill.stdout).checks.filter(({ ok }: { ok: boolean }) => !ok);
    expect(failed.map(({ name }: { name: string }) => name).sort()).toEqual([
      "data directory",
      "environment",
      "root key",
    ]);
    await server.stop();
  }, 30_000);

  test("--tls-cert and --tls-key serve https", async () => {
    const cwd = emptyDirectory();
    const made = Bun.spawnSync(
      [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
      ],
      { cwd, stderr: "ignore" },
    );
    expect(made.exitCode).toBe(0);
    const server = await start(["--tls-cert", "cert.pem", "--tls-key", "key.pem"], {
      cwd,
      scheme: "https",
    });
    const ca = await Bun.file(join(cwd, "cert.pem")).text();
    const answer = await fetch(`https://localhost:${server.port}/healthz`, {
      tls: { ca },
    } as RequestInit);
    expect(answer.status).toBe(200);
    expect(server.stderr).toContain(`serves https://localhost:${server.port} (development)`);
    await server.stop();
    const other = await runProgram(["serve", "--tls-cert", "cert.pem", "--tls-key", "cert.pem"], {
      cwd,
    });
    expect(other.exitCode).toBe(78);
  }, 30_000);
});

describe.skipIf(!isPostgresRun)("serve on Postgres", () => {
  test("two servers share a database, its root key and its signing keys", async () => {
    const env = { DATABASE_URL: await emptyUrl() };
    const one = await start([], { env });
    const two = await start(["--public-url", `http://localhost:${one.port}`], {
      env: { ...env, ROOT_KEY_FILE: join(one.dataDir, "keys/root.key") },
    });
    const jwks = await callApi(one.base, "/.well-known/jwks.json");
    expect(jwks.body.keys).toHaveLength(2);
    expect(await callApi(two.base, "/.well-known/jwks.json")).toEqual(jwks);
    const signUp = await callApi(one.base, "/v1/auth/signup", {
      body: { email: "ada@example.com", password: PASSWORD },
    });
    const me = await callApi(two.base, "/v1/auth/me", { token: signUp.body.access_token });
    expect(me).toMatchObject({ status: 200, body: { user_id: signUp.body.user_id } });
    for (const server of [one, two]) expect((await server.stop()).exitCode).toBe(0);
  }, 60_000);

  test("contract 00 §58: an instance with another root key is refused, and generates none", async () => {
    const env = { DATABASE_URL: await emptyUrl() };
    const one = await start([], { env });
    const cwd = emptyDirectory();
    const refused = await runProgram(["serve", "--http-port", String(freePort())], { cwd, env });
    expect(refused.exitCode).toBe(78);
    expect(refused.stderr).toContain("ROOT_KEY_FILE");
    expect(existsSync(join(cwd, "qeetid-data/keys/root.key"))).toBe(false);
    await one.stop();
  }, 60_000);

  test("a database that can't be reached: a sentence, and 1", async () => {
    const env = { DATABASE_URL: `postgres://nobody@127.0.0.1:${freePort()}/none` };
    const { exitCode, stderr } = await runProgram(["serve"], { env });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("The database can't be reached");
    const doctor = await runProgram(["doctor"], { env });
    expect(doctor.exitCode).toBe(1);
    expect(doctor.stdout).toContain("✗ database: The database can't be reached");
  }, 60_000);
});
