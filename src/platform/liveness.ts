import { and, eq, isNull } from "drizzle-orm";
import type { Tx } from "../../db/client.ts";
import {
  apiKeys,
  oauthGrants,
  oidcClients,
  servicePrincipals,
  sessions,
} from "../../db/schema/index.ts";
import { AppError } from "./errors.ts";
import type { Actor } from "./permissions.ts";

/**
 * For a transaction that hands out lasting power: refuses a session, key, machine or grant that ended since it was
 * looked at, as it may have in another instance up to five seconds ago. Else its last request would outlive it. Throws
 * `unauthorized`.
 */
export async function assertStillGood(tx: Tx, actor: Actor): Promise<void> {
  if (!(await isStillGood(tx, actor))) throw new AppError("unauthorized");
}

async function isStillGood(tx: Tx, actor: Actor): Promise<boolean> {
  const { kind, subject, sessionId } = actor;
  if (kind === "api_key") {
    const isGood = and(eq(apiKeys.id, subject), isNull(apiKeys.revokedAt));
    return (await tx.select({ id: apiKeys.id }).from(apiKeys).where(isGood)).length === 1;
  }
  if (kind === "service") return (await machineOf(tx, subject))?.endedAt === null;
  if (kind === "oauth") return isGrantStillGood(tx, actor);
  if (sessionId === null) return true;
  const isGood = and(eq(sessions.id, sessionId), isNull(sessions.revokedAt));
  return (await tx.select({ id: sessions.id }).from(sessions).where(isGood)).length === 1;
}

/** The grant, the client that it was given to, and the one that has its token: after an exchange that is another. */
async function isGrantStillGood(tx: Tx, { grantId, clientId }: Actor): Promise<boolean> {
  if (grantId === undefined || clientId === null) return false;
  const [grant] = await tx
    .select({ clientId: oidcClients.clientId })
    .from(oauthGrants)
    .innerJoin(oidcClients, eq(oidcClients.id, oauthGrants.clientRowId))
    .where(
      and(
        eq(oauthGrants.id, grantId),
        isNull(oauthGrants.revokedAt),
        isNull(oidcClients.deletedAt),
      ),
    );
  if (!grant) return false;
  if (grant.clientId === clientId) return true;
  const isHolder = and(eq(oidcClients.clientId, clientId), isNull(oidcClients.deletedAt));
  return (await tx.select({ id: oidcClients.id }).from(oidcClients).where(isHolder)).length === 1;
}

/**
 * The user behind something new. What a machine makes goes back to whoever made the machine: else the first proof of an
 * address (contract 00 §22) would end what a squatter made, and not what that has made since.
 */
export async function makerOf(tx: Tx, { kind, subject, userId }: Actor): Promise<string | null> {
  if (userId !== null) return userId;
  if (kind === "service") return (await machineOf(tx, subject))?.createdBy ?? null;
  if (kind !== "api_key") return null;
  const [key] = await tx
    .select({ createdBy: apiKeys.createdBy })
    .from(apiKeys)
    .where(eq(apiKeys.id, subject));
  return key?.createdBy ?? null;
}

/** A service principal, or a client that acts for itself. */
async function machineOf(
  tx: Tx,
  id: string,
): Promise<{ createdBy: string | null; endedAt: Date | null } | undefined> {
  const [principal] = await tx
    .select({ createdBy: servicePrincipals.createdBy, endedAt: servicePrincipals.disabledAt })
    .from(servicePrincipals)
    .where(eq(servicePrincipals.id, id));
  if (principal) return principal;
  const [client] = await tx
    .select({ createdBy: oidcClients.createdBy, endedAt: oidcClients.deletedAt })
    .from(oidcClients)
    .where(eq(oidcClients.id, id));
  return client;
}
