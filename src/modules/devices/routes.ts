import { type Context, t } from "elysia";
import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import { CLIENT_ENDPOINT, routeGroup } from "../../platform/http/access.ts";
import { ErrorBody, ErrorSchemas } from "../../platform/http/errors.ts";
import { pageOf, readPage } from "../../platform/http/page.ts";
import { readResources } from "../../platform/resources.ts";
import { authenticateClient, spendUnproved } from "../clients/service.ts";
import { type HostedSession, hostedSessionOf } from "../sessions/service.ts";
import {
  DecidedDevice,
  Device,
  DeviceAuthorizationAnswer,
  DeviceAuthorizationForm,
  DeviceDecision,
  DevicePage,
  DeviceQuery,
  ListQuery,
  WaitingDevice,
} from "./model.ts";
import * as service from "./service.ts";
import { showUserCode } from "./user-code.ts";

/** What a client calls, as RFC 8628 has it. */
export const deviceAuthorizationRoutes = (deps: Deps) =>
  routeGroup({ name: "device-authorization", prefix: "/v1", tag: "OIDC", errors: "oauth" }).post(
    "/oauth/device_authorization",
    async ({ caller, body, request: { headers }, set }) => {
      const credential = await authenticateClient(deps, { headers, form: body, caller });
      await spendUnproved(deps, credential, caller);
      set.headers.pragma = "no-cache";
      return service.startDevice(deps, credential, {
        scopes: (body.scope ?? "").split(" ").filter((scope) => scope !== ""),
        resources: readResources(body.resource),
      });
    },
    {
      public: true,
      http: { ...CLIENT_ENDPOINT, repeatable: ["resource"] },
      body: DeviceAuthorizationForm,
      response: {
        200: DeviceAuthorizationAnswer,
        401: ErrorSchemas.oauth,
      },
      detail: {
        operationId: "authorizeDevice",
        summary: "Ask for a device code and a user code",
        description: "RFC 8628 §3.1.",
      },
    },
  );

/** What people and administrators call. */
export const deviceRoutes = (deps: Deps) =>
  routeGroup({ name: "devices", prefix: "/v1", tag: "OIDC" })
    .get(
      "/oauth/device",
      async ({ caller, query, request, set }) => {
        const session = await signedIn(deps, { request, set });
        const found = await service.findDevice(deps, caller, query.user_code, session);
        return { client_name: found.client.name, scopes: [...found.scopes] };
      },
      {
        public: true,
        http: { credential: "cookie", cors: "login" },
        query: DeviceQuery,
        response: {
          200: WaitingDevice,
          400: ErrorBody,
          401: ErrorBody,
          404: ErrorBody,
          409: ErrorBody,
        },
        detail: {
          operationId: "findDevice",
          summary: "Which device waits under a user code",
          description: "At most five codes a minute, right or wrong.",
        },
      },
    )
    .post(
      "/oauth/device/decision",
      async ({ caller, body, request, set }) => {
        const session = await signedIn(deps, { request, set });
        const { user_code: userCode, approve } = body;
        set.headers.pragma = "no-cache";
        return { status: await service.decideDevice(deps, caller, { userCode, approve, session }) };
      },
      {
        public: true,
        http: { credential: "cookie", csrf: "double-submit", cors: "login" },
        body: DeviceDecision,
        response: {
          200: DecidedDevice,
          400: ErrorBody,
          401: ErrorBody,
          403: ErrorBody,
          404: ErrorBody,
          409: ErrorBody,
        },
        detail: { operationId: "decideDevice", summary: "Let a device in, or not" },
      },
    )
    .get(
      "/tenants/:tenantID/oauth/devices",
      async ({ actor, query }) => {
        const { limit, after } = readPage(query);
        const rows = await service.listDevices(deps, actor, { limit: limit + 1, after });
        const { items, next_cursor } = pageOf(rows, limit);
        return { items: items.map(present), next_cursor };
      },
      {
        permission: "connection.read",
        query: ListQuery,
        response: { 200: DevicePage },
        detail: { operationId: "listDevices", summary: "List a tenant's devices, newest first" },
      },
    )
    .get(
      "/tenants/:tenantID/oauth/devices/:id",
      async ({ actor, params: { id } }) => present(await service.getDevice(deps, actor, id)),
      {
        permission: "connection.read",
        response: { 200: Device, 404: ErrorBody },
        detail: { operationId: "getDevice", summary: "Read a device" },
      },
    )
    .delete(
      "/tenants/:tenantID/oauth/devices/:id",
      async ({ actor, params: { id }, status }) => {
        await service.revokeDevice(deps, actor, id);
        return status(204, undefined);
      },
      {
        permission: "connection.write",
        response: { 204: t.Void(), 404: ErrorBody },
        detail: {
          operationId: "revokeDevice",
          summary: "Remove a device and end the tokens that it was given",
        },
      },
    );

/** Whom the cookie names. Throws `unauthorized`. */
async function signedIn(
  deps: Deps,
  incoming: { request: Request; set: Context["set"] },
): Promise<HostedSession> {
  const session = await hostedSessionOf(deps, incoming);
  if (!session) throw new AppError("unauthorized");
  return session;
}

const present = (row: service.NamedDevice) => ({
  id: row.id,
  client_id: row.clientId,
  user_code: showUserCode(row.userCode),
  status: row.status,
  user_id: row.userId,
  user_email: row.userEmail ?? "",
  scopes: row.scopes,
  created_at: row.createdAt.toISOString(),
  expires_at: row.expiresAt.toISOString(),
  last_polled_at: row.lastPolledAt?.toISOString() ?? null,
});
