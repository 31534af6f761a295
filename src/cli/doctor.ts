import type { Config } from "../config.ts";
import { EXIT, type Run } from "./command.ts";
import { databaseChecks } from "./doctor/database.ts";
import { type Check, Finding } from "./doctor/finding.ts";
import { networkChecks } from "./doctor/network.ts";
import { systemChecks } from "./doctor/system.ts";

const LIMIT_MS = 6_000;

async function examine({ name, run }: Check, config: Config) {
  const timer = Promise.withResolvers<never>();
  const timeout = setTimeout(() => timer.reject(new Finding("no answer within 6 s")), LIMIT_MS);
  try {
    const detail = await Promise.race([run(config), timer.promise]);
    return detail === undefined ? undefined : { name, ok: true, detail };
  } catch (error) {
    const detail =
      error instanceof Finding ? error.message : `could not be checked (${(error as Error).name})`;
    return { name, ok: false, detail };
  } finally {
    clearTimeout(timeout);
  }
}

export const run: Run = async ({ config, out }) => {
  const results: { name: string; ok: boolean; detail: string }[] = [];
  for (const check of [...systemChecks, ...databaseChecks, ...networkChecks]) {
    const result = await examine(check, config);
    if (!result) continue;
    results.push(result);
    out.line(`${result.ok ? "✓" : "✗"} ${result.name}: ${result.detail}`);
  }
  const failed = results.filter(({ ok }) => !ok).length;
  out.result(
    failed === 0 ? "Nothing is wrong." : `${failed} of ${results.length} need attention.`,
    {
      ok: failed === 0,
      checks: results,
    },
  );
  return failed === 0 ? EXIT.done : EXIT.failed;
};
