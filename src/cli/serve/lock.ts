import { Database } from "bun:sqlite";
import { readFileSync, rmSync, writeFileSync } from "node:fs";

export interface ServeLock {
  release(): void;
}

/** A server runs on this database already. */
export class AlreadyServed extends Error {
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
export function takeServeLock(databasePath: string): ServeLock {
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
