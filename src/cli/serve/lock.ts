import { Database } from "bun:sqlite";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Config } from "../../config.ts";
import { CommandError } from "../command.ts";

interface ServeLock {
  release(): void;
}

/** A server runs on this database already. */
class AlreadyServed extends Error {
  override readonly name = "AlreadyServed";
  constructor(readonly pid: number | undefined) {
    super(`a server runs on it${pid === undefined ? "" : ` (process ${pid})`}`);
  }
}

/**
 * Takes the lock that one server at a time may hold on a SQLite database; throws AlreadyServed. It is SQLite's own
 * file lock on an empty database beside it, so the system drops it with the process, however that ends, and it
 * works wherever SQLite does. Commands do not take it: beside a server they write as any other connection.
 */
function takeServeLock(databasePath: string): ServeLock {
  const pidFile = `${databasePath}.pid`;
  const lock = new Database(`${databasePath}.lock`, { create: true });
  try {
    lock.run("pragma busy_timeout = 0");
    lock.run("begin exclusive");
  } catch (error) {
    lock.close();
    if ((error as { code?: string }).code !== "SQLITE_BUSY") throw error;
    throw new AlreadyServed(readPid(pidFile));
  }
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  return {
    release() {
      rmSync(pidFile, { force: true });
      lock.close();
    },
  };
}

/** Named in a sentence only; whether a server runs, the lock decides. */
function readPid(pidFile: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(pidFile, "utf8"), 10) || undefined;
  } catch {
    return undefined;
  }
}

/** Two servers on one SQLite file would each hold their own limits and caches. Postgres is made for many. */
export function lockDatabase(config: Config): ServeLock | undefined {
  if (!config.databaseUrl.startsWith("sqlite:")) return undefined;
  try {
    return takeServeLock(config.databaseUrl.slice("sqlite:".length));
  } catch (error) {
    if (!(error instanceof AlreadyServed)) throw error;
    throw new CommandError(
      `${config.dataDir} is in use: ${error.message}. Stop that server first, or use another --data-dir.
Several servers on one database need Postgres: --database-url postgres://…`,
    );
  }
}
