import { existsSync } from "node:fs";
import type { Config } from "../config.ts";
import { closeDeps, createDeps } from "../create-deps.ts";
import type { Deps } from "../deps.ts";
import { rootKeyPath } from "../platform/crypto/root-key.ts";
import { startJobs } from "../platform/jobs/runner.ts";
import { createApp, jobs } from "../server.ts";
import { CommandError, EXIT, type Run } from "./command.ts";
import { migrateAtStart } from "./migrations.ts";
import { banner } from "./serve/banner.ts";
import { isOpenToOthers, prepareDataDir } from "./serve/data-dir.ts";
import { lockDatabase } from "./serve/lock.ts";
import { checkOrigin, claimOrigin, isKnownElsewhere } from "./serve/origin.ts";
import { sdNotify } from "./serve/sd-notify.ts";
import { recordSystemEvent, shutDown, stopSignal } from "./serve/shutdown.ts";

/** Runs until it is told to stop. */
export const run: Run = async ({ config, out }) => {
  const startedAt = performance.now();
  const stop = stopSignal();
  prepareDataDir(config.dataDir);
  if (isOpenToOthers(config.dataDir))
    out.note(`Other users can enter ${config.dataDir}: chmod 700 ${config.dataDir}`);
  const lock = lockDatabase(config);
  try {
    const appliedMigrations = await migrateAtStart(config, new Date());
    const isRootKeyNew = !existsSync(rootKeyPath(config.dataDir));
    const deps = await createDeps(config, { onFatal: endAtOnce });
    try {
      const origin = config.publicUrl;
      const stored = await checkOrigin(deps.db.read, {
        origin,
        accept: config.acceptNewPublicUrl,
        isBoundElsewhere: await isKnownElsewhere(deps.db.read),
      });
      const server = await listen(deps);
      // A start that fails before this point is not the first one: the next still says all there is to know.
      if (stored !== origin) await claimOrigin(deps.db, origin, deps.clock.now());
      const running = { deps, server, jobs: startJobs(deps, jobs) };
      const { version, commit } = config;
      await recordSystemEvent(deps, "system.startup", { version, commit });
      const startedInMs = performance.now() - startedAt;
      const isFirst = stored === undefined;
      out.note(banner({ config, isFirst, isRootKeyNew, appliedMigrations, startedInMs }));
      sdNotify(`READY=1\nSTATUS=serves ${config.publicUrl}`);
      const signal = await stop;
      sdNotify("STOPPING=1");
      deps.log.info("stopping", { signal });
      const dropped = await shutDown(running);
      if (dropped > 0) out.note(`Cut off ${dropped} requests that did not end in time.`);
    } finally {
      await closeDeps(deps);
    }
  } finally {
    lock?.release();
  }
  // Connections that somebody keeps open must not keep the process.
  return process.exit(EXIT.done);
};

/** The disk refused a sync. What was committed last may be lost, so nothing more is answered. */
function endAtOnce(): void {
  process.stderr.write(
    "The disk refused to keep what was written. Nothing more is acknowledged; check the disk, then start again.\n",
  );
  process.exit(EXIT.failed);
}

const REASONS: Record<string, (config: Config) => string> = {
  EADDRINUSE: ({ httpPort, host }) =>
    `Port ${httpPort} on ${host} is in use by another program. Choose another with --http-port, or stop that program.`,
  EACCES: ({ httpPort }) =>
    `This user may not listen on port ${httpPort}. Choose one above 1023, or grant CAP_NET_BIND_SERVICE.`,
  EADDRNOTAVAIL: ({ host }) =>
    `${host} is not an address of this machine. Choose another with --host.`,
};

async function listen(deps: Deps): Promise<Bun.Server<unknown>> {
  const { config } = deps;
  const app = await createApp(deps);
  const listenOn = (hostname: string) => {
    app.listen({ port: config.httpPort, hostname });
    return app.server!;
  };
  try {
    return listenOn(config.host);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    // A kernel without IPv6.
    if (config.host === "::" && code === "EAFNOSUPPORT") return listenOn("0.0.0.0");
    const reason = REASONS[code]?.(config);
    if (!reason) throw error;
    throw new CommandError(reason);
  }
}
