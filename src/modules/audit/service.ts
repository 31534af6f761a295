import type { Deps } from "../../deps.ts";
import type { Actor } from "../../platform/permissions.ts";
import { recordAudit } from "./append.ts";
import { logIdOf } from "./store.ts";
import { type Verification, verifyLog } from "./verify.ts";

export { type AuditEntry, type Author, recordAudit, userAuthor } from "./append.ts";
export { auditSubjectData } from "./erase.ts";
export { exportEntries } from "./export.ts";
export { listAudit } from "./list.ts";
export { listLogIds } from "./store.ts";
export { type Verification, verifyLog } from "./verify.ts";

/** Verifies a tenant's log. What it finds wrong goes into the platform's log, where the tenant can't reach it. */
export async function verifyTenantLog(
  deps: Deps,
  actor: Actor,
  tenantId: string,
): Promise<Verification> {
  const result = await verifyLog(deps.db.read, logIdOf(tenantId));
  if (!result.ok) await reportBroken(deps, tenantId, result, actor);
  return result;
}

/** Writes `audit.verify_failed` to the platform's log. */
export async function reportBroken(
  deps: Deps,
  tenantId: string | null,
  { brokenAtId, brokenReason }: Verification,
  actor?: Actor,
): Promise<void> {
  const origin = `${new URL(deps.config.publicUrl).host}/audit/${logIdOf(tenantId)}`;
  deps.log.error("audit log does not verify", { origin, reason: brokenReason });
  await deps.db.transaction(
    (tx) =>
      recordAudit(
        deps,
        tx,
        { system: true, ...(actor && { userId: actor.userId, caller: actor.caller }) },
        {
          tenantId: null,
          action: "audit.verify_failed",
          resource: { type: "audit_log", id: null },
          metadata: {
            origin,
            ...(brokenAtId !== undefined && { broken_at_id: brokenAtId }),
            reason: brokenReason ?? "",
          },
        },
      ),
    { serializeOn: "platform" },
  );
}
