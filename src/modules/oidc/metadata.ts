/** What this server says about itself: OpenID Discovery 1.0, RFC 8414, RFC 9728. */
import type { Config } from "../../config.ts";
import { DPOP_ALGORITHMS } from "../../platform/crypto/dpop.ts";
import { LANGUAGES } from "../../platform/pages/language.ts";
import { ASSERTION_ALGORITHMS, DEVICE_GRANT, GRANT_TYPES } from "../clients/service.ts";
import { ACR_VALUES, USER_CLAIMS } from "../tokens/service.ts";
import type { ProtectedResourceBody, ProviderBody } from "./model.ts";

/** Whether the server has a route. */
export type IsMounted = (method: "GET" | "POST", path: string) => boolean;

type MetadataConfig = Pick<Config, "publicUrl" | "jwtIssuer" | "dynamicRegistration">;

/** OpenID Connect Core 1.0 §5.4 and §11. */
const SCOPES = ["openid", "profile", "email", "address", "phone", "offline_access"];

/** Of tokens; what is about the person follows from the scopes. */
const TOKEN_CLAIMS = ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr"];

const SECRET_METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt"];

/**
 * OpenID Provider metadata, which is authorization server metadata too. An endpoint stands in it when its route exists, and
 * with it all that tells how to use it (contract 00 §56).
 *
 * @see https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata
 * @see https://www.rfc-editor.org/rfc/rfc8414#section-2
 */
export function providerMetadata(
  config: MetadataConfig,
  isMounted: IsMounted,
): typeof ProviderBody.static {
  const { publicUrl } = config;
  const endpoint = (method: "GET" | "POST", path: string): string | undefined =>
    isMounted(method, path) ? publicUrl + path : undefined;
  return {
    issuer: config.jwtIssuer,
    jwks_uri: `${publicUrl}/.well-known/jwks.json`,
    userinfo_endpoint: endpoint("GET", "/v1/oauth/userinfo"),
    ...authorizationMetadata(endpoint),
    ...tokenMetadata(endpoint),
    ...tokenCareMetadata(endpoint),
    ...logoutMetadata(endpoint),
    // RFC 7591 §3: open to nobody until the operator says so.
    registration_endpoint: config.dynamicRegistration
      ? endpoint("POST", "/v1/oauth/register")
      : undefined,
    scopes_supported: SCOPES,
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256", "RS256"],
    claim_types_supported: ["normal"],
    claims_supported: [
      ...TOKEN_CLAIMS,
      "at_hash",
      "sid",
      // Also without ID_TOKEN_TENANT_CLAIM: userinfo has it.
      "tenant_id",
      ...USER_CLAIMS,
    ],
    ui_locales_supported: [...LANGUAGES],
    service_documentation: `${publicUrl}/docs`,
    // RFC 9728 §4.
    protected_resources: [publicUrl],
  };
}

type Endpoint = (method: "GET" | "POST", path: string) => string | undefined;
type Part = Partial<typeof ProviderBody.static>;

function authorizationMetadata(endpoint: Endpoint): Part {
  const authorize = endpoint("GET", "/v1/oauth/authorize");
  if (authorize === undefined) return {};
  return {
    authorization_endpoint: authorize,
    // RFC 9126 §5.
    pushed_authorization_request_endpoint: endpoint("POST", "/v1/oauth/par"),
    response_types_supported: ["code"],
    response_modes_supported: ["query", "form_post"],
    code_challenge_methods_supported: ["S256"],
    acr_values_supported: [...ACR_VALUES],
    prompt_values_supported: ["none", "login", "consent", "select_account"],
    display_values_supported: ["page", "popup"],
    claims_parameter_supported: true,
    request_parameter_supported: false,
    // Discovery §3: absent, it would mean true.
    request_uri_parameter_supported: false,
    // RFC 9207 §3.
    authorization_response_iss_parameter_supported: true,
  };
}

function tokenMetadata(endpoint: Endpoint): Part {
  const token = endpoint("POST", "/v1/oauth/token-code");
  const device = endpoint("POST", "/v1/oauth/device_authorization");
  if (token === undefined) return {};
  return {
    token_endpoint: token,
    device_authorization_endpoint: device,
    grant_types_supported: GRANT_TYPES.filter(
      (grant) => grant !== DEVICE_GRANT || device !== undefined,
    ),
    token_endpoint_auth_methods_supported: [...SECRET_METHODS, "none"],
    token_endpoint_auth_signing_alg_values_supported: [...ASSERTION_ALGORITHMS],
    // RFC 9449 §5.1.
    dpop_signing_alg_values_supported: [...DPOP_ALGORITHMS],
  };
}

function tokenCareMetadata(endpoint: Endpoint): Part {
  const algorithms = [...ASSERTION_ALGORITHMS];
  const revoke = endpoint("POST", "/oauth/revoke");
  const introspect = endpoint("POST", "/oauth/introspect");
  return {
    ...(revoke !== undefined && {
      revocation_endpoint: revoke,
      revocation_endpoint_auth_methods_supported: [...SECRET_METHODS, "none"],
      revocation_endpoint_auth_signing_alg_values_supported: algorithms,
    }),
    ...(introspect !== undefined && {
      introspection_endpoint: introspect,
      introspection_endpoint_auth_methods_supported: SECRET_METHODS,
      introspection_endpoint_auth_signing_alg_values_supported: algorithms,
    }),
  };
}

function logoutMetadata(endpoint: Endpoint): Part {
  const logout = endpoint("GET", "/v1/oauth/logout");
  if (logout === undefined) return {};
  return {
    end_session_endpoint: logout,
    // Back-Channel Logout 1.0 §2.1.
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
  };
}

/**
 * What a client that was refused here needs to know to come back with a token.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9728#section-2
 */
export function resourceMetadata(config: MetadataConfig): typeof ProtectedResourceBody.static {
  const { publicUrl, jwtIssuer } = config;
  return {
    resource: publicUrl,
    authorization_servers: [jwtIssuer],
    scopes_supported: SCOPES,
    bearer_methods_supported: ["header"],
    resource_signing_alg_values_supported: ["ES256"],
    dpop_signing_alg_values_supported: [...DPOP_ALGORITHMS],
    resource_documentation: `${publicUrl}/docs`,
  };
}
