import { and, eq } from "drizzle-orm";
import { prepared } from "../../../db/prepared.ts";
import { oauthGrants, users } from "../../../db/schema/index.ts";

/** All that userinfo knows: the user, and what the grant behind the token asked for by name. One row. */
export const selectPerson = prepared((q, p: { userId: string; grantId: string }) =>
  q
    .select({ user: users, claims: oauthGrants.claims })
    .from(users)
    .innerJoin(oauthGrants, eq(oauthGrants.userId, users.id))
    .where(and(eq(oauthGrants.id, p.grantId), eq(users.id, p.userId))),
);
