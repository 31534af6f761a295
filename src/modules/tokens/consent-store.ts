import { and, eq } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { prepared } from "../../../db/prepared.ts";
import { oidcClients, oidcConsents } from "../../../db/schema/index.ts";

export type ConsentRow = typeof oidcConsents.$inferSelect;

export const selectConsent = prepared((q, p: { userId: string; clientRowId: string }) =>
  q
    .select()
    .from(oidcConsents)
    .where(and(eq(oidcConsents.userId, p.userId), eq(oidcConsents.clientRowId, p.clientRowId))),
);

export async function putConsent(tx: Tx, row: ConsentRow): Promise<void> {
  const { scopes, claims, grantedAt } = row;
  await tx
    .insert(oidcConsents)
    .values(row)
    .onConflictDoUpdate({
      target: [oidcConsents.userId, oidcConsents.clientRowId],
      set: { scopes, claims, grantedAt },
    });
}

/** To one client, or all of a user's. */
export async function deleteConsents(
  tx: Tx,
  { userId, clientRowId }: { readonly userId: string; readonly clientRowId?: string },
): Promise<void> {
  await tx
    .delete(oidcConsents)
    .where(
      and(
        eq(oidcConsents.userId, userId),
        clientRowId === undefined ? undefined : eq(oidcConsents.clientRowId, clientRowId),
      ),
    );
}

export const consentsOfUser = (q: Reader, userId: string) =>
  q
    .select({
      clientId: oidcClients.clientId,
      clientName: oidcClients.name,
      scopes: oidcConsents.scopes,
      claims: oidcConsents.claims,
      grantedAt: oidcConsents.grantedAt,
    })
    .from(oidcConsents)
    .innerJoin(oidcClients, eq(oidcClients.id, oidcConsents.clientRowId))
    .where(eq(oidcConsents.userId, userId));
