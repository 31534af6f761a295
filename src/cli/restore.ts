import { openDatabase } from "../../db/client.ts";
import { restore } from "../../db/restore.ts";
import type { Config } from "../config.ts";
import { loadRootKey, sealedBy } from "../platform/crypto/root-key.ts";
import type { Run } from "./command.ts";
import { rememberVersion } from "./migrations.ts";
import { prepareDataDir } from "./serve/data-dir.ts";
import { lockDatabase } from "./serve/lock.ts";

export const run: Run = async ({ argument, config, out }) => {
  const file = argument!;
  prepareDataDir(config.dataDir);
  const lock = lockDatabase(config);
  const progress = out.progress("Restore");
  try {
    const { header, trailer } = await restore(config.databaseUrl, file, {
      now: new Date(),
      onProgress: (done, of) => progress.at(done, of),
    }).finally(() => progress.end());
    const rows = Object.values(trailer.rows).reduce((sum, count) => sum + count, 0);
    const advice = await finish(config);
    out.result(
      `${rows} rows of ${header.created_at} (qeetid ${header.version}, ${header.dialect}) are restored.${advice ? `\n${advice}` : ""}`,
      {
        file,
        created_at: header.created_at,
        version: header.version,
        rows: trailer.rows,
        advice: advice ?? null,
      },
    );
  } finally {
    lock?.release();
  }
  return undefined;
};

/** Notes this version, and answers what the operator has to do about the root key, if anything. */
async function finish(config: Config): Promise<string | undefined> {
  const db = await openDatabase({ url: config.databaseUrl });
  try {
    await rememberVersion(db, config.version, new Date());
    const expectedKeyId = await sealedBy(db.read);
    if (expectedKeyId === undefined) return undefined;
    const key = loadRootKey(config, config.dataDir, { mayCreate: false, expectedKeyId });
    if (key.id === expectedKeyId) return undefined;
    return `It is sealed by root key ${expectedKeyId}, but ${key.source} is ${key.id}: put the right one there before you start the server.`;
  } catch (error) {
    if (error instanceof Error && error.name === "RootKeyError")
      return `Before you start the server: ${error.message}.`;
    throw error;
  } finally {
    await db.close();
  }
}
