import { existsSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { isOpenToOthers, prepareDataDir } from "../serve/data-dir.ts";
import { type Check, Finding } from "./finding.ts";

/** Below it, SQLite's log can't grow through a busy hour. */
const MIN_FREE_BYTES = 256 * 1024 * 1024;

/** Any of these lets whoever set it run code in the server, or switches its checks of certificates off. */
const DANGEROUS = ["BUN_OPTIONS", "BUN_BE_BUN", "NODE_OPTIONS", "NODE_TLS_REJECT_UNAUTHORIZED"];
const environment = DANGEROUS.filter((name) => process.env[name] !== undefined);

export const systemChecks: readonly Check[] = [
  {
    name: "data directory",
    async run({ dataDir }) {
      if (!existsSync(dataDir)) return `${dataDir} does not exist yet; qeetid serve makes it`;
      try {
        prepareDataDir(dataDir);
      } catch (error) {
        throw new Finding((error as Error).message);
      }
      if (isOpenToOthers(dataDir))
        throw new Finding(`other users can enter ${dataDir}: chmod 700 ${dataDir}`);
      return dataDir;
    },
  },
  {
    name: "disk space",
    async run({ dataDir }) {
      if (!existsSync(dataDir)) return undefined;
      const { bavail, bsize } = statfsSync(dataDir);
      const free = bavail * bsize;
      const mib = `${Math.floor(free / 1024 / 1024)} MiB free`;
      if (free < MIN_FREE_BYTES) throw new Finding(`only ${mib} in ${dataDir}: make room`);
      return mib;
    },
  },
  {
    name: "temporary directory",
    async run() {
      const directory = process.env.BUN_TMPDIR ?? process.env.TMPDIR ?? tmpdir();
      try {
        await import("@node-rs/argon2");
        return `${directory}; the argon2 addon loads from it`;
      } catch {
        throw new Finding(
          `nothing can be executed in ${directory}, so the argon2 addon does not load and the slower built-in is used: set BUN_TMPDIR to a private directory on a file system without noexec`,
        );
      }
    },
  },
  {
    name: "clock",
    async run() {
      const now = new Date();
      if (now.getUTCFullYear() < 2025)
        throw new Finding(
          `it is ${now.toISOString()} by this machine: set the clock (timedatectl)`,
        );
      return now.toISOString();
    },
  },
  {
    name: "environment",
    async run() {
      if (environment.length > 0)
        throw new Finding(
          `unset ${environment.join(", ")}: they change what the server runs or trusts`,
        );
      return "nothing in it changes what the server runs";
    },
  },
];
