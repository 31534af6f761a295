import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import { pageOf, readPage } from "../../platform/http/page.ts";
import { OAuthGrantPage, OAuthGrantQuery } from "./model.ts";
import * as service from "./service.ts";

/** Contract 03 §13: a list that older clients read whole. */
const DEFAULT_LIMIT = 1000;

const present = (row: service.ListedGrant) => ({
  id: row.id,
  client_id: row.clientId,
  client_name: row.clientName,
  user_id: row.userId,
  user_email: row.userDeletedAt === null ? row.userEmail : "",
  scopes: row.scopes,
  offline: row.offline,
  issued_at: row.createdAt.toISOString(),
  expires_at: row.expiresAt.toISOString(),
});

export const grantRoutes = (deps: Deps) =>
  routeGroup({ name: "oauth-grants", prefix: "/v1", tag: "OIDC" })
    .get(
      "/tenants/:tenantID/oauth/grants",
      async ({ actor, query }) => {
        const { limit, after } = readPage(query, DEFAULT_LIMIT);
        const rows = await service.listGrants(deps, actor, {
          clientId: query.client_id,
          userId: query.user_id?.toLowerCase(),
          limit: limit + 1,
          after,
        });
        const { items, next_cursor } = pageOf(rows, limit);
        return { items: items.map(present), next_cursor };
      },
      {
        permission: "connection.read",
        query: OAuthGrantQuery,
        response: { 200: OAuthGrantPage },
        detail: {
          operationId: "listOAuthGrants",
          summary: "List what users have authorised a tenant's clients to do, newest first",
        },
      },
    )
    .delete(
      "/tenants/:tenantID/oauth/grants/:id",
      async ({ actor, params: { id }, status }) => {
        await service.endGrant(deps, actor, id);
        return status(204, undefined);
      },
      {
        permission: "connection.write",
        response: { 204: t.Void(), 404: ErrorBody },
        detail: {
          operationId: "revokeOAuthGrant",
          summary: "End a user's authorization of a client",
          description:
            "All grants of the same user and client end with it, with their tokens, and the consent is forgotten.",
        },
      },
    );
