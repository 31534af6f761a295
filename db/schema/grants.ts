import {
  bool,
  id,
  index,
  instant,
  int,
  json,
  primaryKey,
  table,
  text,
  uniqueIndex,
} from "../kit.ts";
import { oidcClients } from "./clients.ts";
import { tenants } from "./tenants.ts";
import { users } from "./users.ts";

/** The `claims` parameter (OpenID Connect Core 1.0 §5.5). */
export type ClaimsRequest = Record<string, Record<string, unknown>>;

const client = () =>
  id()
    .notNull()
    .references(() => oidcClients.id, { onDelete: "cascade" });
const user = () =>
  id()
    .notNull()
    .references(() => users.id, { onDelete: "cascade" });
const tenant = () =>
  id()
    .notNull()
    .references(() => tenants.id, { onDelete: "cascade" });

/** Authorization codes that nobody has redeemed yet: redeeming one deletes it and writes its hash to the grant. */
export const oidcAuthorizationCodes = table(
  "oidc_authorization_codes",
  {
    codeHash: text().primaryKey(),
    clientRowId: client(),
    userId: user(),
    tenantId: tenant(),
    redirectUri: text().notNull(),
    scopes: json<string[]>().notNull(),
    nonce: text(),
    /** S256 always. */
    codeChallenge: text(),
    /** RFC 9449 §10: thumbprint of the key that the code is bound to. */
    dpopJkt: text(),
    claims: json<ClaimsRequest>(),
    resources: json<string[]>().notNull(),
    loginSessionId: id().notNull(),
    sid: id().notNull(),
    authTime: instant().notNull(),
    amr: json<string[]>().notNull(),
    acr: text().notNull(),
    failedVerifiers: int().notNull().default(0),
    expiresAt: instant().notNull(),
    createdAt: instant().notNull(),
  },
  (t) => [
    index("oidc_authorization_codes_expires_at_idx").on(t.expiresAt),
    index("oidc_authorization_codes_user_id_idx").on(t.userId),
  ],
);

/** One authorization of a client by a user: what a code, a device code or an exchange gave, with all tokens of it. */
export const oauthGrants = table(
  "oauth_grants",
  {
    id: id().primaryKey(),
    clientRowId: client(),
    userId: user(),
    tenantId: tenant(),
    grantType: text().notNull(),
    /** Of the code that it came from: a second redemption finds it here and ends it (RFC 6749 §4.1.2). */
    codeHash: text(),
    scopes: json<string[]>().notNull(),
    nonce: text(),
    claims: json<ClaimsRequest>(),
    resources: json<string[]>().notNull(),
    dpopJkt: text(),
    /** The hosted session that it was given in; it may have ended since. */
    loginSessionId: id(),
    /** One id per hosted session and client. */
    sid: id().notNull(),
    authTime: instant().notNull(),
    amr: json<string[]>().notNull(),
    acr: text().notNull(),
    /** Holds `offline_access`: survives the sign-out. */
    offline: bool().notNull(),
    createdAt: instant().notNull(),
    /** When its last token can have expired: moves with each refresh, up to `endsAt`. */
    expiresAt: instant().notNull(),
    /** Refresh tokens live no longer than this. */
    endsAt: instant().notNull(),
    revokedAt: instant(),
    revokedReason: text(),
  },
  (t) => [
    uniqueIndex("oauth_grants_code_hash_key").on(t.codeHash),
    index("oauth_grants_tenant_id_created_at_id_idx").on(t.tenantId, t.createdAt, t.id),
    index("oauth_grants_user_id_client_row_id_idx").on(t.userId, t.clientRowId),
    index("oauth_grants_client_row_id_created_at_idx").on(t.clientRowId, t.createdAt),
    index("oauth_grants_login_session_id_idx").on(t.loginSessionId),
    index("oauth_grants_sid_idx").on(t.sid),
    index("oauth_grants_expires_at_idx").on(t.expiresAt),
  ],
);

export const oidcRefreshTokens = table(
  "oidc_refresh_tokens",
  {
    id: id().primaryKey(),
    grantId: id()
      .notNull()
      .references(() => oauthGrants.id, { onDelete: "cascade" }),
    tokenHash: text().notNull(),
    /** The token that this one was given for. */
    parentId: id(),
    /** Others were given for the same parent, within the leeway: when one is rotated the rest die after it. */
    hasSiblings: bool().notNull().default(false),
    issuedAt: instant().notNull(),
    expiresAt: instant().notNull(),
    usedAt: instant(),
    /** A sibling was rotated: from then on this one counts as replayed. */
    supersededAt: instant(),
  },
  (t) => [
    uniqueIndex("oidc_refresh_tokens_token_hash_key").on(t.tokenHash),
    index("oidc_refresh_tokens_grant_id_idx").on(t.grantId),
    index("oidc_refresh_tokens_parent_id_idx").on(t.parentId),
    index("oidc_refresh_tokens_expires_at_idx").on(t.expiresAt),
  ],
);

