import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import { assertMetadata } from "../../platform/http/metadata.ts";
import { pageOf, readPage } from "../../platform/http/page.ts";
import { provePassword } from "../sessions/service.ts";
import {
  BulkOutcome,
  CreateUser,
  CreateUsers,
  DeletedQuery,
  DeletedUsers,
  SetPassword,
  UpdateUser,
  User,
  UserPage,
  UserQuery,
} from "./model.ts";
import * as service from "./service.ts";

const present = service.presentUser;

export const userRoutes = (deps: Deps) =>
  routeGroup({ name: "users", prefix: "/v1", tag: "Users" })
    .get(
      "/users",
      async ({ actor, query }) => {
        const page = readPage(query);
        const rows = await service.listUsers(deps, actor, { ...page, tenant: query.tenant });
        const { items, next_cursor } = pageOf(rows, page.limit);
        return { items: items.map(present), next_cursor };
      },
      {
        permission: "user.read",
        query: UserQuery,
        response: { 200: UserPage },
        detail: { operationId: "listUsers", summary: "List the members of your tenant" },
      },
    )
    .post(
      "/users",
      async ({ actor, body, status }) => {
        assertMetadata(body.metadata);
        const user = await service.createUser(deps, actor, {
          tenantId: body.tenant_id,
          email: body.email,
          ...(body.password && { password: body.password }),
          ...(body.display_name !== undefined && { displayName: body.display_name }),
          ...(body.phone && { phone: body.phone }),
          ...(body.metadata && { metadata: body.metadata }),
        });
        return status(201, present(user));
      },
      {
        permission: "user.write",
        body: CreateUser,
        response: { 201: User, 409: ErrorBody },
        detail: { operationId: "createUser", summary: "Create a user in your tenant" },
      },
    )
    .post(
      "/users/bulk",
      async ({ actor, body }) => {
        const accounts = body.users.map(({ display_name, ...rest }) => ({
          ...rest,
          ...(display_name !== undefined && { displayName: display_name }),
        }));
        const { errors, ...counts } = await service.createUsers(
          deps,
          actor,
          body.tenant_id,
          accounts,
        );
        return { ...counts, ...(errors.length > 0 && { errors: [...errors] }) };
      },
      {
        permission: "user.write",
        body: CreateUsers,
        response: { 200: BulkOutcome },
        detail: { operationId: "createUsers", summary: "Create up to 1000 users at once" },
      },
    )
    .get(
      "/users/deleted",
      async ({ actor, query }) => {
        const { limit } = readPage(query, 100);
        const rows = await service.listDeletedUsers(deps, actor, limit);
        return {
          items: rows.map((row) => ({
            ...present(row),
            deleted_at: (row.deletedAt ?? row.updatedAt).toISOString(),
          })),
        };
      },
      {
        permission: "user.read",
        query: DeletedQuery,
        response: { 200: DeletedUsers },
        detail: { operationId: "listDeletedUsers", summary: "List the users in the bin" },
      },
    )
    .get(
      "/users/:id",
      async ({ actor, params: { id } }) => present(await service.getUser(deps, actor, id)),
      {
        own: { permission: "user.read", param: "id" },
        response: { 200: User, 404: ErrorBody },
        detail: { operationId: "getUser", summary: "Read a user" },
      },
    )
    .patch(
      "/users/:id",
      async ({ actor, params: { id }, body }) => {
        assertMetadata(body.metadata);
        const { display_name, phone, status, metadata } = body;
        const user = await service.updateUser(deps, actor, id, {
          ...(display_name !== undefined && { displayName: display_name }),
          ...(phone !== undefined && { phone }),
          ...(status !== undefined && { status }),
          ...(metadata !== undefined && { metadata }),
        });
        return present(user);
      },
      {
        own: { permission: "user.write", param: "id" },
        body: UpdateUser,
        response: { 200: User, 404: ErrorBody, 409: ErrorBody },
        detail: { operationId: "updateUser", summary: "Change a user" },
      },
    )
    .delete(
      "/users/:id",
      async ({ actor, params: { id }, status }) => {
        await service.deleteUser(deps, actor, id);
        return status(204, undefined);
      },
      {
        permission: "user.write",
        response: { 204: t.Void(), 404: ErrorBody, 409: ErrorBody },
        detail: { operationId: "deleteUser", summary: "Move a user into the bin" },
      },
    )
    .post(
      "/users/:id/restore",
      async ({ actor, params: { id } }) => present(await service.restoreUser(deps, actor, id)),
      {
        permission: "user.write",
        response: { 200: User, 404: ErrorBody, 409: ErrorBody },
        detail: { operationId: "restoreUser", summary: "Take a user out of the bin" },
      },
    )
    .delete(
      "/users/:id/purge",
      async ({ actor, params: { id }, status }) => {
        await service.purgeUser(deps, actor, id);
        return status(204, undefined);
      },
      {
        permission: "user.write",
        response: { 204: t.Void(), 404: ErrorBody },
        detail: { operationId: "purgeUser", summary: "Remove a user of the bin for good" },
      },
    )
    .post(
      "/users/:id/password",
      async ({ actor, params: { id }, body, status }) => {
        const { password, current_password: currentPassword } = body;
        const input = { password, currentPassword };
        await service.setPasswordOf(deps, actor, id, input, provePassword);
        return status(204, undefined);
      },
      {
        own: { permission: "user.write", param: "id" },
        http: { rate: "sensitive" },
        body: SetPassword,
        response: { 204: t.Void(), 404: ErrorBody },
        detail: { operationId: "setPassword", summary: "Set a user's password" },
      },
    );
