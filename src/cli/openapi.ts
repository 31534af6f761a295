import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../config.ts";
import { CommandError, type Run } from "./command.ts";

/** The document that a server serves at /openapi.json, made by one on an empty database of its own. */
export const run: Run = async ({ out }) => {
  const dataDir = mkdtempSync(join(tmpdir(), "qeetid-openapi-"));
  const config = loadConfig({ flags: { "data-dir": dataDir, "log-level": "error" } });
  // Before the modules of the database are loaded: they choose their dialect at import.
  process.env.DATABASE_URL = config.databaseUrl;
  const { migrate } = await import("../../db/migrate.ts");
  const { closeDeps, createDeps } = await import("../create-deps.ts");
  const { createApp } = await import("../server.ts");
  await migrate(config.databaseUrl, new Date());
  const deps = await createDeps(config);
  try {
    const app = await createApp(deps);
    const answer = await app.handle(new Request(`${config.publicUrl}/openapi.json`));
    if (!answer.ok) throw new CommandError(`The document could not be made: ${answer.status}.`);
    const document = await answer.json();
    out.result(JSON.stringify(document, null, 2), document);
  } finally {
    await closeDeps(deps);
    rmSync(dataDir, { recursive: true, force: true });
  }
  return undefined;
};
