import { migrationStatus } from "../../db/migrate.ts";
import { type Run, UsageError } from "./command.ts";
import { applyPending } from "./migrations.ts";
import { prepareDataDir } from "./serve/data-dir.ts";

export const run: Run = async ({ config, flags, out }) => {
  const { status, "dry-run": dryRun } = flags;
  if (status !== undefined && dryRun !== undefined)
    throw new UsageError("--status and --dry-run: give one of them");
  if (status !== undefined || dryRun !== undefined) {
    const state = await migrationStatus(config.databaseUrl);
    const pending = state.pending.map(({ tag }) => tag);
    const value = { applied: state.applied, pending, unknown: state.unknown };
    const lines = [
      ...state.applied.map((tag) => `applied  ${tag}`),
      ...state.unknown.map((tag) => `unknown  ${tag} (of a newer version)`),
      ...pending.map((tag) => `pending  ${tag}`),
    ];
    const sql = state.pending.map((one) => `-- ${one.tag}\n${one.sql}`).join("\n");
    if (status !== undefined) out.result(lines.join("\n"), value);
    else out.result(sql || "-- nothing is pending", { ...value, sql });
    return undefined;
  }
  if (config.databaseUrl.startsWith("sqlite:")) prepareDataDir(config.dataDir);
  const applied = await applyPending(config, new Date());
  const text = applied.length === 0 ? "Nothing was pending." : `Applied ${applied.join(", ")}.`;
  out.result(text, { applied });
  return undefined;
};
