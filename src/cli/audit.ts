import type { Deps } from "../deps.ts";
import {
  exportEntries,
  listLogIds,
  reportBroken,
  type Verification,
  verifyLog,
} from "../modules/audit/service.ts";
import { verifyAuditFile } from "./audit-verify-file.ts";
import { EXIT, type Run } from "./command.ts";
import { withDeps } from "./open.ts";

/** Log of what belongs to no workspace. */
const PLATFORM = "platform";
const LOGS_A_READ = 200;

export const verifyAudit: Run = async ({ argument, config, flags, out }) => {
  if (argument !== undefined) {
    const result = await verifyAuditFile(argument);
    const text = result.ok
      ? `${argument}: ${result.entries} entries, unbroken; root hash ${result.rootHash}`
      : `${argument}: broken in line ${result.brokenLine}: ${result.reason} (${result.entries} entries before it are sound)`;
    out.result(text, { file: argument, ...result });
    return result.ok ? EXIT.done : EXIT.failed;
  }
  return withDeps(config, async (deps) => {
    const logs: (Verification & { log: string })[] = [];
    for await (const log of logsOf(deps, flags.tenant)) {
      const result = await verifyLog(deps.db.read, log);
      if (!result.ok) await reportBroken(deps, log === PLATFORM ? null : log, result);
      logs.push({ log, ...result });
    }
    const broken = logs.filter(({ ok }) => !ok);
    const rows = logs.reduce((sum, { rowsChecked }) => sum + rowsChecked, 0);
    const lines = broken.map(
      ({ log, brokenReason, brokenAtId, rowsChecked }) =>
        `${log}: broken${brokenAtId ? ` at event ${brokenAtId}` : ""}: ${brokenReason} (${rowsChecked} events before it are sound)`,
    );
    const summary =
      broken.length === 0
        ? `${logs.length} logs, ${rows} events: unbroken.`
        : `${broken.length} of ${logs.length} logs are broken. Compare with a backup: somebody changed the database.`;
    out.result([...lines, summary].join("\n"), {
      ok: broken.length === 0,
      logs: logs.map(({ rootHash, ...log }) => ({
        ...log,
        rootHash: Buffer.from(rootHash).toString("base64"),
      })),
    });
    return broken.length === 0 ? EXIT.done : EXIT.failed;
  });
};

async function* logsOf({ db }: Deps, tenantId: string | undefined): AsyncGenerator<string> {
  if (tenantId !== undefined) {
    yield tenantId;
    return;
  }
  for (let after = ""; ; ) {
    const logs = await listLogIds(db.read, after, LOGS_A_READ);
    yield* logs;
    if (logs.length < LOGS_A_READ) return;
    after = logs.at(-1)!;
  }
}

/** One JSON line an event, oldest first: what `audit verify FILE` reads. */
export const exportAudit: Run = ({ config, flags }) =>
  withDeps(config, async ({ db }) => {
    const sink = Bun.stdout.writer();
    for await (const line of exportEntries(db.read, flags.tenant ?? PLATFORM)) {
      sink.write(`${line}\n`);
      await sink.flush();
    }
    await sink.end();
    return undefined;
  });
