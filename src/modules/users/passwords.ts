import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { assertAcceptablePassword } from "../../platform/crypto/weak-passwords.ts";
import { AppError } from "../../platform/errors.ts";
import { queueMail } from "../../platform/mail/service.ts";
import type { Actor } from "../../platform/permissions.ts";
import { refuseAccess } from "../../platform/subject-data.ts";
import { recordAudit } from "../audit/service.ts";
import { enqueue } from "../outbox/service.ts";
import { tenantOf } from "../rbac/service.ts";
import { setPassword } from "./accounts.ts";
import { managed } from "./administration.ts";
import * as store from "./store.ts";

/** Proves that the caller knows the user's password; throws `unauthorized`, and counts against the lock. */
export type ProvePassword = (
  deps: Deps,
  actor: Actor,
  input: { user: store.UserRow; passwordHash: string; password: string },
) => Promise<void>;

/** A session this old proves nothing any more, where there is no password to ask for. */
const FRESH_MS = 15 * 60_000;

/**
 * Sets one's own password. Proof is the current one, or, where none is set, a session whose user signed in within 15
 * minutes. Ends every other session. Throws `unauthorized`, `forbidden`, `step_up_required`, 422.
 */
export async function setOwnPassword(
  deps: Deps,
  actor: Actor,
  input: {
    password: string;
    currentPassword?: string | undefined;
    field: "password" | "new_password";
  },
  prove: ProvePassword,
): Promise<void> {
  const userId = actor.userId!;
  const user = await store.findUser(deps.db.read, userId);
  if (!user) throw new AppError("not_found");
  const current = await store.findPasswordHash(deps.db.read, userId);
  if (current !== null) {
    if (input.currentPassword === undefined)
      throw new AppError("forbidden", "current_password is required");
    await prove(deps, actor, { user, passwordHash: current, password: input.currentPassword });
  } else if (
    actor.authTime === null ||
    deps.clock.now().getTime() - actor.authTime.getTime() > FRESH_MS
  ) {
    // Contract 00 §24: the first factor of an account asks for a fresh sign-in.
    throw new AppError("step_up_required", "sign in again, then set a password");
  }
  assertAcceptablePassword(input.password, { email: user.email, field: input.field });
  const passwordHash = await deps.passwords.hash(input.password);
  const work = async (tx: Tx) => {
    await assertUnchanged(tx, userId, current);
    await replacePassword(deps, tx, actor, {
      user,
      passwordHash,
      by: "user",
      ...(actor.sessionId !== null && { exceptSessionId: actor.sessionId }),
    });
  };
  await deps.db.transaction(work, { serializeOn: user.tenantId ?? "platform" });
}

/**
 * Sets a password: one's own with proof, or, with `user.write`, that of an account in the actor's tenant, one's own too
 * (contract 02 §9.9). Throws as `setOwnPassword`, and `not_found`.
 */
export async function setPasswordOf(
  deps: Deps,
  actor: Actor,
  userId: string,
  { password, currentPassword }: { password: string; currentPassword?: string | undefined },
  prove: ProvePassword,
): Promise<void> {
  const isOwn = actor.userId === userId && actor.kind !== "oauth";
  if (isOwn && (currentPassword !== undefined || !(await administersOwnAccount(deps, actor))))
    await setOwnPassword(deps, actor, { password, currentPassword, field: "password" }, prove);
  else await setUserPassword(deps, actor, userId, password);
}

/** Whether one's account is in the care of the tenant, and of no other (contract 00 §21). */
async function administersOwnAccount(deps: Deps, actor: Actor): Promise<boolean> {
  const { userId, tenantId } = actor;
  if (userId === null || tenantId === null || !actor.holds("user.write")) return false;
  const user = await store.findUser(deps.db.read, userId);
  if (user?.tenantId !== tenantId) return false;
  return !(await store.belongsElsewhere(deps.db.read, userId, tenantId));
}

/** Sets a password as administrator (contract 02 §9.9, 00 §21). Ends all sessions of the user but the actor's own. */
async function setUserPassword(
  deps: Deps,
  actor: Actor,
  userId: string,
  password: string,
): Promise<void> {
  const found = await store.findMember(deps.db.read, tenantOf(actor), userId);
  if (!found) throw new AppError("not_found");
  assertAcceptablePassword(password, { email: found.user.email, field: "password" });
  const isOwn = actor.userId === userId;
  const current = isOwn ? await store.findPasswordHash(deps.db.read, userId) : null;
  const passwordHash = await deps.passwords.hash(password);
  const work = async (tx: Tx) => {
    const user = await managed(deps, tx, actor, userId);
    if (isOwn) await assertUnchanged(tx, userId, current);
    if (await store.belongsElsewhere(tx, userId, tenantOf(actor)))
      throw new AppError(
        "forbidden",
        "user belongs to another tenant as well: send a reset mail instead",
      );
    await replacePassword(deps, tx, actor, {
      user,
      passwordHash,
      by: "admin",
      ...(isOwn && actor.sessionId !== null && { exceptSessionId: actor.sessionId }),
    });
  };
  await deps.db.transaction(work, { serializeOn: tenantOf(actor) });
}

/**
 * While the new password was hashed, a reset may have taken the account out of the caller's hands. Throws `unauthorized`:
 * what they proved holds no more.
 */
async function assertUnchanged(tx: Tx, userId: string, current: string | null): Promise<void> {
  if ((await store.findPasswordHash(tx, userId)) !== current) throw new AppError("unauthorized");
}

async function replacePassword(
  deps: Deps,
  tx: Tx,
  actor: Actor,
  {
    user,
    passwordHash,
    by,
    exceptSessionId,
  }: {
    user: store.UserRow;
    passwordHash: string;
    by: "user" | "admin";
    exceptSessionId?: string;
  },
): Promise<void> {
  await setPassword(deps, tx, { userId: user.id, passwordHash });
  const ended = await refuseAccess(deps, tx, {
    userId: user.id,
    reason: "password_changed",
    at: deps.clock.now(),
    revokesKeys: false,
    ...(exceptSessionId !== undefined && { exceptSessionId }),
  });
  await queueMail(deps, tx, {
    template: "password_changed",
    to: user.email,
    userId: user.id,
    tenantId: user.tenantId,
    variables: {},
  });
  await enqueue(deps, tx, {
    type: "user.password.changed",
    tenantId: user.tenantId,
    aggregateId: user.id,
    payload: { user_id: user.id, by },
  });
  await recordAudit(deps, tx, actor, {
    tenantId: user.tenantId,
    action: "user.password_set",
    resource: { type: "user", id: user.id },
    metadata: { by, sessions_revoked: ended },
  });
  tx.afterCommit(() => deps.principals.forget(`user:${user.id}`));
}
