/** What administrators see and end. */
import type { Cursor } from "../../../db/keyset.ts";
import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import type { Actor } from "../../platform/permissions.ts";
import { recordAudit } from "../audit/service.ts";
import { tenantOf } from "../rbac/service.ts";
import { revokeGrants } from "../tokens/service.ts";
import * as store from "./store.ts";
import { showUserCode } from "./user-code.ts";

const unknown = () => new AppError("not_found", "oidc.device_not_found: no such device");

/** Those of the actor's tenant, newest first. Answers up to `limit` rows. */
export const listDevices = (
  deps: Deps,
  actor: Actor,
  page: { limit: number; after: Cursor | undefined },
): Promise<store.NamedDevice[]> => store.listDevices(deps.db.read, tenantOf(actor), page);

/** Throws `not_found` for one that is unknown or another tenant's. */
export async function getDevice(deps: Deps, actor: Actor, id: string): Promise<store.NamedDevice> {
  const device = await store.findDevice(deps.db.read, tenantOf(actor), id);
  if (!device) throw unknown();
  return device;
}

/** Ends a device authorization, and the grant that came of it. Throws `not_found` as `getDevice`. */
export async function revokeDevice(deps: Deps, actor: Actor, id: string): Promise<void> {
  const tenantId = tenantOf(actor);
  await deps.db.transaction(
    async (tx) => {
      const named = await store.findDevice(tx, tenantId, id);
      const device = await store.deleteDevice(tx, tenantId, id);
      if (!named || !device) throw unknown();
      const grantId = await store.grantOf(tx, device.deviceCodeHash);
      if (grantId !== undefined) await revokeGrants(deps, tx, { grantId }, "admin");
      await recordAudit(deps, tx, actor, {
        tenantId,
        action: "oauth.device_revoked",
        resource: { type: "oauth_device", id },
        metadata: {
          client_id: named.clientId,
          user_code: showUserCode(device.userCode),
          user_id: device.userId,
        },
      });
    },
    { serializeOn: tenantId },
  );
}
