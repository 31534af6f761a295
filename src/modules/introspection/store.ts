import { eq } from "drizzle-orm";
import { prepared } from "../../../db/prepared.ts";
import { oidcClients } from "../../../db/schema/index.ts";

/** What a grant's client is called, and whom it lets in. */
export const selectClientOfGrant = prepared((q, p: { id: string }) =>
  q
    .select({
      clientId: oidcClients.clientId,
      requireMembership: oidcClients.requireMembership,
      deletedAt: oidcClients.deletedAt,
    })
    .from(oidcClients)
    .where(eq(oidcClients.id, p.id)),
);
