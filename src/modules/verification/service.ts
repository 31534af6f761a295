import type { Tx } from "../../../db/client.ts";
import { violationOf } from "../../../db/errors.ts";
import type { Deps } from "../../deps.ts";
import { parseEmail } from "../../platform/email.ts";
import { AppError, invalidField } from "../../platform/errors.ts";
import { inWords, queueMail } from "../../platform/mail/service.ts";
import type { Actor, Caller } from "../../platform/permissions.ts";
import { type Author, recordAudit } from "../audit/service.ts";
import { enqueue } from "../outbox/service.ts";
import { assertMayManage, tenantOf } from "../rbac/service.ts";
import { voidLinks } from "../recovery/service.ts";
import {
  findMembership,
  findUser,
  markEmailVerified,
  markEmailVerifiedBySession,
  presentUser,
  type UserRow,
  updateUserRow,
} from "../users/service.ts";
import {
  assertMayAskForCode,
  CODE_TTL_SECONDS,
  countMessage,
  issueCode,
  judgeCode,
  judgeRow,
  tooMany,
} from "./codes.ts";
import * as store from "./store.ts";

export { verificationSubjectData } from "./subject-data.ts";

const TTL = inWords(CODE_TTL_SECONDS);
/** Toll fraud: a premium number earns its owner money with each message (contract 02 §11.3). */
const MAX_MESSAGES_A_DAY = 5;

/** Whom a verification is about: oneself, or a user at home in the actor's tenant (contract 02 §9, 07 §1.7). */
async function target(deps: Deps, actor: Actor, userId: string): Promise<UserRow> {
  const user = await findUser(deps.db.read, userId);
  if (actor.userId === userId && actor.kind !== "oauth") {
    if (!user) throw new AppError("not_found");
    return user;
  }
  const tenantId = tenantOf(actor);
  if (!user || !(await findMembership(deps.db.read, tenantId, userId)))
    throw new AppError("not_found");
  if (user.tenantId !== tenantId)
    throw new AppError("forbidden", "user is managed by another tenant");
  await assertMayManage(deps, deps.db.read, actor, userId);
  return user;
}

/** Mails a code and a link that prove the user's address, in the caller's transaction. */
export async function sendEmailCode(deps: Deps, tx: Tx, user: UserRow): Promise<void> {
  const { id, code } = await issueCode(deps, tx, {
    userId: user.id,
    purpose: "email",
    destination: user.email,
  });
  await queueMail(deps, tx, {
    template: "verify_email",
    to: user.email,
    userId: user.id,
    tenantId: user.tenantId,
    variables: {
      code,
      ttl: TTL,
      verify_url: `${deps.config.appBaseUrl}/verify?id=${id}&code=${code}`,
    },
  });
}

/** Does nothing for a verified address. Throws 422 for another address than the one on file. */
export async function startEmailVerification(
  deps: Deps,
  actor: Actor,
  userId: string,
  email: string | undefined,
): Promise<void> {
  const user = await target(deps, actor, userId);
  if (email !== undefined && email !== "" && parseEmail(email).emailKey !== user.emailKey)
    throw invalidField("email", "not_allowed", "email is not the address of this account");
  if (user.emailVerifiedAt !== null) return;
  const { emailKey } = user;
  await deps.db.transaction(async (tx) => {
    await assertMayAskForCode(deps, tx, { userId, purpose: "email", emailKey });
    await sendEmailCode(deps, tx, user);
  });
}

/** Throws `bad_request` for a code that is wrong, used, expired, or went to an address that is no longer the user's. */
export async function confirmEmail(
  deps: Deps,
  actor: Actor,
  userId: string,
  code: string,
): Promise<void> {
  const user = await target(deps, actor, userId);
  const row = await judgeCode(deps, deps.db.read, { userId, purpose: "email", code });
  await finishEmail(deps, actor, user, row, actor.userId === userId ? actor.sessionId : null);
}

