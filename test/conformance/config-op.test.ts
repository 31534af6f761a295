/** `oidcc-config-certification-test-plan`: one module, asked of an issuer at https as a deployment has it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { discovery, type Json, type Suite, startSuite } from "./support.ts";

const ISSUER = "https://id.example.com";
let suite: Suite;
beforeAll(async () => {
  suite = await startSuite({
    publicUrl: ISSUER,
    jwtIssuer: ISSUER,
    loginBaseUrl: ISSUER,
    appBaseUrl: ISSUER,
    dynamicRegistration: true,
  });
});
afterAll(() => suite.server.stop());

/** Of the IANA registry "OAuth Authorization Server Metadata", which holds those of OpenID Discovery too. */
const REGISTERED = new Set(
  `issuer authorization_endpoint token_endpoint jwks_uri registration_endpoint scopes_supported
  response_types_supported response_modes_supported grant_types_supported token_endpoint_auth_methods_supported
  token_endpoint_auth_signing_alg_values_supported service_documentation ui_locales_supported op_policy_uri op_tos_uri
  revocation_endpoint revocation_endpoint_auth_methods_supported revocation_endpoint_auth_signing_alg_values_supported
  introspection_endpoint introspection_endpoint_auth_methods_supported
  introspection_endpoint_auth_signing_alg_values_supported code_challenge_methods_supported signed_metadata
  device_authorization_endpoint tls_client_certificate_bound_access_tokens mtls_endpoint_aliases
  nfv_token_signing_alg_values_supported nfv_token_encryption_alg_values_supported
  nfv_token_encryption_enc_values_supported userinfo_endpoint acr_values_supported subject_types_supported
  id_token_signing_alg_values_supported id_token_encryption_alg_values_supported
  id_token_encryption_enc_values_supported userinfo_signing_alg_values_supported
  userinfo_encryption_alg_values_supported userinfo_encryption_enc_values_supported
  request_object_signing_alg_values_supported request_object_encryption_alg_values_supported
  request_object_encryption_enc_values_supported display_values_supported claim_types_supported claims_supported
  claims_locales_supported claims_parameter_supported request_parameter_supported request_uri_parameter_supported
  require_request_uri_registration require_signed_request_object pushed_authorization_request_endpoint
  require_pushed_authorization_requests introspection_signing_alg_values_supported
  introspection_encryption_alg_values_supported introspection_encryption_enc_values_supported
  authorization_response_iss_parameter_supported check_session_iframe frontchannel_logout_supported
  backchannel_logout_supported backchannel_logout_session_supported end_session_endpoint
  backchannel_token_delivery_modes_supported backchannel_authentication_endpoint
  backchannel_authentication_request_signing_alg_values_supported backchannel_user_code_parameter_supported
  dpop_signing_alg_values_supported authorization_details_types_supported prompt_values_supported
  frontchannel_logout_session_supported protected_resources`
    .trim()
    .split(/\s+/),
);

const strings = (value: unknown): string[] => {
  expect(value).toBeArray();
  const list = value as string[];
  expect(list.length).toBeGreaterThan(0);
  expect(list.every((one) => typeof one === "string" && one !== "")).toBe(true);
  return list;
};

test("oidcc-discovery-endpoint-verification", async () => {
  const metadata: Json = await discovery(suite);
  expect(metadata.issuer).toBe(ISSUER);
  expect(Object.keys(metadata).filter((key) => !REGISTERED.has(key))).toEqual([]);

  expect(strings(metadata.response_types_supported)).toContain("code");
  expect(strings(metadata.subject_types_supported)).toContain("public");
  // OpenID Discovery §3: RS256 must be included.
  expect(strings(metadata.id_token_signing_alg_values_supported)).toContain("RS256");
  expect(strings(metadata.scopes_supported)).toContain("openid");
  expect(strings(metadata.claims_supported)).toContain("sub");
  strings(metadata.grant_types_supported);
  expect(strings(metadata.code_challenge_methods_supported)).toEqual(["S256"]);
  for (const locale of strings(metadata.ui_locales_supported))
    expect(Intl.getCanonicalLocales(locale)).toEqual([locale]);

  for (const name of ["authorization_endpoint", "token_endpoint", "userinfo_endpoint"])
    expect(metadata).toContainKey(name);
  for (const [key, value] of Object.entries(metadata)) {
    if (key.endsWith("_endpoint") || key.endsWith("_uri"))
      expect({ key, value }).toEqual({ key, value: expect.stringMatching(/^https:\/\//) });
    if (Array.isArray(value)) expect({ key, length: value.length }).not.toEqual({ key, length: 0 });
  }

  const jwks = await suite.server.call("GET", metadata.jwks_uri.slice(ISSUER.length));
  expect(jwks.status).toBe(200);
  const algorithms = jwks.body.keys.map(({ alg }: { alg: string }) => alg);
  expect(algorithms).toContain("RS256");
  expect(algorithms).toContain("ES256");
});

test("oidcc-discovery-endpoint-verification: what it names is there", async () => {
  const metadata = await discovery(suite);
  const endpoints = Object.entries(metadata).filter(([key]) => key.endsWith("_endpoint"));
  expect(endpoints.length).toBeGreaterThanOrEqual(9);
  for (const [key, url] of endpoints) {
    const { status } = await suite.server.call("OPTIONS", url.slice(ISSUER.length), {
      headers: { origin: "https://app.example", "access-control-request-method": "POST" },
    });
    expect({ key, status }).not.toEqual({ key, status: 404 });
  }
});
