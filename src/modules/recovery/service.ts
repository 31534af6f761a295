import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { hashToken } from "../../platform/crypto/tokens.ts";
import { assertAcceptablePassword } from "../../platform/crypto/weak-passwords.ts";
import { AppError } from "../../platform/errors.ts";
import { queueMail } from "../../platform/mail/service.ts";
import type { Caller } from "../../platform/permissions.ts";
import { refuseAccess } from "../../platform/subject-data.ts";
import { recordAudit } from "../audit/service.ts";
import { enqueue } from "../outbox/service.ts";
import { clearAttempts, completeSignIn, countersOf, type SignedIn } from "../sessions/service.ts";
import { findUser, markEmailVerified, setPassword, type UserRow } from "../users/service.ts";
import * as store from "./store.ts";

export { startMagicLink, startPasswordReset } from "./start.ts";
export { recoverySubjectData } from "./subject-data.ts";

/** Ends every link that was mailed to a user: their address is another one from now on. */
export async function voidLinks(deps: Deps, tx: Tx, userId: string): Promise<void> {
  const now = deps.clock.now();
  await store.voidResets(tx, userId, now);
  await store.voidMagicLinks(tx, userId, now);
}

interface Token {
  readonly usedAt: Date | null;
  readonly expiresAt: Date;
}

function assertUsable<T extends Token>(token: T | undefined, now: Date): T {
  if (!token) throw new AppError("bad_request", "invalid token");
  if (token.usedAt !== null) throw new AppError("bad_request", "token already used");
  if (token.expiresAt <= now) throw new AppError("bad_request", "token expired");
  return token;
}

export interface PasswordReset {
  readonly token: string;
  readonly newPassword: string;
  /** Cookie `qe_known`: this browser may be locked out on a counter of its own. */
  readonly knownCookie?: string | undefined;
}

/**
 * Sets a new password by a mailed token, and ends everything that the old one opened. Throws `bad_request` for the token,
 * 422 for the password (the token stays good then), `forbidden` for a suspended account.
 */
export async function resetPassword(
  deps: Deps,
  caller: Caller,
  { token, newPassword, knownCookie }: PasswordReset,
): Promise<void> {
  const now = deps.clock.now();
  const found = await store.findReset(deps.db.read, hashToken(token));
  const holder = found && (await findUser(deps.db.read, found.userId));
  // First, so that a weak one costs no token; it can be judged by anybody.
  assertAcceptablePassword(newPassword, { email: holder?.email ?? null, field: "new_password" });
  const reset = assertUsable(found, now);
  if (!holder) throw new AppError("bad_request", "invalid token");
  if (holder.status === "suspended") throw new AppError("forbidden", "account suspended");
  const passwordHash = await deps.passwords.hash(newPassword);
  const work = (tx: Tx) =>
    applyReset(deps, tx, caller, { reset, holder, passwordHash, knownCookie });
  await deps.db.transaction(work, { serializeOn: "platform" });
}

async function applyReset(
  deps: Deps,
  tx: Tx,
  caller: Caller,
  input: Pick<PasswordReset, "knownCookie"> & {
    readonly reset: store.ResetRow;
    readonly holder: UserRow;
    readonly passwordHash: string;
  },
): Promise<void> {
  const { reset, holder, passwordHash, knownCookie } = input;
  const now = deps.clock.now();
  if (!(await store.consumeReset(tx, reset.id, now)))
    throw new AppError("bad_request", "token already used");
  await store.voidResets(tx, holder.id, now);
  // The link proves the mailbox. What a stranger may have set up before goes, then the new password comes.
  await markEmailVerified(deps, tx, holder);
  await setPassword(deps, tx, { userId: holder.id, passwordHash });
  await refuseAccess(deps, tx, {
    userId: holder.id,
    reason: "password_reset",
    at: now,
    revokesKeys: false,
  });
  await clearAttempts(tx, countersOf(deps, holder.emailKey, knownCookie));
  await queueMail(deps, tx, {
    template: "password_changed",
    to: holder.email,
    userId: holder.id,
    tenantId: holder.tenantId,
    variables: {},
  });
  await enqueue(deps, tx, {
    type: "user.password.changed",
    tenantId: holder.tenantId,
    aggregateId: holder.id,
    payload: { user_id: holder.id, by: "reset" },
  });
  await recordAudit(
    deps,
    tx,
    { system: true, userId: holder.id, caller },
    {
      tenantId: null,
      action: "auth.password_reset_confirmed",
      resource: { type: "user", id: holder.id },
      metadata: { sessions_revoked: true },
    },
  );
  tx.afterCommit(() => deps.principals.forget(`user:${holder.id}`));
}

export interface MagicLink {
  readonly token: string;
  readonly knownCookie?: string | undefined;
  readonly replacesHosted?: string | undefined;
  /** The session that the browser had stays, where it is another user's. */
  readonly keepsOtherAccounts?: boolean;
}

/**
 * Signs in by a mailed link: a pair, or a hosted session. Link and session are one transaction. Throws `bad_request` for
 * the token, `forbidden` for an account or tenant that may not sign in.
 */
export async function consumeMagicLink<F extends SignedIn["flow"]>(
  deps: Deps,
  caller: Caller,
  input: MagicLink & { readonly flow: F },
): Promise<Extract<SignedIn, { flow: F }>> {
  const now = deps.clock.now();
  const link = assertUsable(await store.findMagicLink(deps.db.read, hashToken(input.token)), now);
  const user = await findUser(deps.db.read, link.userId);
  // The address may have changed hands since.
  if (!user || user.email !== link.email) throw new AppError("bad_request", "invalid token");
  const signedIn = await completeSignIn(
    deps,
    caller,
    {
      user,
      method: "magic_link",
      amr: ["email"],
      flow: input.flow,
      // The home may have moved since; only another tenant was asked for by name.
      ...(link.tenantId !== null && link.tenantId !== user.tenantId && { tenantId: link.tenantId }),
      knownCookie: input.knownCookie,
      replacesHosted: input.replacesHosted,
      keepsOtherAccounts: input.keepsOtherAccounts ?? false,
    },
    async (tx) => {
      if (!(await store.consumeMagicLink(tx, link.id, now)))
        throw new AppError("bad_request", "token already used");
      await markEmailVerified(deps, tx, user);
      await recordAudit(
        deps,
        tx,
        { system: true, userId: user.id, caller },
        {
          tenantId: user.tenantId,
          action: "auth.magic_link_consumed",
          resource: { type: "user", id: user.id },
        },
      );
    },
  );
  return signedIn as Extract<SignedIn, { flow: F }>; // by `flow`, which it was asked for
}
