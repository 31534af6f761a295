import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { providerMetadata } from "../../src/modules/oidc/service.ts";
import { principal } from "../introspection/support.ts";
import { postForm, startProvider, type TestProvider } from "../support/provider.ts";

let site: TestProvider;
beforeAll(async () => {
  site = await startProvider();
});
afterAll(() => site.stop());

const OPENID = "/.well-known/openid-configuration";
const OAUTH = "/.well-known/oauth-authorization-server";
const RESOURCE = "/.well-known/oauth-protected-resource";

/**
 * IANA "OAuth Authorization Server Metadata" (which takes in OpenID Discovery §3) as far as it is of use here, and the
 * lists of RP-Initiated Logout, Back-Channel Logout and Initiating User Registration. The conformance suite warns about
 * any other key.
 */
const REGISTERED = new Set(
  `issuer authorization_endpoint token_endpoint jwks_uri registration_endpoint scopes_supported response_types_supported
  response_modes_supported grant_types_supported token_endpoint_auth_methods_supported
  token_endpoint_auth_signing_alg_values_supported service_documentation ui_locales_supported op_policy_uri op_tos_uri
  revocation_endpoint revocation_endpoint_auth_methods_supported revocation_endpoint_auth_signing_alg_values_supported
  introspection_endpoint introspection_endpoint_auth_methods_supported
  introspection_endpoint_auth_signing_alg_values_supported code_challenge_methods_supported signed_metadata
  device_authorization_endpoint userinfo_endpoint acr_values_supported subject_types_supported
  id_token_signing_alg_values_supported id_token_encryption_alg_values_supported userinfo_signing_alg_values_supported
  request_object_signing_alg_values_supported display_values_supported claim_types_supported claims_supported
  claims_locales_supported claims_parameter_supported request_parameter_supported request_uri_parameter_supported
  require_request_uri_registration require_signed_request_object pushed_authorization_request_endpoint
  require_pushed_authorization_requests authorization_response_iss_parameter_supported check_session_iframe
  frontchannel_logout_supported backchannel_logout_supported frontchannel_logout_session_supported
  backchannel_logout_session_supported end_session_endpoint dpop_signing_alg_values_supported protected_resources
  prompt_values_supported`.split(/\s+/),
);

const EVERY_ROUTE = () => true;
const document = async () => (await site.call("GET", OPENID)).body;

describe.each([OPENID, OAUTH, RESOURCE])("GET %s", (path) => {
  test("01 §7, 03 §2: for any origin without credentials, kept for five minutes", async () => {
    const { status, headers } = await site.call("GET", path, {
      headers: { origin: "https://rp.example.org" },
    });
    expect(status).toBe(200);
    expect(headers.get("content-type")).toContain("application/json");
    expect(headers.get("cache-control")).toBe("public, max-age=300");
    expect(headers.get("access-control-allow-origin")).toBe("*");
    expect(headers.get("access-control-allow-credentials")).toBeNull();
    expect(headers.get("set-cookie")).toBeNull();
  });

  test("other verbs: 405", async () => {
    const answer = await site.call("POST", path, { body: {} });
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")).toContain("GET");
  });

  test("no bucket: every relying party asks", async () => {
    for (let i = 0; i < 40; i += 1) expect((await site.call("GET", path)).status).toBe(200);
  });

  test("03 §17: Host: evil on discovery and authorize: every URL is PUBLIC_URL's", async () => {
    const { body } = await site.call("GET", path, {
      headers: { host: "evil.example", "x-forwarded-host": "evil.example" },
    });
    expect(JSON.stringify(body)).not.toContain("evil");
    expect(body).toEqual((await site.call("GET", path)).body);
    expect(body.issuer ?? body.resource).toBe(site.base);
  });
});