/** Access tokens that were revoked one by one, until they would have expired. */
export const revokedAccessTokens = table(
  "revoked_access_tokens",
  { jti: text().primaryKey(), expiresAt: instant().notNull() },
  (t) => [index("revoked_access_tokens_expires_at_idx").on(t.expiresAt)],
);

/** What a user has allowed a client for good. */
export const oidcConsents = table(
  "oidc_consents",
  {
    userId: user(),
    clientRowId: client(),
    scopes: json<string[]>().notNull(),
    /** Names of single claims, as `userinfo.name`. */
    claims: json<string[]>().notNull(),
    grantedAt: instant().notNull(),
  },
  (t) => [
    primaryKey({ name: "oidc_consents_pkey", columns: [t.userId, t.clientRowId] }),
    index("oidc_consents_client_row_id_idx").on(t.clientRowId),
  ],
);

/** Authorization requests that wait for a person: to sign in, to choose, to consent. */
export const authorizationRequests = table(
  "authorization_requests",
  {
    /** Hash of the `request_id`. */
    requestHash: text().primaryKey(),
    clientRowId: client(),
    parameters: json<Record<string, string | string[]>>().notNull(),
    /** Hash of the cookie of the browser that it came from. */
    browserHash: text(),
    /** Set once a session has answered all that had to be asked but consent. */
    loginSessionId: id(),
    /** `prompt=select_account` was answered. */
    selectedAt: instant(),
    /** Consent was given or refused; the answer goes out when the browser comes back for it. */
    decidedAt: instant(),
    approved: bool(),
    consumedAt: instant(),
    createdAt: instant().notNull(),
    expiresAt: instant().notNull(),
  },
  (t) => [
    index("authorization_requests_login_session_id_idx").on(t.loginSessionId),
    index("authorization_requests_client_row_id_idx").on(t.clientRowId),
    index("authorization_requests_expires_at_idx").on(t.expiresAt),
  ],
);

/** RFC 9126: requests that a client has pushed, until the browser brings their URN. */
export const pushedRequests = table(
  "pushed_authorization_requests",
  {
    /** Hash of the random part of the request_uri. */
    requestHash: text().primaryKey(),
    clientRowId: client(),
    parameters: json<Record<string, string | string[]>>().notNull(),
    createdAt: instant().notNull(),
    expiresAt: instant().notNull(),
  },
  (t) => [
    index("pushed_authorization_requests_client_row_id_idx").on(t.clientRowId),
    index("pushed_authorization_requests_expires_at_idx").on(t.expiresAt),
  ],
);

/** RFC 8628: devices that wait for a person to type in their code. */
export const deviceAuthorizations = table(
  "device_authorizations",
  {
    id: id().primaryKey(),
    clientRowId: client(),
    tenantId: tenant(),
    deviceCodeHash: text().notNull(),
    /** Eight letters, without the dash. Guesses at it are counted, its life is short. */
    userCode: text().notNull(),
    scopes: json<string[]>().notNull(),
    resources: json<string[]>().notNull(),
    status: text(["pending", "authorized", "denied"]).notNull(),
    userId: id().references(() => users.id, { onDelete: "cascade" }),
    loginSessionId: id(),
    sid: id(),
    authTime: instant(),
    amr: json<string[]>(),
    acr: text(),
    intervalSeconds: int().notNull(),
    lastPolledAt: instant(),
    /** Its tokens were fetched. */
    consumedAt: instant(),
    createdAt: instant().notNull(),
    expiresAt: instant().notNull(),
  },
  (t) => [
    uniqueIndex("device_authorizations_device_code_hash_key").on(t.deviceCodeHash),
    uniqueIndex("device_authorizations_user_code_key").on(t.userCode),
    index("device_authorizations_tenant_id_created_at_id_idx").on(t.tenantId, t.createdAt, t.id),
    index("device_authorizations_client_row_id_idx").on(t.clientRowId),
    index("device_authorizations_user_id_idx").on(t.userId),
    index("device_authorizations_expires_at_idx").on(t.expiresAt),
  ],
);

/** OpenID Connect Back-Channel Logout 1.0: logout tokens on their way to clients. */
export const backchannelLogouts = table(
  "backchannel_logouts",
  {
    id: id().primaryKey(),
    clientRowId: client(),
    userId: user(),
    sid: id().notNull(),
    attempts: int().notNull().default(0),
    dueAt: instant().notNull(),
    lastError: text(),
    /** Delivered, or given up. */
    finishedAt: instant(),
    createdAt: instant().notNull(),
  },
  (t) => [
    index("backchannel_logouts_due_at_idx").on(t.finishedAt, t.dueAt),
    index("backchannel_logouts_client_row_id_idx").on(t.clientRowId),
    index("backchannel_logouts_user_id_idx").on(t.userId),
  ],
);
