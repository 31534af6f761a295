import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import { pageOf, readPage } from "../../platform/http/page.ts";
import {
  CreatedServicePrincipal,
  CreateServicePrincipal,
  RotatedSecret,
  ServicePrincipal,
  ServicePrincipalPage,
  ServicePrincipalQuery,
} from "./model.ts";
import * as service from "./service.ts";

/** Contract 01 §3: a bare list that older clients read whole. */
const DEFAULT_LIMIT = 1000;
const WARNING = "secret shown once";

const present = (row: service.ServicePrincipalRow) => ({
  id: row.id,
  tenant_id: row.tenantId,
  name: row.name,
  description: row.description,
  scopes: row.scopes,
  disabled_at: row.disabledAt?.toISOString() ?? null,
  last_used_at: row.lastUsedAt?.toISOString() ?? null,
  created_at: row.createdAt.toISOString(),
});

export const principalRoutes = (deps: Deps) =>
  routeGroup({ name: "principals", prefix: "/v1", tag: "OIDC" })
    .post(
      "/service-principals",
      async ({ actor, body, status }) => {
        const { principal, secret } = await service.createPrincipal(deps, actor, {
          tenantId: body.tenant_id,
          name: body.name,
          description: body.description,
          scopes: body.scopes,
        });
        const { id, name } = principal;
        return status(201, {
          service_principal: present(principal),
          client_id: id,
          client_secret: secret,
          warning: WARNING,
          // Contract 03 §6: the admin UI reads these here.
          id,
          name,
        });
      },
      {
        permission: "apikey.write",
        body: CreateServicePrincipal,
        response: { 201: CreatedServicePrincipal, 409: ErrorBody },
        detail: { operationId: "createServicePrincipal", summary: "Create a service principal" },
      },
    )
    .delete(
      "/service-principals/:id",
      async ({ actor, params: { id }, status }) => {
        await service.disablePrincipal(deps, actor, id);
        return status(204, undefined);
      },
      {
        permission: "apikey.write",
        response: { 204: t.Void(), 404: ErrorBody },
        detail: {
          operationId: "disableServicePrincipal",
          summary: "Disable a service principal",
          description: "Its tokens end at once.",
        },
      },
    )
    .get(
      "/tenants/:tenantID/service-principals",
      async ({ actor, query }) => {
        const { limit, after } = readPage(query, DEFAULT_LIMIT);
        const rows = await service.listPrincipals(deps, actor, { limit: limit + 1, after });
        const { items, next_cursor } = pageOf(rows, limit);
        return { items: items.map(present), next_cursor };
      },
      {
        permission: "apikey.read",
        query: ServicePrincipalQuery,
        response: { 200: ServicePrincipalPage },
        detail: {
          operationId: "listServicePrincipals",
          summary: "List a tenant's service principals, newest first",
        },
      },
    )
    .get(
      "/tenants/:tenantID/service-principals/:id",
      async ({ actor, params: { id } }) => present(await service.getPrincipal(deps, actor, id)),
      {
        permission: "apikey.read",
        response: { 200: ServicePrincipal, 404: ErrorBody },
        detail: { operationId: "getServicePrincipal", summary: "A service principal" },
      },
    )
    .post(
      "/tenants/:tenantID/service-principals/:id/rotate-secret",
      async ({ actor, params: { id } }) => {
        const { secret } = await service.rotatePrincipalSecret(deps, actor, id);
        return { client_secret: secret, warning: WARNING };
      },
      {
        permission: "apikey.write",
        response: { 200: RotatedSecret, 404: ErrorBody },
        detail: {
          operationId: "rotateServicePrincipalSecret",
          summary: "Give a service principal a new secret",
          description: "The old one ends at once.",
        },
      },
    );
