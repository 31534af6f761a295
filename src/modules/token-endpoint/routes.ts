import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { CLIENT_ENDPOINT, routeGroup } from "../../platform/http/access.ts";
import { ErrorSchemas } from "../../platform/http/errors.ts";
import { clientAuthFields } from "../clients/model.ts";
import { TokenAnswer, tokenFields } from "../tokens/model.ts";
import { answerTokenRequest } from "./service.ts";

const TokenRequestForm = t.Object({ ...tokenFields, ...clientAuthFields });

const http = { ...CLIENT_ENDPOINT, repeatable: ["resource"] } as const;

const responses = {
  200: TokenAnswer,
  400: ErrorSchemas.oauth,
  401: ErrorSchemas.oauth,
  429: ErrorSchemas.oauth,
};

const DESCRIPTION =
  "RFC 6749 §3.2. Grants: `authorization_code`, `refresh_token`, `client_credentials`, and those of RFC 8628 and RFC 8693. Every grant works on both paths.";

// One handler under two names (contract 03 §1): older clients know one for machines and one for people.
export const tokenRoutes = (deps: Deps) =>
  routeGroup({ name: "token-endpoint", prefix: "/v1/oauth", tag: "OIDC", errors: "oauth" })
    .post(
      "/token",
      async ({ body, caller, request, set }) => {
        set.headers.pragma = "no-cache"; // RFC 6749 §5.1
        const { headers } = request;
        return answerTokenRequest(deps, { headers, form: body, caller, path: "/v1/oauth/token" });
      },
      {
        public: true,
        http,
        body: TokenRequestForm,
        response: responses,
        detail: { operationId: "issueToken", summary: "Get tokens", description: DESCRIPTION },
      },
    )
    .post(
      "/token-code",
      async ({ body, caller, request, set }) => {
        set.headers.pragma = "no-cache"; // RFC 6749 §5.1
        const { headers } = request;
        const path = "/v1/oauth/token-code";
        return answerTokenRequest(deps, { headers, form: body, caller, path });
      },
      {
        public: true,
        http,
        body: TokenRequestForm,
        response: responses,
        detail: {
          operationId: "issueTokenForCode",
          summary: "Get tokens: the token endpoint of the metadata",
          description: DESCRIPTION,
        },
      },
    );
