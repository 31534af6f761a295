import { t } from "elysia";

const text = t.String();
const optional = t.Optional(text);
const list = t.Optional(t.Array(text));
const flag = t.Optional(t.Boolean());

/** OpenID Connect Discovery 1.0 §3 with RFC 8414 §2 and what registered extensions add to them. */
export const ProviderBody = t.Object({
  issuer: text,
  authorization_endpoint: optional,
  token_endpoint: optional,
  userinfo_endpoint: optional,
  jwks_uri: text,
  registration_endpoint: optional,
  revocation_endpoint: optional,
  introspection_endpoint: optional,
  end_session_endpoint: optional,
  device_authorization_endpoint: optional,
  pushed_authorization_request_endpoint: optional,
  scopes_supported: t.Array(text),
  response_types_supported: list,
  response_modes_supported: list,
  grant_types_supported: list,
  subject_types_supported: t.Array(text),
  id_token_signing_alg_values_supported: t.Array(text),
  code_challenge_methods_supported: list,
  token_endpoint_auth_methods_supported: list,
  token_endpoint_auth_signing_alg_values_supported: list,
  revocation_endpoint_auth_methods_supported: list,
  revocation_endpoint_auth_signing_alg_values_supported: list,
  introspection_endpoint_auth_methods_supported: list,
  introspection_endpoint_auth_signing_alg_values_supported: list,
  dpop_signing_alg_values_supported: list,
  acr_values_supported: list,
  prompt_values_supported: list,
  display_values_supported: list,
  ui_locales_supported: list,
  claim_types_supported: list,
  claims_supported: t.Array(text),
  claims_parameter_supported: flag,
  request_parameter_supported: flag,
  request_uri_parameter_supported: flag,
  authorization_response_iss_parameter_supported: flag,
  backchannel_logout_supported: flag,
  backchannel_logout_session_supported: flag,
  protected_resources: list,
  service_documentation: optional,
});

/** RFC 9728 §2. */
export const ProtectedResourceBody = t.Object({
  resource: text,
  authorization_servers: t.Array(text),
  scopes_supported: t.Array(text),
  bearer_methods_supported: t.Array(text),
  resource_signing_alg_values_supported: t.Array(text, {
    description: "Of the access tokens that the resource takes",
  }),
  dpop_signing_alg_values_supported: t.Array(text),
  resource_documentation: text,
});

const claim = (description?: string) =>
  t.Optional(t.String(description === undefined ? {} : { description }));

/** OpenID Connect Core 1.0 §5.1, §5.3.2: what is not known is left out. */
export const UserInfo = t.Object({
  sub: t.String({ format: "uuid" }),
  tenant_id: t.Union([t.String({ format: "uuid" }), t.Null()], {
    description: "Null for a session of a user without a tenant",
  }),
  email: claim("With scope `email`, or asked for by the `claims` parameter"),
  email_verified: t.Optional(t.Boolean()),
  phone_number: claim("E.164; with scope `phone`"),
  phone_number_verified: t.Optional(t.Boolean()),
  name: claim("With scope `profile`, as all that follow but `address`"),
  given_name: claim(),
  family_name: claim(),
  middle_name: claim(),
  nickname: claim(),
  preferred_username: claim(),
  profile: claim(),
  picture: claim(),
  website: claim(),
  gender: claim(),
  birthdate: claim("`YYYY-MM-DD`, `0000-MM-DD` or `YYYY`"),
  zoneinfo: claim(),
  locale: claim(),
  updated_at: t.Optional(t.Integer({ description: "Seconds since 1970" })),
  address: t.Optional(
    t.Object({
      formatted: claim(),
      street_address: claim(),
      locality: claim(),
      region: claim(),
      postal_code: claim(),
      country: claim(),
    }),
  ),
});

export const UserInfoForm = t.Object({
  access_token: t.Optional(
    t.String({
      maxLength: 32_768,
      description: "In place of the header (RFC 6750 §2.2); never beside it",
    }),
  ),
});
