import { chmodSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CommandError, EXIT } from "../command.ts";

const REASONS: Record<string, string> = {
  EACCES: "this user may not write there",
  EPERM: "this user may not write there",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of the path is a file, not a directory",
  EEXIST: "it is a file, not a directory",
};

/** Makes the data directory (0700) when it is missing and proves that it can be written. Throws CommandError (78). */
export function prepareDataDir(dataDir: string): void {
  const probe = join(dataDir, `.probe-${process.pid}`);
  try {
    if (mkdirSync(dataDir, { recursive: true, mode: 0o700 }) !== undefined)
      chmodSync(dataDir, 0o700);
    writeFileSync(probe, "");
    rmSync(probe);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    throw new CommandError(
      `The data directory ${dataDir} can't be used: ${REASONS[code] ?? code}.\nChoose another with --data-dir, or make this one writable.`,
      EXIT.config,
    );
  }
}

/** Whether others than its owner may enter. Windows has no such bits. */
export const isOpenToOthers = (path: string): boolean =>
  process.platform !== "win32" && (statSync(path).mode & 0o077) !== 0;
