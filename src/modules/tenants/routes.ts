import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import { assertMetadata } from "../../platform/http/metadata.ts";
import { ListQuery, pageOf, readPage } from "../../platform/http/page.ts";
import { CreatedTenant, CreateTenant, Tenant, TenantPage, UpdateTenant } from "./model.ts";
import * as service from "./service.ts";

const present = service.presentTenant;

// The router allows one name at one position, and `:tenantID` has it: in the document it is `{id}` here.
const addressed = {
  tenant: "member",
  names: { tenantID: "id" },
  whileSuspended: true,
  oauth: true, // the service asks for the key, as a gate would
} as const;

export const tenantRoutes = (deps: Deps) =>
  routeGroup({ name: "tenants", prefix: "/v1", tag: "Tenants" })
    .get(
      "/tenants",
      async ({ actor, query }) => {
        const page = readPage(query);
        const rows = await service.listTenants(deps, actor, page);
        const { items, next_cursor } = pageOf(rows, page.limit);
        return { items: items.map(present), next_cursor };
      },
      {
        self: "any",
        http: { whileSuspended: true },
        query: ListQuery,
        response: { 200: TenantPage },
        detail: { operationId: "listTenants", summary: "List the tenants that you belong to" },
      },
    )
    .post(
      "/tenants",
      async ({ actor, body, status }) => {
        assertMetadata(body.metadata);
        const { tenant, pair } = await service.createTenant(deps, actor, body);
        return status(201, {
          tenant: present(tenant),
          roles: ["owner"],
          ...present(tenant),
          ...pair,
          tenant_id: tenant.id,
        });
      },
      {
        self: "user",
        body: CreateTenant,
        response: { 201: CreatedTenant, 403: ErrorBody, 409: ErrorBody },
        detail: { operationId: "createTenant", summary: "Create a tenant that you own" },
      },
    )
    .get(
      "/tenants/:tenantID",
      async ({ actor, params: { tenantID } }) =>
        present(await service.getTenant(deps, actor, tenantID)),
      {
        self: "any",
        http: addressed,
        response: { 200: Tenant, 403: ErrorBody, 404: ErrorBody },
        detail: { operationId: "getTenant", summary: "Read a tenant" },
      },
    )
    .patch(
      "/tenants/:tenantID",
      async ({ actor, params: { tenantID }, body }) => {
        assertMetadata(body.metadata);
        return present(await service.updateTenant(deps, actor, tenantID, body));
      },
      {
        self: "any",
        http: addressed,
        body: UpdateTenant,
        response: { 200: Tenant, 403: ErrorBody, 404: ErrorBody },
        detail: { operationId: "updateTenant", summary: "Change a tenant" },
      },
    )
    .delete(
      "/tenants/:tenantID",
      async ({ actor, params: { tenantID }, status }) => {
        await service.deleteTenant(deps, actor, tenantID);
        return status(204, undefined);
      },
      {
        self: "any",
        http: { ...addressed, whileSuspended: false },
        response: { 204: t.Void(), 403: ErrorBody, 404: ErrorBody },
        detail: { operationId: "deleteTenant", summary: "Delete a tenant" },
      },
    );
