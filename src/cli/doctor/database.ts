import { type Db, openDatabase } from "../../../db/client.ts";
import { migrationStatus } from "../../../db/migrate.ts";
import type { Config } from "../../config.ts";
import { selectOpenClients } from "../../modules/clients/service.ts";
import { loadRootKey, sealedBy } from "../../platform/crypto/root-key.ts";
import { describeFault } from "../faults.ts";
import { versionOf } from "../migrations.ts";
import { storedOrigin } from "../serve/origin.ts";
import { type Check, Finding } from "./finding.ts";

/** Nothing to look at yet: the first start makes it. */
async function isEmpty({ databaseUrl }: Config): Promise<boolean> {
  const { applied } = await migrationStatus(databaseUrl).catch(() => ({ applied: [] }));
  return applied.length === 0;
}

async function withDb<T>({ databaseUrl }: Config, read: (db: Db) => Promise<T>): Promise<T> {
  const db = await openDatabase({ url: databaseUrl });
  return read(db).finally(() => db.close());
}

const MAX_NAMED = 5;

export const databaseChecks: readonly Check[] = [
  {
    name: "database",
    async run({ databaseUrl }) {
      const state = await migrationStatus(databaseUrl).catch((error: Error) => {
        throw new Finding(describeFault(error) ?? error.message);
      });
      if (state.unknown.length > 0)
        throw new Finding(
          `was made by a newer version (${(await versionOf(databaseUrl)) ?? "unknown"}): use that one`,
        );
      if (state.applied.length === 0) return "empty; qeetid serve fills it";
      if (state.pending.length > 0)
        throw new Finding(
          `lacks ${state.pending.map(({ tag }) => tag).join(", ")}: qeetid migrate, or start the server`,
        );
      return `reachable, ${state.applied.length} migrations applied`;
    },
  },
  {
    name: "root key",
    async run(config) {
      if (await isEmpty(config)) return undefined;
      const expectedKeyId = await withDb(config, ({ read }) => sealedBy(read));
      if (expectedKeyId === undefined) return "none yet; qeetid serve generates it";
      try {
        const warnings: string[] = [];
        const warn = (message: string) => void warnings.push(message);
        const key = loadRootKey(config, config.dataDir, { mayCreate: false, expectedKeyId, warn });
        if (key.id !== expectedKeyId)
          throw new Finding(
            `the database is sealed by key ${expectedKeyId}, but ${key.source} is ${key.id}: point ROOT_KEY_FILE at the right file`,
          );
        if (warnings[0]) throw new Finding(warnings[0]);
        return `${key.id}, from ${key.source}`;
      } catch (error) {
        if (error instanceof Error && error.name === "RootKeyError")
          throw new Finding(error.message);
        throw error;
      }
    },
  },
  {
    name: "public origin",
    async run(config) {
      if (await isEmpty(config)) return undefined;
      const stored = await withDb(config, ({ read }) => storedOrigin(read));
      if (stored !== undefined && stored !== config.publicUrl)
        throw new Finding(
          `the database was made under ${stored}, PUBLIC_URL is ${config.publicUrl}: set it right, or start once with --accept-new-public-url`,
        );
      return stored ?? "not yet claimed; the first start does";
    },
  },
  {
    name: "open clients",
    async run(config) {
      const { pending } = await migrationStatus(config.databaseUrl).catch(() => ({ pending: [1] }));
      if (pending.length > 0) return undefined; // another check says so
      const open = await withDb(config, ({ read }) => selectOpenClients(read, MAX_NAMED + 1));
      if (open.length === 0)
        return "each is for the members of its workspace, or offers to join it";
      const named = open.slice(0, MAX_NAMED).map(({ clientId, name }) => `${clientId} (${name})`);
      const who = config.signupMode === "open" ? "anybody, since sign-up is open," : "any account";
      throw new Finding(
        `${who} may sign in to ${named.join(", ")}${open.length > MAX_NAMED ? " and others" : ""}: set require_membership, or self_registration where that is meant`,
      );
    },
  },
];
