import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { ErrorSchemas } from "../../platform/http/errors.ts";
import * as registration from "./registration.ts";
import {
  RegisterBody,
  Registration,
  readMetadata,
  readUpdate,
  UpdateBody,
} from "./registration-model.ts";

/** RFC 7592 §3, RFC 7591 §3.2.1. */
function present(
  { config }: Pick<Deps, "config">,
  { client, secret, registrationToken }: registration.Registered,
) {
  const { clientId, tokenEndpointAuthMethod, jwks, jwksUri, backchannelLogoutUri } = client;
  const { clientUri, logoUri, policyUri, tosUri } = client;
  return {
    client_id: clientId,
    ...(secret !== undefined && { client_secret: secret, client_secret_expires_at: 0 }),
    client_id_issued_at: Math.floor(client.createdAt.getTime() / 1000),
    registration_access_token: registrationToken,
    registration_client_uri: `${config.publicUrl}/v1/oauth/register/${clientId}`,
    client_name: client.name,
    redirect_uris: client.redirectUris,
    post_logout_redirect_uris: client.postLogoutUris,
    token_endpoint_auth_method: tokenEndpointAuthMethod ?? "client_secret_basic",
    grant_types: client.grantTypes,
    response_types: client.grantTypes.includes("authorization_code") ? ["code"] : [],
    scope: client.scopes.join(" "),
    subject_type: "public" as const,
    id_token_signed_response_alg: client.idTokenAlg,
    require_pushed_authorization_requests: client.requirePar,
    dpop_bound_access_tokens: client.dpopBoundAccessTokens,
    backchannel_logout_session_required: client.backchannelLogoutSessionRequired,
    ...(backchannelLogoutUri !== null && { backchannel_logout_uri: backchannelLogoutUri }),
    ...(jwks !== null && { jwks }),
    ...(jwksUri !== null && { jwks_uri: jwksUri }),
    ...(clientUri !== null && { client_uri: clientUri }),
    ...(logoUri !== null && { logo_uri: logoUri }),
    ...(policyUri !== null && { policy_uri: policyUri }),
    ...(tosUri !== null && { tos_uri: tosUri }),
  };
}

const ErrorBody = ErrorSchemas.oauth;
const itself = {
  public: true,
  params: t.Object({ client_id: t.String({ maxLength: 128 }) }),
} as const;
// RFC 7591 §2: members that are not understood are ignored. No cookie is looked at.
const http = { open: true, csrf: "none" } as const;

export const registrationRoutes = (deps: Deps) =>
  routeGroup({ name: "registration", prefix: "/v1/oauth", tag: "OIDC", errors: "oauth" })
    .post(
      "/register",
      async ({ actor, body, status }) => {
        const made = await registration.selfRegister(deps, actor, readMetadata(body));
        return status(201, present(deps, made));
      },
      {
        permission: "connection.write",
        http,
        body: RegisterBody,
        response: { 201: Registration, 404: ErrorBody, 409: ErrorBody },
        detail: {
          operationId: "selfRegisterClient",
          summary: "Register an OAuth client by RFC 7591",
          description:
            "Where `DYNAMIC_REGISTRATION` is on. The initial access token is a token or API key with `connection.write`.",
        },
      },
    )
    .get(
      "/register/:client_id",
      async ({ request, params: { client_id } }) => {
        const authorization = request.headers.get("authorization");
        return present(deps, await registration.readRegistration(deps, authorization, client_id));
      },
      {
        ...itself,
        http,
        response: { 200: Registration, 401: ErrorBody, 404: ErrorBody },
        detail: {
          operationId: "readClientRegistration",
          summary: "A client's own registration",
          description: "RFC 7592, with the `registration_access_token` as a bearer token.",
        },
      },
    )
    .put(
      "/register/:client_id",
      async ({ request, caller, params: { client_id }, body }) => {
        const replaced = await registration.replaceRegistration(deps, caller, {
          authorization: request.headers.get("authorization"),
          clientId: client_id,
          metadata: readUpdate(body),
        });
        return present(deps, replaced);
      },
      {
        ...itself,
        http,
        body: UpdateBody,
        response: { 200: Registration, 401: ErrorBody, 404: ErrorBody },
        detail: {
          operationId: "replaceClientRegistration",
          summary: "Replace a client's own registration",
          description: "RFC 7592, with the `registration_access_token` as a bearer token.",
        },
      },
    )
    .delete(
      "/register/:client_id",
      async ({ request, caller, params: { client_id }, status }) => {
        await registration.endRegistration(deps, caller, {
          authorization: request.headers.get("authorization"),
          clientId: client_id,
        });
        return status(204, undefined);
      },
      {
        ...itself,
        http,
        response: { 204: t.Void(), 401: ErrorBody, 404: ErrorBody },
        detail: {
          operationId: "endClientRegistration",
          summary: "End a client's own registration",
          description: "RFC 7592, with the `registration_access_token` as a bearer token.",
        },
      },
    );
