import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { readPage } from "../../platform/http/page.ts";
import { AuditPage, AuditQuery, AuditVerification } from "./model.ts";
import { presentEvent } from "./present.ts";
import { listAudit, verifyTenantLog } from "./service.ts";

const params = t.Object({ tenantID: t.String({ format: "uuid" }) });

export const auditRoutes = (deps: Deps) =>
  routeGroup({ name: "audit", prefix: "/v1", tag: "Audit" })
    .get(
      "/tenants/:tenantID/audit",
      async ({ params: { tenantID }, query }) => {
        const { limit: wanted, cursor, include, ...filter } = query;
        const { limit } = readPage(wanted === undefined ? {} : { limit: wanted });
        const page = await listAudit(deps, tenantID, filter, {
          limit,
          cursor: cursor || undefined,
        });
        const proof = include?.split(",").includes("proof") ?? false;
        return { ...page, items: page.items.map((row) => presentEvent(row, proof)) };
      },
      {
        permission: "audit.read",
        params,
        query: AuditQuery,
        response: { 200: AuditPage },
        detail: { operationId: "listAuditEvents", summary: "List audit events" },
      },
    )
    .get(
      "/tenants/:tenantID/audit/verify",
      async ({ actor, params: { tenantID } }) => {
        const { ok, rowsChecked, lastVerifiedId, brokenAtId, brokenReason, rootHash } =
          await verifyTenantLog(deps, actor, tenantID);
        return {
          ok,
          rows_checked: rowsChecked,
          verified_count: rowsChecked,
          ...(lastVerifiedId !== undefined && { last_verified_id: lastVerifiedId }),
          ...(brokenAtId !== undefined && { broken_at_id: brokenAtId }),
          ...(brokenReason !== undefined && { broken_reason: brokenReason }),
          tree_size: rowsChecked,
          root_hash: Buffer.from(rootHash).toString("base64"),
        };
      },
      {
        permission: "audit.read",
        http: { rate: "verify" },
        params,
        response: { 200: AuditVerification },
        detail: {
          operationId: "verifyAuditLog",
          summary: "Verify the audit log",
          description: "Answers 200 for a broken log, too: `ok` says it.",
        },
      },
    );
