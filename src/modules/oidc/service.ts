import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import { challenge } from "../../platform/http/headers.ts";
import type { JsonObject } from "../../platform/json.ts";
import type { Actor } from "../../platform/permissions.ts";
import { userClaims } from "../tokens/service.ts";
import { selectPerson } from "./store.ts";

export { type IsMounted, providerMetadata, resourceMetadata } from "./metadata.ts";

/** What was told of a user a moment ago. */
interface Person extends NonNullable<Awaited<ReturnType<typeof selectPerson>>[number]> {
  readonly tags: readonly string[];
}

export type UserInfo = (
  actor: Actor,
) => Promise<JsonObject & { sub: string; tenant_id: string | null }>;

/**
 * What the caller's own user is known by. A client's token gets the claims of its scopes, and those that its
 * authorization request named; a session and an API key get to know whom and where they act for. Who asks again within
 * five seconds costs no statement, unless the user or the grant has changed. Throws `forbidden` for a token that is not
 * for OpenID Connect, `unauthorized` where there is no user.
 *
 * @see https://openid.net/specs/openid-connect-core-1_0.html#UserInfo
 */
export function createUserInfo({
  db,
  config,
  principals,
}: Pick<Deps, "db" | "config" | "principals">): UserInfo {
  const known = principals.sharing<Person>();
  const load = async (userId: string, grantId: string): Promise<Person | undefined> => {
    const [person] = await selectPerson(db.read, { userId, grantId });
    return person && { ...person, tags: [`user:${userId}`, `grant:${grantId}`] };
  };

  return async ({ userId, tenantId, kind, grantId, clientId, scopes }) => {
    if (userId === null) throw new AppError("unauthorized");
    const own = { sub: userId, tenant_id: tenantId };
    if (kind !== "oauth") return own;
    if (!scopes.includes("openid"))
      throw new AppError("forbidden", "the token lacks scope openid", {
        headers: challenge(config, "insufficient_scope", "openid"),
      });
    const person =
      grantId && (known.peek(grantId) ?? (await known.get(grantId, () => load(userId, grantId))));
    if (!person) throw new AppError("unauthorized");
    // Core §5.5: the user agreed that the client which named them learns single claims, and no other.
    const claims = person.clientId === clientId ? person.claims?.userinfo : undefined;
    return { ...userClaims(person, { scopes, claims }), ...own };
  };
}
