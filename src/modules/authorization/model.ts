import { t } from "elysia";

const text = (description: string) => t.Optional(t.String({ description }));

/**
 * A form of the authorization endpoint. Limits and presence are the endpoint's own to check: what is wrong with a request
 * goes to the client, and not into a refusal by the kernel.
 */
export const AuthorizeForm = t.Object({
  client_id: text("Of a registered client"),
  redirect_uri: text("Byte for byte one that the client has registered"),
  response_type: text("`code`"),
  response_mode: text("`query` (the default) or `form_post`"),
  scope: text("Separated by spaces; `openid` for an ID token"),
  state: text("Comes back unchanged; at most 2048 characters"),
  nonce: text("Stands in the ID token; at most 2048 characters"),
  code_challenge: text("RFC 7636"),
  code_challenge_method: text("`S256`"),
  prompt: text("`none`, or any of `login`, `consent`, `select_account`"),
  max_age: text("Seconds since the user signed in, at most"),
  id_token_hint: text("An ID token of the user who is expected"),
  login_hint: text("What the user may sign in with"),
  acr_values: text("Preferred classes of authentication, the best first"),
  claims: text("OpenID Connect Core §5.5, JSON"),
  display: text("`page`, `popup`, `touch` or `wap`"),
  ui_locales: text("Languages, the best first"),
  resource: t.Optional(t.Array(t.String(), { description: "RFC 8707; may stand more than once" })),
  dpop_jkt: text("RFC 9449 §10: thumbprint of the key that the code is bound to"),
  request: text("Refused: `request_not_supported`"),
  request_uri: text("One that `POST /v1/oauth/par` gave; others are refused"),
  registration: text("Refused: `registration_not_supported`"),
});

const STRING = { type: "string" } as const;
const REQUIRED = ["client_id", "redirect_uri", "response_type"];

/** The same, for the document of the GET, whose query no schema may refuse. */
export const authorizeParameters = [
  ...Object.entries(AuthorizeForm.properties).map(([name, { description, type }]) => ({
    name,
    in: "query",
    required: REQUIRED.includes(name),
    description,
    schema: type === "array" ? { type, items: STRING } : STRING,
  })),
  {
    name: "request_id",
    in: "query",
    required: false,
    description: "Brings a request back that waits here: all other parameters are the stored ones",
    schema: STRING,
  },
];

export const FormPostPage = t.String({
  description: "`form_post`: a page that sends the answer to the client",
  contentMediaType: "text/html",
});

const bounded = (description?: string) =>
  t.Optional(t.String({ maxLength: 8192, ...(description !== undefined && { description }) }));

/** Both shapes that pages send, and any mix of them (contract 03 §7.4). */
export const DecisionForm = t.Object({
  request_id: bounded("The request; or what it holds, as the other members have it"),
  decision: t.Optional(t.Union([t.Literal("allow"), t.Literal("deny")])),
  approve: t.Optional(t.Boolean({ description: "The same as `decision`" })),
  client_id: bounded(),
  redirect_uri: bounded(),
  scope: bounded(),
  state: bounded(),
  nonce: bounded(),
  code_challenge: bounded(),
  code_challenge_method: bounded(),
});

export const DecisionAnswer = t.Object({
  redirect: t.String({ description: "Where the browser goes next" }),
});

export const LoginContextQuery = t.Object({
  request_id: bounded("A request that waits"),
  client_id: bounded("A client"),
});

export const LoginContext = t.Object({
  request_id: t.Optional(t.String()),
  client_id: t.String(),
  client_name: t.String(),
  tenant_id: t.String({ format: "uuid" }),
  providers: t.Array(t.String(), { description: "Social sign-in, by name" }),
  scopes: t.Array(t.String(), { description: "Of the request" }),
  login_hint: t.Optional(t.String()),
  prompt: t.Optional(t.String()),
  ui_locales: t.Optional(t.String()),
  locale: t.String({ description: "The language of our own pages, for this browser" }),
  methods: t.Object({ password: t.Boolean(), passkey: t.Boolean(), magic_link: t.Boolean() }),
  self_registration_enabled: t.Boolean(),
  remember_device_enabled: t.Boolean(),
  branding: t.Union([
    t.Null(),
    t.Object({
      logo_url: t.Optional(t.String()),
      primary_color: t.Optional(t.String()),
      secondary_color: t.Optional(t.String()),
    }),
  ]),
});

export const PushedAnswer = t.Object({
  request_uri: t.String({ description: "For the authorization endpoint, once" }),
  expires_in: t.Integer({ description: "Seconds" }),
});
