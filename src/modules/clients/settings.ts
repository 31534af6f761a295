/** What a client may be registered with: defaults and rules, for administrators and for RFC 7591 alike. */
import type { Config } from "../../config.ts";
import type { TokenAlgorithm } from "../../platform/crypto/keyring.ts";
import { invalidField } from "../../platform/errors.ts";
import type { OAuthClient } from "../../platform/oauth-client.ts";
import { foldKey, PERMISSIONS } from "../../platform/permissions.ts";
import { faultOfJwks } from "./jwks.ts";
import { faultOfFetched, faultOfLink, faultOfRedirectUri } from "./uris.ts";

/** All of a client that somebody chooses. */
export type ClientSettings = Omit<
  OAuthClient,
  "kind" | "id" | "clientId" | "tenantId" | "tenantName" | "registration"
>;

export type ClientInput = { [K in keyof ClientSettings]?: ClientSettings[K] | undefined };

export const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";
export const EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange";
export const GRANT_TYPES: readonly string[] = [
  "authorization_code",
  "refresh_token",
  "client_credentials",
  DEVICE_GRANT,
  EXCHANGE_GRANT,
];
/** Short names that clients of this API send (contract 03 §16). */
const ALIASES: Readonly<Record<string, string>> = {
  device_code: DEVICE_GRANT,
  token_exchange: EXCHANGE_GRANT,
};
const DEFAULT_GRANTS = ["authorization_code", "refresh_token"];
const DEFAULT_SCOPES = ["openid", "profile", "email"];
/** Contract 00 §8, for parallel refreshes of one server. */
const CONFIDENTIAL_LEEWAY_SECONDS = 10;

/** A new client's settings. Throws 422 for what breaks a rule. */
export function newSettings(
  config: Pick<Config, "env">,
  input: ClientInput & { readonly name: string },
): ClientSettings {
  const type = input.type ?? "confidential";
  const isPublic = type === "public";
  const selfRegistration = input.selfRegistration ?? false;
  const algorithm: TokenAlgorithm = "RS256";
  const defaults: ClientSettings = {
    type,
    name: input.name,
    redirectUris: [],
    postLogoutUris: [],
    grantTypes: DEFAULT_GRANTS,
    scopes: DEFAULT_SCOPES,
    requirePkce: isPublic,
    requirePar: false,
    // Contract 00 §30.
    idTokenAlg: algorithm,
    tokenEndpointAuthMethod: null,
    // Contract 00 §27.
    requireMembership: !selfRegistration,
    selfRegistration,
    logoutRequiresConfirmation: false,
    dpopBoundAccessTokens: false,
    refreshReuseLeewaySeconds: isPublic ? 0 : CONFIDENTIAL_LEEWAY_SECONDS,
    jwks: null,
    jwksUri: null,
    backchannelLogoutUri: null,
    backchannelLogoutSessionRequired: false,
    clientUri: null,
    logoUri: null,
    policyUri: null,
    tosUri: null,
  };
  const { grantTypes, scopes, ...rest } = input;
  return settle(config, defaults, {
    ...rest,
    // Contract 03 §5: empty lists mean the defaults, at creation.
    ...(grantTypes?.length && { grantTypes }),
    ...(scopes?.length && { scopes }),
  });
}

/** `base` with what `input` changes. Throws 422 for what breaks a rule. */
export function settle(
  config: Pick<Config, "env">,
  base: ClientSettings,
  input: ClientInput,
): ClientSettings {
  const given = Object.entries(input).filter(([, value]) => value !== undefined);
  const merged: ClientSettings = { ...base, ...Object.fromEntries(given) };
  const settings: ClientSettings = {
    ...merged,
    name: merged.name.trim(),
    redirectUris: unique(merged.redirectUris),
    postLogoutUris: unique(merged.postLogoutUris),
    grantTypes: unique(merged.grantTypes.map((grant) => ALIASES[grant] ?? grant)),
    scopes: unique(merged.scopes),
  };
  assertRules(settings);
  assertUris(config, settings);
  return settings;
}

