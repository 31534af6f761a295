import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import {
  CheckAnswer,
  CheckQuery,
  CreateRole,
  EffectivePermissions,
  PermissionList,
  Role,
  RoleList,
  UpdateRole,
} from "./model.ts";
import * as service from "./service.ts";

// The router allows one name at one position, and users have it: `:id` here is the document's `{userID}`.
const names = { id: "userID" };

const presentRole = (row: service.RoleRow) => ({
  id: row.id,
  tenant_id: row.tenantId,
  name: row.name,
  description: row.description,
  is_system: row.isSystem,
  created_at: row.createdAt.toISOString(),
});

const presentPermission = ({ id, key, description }: service.PermissionRow) => ({
  id,
  key,
  description,
});

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

function readQuestion(query: typeof CheckQuery.static): service.Question {
  const { user_id = "", tenant_id = "", permission = "" } = query;
  if (!UUID.test(user_id)) throw new AppError("bad_request", "invalid user_id");
  if (!UUID.test(tenant_id)) throw new AppError("bad_request", "invalid tenant_id");
  if (permission === "") throw new AppError("bad_request", "permission is required");
  return { userId: user_id.toLowerCase(), tenantId: tenant_id.toLowerCase(), permission };
}

export const rbacRoutes = (deps: Deps) =>
  routeGroup({ name: "rbac", prefix: "/v1", tag: "RBAC" })
    .get(
      "/permissions",
      async () => ({ items: (await service.listPermissions(deps)).map(presentPermission) }),
      {
        self: "any",
        response: { 200: PermissionList },
        detail: { operationId: "listPermissions", summary: "List all permissions" },
      },
    )
    .get(
      "/tenants/:tenantID/roles",
      async ({ params: { tenantID } }) => ({
        items: (await service.listRoles(deps, tenantID)).map(presentRole),
      }),
      {
        permission: "role.read",
        response: { 200: RoleList },
        detail: { operationId: "listRoles", summary: "List a tenant's roles, by name" },
      },
    )
    .post(
      "/tenants/:tenantID/roles",
      async ({ actor, params: { tenantID }, body, status }) =>
        status(201, presentRole(await service.createRole(deps, actor, tenantID, body))),
      {
        permission: "role.write",
        body: CreateRole,
        response: { 201: Role, 409: ErrorBody },
        detail: { operationId: "createRole", summary: "Create a role" },
      },
    )
    .patch(
      "/tenants/:tenantID/roles/:roleID",
      async ({ actor, params: { tenantID, roleID }, body }) =>
        presentRole(await service.updateRole(deps, actor, tenantID, roleID, body)),
      {
        permission: "role.write",
        body: UpdateRole,
        response: { 200: Role, 404: ErrorBody, 409: ErrorBody },
        detail: { operationId: "updateRole", summary: "Rename or describe a role" },
      },
    )
    .delete(
      "/tenants/:tenantID/roles/:roleID",
      async ({ actor, params: { tenantID, roleID }, status }) => {
        await service.deleteRole(deps, actor, tenantID, roleID);
        return status(204, undefined);
      },
      {
        permission: "role.write",
        response: { 204: t.Void(), 404: ErrorBody },
        detail: {
          operationId: "deleteRole",
          summary: "Delete a role",
          description: "Whoever has it loses it, and with it a membership that rested on it alone.",
        },
      },
    )
    .get(
      "/roles/:roleID/permissions",
      async ({ actor, params: { roleID } }) => ({
        items: (await service.listRolePermissions(deps, actor, roleID)).map(presentPermission),
      }),
      {
        permission: "role.read",
        response: { 200: PermissionList, 404: ErrorBody },
        detail: { operationId: "listRolePermissions", summary: "List the permissions of a role" },
      },
    )
    .post(
      "/roles/:roleID/permissions/:permID",
      async ({ actor, params: { roleID, permID }, status }) => {
        await service.grantPermission(deps, actor, { roleId: roleID, permissionId: permID });
        return status(204, undefined);
      },
      {
        permission: "role.write",
        response: { 204: t.Void(), 404: ErrorBody },
        detail: { operationId: "grantPermission", summary: "Grant a permission to a role" },
      },
    )
    .put(
      "/roles/:roleID/permissions/:permID",
      async ({ actor, params: { roleID, permID }, status }) => {
        await service.grantPermission(deps, actor, { roleId: roleID, permissionId: permID });
        return status(204, undefined);
      },
      {
        permission: "role.write",
        response: { 204: t.Void(), 404: ErrorBody },
        detail: { operationId: "putPermission", summary: "The same as POST" },
      },
    )
    .delete(
      "/roles/:roleID/permissions/:permID",
      async ({ actor, params: { roleID, permID }, status }) => {
        await service.revokePermission(deps, actor, { roleId: roleID, permissionId: permID });
        return status(204, undefined);
      },
      {
        permission: "role.write",
        response: { 204: t.Void(), 404: ErrorBody },
        detail: { operationId: "revokePermission", summary: "Revoke a permission from a role" },
      },
    )
    .post(
      "/users/:id/tenants/:tenantID/roles/:roleID",
      async ({ actor, params: { id, tenantID, roleID }, status }) => {
        await service.assignRole(deps, actor, { userId: id, tenantId: tenantID, roleId: roleID });
        return status(204, undefined);
      },
      {
        permission: "role.write",
        http: { names },
        response: { 204: t.Void(), 404: ErrorBody, 409: ErrorBody },
        detail: { operationId: "assignRole", summary: "Give a user a role" },
      },
    )
    .put(
      "/users/:id/tenants/:tenantID/roles/:roleID",
      async ({ actor, params: { id, tenantID, roleID }, status }) => {
        await service.assignRole(deps, actor, { userId: id, tenantId: tenantID, roleId: roleID });
        return status(204, undefined);
      },
      {
        permission: "role.write",
        http: { names },
        response: { 204: t.Void(), 404: ErrorBody, 409: ErrorBody },
        detail: { operationId: "putRole", summary: "The same as POST" },
      },
    )
    .delete(
      "/users/:id/tenants/:tenantID/roles/:roleID",
      async ({ actor, params: { id, tenantID, roleID }, status }) => {
        await service.unassignRole(deps, actor, { userId: id, tenantId: tenantID, roleId: roleID });
        return status(204, undefined);
      },
      {
        permission: "role.write",
        http: { names },
        response: { 204: t.Void(), 404: ErrorBody, 409: ErrorBody },
        detail: { operationId: "unassignRole", summary: "Take a role from a user" },
      },
    )
    .get(
      "/users/:id/tenants/:tenantID/permissions",
      async ({ actor, params: { id, tenantID } }) => {
        const permissions = await service.effectivePermissions(deps, actor, {
          userId: id,
          tenantId: tenantID,
        });
        return { permissions, items: permissions };
      },
      {
        own: { permission: "role.read", param: "id" },
        http: { names },
        response: { 200: EffectivePermissions },
        detail: {
          operationId: "getEffectivePermissions",
          summary: "What a user may do in a tenant",
        },
      },
    )
    .get(
      "/check",
      async ({ actor, query }) => {
        const question = readQuestion(query);
        if (query.explain !== "true" && query.explain !== "1")
          return { allowed: await service.isAllowed(deps, actor, question) };
        const { allowed, paths, reason, reasonCode } = await service.explain(deps, actor, question);
        return {
          allowed,
          paths: paths.map(({ roleId, roleName }) => ({
            permission: question.permission,
            granted_by: `role:${roleName}`,
            via: "direct",
            role_id: roleId,
          })),
          ...(reason !== undefined && { reason }),
          ...(reasonCode !== undefined && { reason_code: reasonCode }),
        };
      },
      {
        self: "any",
        http: { oauth: true },
        query: CheckQuery,
        response: { 200: CheckAnswer, 403: ErrorBody },
        detail: {
          operationId: "checkPermission",
          summary: "Ask whether a user holds a permission",
          description: "Exact keys only: what another key implies is not counted.",
        },
      },
    );
