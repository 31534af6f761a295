import { t } from "elysia";
import { ListQuery, Page } from "../../platform/http/page.ts";
import { ScopeToken } from "../principals/model.ts";

const Uuid = t.String({ format: "uuid" });
const Instant = t.String({ format: "date-time" });
const Text = t.String();
const Uri = t.String({ minLength: 1, maxLength: 2048 });
const Uris = t.Array(Uri, { maxItems: 50 });
const nullable = <T extends ReturnType<typeof t.String>>(type: T) => t.Union([type, t.Null()]);

const Type = t.Union([t.Literal("confidential"), t.Literal("public")]);
const Algorithm = t.Union([t.Literal("RS256"), t.Literal("ES256")]);
const AuthMethod = t.Union([
  t.Literal("client_secret_basic"),
  t.Literal("client_secret_post"),
  t.Literal("private_key_jwt"),
  t.Literal("none"),
  t.Null(),
]);
export const Jwks = t.Object({
  keys: t.Array(t.Record(t.String({ maxLength: 64 }), t.Unknown()), { minItems: 1, maxItems: 20 }),
});

export const Client = t.Object({
  id: t.String({
    format: "uuid",
    description: "Of the registration; `client_id` names the client",
  }),
  tenant_id: Uuid,
  client_id: Text,
  type: Type,
  name: Text,
  redirect_uris: t.Array(Text),
  post_logout_uris: t.Array(Text),
  grant_types: t.Array(Text),
  scopes: t.Array(Text),
  registration: t.Union([t.Literal("admin"), t.Literal("dynamic")]),
  require_pkce: t.Boolean(),
  require_par: t.Boolean(),
  id_token_signed_response_alg: Algorithm,
  token_endpoint_auth_method: AuthMethod,
  require_membership: t.Boolean(),
  self_registration: t.Boolean(),
  logout_requires_confirmation: t.Boolean(),
  dpop_bound_access_tokens: t.Boolean(),
  refresh_reuse_leeway_seconds: t.Integer(),
  jwks: t.Union([t.Object({ keys: t.Array(t.Record(t.String(), t.Unknown())) }), t.Null()]),
  jwks_uri: nullable(Text),
  backchannel_logout_uri: nullable(Text),
  backchannel_logout_session_required: t.Boolean(),
  client_uri: nullable(Text),
  logo_uri: nullable(Text),
  policy_uri: nullable(Text),
  tos_uri: nullable(Text),
  created_at: Instant,
  updated_at: Instant,
});

export const ClientPage = Page(Client);

export const ClientQuery = t.Object({
  ...ListQuery.properties,
  limit: t.Optional(t.String({ description: "1 to 200 rows; 1000 when absent or not a number" })),
});

const Name = t.String({ minLength: 1, maxLength: 200 });
const Scopes = t.Array(ScopeToken, {
  maxItems: 100,
  description: "What it may ask for. Keys of permissions only as far as you hold them.",
});

/** All that may be chosen, at creation and later. */
const optionalMembers = {
  redirect_uris: t.Optional(Uris),
  post_logout_uris: t.Optional(Uris),
  grant_types: t.Optional(t.Array(t.String({ maxLength: 128 }), { maxItems: 10 })),
  scopes: t.Optional(Scopes),
  require_pkce: t.Optional(
    t.Boolean({
      description: "RFC 7636. Default: true for public clients, which can't do without",
    }),
  ),
  require_par: t.Optional(
    t.Boolean({ description: "RFC 9126: refuse requests that were not pushed. Default: false" }),
  ),
  id_token_signed_response_alg: t.Optional(Algorithm),
  token_endpoint_auth_method: t.Optional(AuthMethod),
  require_membership: t.Optional(
    t.Boolean({
      description: "Only members of the tenant may sign in. Default: unless `self_registration`",
    }),
  ),
  self_registration: t.Optional(
    t.Boolean({ description: "Who has no account may make one. Default: false" }),
  ),
  logout_requires_confirmation: t.Optional(
    t.Boolean({ description: "Ask before signing out without an `id_token_hint`. Default: false" }),
  ),
  dpop_bound_access_tokens: t.Optional(t.Boolean({ description: "RFC 9449 §5.2. Default: false" })),
  refresh_reuse_leeway_seconds: t.Optional(
    t.Integer({
      minimum: 0,
      maximum: 30,
      description: "How long a used refresh token still works. Default: 10; public clients: 0",
    }),
  ),
  jwks: t.Optional(t.Union([Jwks, t.Null()])),
  jwks_uri: t.Optional(nullable(Uri)),
  backchannel_logout_uri: t.Optional(nullable(Uri)),
  backchannel_logout_session_required: t.Optional(t.Boolean()),
  client_uri: t.Optional(nullable(Uri)),
  logo_uri: t.Optional(nullable(Uri)),
  policy_uri: t.Optional(nullable(Uri)),
  tos_uri: t.Optional(nullable(Uri)),
};

export const CreateClient = t.Object({
  tenant_id: t.Optional(t.String({ format: "uuid", description: "The credential's, if given" })),
  name: Name,
  type: t.Optional(Type),
  ...optionalMembers,
});

export const UpdateClient = t.Object({ name: t.Optional(Name), ...optionalMembers });

const secretMembers = {
  client_secret: t.String({ description: "Not shown again" }),
  warning: Text,
};

export const CreatedClient = t.Object({
  client: Client,
  client_secret: t.Optional(
    t.String({ description: "For clients that need one. Not shown again" }),
  ),
  warning: t.Optional(Text),
  id: Uuid,
  client_id: Text,
});

export const RotateClientSecret = t.Object({
  grace_seconds: t.Optional(
    t.Integer({ minimum: 0, maximum: 86_400, description: "How long the old secret still works" }),
  ),
});

export const RotatedClientSecret = t.Object(secretMembers);

/** Members of a form by which a client says who it is. */
export const clientAuthFields = {
  client_id: t.Optional(t.String({ maxLength: 128 })),
  client_secret: t.Optional(t.String({ maxLength: 512 })),
  client_assertion: t.Optional(t.String({ maxLength: 8192, description: "RFC 7523 §2.2" })),
  client_assertion_type: t.Optional(t.String({ maxLength: 128 })),
};