describe("Discovery §3, RFC 8414 §2", () => {
  test("both documents are one", async () => {
    expect((await site.call("GET", OAUTH)).body).toEqual(await document());
  });

  test("§56: whatever it names is there", async () => {
    const found = await document();
    const paths = new Set(site.app.routes.map((route) => route.path));
    const named = Object.entries(found).filter(([key]) =>
      /_(?:endpoint|uri|documentation)$/.test(key),
    );
    expect(named.length).toBeGreaterThan(9);
    for (const [key, value] of named) {
      const url = new URL(value as string);
      expect([key, url.origin]).toEqual([key, site.base]);
      expect([key, paths.has(url.pathname)]).toEqual([key, true]);
    }
  });

  test("§56: and what is there is named", async () => {
    const found: Record<string, string> = await document();
    const names: Record<string, string> = {
      "/v1/oauth/authorize": "authorization_endpoint",
      "/v1/oauth/token-code": "token_endpoint",
      "/v1/oauth/userinfo": "userinfo_endpoint",
      "/oauth/introspect": "introspection_endpoint",
      "/oauth/revoke": "revocation_endpoint",
      "/v1/oauth/logout": "end_session_endpoint",
      "/v1/oauth/par": "pushed_authorization_request_endpoint",
      "/v1/oauth/device_authorization": "device_authorization_endpoint",
    };
    for (const { path } of site.app.routes) {
      const name = names[path];
      if (name !== undefined) expect([name, found[name]]).toEqual([name, site.base + path]);
    }
  });

  test.each([
    [
      "of all there may be",
      providerMetadata({ ...config(), dynamicRegistration: true }, EVERY_ROUTE),
    ],
    ["of a server without routes", providerMetadata(config(), () => false)],
  ])("only registered keys, no empty list, no null: %s", (_, metadata) => {
    for (const [key, value] of Object.entries(metadata)) {
      expect([key, REGISTERED.has(key)]).toEqual([key, true]);
      expect(value).not.toBeNull();
      if (Array.isArray(value)) {
        expect(value.length).toBeGreaterThan(0);
        expect(new Set(value).size).toBe(value.length);
      }
    }
  });

  test("every key of 03 §4", () => {
    const all = providerMetadata(config(), EVERY_ROUTE);
    expect(all).toMatchObject({
      issuer: "https://id.example",
      authorization_endpoint: "https://id.example/v1/oauth/authorize",
      token_endpoint: "https://id.example/v1/oauth/token-code",
      userinfo_endpoint: "https://id.example/v1/oauth/userinfo",
      jwks_uri: "https://id.example/.well-known/jwks.json",
      revocation_endpoint: "https://id.example/oauth/revoke",
      introspection_endpoint: "https://id.example/oauth/introspect",
      end_session_endpoint: "https://id.example/v1/oauth/logout",
      response_types_supported: ["code"],
      response_modes_supported: ["query", "form_post"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["ES256", "RS256"],
      scopes_supported: ["openid", "profile", "email", "address", "phone", "offline_access"],
      code_challenge_methods_supported: ["S256"],
      claims_parameter_supported: true,
      claim_types_supported: ["normal"],
      request_parameter_supported: false,
      request_uri_parameter_supported: false,
      acr_values_supported: ["urn:qeet:acr:1fa", "urn:qeet:acr:2fa", "phr"],
      prompt_values_supported: ["none", "login", "consent", "select_account"],
      display_values_supported: ["page", "popup"],
      authorization_response_iss_parameter_supported: true,
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
    });
    const secrets = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
    expect(all.token_endpoint_auth_methods_supported).toEqual([...secrets, "none"]);
    expect(all.revocation_endpoint_auth_methods_supported).toEqual([...secrets, "none"]);
    expect(all.introspection_endpoint_auth_methods_supported).toEqual(secrets);
    for (const grant of ["authorization_code", "client_credentials", "refresh_token"])
      expect(all.grant_types_supported).toContain(grant);
    const claims =
      "sub iss aud exp iat auth_time nonce acr amr at_hash sid tenant_id email name address";
    for (const claim of claims.split(" ")) expect(all.claims_supported).toContain(claim);
    expect(all.registration_endpoint).toBeUndefined();
    for (const locale of all.ui_locales_supported!)
      expect(Intl.getCanonicalLocales(locale)).toEqual([locale]);
  });

  test("the token endpoint knows every grant that is listed", async () => {
    const machine = await principal(site, await site.signUp());
    for (const grant_type of (await document()).grant_types_supported) {
      const { body } = await postForm(site, "/v1/oauth/token-code", machine, { grant_type });
      expect([grant_type, body.error]).not.toEqual([grant_type, "unsupported_grant_type"]);
    }
    const unknown = { grant_type: "password" };
    const { body } = await postForm(site, "/v1/oauth/token-code", machine, unknown);
    expect(body.error).toBe("unsupported_grant_type");
  });

  test("registration is named once it is switched on", () => {
    const open = providerMetadata({ ...config(), dynamicRegistration: true }, EVERY_ROUTE);
    expect(open.registration_endpoint).toBe("https://id.example/v1/oauth/register");
  });
});

function config() {
  return {
    publicUrl: "https://id.example",
    jwtIssuer: "https://id.example",
    dynamicRegistration: false,
  };
}

describe("RFC 9728", () => {
  test("§2: the resource, and who gives tokens for it", async () => {
    const { body } = await site.call("GET", RESOURCE);
    expect(body).toMatchObject({
      resource: site.base,
      authorization_servers: [site.base],
      bearer_methods_supported: ["header"],
      resource_signing_alg_values_supported: ["ES256"],
    });
    expect(body.scopes_supported).toContain("openid");
    expect((await document()).protected_resources).toEqual([body.resource]);
  });

  test.each([
    ["nothing", undefined],
    ["a token that is none", "Bearer x"],
  ])("§5.1: a 401 for %s says where that stands", async (_, as) => {
    const { status, headers } = await site.call("GET", "/v1/auth/me", { as });
    expect(status).toBe(401);
    const challenge = headers.get("www-authenticate")!;
    const [, url] = /resource_metadata="([^"]+)"/.exec(challenge) ?? [];
    expect(url).toBe(`${site.base}${RESOURCE}`);
    expect((await fetch(url!)).status).toBe(200);
  });
});