/** Whether it authenticates with a secret. */
export const needsSecret = ({ type, tokenEndpointAuthMethod: method }: ClientSettings): boolean =>
  type === "confidential" && method !== "private_key_jwt";

const CATALOGUE: ReadonlySet<string> = new Set(PERMISSIONS);

/** Contract 00 §18: who registers itself never manages this server. Throws 422. */
export function assertNoManagementScope(scopes: readonly string[]): void {
  const manages = (scope: string) =>
    scope === "*" || CATALOGUE.has(foldKey(scope)) || /^platform(\.|$)/i.test(foldKey(scope));
  const found = scopes.find(manages);
  if (found !== undefined)
    throw invalidField(
      "scopes",
      "not_allowed",
      `scope ${found} is not for clients that register themselves`,
    );
}

const unique = (list: readonly string[]) => [...new Set(list)];

function assertRules(settings: ClientSettings): void {
  const { name, type, grantTypes, tokenEndpointAuthMethod: method, jwks, jwksUri } = settings;
  const isPublic = type === "public";
  if (name === "") throw invalidField("name", "required", "name is required");
  const unknown = grantTypes.find((grant) => !GRANT_TYPES.includes(grant));
  if (unknown !== undefined)
    throw refused("grant_types", `grant_types: ${GRANT_TYPES.join(", ")} are known`);
  if (isPublic && grantTypes.includes("client_credentials"))
    throw refused("grant_types", "grant_types: client_credentials is for confidential clients");
  if (isPublic ? method !== null && method !== "none" : method === "none")
    throw refused(
      "token_endpoint_auth_method",
      "token_endpoint_auth_method must be none for public clients, and for them alone",
    );
  // RFC 9700 §2.1.1: public clients MUST use PKCE.
  if (isPublic && !settings.requirePkce)
    throw refused("require_pkce", "require_pkce must be true for public clients");
  if (isPublic && settings.refreshReuseLeewaySeconds > 0)
    throw refused(
      "refresh_reuse_leeway_seconds",
      "refresh_reuse_leeway_seconds must be 0 for public clients",
    );
  // RFC 7591 §2: both MUST NOT be present.
  if (jwks !== null && jwksUri !== null)
    throw refused("jwks_uri", "jwks_uri: set either jwks or jwks_uri, and the other one to null");
  if (method === "private_key_jwt" && jwks === null && jwksUri === null)
    throw invalidField("jwks", "required", "jwks or jwks_uri is required for private_key_jwt");
  const fault = jwks === null ? undefined : faultOfJwks(jwks);
  if (fault !== undefined) throw invalidField("jwks", "invalid", `jwks ${fault}`);
}

function assertUris(config: Pick<Config, "env">, settings: ClientSettings): void {
  const isPublic = settings.type === "public";
  const lists = { redirect_uris: settings.redirectUris, post_logout_uris: settings.postLogoutUris };
  for (const [field, uris] of Object.entries(lists))
    for (const uri of uris) refuse(field, faultOfRedirectUri(uri, { isPublic }), ": an entry");
  const fetched = {
    jwks_uri: settings.jwksUri,
    backchannel_logout_uri: settings.backchannelLogoutUri,
    logo_uri: settings.logoUri,
  };
  for (const [field, uri] of Object.entries(fetched))
    if (uri !== null) refuse(field, faultOfFetched(uri, config));
  const links = {
    client_uri: settings.clientUri,
    policy_uri: settings.policyUri,
    tos_uri: settings.tosUri,
  };
  for (const [field, uri] of Object.entries(links))
    if (uri !== null) refuse(field, faultOfLink(uri, config));
}

function refuse(field: string, fault: string | undefined, which = ""): void {
  if (fault !== undefined) throw invalidField(field, "invalid_url", `${field}${which} ${fault}`);
}

const refused = (field: string, message: string) => invalidField(field, "not_allowed", message);