/** What the link in the mail does; it proves the mailbox, and nobody's session. */
export async function confirmEmailByLink(
  deps: Deps,
  caller: Caller,
  { id, code }: { id: string; code: string },
): Promise<void> {
  const row = UUID.test(id) ? await store.findVerification(deps.db.read, id) : undefined;
  if (row?.purpose !== "email") throw new AppError("bad_request", "invalid code");
  await judgeRow(deps, row, code);
  const user = await findUser(deps.db.read, row.userId);
  if (!user) throw new AppError("bad_request", "invalid code");
  await finishEmail(deps, caller, user, row, null);
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

async function finishEmail(
  deps: Deps,
  by: Author,
  user: UserRow,
  row: store.VerificationRow,
  sessionId: string | null,
): Promise<void> {
  if (row.destination !== user.email) throw new AppError("bad_request", "code expired");
  await deps.db.transaction(
    async (tx) => {
      if (!(await store.consume(tx, row.id, deps.clock.now())))
        throw new AppError("bad_request", "code already used");
      if (user.emailVerifiedAt !== null) return;
      if (sessionId === null) await markEmailVerified(deps, tx, user);
      else await markEmailVerifiedBySession(deps, tx, user);
      await enqueue(deps, tx, {
        type: "user.email_verified",
        tenantId: user.tenantId,
        aggregateId: user.id,
        payload: { user_id: user.id, email: user.email },
      });
      await recordAudit(deps, tx, by, {
        tenantId: user.tenantId,
        action: "user.email_verified",
        resource: { type: "user", id: user.id },
      });
    },
    { serializeOn: user.tenantId ?? "platform" },
  );
}

/** Texts a code to the number on file, or, for oneself, to a new one. Throws 422 without a number, 429 for the sixth a day. */
export async function startPhoneVerification(
  deps: Deps,
  actor: Actor,
  userId: string,
  phone: string | undefined,
): Promise<void> {
  const user = await target(deps, actor, userId);
  const number = phone || user.phone;
  if (!number) throw invalidField("phone", "required", "phone is required: none is on file");
  if (number !== user.phone && actor.userId !== userId)
    throw invalidField("phone", "not_allowed", "phone is not the number of this account");
  const isOver = await deps.db.transaction(async (tx) => {
    await assertMayAskForCode(deps, tx, { userId, purpose: "phone" });
    if ((await countMessage(deps, tx, number)) > MAX_MESSAGES_A_DAY) return true;
    const { code } = await issueCode(deps, tx, { userId, purpose: "phone", destination: number });
    await queueMail(deps, tx, {
      template: "sms_code",
      channel: "sms",
      to: number,
      userId,
      tenantId: user.tenantId,
      variables: { code, ttl: TTL },
    });
    return false;
  });
  if (isOver) throw tooMany("too many messages to this number today");
}

/** Stores the number that was proved. Throws as `confirmEmail`. */
export async function confirmPhone(
  deps: Deps,
  actor: Actor,
  userId: string,
  code: string,
): Promise<void> {
  const user = await target(deps, actor, userId);
  const row = await judgeCode(deps, deps.db.read, { userId, purpose: "phone", code });
  const now = deps.clock.now();
  // An administrator's code went to the number on file; it must still be that.
  if (actor.userId !== userId && row.destination !== user.phone)
    throw new AppError("bad_request", "code expired");
  await deps.db.transaction(
    async (tx) => {
      if (!(await store.consume(tx, row.id, now)))
        throw new AppError("bad_request", "code already used");
      if (user.phone === row.destination && user.phoneVerifiedAt !== null) return;
      await updateUserRow(tx, userId, {
        phone: row.destination,
        phoneVerifiedAt: now,
        updatedAt: now,
      });
      tx.afterCommit(() => deps.principals.forget(`user:${userId}`));
      await enqueue(deps, tx, {
        type: "user.phone_verified",
        tenantId: user.tenantId,
        aggregateId: userId,
        payload: { user_id: userId, phone: row.destination },
      });
      await recordAudit(deps, tx, actor, {
        tenantId: user.tenantId,
        action: "user.phone_verified",
        resource: { type: "user", id: userId },
      });
    },
    { serializeOn: user.tenantId ?? "platform" },
  );
}

/** A session this old does not change where an account's mail goes. */
const FRESH_MS = 15 * 60_000;

/** Mails a code to a new address. Says nothing of whether the address is in use. Throws `step_up_required`. */
export async function startEmailChange(deps: Deps, actor: Actor, email: string): Promise<void> {
  const { authTime, userId } = actor;
  if (authTime === null || deps.clock.now().getTime() - authTime.getTime() > FRESH_MS)
    throw new AppError("step_up_required", "sign in again, then change the address");
  const address = parseEmail(email);
  await deps.db.transaction(async (tx) => {
    const { emailKey } = address;
    await assertMayAskForCode(deps, tx, { userId: userId!, purpose: "email_change", emailKey });
    const { code } = await issueCode(deps, tx, {
      userId: userId!,
      purpose: "email_change",
      destination: address.email,
    });
    await queueMail(deps, tx, {
      template: "email_change",
      to: address.email,
      userId,
      tenantId: actor.tenantId,
      variables: { code, ttl: TTL },
    });
  });
}

/** Makes the proved address the account's. Throws as `confirmEmail`, and `conflict` when the address is in use. */
export async function confirmEmailChange(deps: Deps, actor: Actor, code: string): Promise<UserRow> {
  const userId = actor.userId!;
  const user = await findUser(deps.db.read, userId);
  if (!user) throw new AppError("not_found");
  const row = await judgeCode(deps, deps.db.read, { userId, purpose: "email_change", code });
  const address = parseEmail(row.destination);
  const now = deps.clock.now();
  const work = async (tx: Tx) => {
    if (!(await store.consume(tx, row.id, now)))
      throw new AppError("bad_request", "code already used");
    const changed = await updateUserRow(tx, userId, {
      ...address,
      emailVerifiedAt: now,
      updatedAt: now,
    });
    tx.afterCommit(() => deps.principals.forget(`user:${userId}`));
    // A reset link that lies in the old mailbox would open the account for an hour more.
    await voidLinks(deps, tx, userId);
    // To the old address: whoever reads only that one must learn of it.
    await queueMail(deps, tx, {
      template: "security_alert",
      to: user.email,
      userId,
      tenantId: user.tenantId,
      variables: { what: "The e-mail address of your account was changed." },
    });
    await enqueue(deps, tx, {
      type: "user.updated",
      tenantId: user.tenantId,
      aggregateId: userId,
      payload: { ...presentUser(changed), changed: ["email"] },
    });
    await recordAudit(deps, tx, actor, {
      tenantId: user.tenantId,
      action: "user.email_changed",
      resource: { type: "user", id: userId },
      metadata: { email: changed.email },
    });
    return changed;
  };
  return deps.db.transaction(work, { serializeOn: user.tenantId ?? "platform" }).catch((error) => {
    if (violationOf(error)?.constraint === "users_email_key_key")
      throw new AppError("conflict", "email already in use", { cause: error });
    throw error;
  });
}
