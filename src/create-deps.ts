import { openDatabase } from "../db/client.ts";
import type { Config } from "./config.ts";
import type { Deps } from "./deps.ts";
import { apiKeysSubjectData, touchApiKeys } from "./modules/api-keys/service.ts";
import { auditSubjectData } from "./modules/audit/service.ts";
import { authorizationSubjectData } from "./modules/authorization/service.ts";
import { backchannelLogoutSubjectData } from "./modules/backchannel-logout/service.ts";
import { clientsSubjectData } from "./modules/clients/service.ts";
import { devicesSubjectData } from "./modules/devices/service.ts";
import { outboxSubjectData } from "./modules/outbox/service.ts";
import { principalsSubjectData, touchPrincipals } from "./modules/principals/service.ts";
import { rbacSubjectData } from "./modules/rbac/service.ts";
import { recoverySubjectData } from "./modules/recovery/service.ts";
import { sessionsSubjectData, touchSessions } from "./modules/sessions/service.ts";
import { tenantsSubjectData } from "./modules/tenants/service.ts";
import { tokensSubjectData } from "./modules/tokens/service.ts";
import { usersSubjectData } from "./modules/users/service.ts";
import { verificationSubjectData } from "./modules/verification/service.ts";
import { type Clock, createClock } from "./platform/clock.ts";
import { openCrypto } from "./platform/crypto/open.ts";
import { RemoteJwks } from "./platform/crypto/remote-jwks.ts";
import { createRateLimiter } from "./platform/http/rate-store.ts";
import { createLog, type Log } from "./platform/log.ts";
import { mailSubjectData } from "./platform/mail/service.ts";
import { createMetrics } from "./platform/metrics.ts";
import { createOutbound } from "./platform/outbound.ts";
import { PrincipalCache } from "./platform/principal-cache.ts";
import { createRandom } from "./platform/random.ts";
import type { SubjectData } from "./platform/subject-data.ts";
import { Touches } from "./platform/touches.ts";

/**
 * What every table does with the data of a person or a tenant. Order counts where hooks delete rows that others
 * refer to: what hangs on users and tenants comes before them.
 */
export const subjectData: SubjectData = [
  ...tokensSubjectData,
  ...sessionsSubjectData,
  ...recoverySubjectData,
  ...verificationSubjectData,
  ...apiKeysSubjectData,
  ...clientsSubjectData,
  ...principalsSubjectData,
  ...authorizationSubjectData,
  ...backchannelLogoutSubjectData,
  ...devicesSubjectData,
  ...rbacSubjectData,
  ...mailSubjectData,
  ...outboxSubjectData,
  ...auditSubjectData,
  ...usersSubjectData,
  ...tenantsSubjectData,
];

export interface Overrides {
  readonly clock?: Clock;
  readonly log?: Log;
  /** The disk refused a sync: nothing may be acknowledged any more, the process must end. */
  readonly onFatal?: (error: unknown) => void;
}

/**
 * Opens the database (migrated before) and everything that stands on it. Generates keys on a fresh one. Throws
 * RootKeyError when this is not the root key that the database was sealed with.
 */
export async function createDeps(config: Config, overrides: Overrides = {}): Promise<Deps> {
  const warn = (message: string, fields?: Record<string, unknown>) => log.warn(message, fields);
  const clock =
    overrides.clock ??
    createClock({ onSetBack: (byMs) => warn("the system clock was set back", { by_ms: byMs }) });
  const log: Log = overrides.log ?? createLog(config, clock.now);
  const db = await openDatabase({
    url: config.databaseUrl,
    poolSize: config.databaseMaxConnections,
    ...(overrides.onFatal && { onFatal: overrides.onFatal }),
  });
  try {
    const metrics = createMetrics();
    const { sealer, derivedKeys, passwords, keyring } = await openCrypto({
      config,
      db,
      clock,
      log,
    });
    const outbound = createOutbound({ publicUrl: config.publicUrl });
    return {
      config,
      db,
      clock,
      random: createRandom(clock),
      log,
      metrics,
      keyring,
      sealer,
      passwords,
      derivedKeys,
      rate: await createRateLimiter({ config, clock, log, metrics }),
      touches: new Touches(
        { db, clock, log },
        {
          session: touchSessions,
          api_key: touchApiKeys,
          service_principal: touchPrincipals,
        },
      ),
      principals: new PrincipalCache(() => performance.now()),
      clients: new PrincipalCache(() => performance.now()),
      outbound,
      remoteJwks: new RemoteJwks({ outbound, clock, allowPrivate: config.env === "dev" }),
      subjectData,
    };
  } catch (error) {
    await db.close();
    throw error;
  }
}

/** Closes what `createDeps` opened. */
export async function closeDeps(deps: Deps): Promise<void> {
  deps.rate.close();
  await deps.touches.flush();
  await deps.db.close();
  deps.log.flush();
}
