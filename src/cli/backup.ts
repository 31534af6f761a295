import { backup } from "../../db/backup.ts";
import { openDatabase } from "../../db/client.ts";
import { rootKeyPath, sealedBy } from "../platform/crypto/root-key.ts";
import type { Run } from "./command.ts";
import { assertCurrent } from "./migrations.ts";

export const run: Run = async ({ argument, config, out }) => {
  await assertCurrent(config);
  const file = argument!;
  const progress = out.progress("Backup");
  const db = await openDatabase({ url: config.databaseUrl });
  const rootKeyId = await sealedBy(db.read).finally(() => db.close());
  const { bytes, rows, sha256 } = await backup(config.databaseUrl, file, {
    version: config.version,
    now: new Date(),
    onProgress: (done) => progress.count(done),
  }).finally(() => progress.end());
  const total = Object.values(rows).reduce((sum, count) => sum + count, 0);
  const rootKey = config.rootKeyFile ?? rootKeyPath(config.dataDir);
  out.result(
    `${file}: ${total} rows of ${Object.keys(rows).length} tables, ${bytes} bytes.
The root key${rootKeyId ? ` (id ${rootKeyId})` : ""} is not in it. Keep ${config.rootKey === null ? rootKey : "ROOT_KEY"} elsewhere: without it, sealed data can't be read again.`,
    { file, bytes, rows, sha256, root_key_id: rootKeyId ?? null },
  );
  return undefined;
};
