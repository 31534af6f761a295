import type { Deps } from "../../deps.ts";
import type { Actor } from "../../platform/permissions.ts";
import type { UserRow } from "../users/service.ts";
import { guarded } from "./lockout.ts";

/**
 * Proves that whoever holds a session also knows the account's password, for what a stolen token must not do. A wrong one
 * counts as a failed sign-in (contract 02 §1). Throws `unauthorized`, or 429 while the account is locked.
 */
export async function provePassword(
  deps: Deps,
  actor: Actor,
  { user, passwordHash, password }: { user: UserRow; passwordHash: string; password: string },
): Promise<void> {
  const { email, emailKey } = user;
  await guarded(deps, actor.caller, { email, emailKey, method: "password" }, async () =>
    (await deps.passwords.verify(passwordHash, password))
      ? { ok: true }
      : { failed: "bad_credentials", user },
  );
}
