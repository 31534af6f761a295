/** The catalogue (contract 07 §1.4): description, and the coarser key that satisfies it too. */
const CATALOGUE = {
  "analytics.read": ["Read sign-in analytics", "tenant.read"],
  "apikey.read": ["List API keys and service principals", "tenant.read"],
  "apikey.write": ["Create and revoke API keys and service principals", "tenant.write"],
  "audit.read": ["Read and verify the audit log"],
  "audit.write": ["Change audit settings (reserved)"],
  "billing.read": ["Read subscription and invoices", "tenant.read"],
  "billing.write": ["Change the subscription", "tenant.write"],
  "branding.write": ["Change branding and e-mail templates", "tenant.write"],
  "connection.read": ["Read OIDC clients, SAML, LDAP, SCIM and social connections", "tenant.read"],
  "connection.write": [
    "Change OIDC clients, SAML, LDAP, SCIM and social connections",
    "tenant.write",
  ],
  "gdpr.write": ["Request, list and cancel erasures", "user.write"],
  "group.read": ["Read groups and their members", "user.read"],
  "group.write": ["Change groups and their members", "user.write"],
  "policy.read": ["Read security policies, IP rules and retention", "tenant.read"],
  "policy.write": ["Change security policies, IP rules and retention", "tenant.write"],
  "role.read": ["Read roles, grants, and other people's permissions"],
  "role.write": ["Create roles, grant permissions, assign roles"],
  "secret.read": ["List the secrets of the vault, without their values", "tenant.read"],
  "secret.write": ["Create, rotate, delete and reveal secrets of the vault", "tenant.write"],
  "tenant.read": ["Read the tenant record and e-mail templates"],
  "tenant.write": ["Change or delete the tenant"],
  "user.read": ["Read users, deleted users and invites"],
  "user.write": ["Create, change, delete and restore users; invite; end sessions"],
  "webhook.read": ["List webhooks", "tenant.read"],
  "webhook.write": ["Change webhooks", "tenant.write"],
} as const satisfies Record<string, readonly [description: string, impliedBy?: string]>;

export type Permission = keyof typeof CATALOGUE;

export const PERMISSIONS = Object.keys(CATALOGUE) as readonly Permission[];
export const descriptionOf = (key: Permission): string => CATALOGUE[key][0];

// RFC 9562 §5.5: a name in the namespace for URLs gives the same id in every deployment.
const idsByKey = new Map(
  PERMISSIONS.map((key) => [key, Bun.randomUUIDv5(`urn:qeetid:permission:${key}`, "url")]),
);
const keysById = new Map([...idsByKey].map(([key, id]) => [id, key]));

/** The id by which clients address a permission. */
export const permissionIdOf = (key: Permission): string => idsByKey.get(key)!;
/** Undefined for what is not, or no longer, in the catalogue. */
export const permissionKeyOf = (id: string): Permission | undefined => keysById.get(id);

/** `:` and `.` are one separator (contract 07 §1.4); stored and shown as written. */
export const foldKey = (key: string): string => key.replaceAll(":", ".");

/** Who holds one of these passes a gate of `key`: itself, `x.write` for `x.read`, and the coarser key of the catalogue. */
export function satisfiedBy(key: string): readonly string[] {
  const folded = foldKey(key);
  const known = satisfiers.get(folded);
  return known ?? [folded];
}

const satisfiers = new Map<string, readonly string[]>(
  PERMISSIONS.map((key) => {
    const coarse: string | undefined = CATALOGUE[key][1];
    const keys: string[] = [key];
    for (const one of coarse === undefined ? [key] : [key, coarse]) {
      if (!keys.includes(one)) keys.push(one);
      const write = one.replace(/\.read$/, ".write");
      if (write in CATALOGUE && !keys.includes(write)) keys.push(write);
    }
    return [key, keys];
  }),
);

/** From where a request came: what audit events and sessions keep of it. */
export interface Caller {
  readonly requestId: string;
  /** RFC 5952 text; null when unknown. */
  readonly ip: string | null;
  /** At most 512 characters. */
  readonly userAgent: string | null;
}

/** Who is calling, as the credential says and the database confirms. Resolved once a request. */
export interface Actor {
  /**
   * `user`: a session of ours. `oauth`: a user's token that was issued to an OAuth client.
   * `api_key` may be bound to a user; `service` never is.
   */
  readonly kind: "user" | "oauth" | "api_key" | "service";
  /** User id, API key id or service principal id. */
  readonly subject: string;
  readonly userId: string | null;
  readonly tenantId: string | null;
  readonly sessionId: string | null;
  /** The OAuth client, for `oauth` and `service`. */
  readonly clientId: string | null;
  /** The grant behind the token, for `oauth`. */
  readonly grantId?: string;
  readonly scopes: readonly string[];
  /** When the user last proved a first factor; null for machines. */
  readonly authTime: Date | null;
  /** True when the caller passes a gate of `key` in `tenantId`: implied keys count, and for machines their scopes bound it. */
  holds(key: Permission): boolean;
  /** Everything granted in `tenantId`, exact keys of the catalogue. */
  readonly permissions: ReadonlySet<string>;
  /** Holds system role `owner` in `tenantId`, by session. */
  readonly isOwner: boolean;
  readonly caller: Caller;
}
