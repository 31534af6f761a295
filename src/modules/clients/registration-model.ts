/** RFC 7591 and 7592 in their own words. */
import { type TSchema, t } from "elysia";
import { AppError, OAuthError } from "../../platform/errors.ts";
import { compileCheck } from "../../platform/http/check.ts";
import { Jwks } from "./model.ts";

const Text = (maxLength: number) => t.Optional(t.String({ minLength: 1, maxLength }));
const Uri = Text(2048);
const Uris = t.Optional(t.Array(t.String({ minLength: 1, maxLength: 2048 }), { maxItems: 50 }));
const Names = t.Optional(t.Array(t.String({ minLength: 1, maxLength: 128 }), { maxItems: 10 }));

const metadataMembers = {
  redirect_uris: Uris,
  token_endpoint_auth_method: t.Optional(
    t.Union([
      t.Literal("client_secret_basic"),
      t.Literal("client_secret_post"),
      t.Literal("private_key_jwt"),
      t.Literal("none"),
    ]),
  ),
  grant_types: Names,
  response_types: Names,
  client_name: Text(200),
  client_uri: Uri,
  logo_uri: Uri,
  scope: t.Optional(t.String({ maxLength: 13_000 })),
  tos_uri: Uri,
  policy_uri: Uri,
  jwks_uri: Uri,
  jwks: t.Optional(Jwks),
  id_token_signed_response_alg: t.Optional(t.Union([t.Literal("RS256"), t.Literal("ES256")])),
  subject_type: t.Optional(t.Literal("public")),
  post_logout_redirect_uris: Uris,
  backchannel_logout_uri: Uri,
  backchannel_logout_session_required: t.Optional(t.Boolean()),
  require_pushed_authorization_requests: t.Optional(t.Boolean()),
  dpop_bound_access_tokens: t.Optional(t.Boolean()),
};
const Metadata = t.Object(metadataMembers);
export type Metadata = typeof Metadata.static;

const updateMembers = {
  ...metadataMembers,
  client_id: t.String({ maxLength: 128 }),
  client_secret: t.Optional(t.String({ maxLength: 512 })),
};
const Update = t.Object(updateMembers);

/**
 * What the document shows of a body whose members are judged here, not by the kernel: RFC 7591 §3.2.2 has its own words
 * for a bad one.
 */
const told = (members: Record<string, TSchema>) =>
  t.Object(
    Object.fromEntries(
      Object.entries(members).map(([name, schema]) => [name, t.Optional(t.Any({ ...schema }))]),
    ),
  );
export const RegisterBody = told(metadataMembers);
export const UpdateBody = told(updateMembers);

// RFC 7591 §2: members that are not understood are ignored.
const checkMetadata = compileCheck(Metadata, { open: true });
const checkUpdate = compileCheck(Update, { open: true });

/** Throws OAuthError `invalid_redirect_uri` or `invalid_client_metadata`. */
export const readMetadata = (body: unknown): Metadata =>
  inTheirWords(() => {
    checkMetadata(body);
    return body as Metadata; // as checked
  });

/** Throws as `readMetadata`. */
export const readUpdate = (body: unknown): typeof Update.static =>
  inTheirWords(() => {
    checkUpdate(body);
    return body as typeof Update.static; // as checked
  });

/** Runs `work`, and says a refusal of a member as RFC 7591 §3.2.2 does. */
export function inTheirWords<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof AppError) || error instanceof OAuthError) throw error;
    const detail = (error.detail ?? "").replace("post_logout_uris", "post_logout_redirect_uris");
    const isRedirect = /\bredirect_uris\b/.test(detail);
    const code = isRedirect ? "invalid_redirect_uri" : "invalid_client_metadata";
    throw new OAuthError(code, detail, { cause: error });
  }
}

export const Registration = t.Object({
  client_id: t.String(),
  client_secret: t.Optional(t.String({ description: "Not shown again" })),
  client_secret_expires_at: t.Optional(t.Integer({ description: "0: never" })),
  client_id_issued_at: t.Integer({ description: "Unix seconds" }),
  registration_access_token: t.String({ description: "RFC 7592 §3" }),
  registration_client_uri: t.String(),
  client_name: t.String(),
  redirect_uris: t.Array(t.String()),
  post_logout_redirect_uris: t.Array(t.String()),
  token_endpoint_auth_method: t.String(),
  grant_types: t.Array(t.String()),
  response_types: t.Array(t.String()),
  scope: t.String(),
  subject_type: t.Literal("public"),
  id_token_signed_response_alg: t.String(),
  require_pushed_authorization_requests: t.Boolean(),
  dpop_bound_access_tokens: t.Boolean(),
  backchannel_logout_session_required: t.Boolean(),
  backchannel_logout_uri: t.Optional(t.String()),
  jwks: t.Optional(t.Object({ keys: t.Array(t.Record(t.String(), t.Unknown())) })),
  jwks_uri: t.Optional(t.String()),
  client_uri: t.Optional(t.String()),
  logo_uri: t.Optional(t.String()),
  policy_uri: t.Optional(t.String()),
  tos_uri: t.Optional(t.String()),
});
