/** What relying parties learn about a person (OpenID Connect Core 1.0 §5). */
import type { JsonObject, JsonValue } from "../../platform/json.ts";
import type { UserRow } from "../users/service.ts";

type Person = Pick<
  UserRow,
  | "displayName"
  | "email"
  | "emailVerifiedAt"
  | "phone"
  | "phoneVerifiedAt"
  | "metadata"
  | "updatedAt"
>;
type Metadata = Readonly<Record<string, unknown>>;

/** Of the profile, those that stand in the user's metadata (contract 03 §10, 00 §11). */
const PROFILE_TEXTS = [
  "given_name",
  "family_name",
  "middle_name",
  "nickname",
  "preferred_username",
  "profile",
  "picture",
  "website",
  "gender",
  "birthdate",
  "zoneinfo",
  "locale",
] as const;
const ADDRESS_MEMBERS = [
  "formatted",
  "street_address",
  "locality",
  "region",
  "postal_code",
  "country",
] as const;

/** OpenID Connect Core 1.0 §5.4. */
const CLAIMS_BY_SCOPE: Readonly<Record<string, readonly string[]>> = {
  email: ["email", "email_verified"],
  phone: ["phone_number", "phone_number_verified"],
  profile: ["name", "updated_at", ...PROFILE_TEXTS],
  address: ["address"],
};

/** The claims about a person that this server knows, for `claims_supported`. */
export const USER_CLAIMS: readonly string[] = Object.values(CLAIMS_BY_SCOPE).flat();

/** §5.1: ISO 8601, the year alone, or `0000` for a year that is nobody's business. */
const BIRTHDATE = /^\d{4}(-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))?$/;

/**
 * The claims about a person that scopes ask for, and those that a `claims` parameter names for one place
 * (§5.5). What is not known is left out: no null, no empty text. `sub` and `tenant_id` are the caller's to add.
 */
export function userClaims(
  user: Person,
  {
    scopes,
    claims = {},
  }: {
    readonly scopes: readonly string[];
    readonly claims?: Readonly<Record<string, unknown>> | undefined;
  },
): JsonObject {
  const wanted = new Set([
    ...scopes.flatMap((scope) =>
      Object.hasOwn(CLAIMS_BY_SCOPE, scope) ? CLAIMS_BY_SCOPE[scope]! : [],
    ),
    ...USER_CLAIMS.filter((name) => Object.hasOwn(claims, name)),
  ]);
  const found: Record<string, JsonValue> = {};
  for (const name of wanted) {
    const value = claimOf(user, name);
    if (value !== undefined) found[name] = value;
  }
  return found;
}

function claimOf(user: Person, name: string): JsonValue | undefined {
  switch (name) {
    case "email":
      return user.email;
    case "email_verified":
      return user.emailVerifiedAt !== null;
    case "phone_number":
      return user.phone ?? undefined;
    case "phone_number_verified":
      return user.phone === null ? undefined : user.phoneVerifiedAt !== null;
    case "name":
      return text(user.displayName);
    case "updated_at":
      return Math.floor(user.updatedAt.getTime() / 1000);
    case "address":
      return addressOf(kept(user.metadata, name));
    case "birthdate": {
      const date = text(kept(user.metadata, name));
      return date !== undefined && BIRTHDATE.test(date) ? date : undefined;
    }
    default:
      return text(kept(user.metadata, name));
  }
}

/** Contract 03 §10: `standard_claims` first, then the metadata itself. */
function kept(metadata: Metadata, name: string): unknown {
  const { standard_claims: standard } = metadata;
  const own = isRecord(standard) && Object.hasOwn(standard, name) ? standard[name] : undefined;
  return own ?? (Object.hasOwn(metadata, name) ? metadata[name] : undefined);
}

/** §5.1.1: members that are there, as text. */
function addressOf(value: unknown): JsonValue | undefined {
  if (!isRecord(value)) return undefined;
  const members = ADDRESS_MEMBERS.flatMap((name): [string, string][] => {
    const member = text(value[name]);
    return member === undefined ? [] : [[name, member]];
  });
  return members.length === 0 ? undefined : Object.fromEntries(members);
}

const isRecord = (value: unknown): value is Metadata =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
