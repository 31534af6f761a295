/** What administrators do with the grants of their tenant's clients. */
import type { Cursor } from "../../../db/keyset.ts";
import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import type { Actor } from "../../platform/permissions.ts";
import { recordAudit } from "../audit/service.ts";
import { tenantOf } from "../rbac/service.ts";
import { deleteCodesOf } from "./code-store.ts";
import { deleteConsents } from "./consent-store.ts";
import * as store from "./grant-store.ts";
import { revokeGrants } from "./grants.ts";

/** Live grants of the tenant's clients, newest first. */
export const listGrants = (
  deps: Deps,
  actor: Actor,
  page: store.GrantFilter & { readonly limit: number; readonly after: Cursor | undefined },
): Promise<store.ListedGrant[]> =>
  store.listGrants(deps.db.read, tenantOf(actor), { ...page, now: deps.clock.now() });

/**
 * Ends all that a user has authorised a client to do, and forgets the consent: the user is asked again. Throws `not_found`
 * for a grant that is unknown, another tenant's, or has ended.
 */
export async function endGrant(deps: Deps, actor: Actor, id: string): Promise<void> {
  const tenantId = tenantOf(actor);
  await deps.db.transaction(
    async (tx) => {
      const grant = await store.findLiveGrantOf(tx, { tenantId, id, now: deps.clock.now() });
      if (!grant) throw new AppError("not_found");
      const { userId, clientRowId, clientId } = grant;
      await revokeGrants(deps, tx, { userId, clientRowId, tenantId }, "admin");
      await deleteCodesOf(tx, { userId, clientRowId });
      await deleteConsents(tx, { userId, clientRowId });
      await recordAudit(deps, tx, actor, {
        tenantId,
        action: "oauth.grant_revoked",
        resource: { type: "oidc_grant", id: userId },
        metadata: { client_id: clientId, grant_id: id, user_id: userId },
      });
    },
    { serializeOn: tenantId },
  );
}
