import { bool, id, index, instant, int, json, table, text, uniqueIndex } from "../kit.ts";
import { tenants } from "./tenants.ts";
import { users } from "./users.ts";

/** OAuth clients, OpenID relying parties (RFC 7591 §2 names most of the columns). */
export const oidcClients = table(
  "oidc_clients",
  {
    id: id().primaryKey(),
    tenantId: id()
      .notNull()
      .references(() => tenants.id, { onDelete: "cascade" }),
    /** `qci_` and a UUID: what clients call themselves. */
    clientId: text().notNull(),
    type: text(["confidential", "public"]).notNull(),
    name: text().notNull(),
    /** Byte for byte as registered. */
    redirectUris: json<string[]>().notNull(),
    postLogoutUris: json<string[]>().notNull(),
    grantTypes: json<string[]>().notNull(),
    scopes: json<string[]>().notNull(),
    registration: text(["admin", "dynamic"]).notNull(),
    /** RFC 7592: hash of the registration access token. */
    registrationTokenHash: text(),
    requirePkce: bool().notNull(),
    /** RFC 9126 §6. */
    requirePar: bool().notNull().default(false),
    idTokenAlg: text(["RS256", "ES256"]).notNull(),
    /** Null: Basic and post both work. */
    tokenEndpointAuthMethod: text([
      "client_secret_basic",
      "client_secret_post",
      "private_key_jwt",
      "none",
    ]),
    /** Only members of the client's tenant may sign in. */
    requireMembership: bool().notNull(),
    /** Who has no account may make one on the hosted pages. */
    selfRegistration: bool().notNull().default(false),
    logoutRequiresConfirmation: bool().notNull(),
    /** RFC 9449 §5.2. */
    dpopBoundAccessTokens: bool().notNull().default(false),
    /** How long a rotated refresh token still yields a sibling. */
    refreshReuseLeewaySeconds: int().notNull(),
    jwks: json<{ keys: Record<string, unknown>[] }>(),
    jwksUri: text(),
    backchannelLogoutUri: text(),
    backchannelLogoutSessionRequired: bool().notNull().default(false),
    clientUri: text(),
    logoUri: text(),
    policyUri: text(),
    tosUri: text(),
    createdBy: id().references(() => users.id, { onDelete: "set null" }),
    createdAt: instant().notNull(),
    updatedAt: instant().notNull(),
    /** Deleted: nothing finds it any more; the row goes when its grants have. */
    deletedAt: instant(),
  },
  (t) => [
    uniqueIndex("oidc_clients_client_id_key").on(t.clientId),
    index("oidc_clients_tenant_id_created_at_id_idx").on(t.tenantId, t.createdAt, t.id),
    index("oidc_clients_created_by_idx").on(t.createdBy),
    index("oidc_clients_deleted_at_idx").on(t.deletedAt),
  ],
);

/** More than one while a rotation's overlap lasts. */
export const oidcClientSecrets = table(
  "oidc_client_secrets",
  {
    id: id().primaryKey(),
    clientRowId: id()
      .notNull()
      .references(() => oidcClients.id, { onDelete: "cascade" }),
    /** SHA-256, base64url: 256 random bits need no slow hash. */
    secretHash: text().notNull(),
    expiresAt: instant(),
    createdAt: instant().notNull(),
  },
  (t) => [index("oidc_client_secrets_client_row_id_idx").on(t.clientRowId)],
);

/** Machines that act for themselves; their id is their client_id. */
export const servicePrincipals = table(
  "service_principals",
  {
    id: id().primaryKey(),
    tenantId: id()
      .notNull()
      .references(() => tenants.id, { onDelete: "cascade" }),
    name: text().notNull(),
    /** Lower case, NFC: unique in the tenant. */
    nameKey: text().notNull(),
    description: text(),
    secretHash: text().notNull(),
    scopes: json<string[]>().notNull(),
    createdBy: id().references(() => users.id, { onDelete: "set null" }),
    createdAt: instant().notNull(),
    lastUsedAt: instant(),
    disabledAt: instant(),
  },
  (t) => [
    uniqueIndex("service_principals_tenant_id_name_key_key").on(t.tenantId, t.nameKey),
    index("service_principals_tenant_id_created_at_id_idx").on(t.tenantId, t.createdAt, t.id),
    index("service_principals_created_by_idx").on(t.createdBy),
  ],
);

/** What may be presented once: `jti`s of client assertions (RFC 7523 §3) and of DPoP proofs (RFC 9449 §11.1). */
export const presentedTokens = table(
  "presented_tokens",
  {
    /** SHA-256 of kind, issuer and `jti`. */
    key: text().primaryKey(),
    expiresAt: instant().notNull(),
  },
  (t) => [index("presented_tokens_expires_at_idx").on(t.expiresAt)],
);
