import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import { pageOf, readPage } from "../../platform/http/page.ts";
import {
  Client,
  ClientPage,
  ClientQuery,
  CreateClient,
  CreatedClient,
  RotateClientSecret,
  RotatedClientSecret,
  UpdateClient,
} from "./model.ts";
import * as service from "./service.ts";

/** Contract 01 §3: a bare list that older clients read whole. */
const DEFAULT_LIMIT = 1000;
const WARNING = "secret shown once";

const present = (row: service.ClientRow) => ({
  id: row.id,
  tenant_id: row.tenantId,
  client_id: row.clientId,
  type: row.type,
  name: row.name,
  redirect_uris: row.redirectUris,
  post_logout_uris: row.postLogoutUris,
  grant_types: row.grantTypes,
  scopes: row.scopes,
  registration: row.registration,
  require_pkce: row.requirePkce,
  require_par: row.requirePar,
  id_token_signed_response_alg: row.idTokenAlg,
  token_endpoint_auth_method: row.tokenEndpointAuthMethod,
  require_membership: row.requireMembership,
  self_registration: row.selfRegistration,
  logout_requires_confirmation: row.logoutRequiresConfirmation,
  dpop_bound_access_tokens: row.dpopBoundAccessTokens,
  refresh_reuse_leeway_seconds: row.refreshReuseLeewaySeconds,
  jwks: row.jwks,
  jwks_uri: row.jwksUri,
  backchannel_logout_uri: row.backchannelLogoutUri,
  backchannel_logout_session_required: row.backchannelLogoutSessionRequired,
  client_uri: row.clientUri,
  logo_uri: row.logoUri,
  policy_uri: row.policyUri,
  tos_uri: row.tosUri,
  created_at: row.createdAt.toISOString(),
  updated_at: row.updatedAt.toISOString(),
});

/** What is left out stays undefined: the service knows the defaults, or keeps what was. */
const inputOf = (body: Omit<typeof UpdateClient.static, "name">): service.ClientInput => ({
  redirectUris: body.redirect_uris,
  postLogoutUris: body.post_logout_uris,
  grantTypes: body.grant_types,
  scopes: body.scopes,
  requirePkce: body.require_pkce,
  requirePar: body.require_par,
  idTokenAlg: body.id_token_signed_response_alg,
  tokenEndpointAuthMethod: body.token_endpoint_auth_method,
  requireMembership: body.require_membership,
  selfRegistration: body.self_registration,
  logoutRequiresConfirmation: body.logout_requires_confirmation,
  dpopBoundAccessTokens: body.dpop_bound_access_tokens,
  refreshReuseLeewaySeconds: body.refresh_reuse_leeway_seconds,
  jwks: body.jwks,
  jwksUri: body.jwks_uri,
  backchannelLogoutUri: body.backchannel_logout_uri,
  backchannelLogoutSessionRequired: body.backchannel_logout_session_required,
  clientUri: body.client_uri,
  logoUri: body.logo_uri,
  policyUri: body.policy_uri,
  tosUri: body.tos_uri,
});

const newInput = (body: typeof CreateClient.static) => ({
  ...inputOf(body),
  tenantId: body.tenant_id,
  name: body.name,
  type: body.type,
});

const presentCreated = ({ client, secret }: service.CreatedClient) => ({
  client: present(client),
  ...(secret !== undefined && { client_secret: secret, warning: WARNING }),
  // Contract 03 §5: the admin UI reads these here.
  id: client.id,
  client_id: client.clientId,
});

export const clientRoutes = (deps: Deps) =>
  routeGroup({ name: "clients", prefix: "/v1", tag: "OIDC" })
    .post(
      "/oidc/clients",
      async ({ actor, body, status }) =>
        status(201, presentCreated(await service.createClient(deps, actor, newInput(body)))),
      {
        permission: "connection.write",
        body: CreateClient,
        response: { 201: CreatedClient, 409: ErrorBody },
        detail: { operationId: "registerClient", summary: "Register an OAuth client" },
      },
    )
    .delete(
      "/oidc/clients/:id",
      async ({ actor, params: { id }, status }) => {
        await service.deleteClient(deps, actor, id);
        return status(204, undefined);
      },
      {
        permission: "connection.write",
        response: { 204: t.Void(), 404: ErrorBody },
        detail: {
          operationId: "deleteOwnClient",
          summary: "Delete an OAuth client of your tenant",
        },
      },
    )
    .get(
      "/tenants/:tenantID/oidc/clients",
      async ({ actor, query }) => {
        const { limit, after } = readPage(query, DEFAULT_LIMIT);
        const rows = await service.listClients(deps, actor, { limit: limit + 1, after });
        const { items, next_cursor } = pageOf(rows, limit);
        return { items: items.map(present), next_cursor };
      },
      {
        permission: "connection.read",
        query: ClientQuery,
        response: { 200: ClientPage },
        detail: {
          operationId: "listClients",
          summary: "List a tenant's OAuth clients, newest first",
        },
      },
    )
    .post(
      "/tenants/:tenantID/oidc/clients",
      async ({ actor, params: { tenantID }, body, status }) => {
        const input = { ...newInput(body), tenantId: tenantID };
        return status(201, presentCreated(await service.createClient(deps, actor, input)));
      },
      {
        permission: "connection.write",
        body: CreateClient,
        response: { 201: CreatedClient, 409: ErrorBody },
        detail: {
          operationId: "createClient",
          summary: "Register an OAuth client",
          description: "The path says the tenant; `tenant_id` of the body is not looked at.",
        },
      },
    )
    .get(
      "/tenants/:tenantID/oidc/clients/:id",
      async ({ actor, params: { id } }) => present(await service.getClient(deps, actor, id)),
      {
        permission: "connection.read",
        response: { 200: Client, 404: ErrorBody },
        detail: { operationId: "getClient", summary: "An OAuth client" },
      },
    )
    .patch(
      "/tenants/:tenantID/oidc/clients/:id",
      async ({ actor, params: { id }, body }) => {
        const input = { ...inputOf(body), name: body.name };
        return present(await service.updateClient(deps, actor, id, input));
      },
      {
        permission: "connection.write",
        body: UpdateClient,
        response: { 200: Client, 404: ErrorBody },
        detail: {
          operationId: "updateClient",
          summary: "Change an OAuth client",
          description: "What is left out stays; `null` removes what may be absent.",
        },
      },
    )
    .delete(
      "/tenants/:tenantID/oidc/clients/:id",
      async ({ actor, params: { id }, status }) => {
        await service.deleteClient(deps, actor, id);
        return status(204, undefined);
      },
      {
        permission: "connection.write",
        response: { 204: t.Void(), 404: ErrorBody },
        detail: {
          operationId: "deleteClient",
          summary: "Delete an OAuth client",
          description: "Its tokens end at once.",
        },
      },
    )
    .post(
      "/tenants/:tenantID/oidc/clients/:id/rotate-secret",
      async ({ actor, params: { id }, body }) => {
        const graceSeconds = body.grace_seconds ?? 0;
        const { secret } = await service.rotateClientSecret(deps, actor, { id, graceSeconds });
        return { client_secret: secret, warning: WARNING };
      },
      {
        permission: "connection.write",
        http: { bodyOptional: true },
        body: RotateClientSecret,
        response: { 200: RotatedClientSecret, 404: ErrorBody },
        detail: {
          operationId: "rotateClientSecret",
          summary: "Give an OAuth client a new secret",
          description: "The old one works for `grace_seconds` more.",
        },
      },
    );
