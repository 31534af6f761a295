import { t } from "elysia";
import { clientAuthFields } from "../clients/model.ts";

/** An access token of ours, however many scopes and resources it has, is shorter. */
const token = t.String({ minLength: 1, maxLength: 32_768 });
const tokenTypeHint = t.Optional(
  t.String({
    maxLength: 128,
    description: "`access_token` or `refresh_token`; both are looked for, whatever it says",
  }),
);

export const TokenForm = t.Object({ token, token_type_hint: tokenTypeHint, ...clientAuthFields });

/** What is opaque is base64url alone. */
export const isJwt = (token: string): boolean => token.includes(".");

const text = t.Optional(t.String());
const seconds = t.Optional(t.Integer());

/** RFC 7662 §2.2. Nothing but `active` for a token that is not good, or none of the asking client's business. */
export const Introspection = t.Object({
  active: t.Boolean(),
  token_type: t.Optional(
    t.String({ description: "`Bearer`, `DPoP` (RFC 9449 §6.2) or `refresh_token`" }),
  ),
  sub: text,
  username: t.Optional(t.String({ description: "E-mail address of the user" })),
  scope: text,
  client_id: text,
  tenant_id: text,
  sid: text,
  iss: text,
  aud: t.Optional(t.Union([t.String(), t.Array(t.String())])),
  exp: seconds,
  iat: seconds,
  nbf: seconds,
  jti: text,
  actor_type: t.Optional(t.String({ description: "`user` or `service`" })),
  cnf: t.Optional(t.Object({ jkt: t.String() })),
  act: t.Optional(t.Object({ sub: t.String() })),
});
export type IntrospectionAnswer = typeof Introspection.static;
