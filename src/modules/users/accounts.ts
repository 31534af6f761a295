/** What other domains ask of accounts, each in the caller's transaction. */
import type { Reader, Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import type { EmailAddress } from "../../platform/email.ts";
import { AppError } from "../../platform/errors.ts";
import type { JsonObject } from "../../platform/json.ts";
import { refuseAccess } from "../../platform/subject-data.ts";
import { type Author, recordAudit } from "../audit/service.ts";
import { enqueue } from "../outbox/service.ts";
import { present } from "./present.ts";
import * as store from "./store.ts";

export interface NewUser extends EmailAddress {
  /** Home tenant. */
  readonly tenantId: string | null;
  readonly displayName?: string | null;
  readonly phone?: string | null;
  readonly metadata?: JsonObject;
  readonly emailVerifiedAt?: Date | null;
  /** How the account came to be: `signup`, `admin`, `bulk`, `cli`, … */
  readonly source: string;
}

/**
 * Inserts a user, with audit event and outbox event; no membership, no password. The address is taken by a unique
 * index: the error of a second insert is `violationOf(error)?.constraint === "users_email_key_key"`.
 */
export async function insertUser(
  deps: Deps,
  tx: Tx,
  by: Author,
  { source, emailVerifiedAt = null, ...input }: NewUser,
): Promise<store.UserRow> {
  const now = deps.clock.now();
  const user = await store.insertUser(tx, {
    id: deps.random.uuid(),
    tenantId: input.tenantId,
    email: input.email,
    emailKey: input.emailKey,
    emailVerifiedAt,
    phone: input.phone ?? null,
    displayName: input.displayName ?? null,
    metadata: { ...input.metadata },
    createdAt: now,
    updatedAt: now,
  });
  await enqueue(deps, tx, {
    type: "user.created",
    tenantId: user.tenantId,
    aggregateId: user.id,
    payload: present(user),
  });
  await recordAudit(deps, tx, by, {
    tenantId: user.tenantId,
    action: "user.created",
    resource: { type: "user", id: user.id },
    metadata: { email: user.email, source },
  });
  return user;
}

/**
 * Makes a user a member. Does nothing for one who is. Throws `conflict` when it would be a second shared tenant for an
 * account whose address nobody proved (contract 00 §22).
 */
export async function addMembership(
  deps: Deps,
  tx: Tx,
  {
    tenantId,
    user,
    source,
  }: {
    readonly tenantId: string;
    readonly user: store.UserRow;
    readonly source: store.MembershipRow["source"];
  },
): Promise<void> {
  const joinsAnother = source !== "tenant" && source !== "signup" && user.emailVerifiedAt === null;
  if (joinsAnother && (await store.belongsElsewhere(tx, user.id, tenantId)))
    throw new AppError("conflict", "the user must verify their e-mail address first");
  await store.insertMembership(tx, {
    tenantId,
    userId: user.id,
    source,
    userCreatedAt: user.createdAt,
    tenantCreatedAt: await store.tenantCreatedAt(tx, tenantId),
    createdAt: deps.clock.now(),
  });
  tx.afterCommit(() => deps.principals.forget(`user:${user.id}`));
}

/**
 * Ends a membership, and with it the user's sessions, tokens and keys in that tenant. Roles are the caller's to take
 * away before (`removeRoles`). Does nothing for who is no member.
 */
export async function endMembership(
  deps: Deps,
  tx: Tx,
  { tenantId, userId }: { tenantId: string; userId: string },
): Promise<void> {
  if (!(await store.deleteMembership(tx, tenantId, userId))) return;
  await refuseAccess(deps, tx, {
    userId,
    tenantId,
    reason: "membership_removed",
    at: deps.clock.now(),
    revokesKeys: true,
  });
  tx.afterCommit(() => deps.principals.forget(`user:${userId}`));
}

/** Whether the user is an active member. */
export async function isMember(q: Reader, tenantId: string, userId: string): Promise<boolean> {
  return (await store.findMembership(q, tenantId, userId))?.active === true;
}

/** Stores the hash of a password that was checked before. Ends no session: that is the caller's to decide. */
export async function setPassword(
  deps: Deps,
  tx: Tx,
  { userId, passwordHash }: { userId: string; passwordHash: string },
): Promise<void> {
  await store.insertPassword(tx, { userId, passwordHash, updatedAt: deps.clock.now() });
}

/**
 * Notes that the user controls the mailbox. The first proof of an account removes every password, key and session that
 * was made before it: whoever signed up with the address may not have been its owner (contract 00 §22).
 * Answers the user as stored. Does nothing for a verified one.
 */
export async function markEmailVerified(
  deps: Deps,
  tx: Tx,
  user: store.UserRow,
): Promise<store.UserRow> {
  if (user.emailVerifiedAt !== null) return user;
  const now = deps.clock.now();
  for (const { firstProof } of deps.subjectData) await firstProof?.(deps, tx, user.id, now);
  tx.afterCommit(() => deps.principals.forget(`user:${user.id}`));
  return store.updateUser(tx, user.id, {
    emailVerifiedAt: now,
    updatedAt: now,
    // Whoever manages the home sets passwords in it: accomplices that were let in before must not (contract 02 §9).
    ...((await store.sharesOwnHome(tx, user, now)) && { tenantId: null }),
    // A number proved by a session that ends here is not known to be the owner's.
    ...(user.phoneVerifiedAt !== null && { phone: null, phoneVerifiedAt: null }),
  });
}

/**
 * Notes that whoever holds a session of the account also controls its mailbox. Both proofs are at hand, so what the account
 * has stays: nobody else can have set it up.
 */
export async function markEmailVerifiedBySession(
  deps: Deps,
  tx: Tx,
  user: store.UserRow,
): Promise<store.UserRow> {
  const now = deps.clock.now();
  tx.afterCommit(() => deps.principals.forget(`user:${user.id}`));
  return store.updateUser(tx, user.id, { emailVerifiedAt: now, updatedAt: now });
}
