import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import { pageOf, readPage } from "../../platform/http/page.ts";
import type { Actor } from "../../platform/permissions.ts";
import {
  ApiKeyPage,
  ApiKeyQuery,
  CreateApiKey,
  CreatedApiKey,
  RotateApiKey,
  readExpiry,
} from "./model.ts";
import * as service from "./service.ts";

/** Contract 01 §3: a bare list that older clients read whole. */
const DEFAULT_LIMIT = 1000;

const present = (row: service.ApiKeyRow) => ({
  id: row.id,
  tenant_id: row.tenantId,
  user_id: row.userId,
  name: row.name,
  prefix: row.prefix,
  scopes: row.scopes,
  expires_at: row.expiresAt?.toISOString() ?? null,
  last_used_at: row.lastUsedAt?.toISOString() ?? null,
  revoked_at: row.revokedAt?.toISOString() ?? null,
  created_at: row.createdAt.toISOString(),
});

// Contract 07 §5: documentation reads `id` and `key`, the admin UI `name` and `raw`.
const presentCreated = ({ apiKey, secret }: service.CreatedApiKey) => ({
  api_key: present(apiKey),
  secret,
  warning: "Keep this key now: it is not shown again.",
  id: apiKey.id,
  name: apiKey.name,
  key: secret,
  raw: secret,
});

async function page(deps: Deps, actor: Actor, query: typeof ApiKeyQuery.static) {
  const { limit, after } = readPage(query, DEFAULT_LIMIT);
  const rows = await service.listApiKeys(deps, actor, { limit: limit + 1, after });
  const { items, next_cursor } = pageOf(rows, limit);
  return { items: items.map(present), next_cursor };
}

export const apiKeyRoutes = (deps: Deps) =>
  routeGroup({ name: "api-keys", prefix: "/v1", tag: "API Keys" })
    .post(
      "/api-keys",
      async ({ actor, body, status }) => {
        const created = await service.createApiKey(deps, actor, {
          tenantId: body.tenant_id,
          name: body.name,
          userId: body.user_id ?? null,
          scopes: body.scopes ?? [],
          expiresAt: readExpiry(body.expires_at),
        });
        return status(201, presentCreated(created));
      },
      {
        permission: "apikey.write",
        body: CreateApiKey,
        response: { 201: CreatedApiKey, 409: ErrorBody },
        detail: { operationId: "createApiKey", summary: "Create an API key" },
      },
    )
    .get("/api-keys", async ({ actor, query }) => page(deps, actor, query), {
      permission: "apikey.read",
      query: ApiKeyQuery,
      response: { 200: ApiKeyPage },
      detail: { operationId: "listOwnApiKeys", summary: "List the API keys of your tenant" },
    })
    .get("/tenants/:tenantID/api-keys", async ({ actor, query }) => page(deps, actor, query), {
      permission: "apikey.read",
      query: ApiKeyQuery,
      response: { 200: ApiKeyPage },
      detail: { operationId: "listApiKeys", summary: "List a tenant's API keys, newest first" },
    })
    .delete(
      "/api-keys/:id",
      async ({ actor, params: { id }, status }) => {
        await service.revokeApiKey(deps, actor, id);
        return status(204, undefined);
      },
      {
        // `apikey.write`; but a key may end itself, whatever its scopes. The service says which.
        self: "any",
        http: { oauth: true },
        response: { 204: t.Void(), 403: ErrorBody, 404: ErrorBody },
        detail: { operationId: "revokeApiKey", summary: "Revoke an API key" },
      },
    )
    .post(
      "/api-keys/:id/rotate",
      async ({ actor, params: { id }, body, status }) => {
        const graceSeconds = body.grace_seconds ?? 0;
        return status(
          201,
          presentCreated(await service.rotateApiKey(deps, actor, { id, graceSeconds })),
        );
      },
      {
        permission: "apikey.write",
        http: { bodyOptional: true },
        body: RotateApiKey,
        response: { 201: CreatedApiKey, 404: ErrorBody, 409: ErrorBody },
        detail: {
          operationId: "rotateApiKey",
          summary: "Give an API key a new secret",
          description: "The old one works for `grace_seconds` more.",
        },
      },
    );
