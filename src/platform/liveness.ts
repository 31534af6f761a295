import { and, eq, isNull } from "drizzle-orm";
import type { Tx } from "../../db/client.ts";
import { apiKeys, sessions } from "../../db/schema/index.ts";
import { AppError } from "./errors.ts";
import type { Actor } from "./permissions.ts";

/**
 * For a transaction that hands out lasting power: refuses a session or key that ended since it was looked at, as it may
 * have in another instance up to five seconds ago. Else its last request would outlive it. Throws `unauthorized`.
 */
export async function assertStillGood(tx: Tx, { kind, subject, sessionId }: Actor): Promise<void> {
  const isGood =
    kind === "api_key"
      ? (
          await tx
            .select({ id: apiKeys.id })
            .from(apiKeys)
            .where(and(eq(apiKeys.id, subject), isNull(apiKeys.revokedAt)))
        ).length === 1
      : sessionId === null ||
        (
          await tx
            .select({ id: sessions.id })
            .from(sessions)
            .where(and(eq(sessions.id, sessionId), isNull(sessions.revokedAt)))
        ).length === 1;
  if (!isGood) throw new AppError("unauthorized");
}
