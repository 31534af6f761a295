import { and, eq, isNotNull } from "drizzle-orm";
import { users } from "../../db/schema/index.ts";
import type { Deps } from "../deps.ts";
import type { Actor } from "./permissions.ts";

/**
 * Whether the caller runs this deployment: `PLATFORM_ADMINS` names their user id or their verified e-mail address
 * (contract 00 §12, 09). Never a key, a service or an OAuth client. Once second factors exist, it takes one.
 */
export async function isPlatformOperator(
  { config, db }: Pick<Deps, "config" | "db">,
  actor: Actor,
): Promise<boolean> {
  const { kind, userId } = actor;
  if (kind !== "user" || userId === null || config.platformAdmins.length === 0) return false;
  if (config.platformAdmins.includes(userId)) return true;
  const [user] = await db.read
    .select({ emailKey: users.emailKey })
    .from(users)
    .where(and(eq(users.id, userId), isNotNull(users.emailVerifiedAt)));
  return user !== undefined && config.platformAdmins.includes(user.emailKey);
}
