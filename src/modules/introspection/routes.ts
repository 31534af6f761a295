import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { CLIENT_ENDPOINT, routeGroup } from "../../platform/http/access.ts";
import { ErrorSchemas } from "../../platform/http/errors.ts";
import { authenticateClient } from "../clients/service.ts";
import { Introspection, TokenForm } from "./model.ts";
import { createIntrospection, revokeToken } from "./service.ts";

const refusals = {
  400: ErrorSchemas.oauth,
  401: ErrorSchemas.oauth,
  429: ErrorSchemas.oauth,
} as const;

export const introspectionRoutes = (deps: Deps) => {
  const introspect = createIntrospection(deps);

  return routeGroup({ name: "introspection", prefix: "/oauth", tag: "OIDC", errors: "oauth" })
    .post(
      "/introspect",
      async ({ body, caller, request, set }) => {
        set.headers.pragma = "no-cache";
        const { headers } = request;
        const credential = await authenticateClient(deps, { headers, form: body, caller });
        return introspect(credential, body.token);
      },
      {
        public: true,
        // Resource servers ask, not pages.
        http: { ...CLIENT_ENDPOINT, cors: "none" },
        body: TokenForm,
        response: { 200: Introspection, ...refusals },
        detail: {
          operationId: "introspectToken",
          summary: "Ask what a token is good for (RFC 7662)",
          description:
            "For confidential clients and service principals. A token of another tenant is inactive.",
        },
      },
    )
    .post(
      "/revoke",
      async ({ body, caller, request, set }) => {
        const { headers } = request;
        const credential = await authenticateClient(deps, { headers, form: body, caller });
        await revokeToken(deps, caller, credential, body.token);
        set.status = 200;
      },
      {
        public: true,
        http: CLIENT_ENDPOINT,
        body: TokenForm,
        response: { 200: t.Void(), ...refusals },
        detail: {
          operationId: "revokeToken",
          summary: "End a token (RFC 7009)",
          description:
            "A refresh token takes its whole grant along, with its access tokens. Unknown and foreign tokens are answered 200 as well.",
        },
      },
    );
};
