import { and, eq } from "drizzle-orm";
import { prepared } from "../../../db/prepared.ts";
import { oauthGrants, oidcClients, users } from "../../../db/schema/index.ts";

/** What userinfo tells of a user, and which claims the grant behind the token named. One row, and no column more. */
export const selectPerson = prepared((q, p: { userId: string; grantId: string }) =>
  q
    .select({
      displayName: users.displayName,
      email: users.email,
      emailVerifiedAt: users.emailVerifiedAt,
      phone: users.phone,
      phoneVerifiedAt: users.phoneVerifiedAt,
      metadata: users.metadata,
      updatedAt: users.updatedAt,
      claims: oauthGrants.claims,
      /** The one that asked for `claims`; a token that was exchanged is another's. */
      clientId: oidcClients.clientId,
    })
    .from(users)
    .innerJoin(oauthGrants, eq(oauthGrants.userId, users.id))
    .innerJoin(oidcClients, eq(oidcClients.id, oauthGrants.clientRowId))
    .where(and(eq(oauthGrants.id, p.grantId), eq(users.id, p.userId))),
);
