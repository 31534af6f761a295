import { and, desc, eq, gt, isNotNull, isNull, ne, or, sql } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { beyond, type Cursor } from "../../../db/keyset.ts";
import { prepared, preparedWrite } from "../../../db/prepared.ts";
import {
  apiKeys,
  memberships,
  passwordCredentials,
  tenants,
  users,
} from "../../../db/schema/index.ts";

export type UserRow = typeof users.$inferSelect;
export type MembershipRow = typeof memberships.$inferSelect;
export type UserPatch = Partial<Omit<typeof users.$inferInsert, "id">>;

const selectUser = prepared((q, p: { id: string }) =>
  q
    .select()
    .from(users)
    .where(and(eq(users.id, p.id), isNull(users.deletedAt))),
);

/** Undefined for an unknown user and for a deleted one. */
export async function findUser(q: Reader, id: string): Promise<UserRow | undefined> {
  const [row] = await selectUser(q, { id });
  return row;
}

/** With the password hash: the one statement of a sign-in by password. */
export const selectForSignIn = prepared((q, p: { emailKey: string }) =>
  q
    .select({ user: users, passwordHash: passwordCredentials.passwordHash })
    .from(users)
    .leftJoin(passwordCredentials, eq(passwordCredentials.userId, users.id))
    .where(and(eq(users.emailKey, p.emailKey), isNull(users.deletedAt))),
);

/** When the password behind an address was set, or hashed anew. */
export const selectPasswordAge = prepared((q, p: { emailKey: string }) =>
  q
    .select({ updatedAt: passwordCredentials.updatedAt })
    .from(users)
    .innerJoin(passwordCredentials, eq(passwordCredentials.userId, users.id))
    .where(and(eq(users.emailKey, p.emailKey), isNull(users.deletedAt))),
);

/** Deleted or not, as long as the row is there. */
export async function findAnyUser(q: Reader, id: string): Promise<UserRow | undefined> {
  const [row] = await q.select().from(users).where(eq(users.id, id));
  return row;
}

export interface Member {
  readonly user: UserRow;
  readonly membership: MembershipRow;
}

/** A user who is not deleted, with the membership in the tenant; undefined for who has none. */
export async function findMember(
  q: Reader,
  tenantId: string,
  userId: string,
): Promise<Member | undefined> {
  const [row] = await q
    .select({ user: users, membership: memberships })
    .from(memberships)
    .innerJoin(users, eq(users.id, memberships.userId))
    .where(
      and(
        eq(memberships.tenantId, tenantId),
        eq(memberships.userId, userId),
        isNull(users.deletedAt),
      ),
    );
  return row;
}

/** What a page shows: the columns of `User`, and the key of the next page. */
const shown = {
  id: users.id,
  tenantId: users.tenantId,
  email: users.email,
  emailVerifiedAt: users.emailVerifiedAt,
  phone: users.phone,
  phoneVerifiedAt: users.phoneVerifiedAt,
  displayName: users.displayName,
  status: users.status,
  metadata: users.metadata,
  createdAt: users.createdAt,
  updatedAt: users.updatedAt,
};
export type ShownUser = Pick<UserRow, keyof typeof shown>;

/** A user as their tenant sees them: suspended there, when the membership is. */
export const seenIn = <T extends ShownUser>(user: T, { active }: { active: boolean }): T =>
  active ? user : { ...user, status: "suspended" };

const firstPage = prepared((q, p: { tenantId: string; limit: number }) =>
  membersOf(q, p.tenantId, undefined).limit(p.limit),
);

/** Members of a tenant, newest user first: entries of one index, `limit` of them. */
export async function listMembers(
  q: Reader,
  tenantId: string,
  { limit, after }: { limit: number; after: Cursor | undefined },
): Promise<ShownUser[]> {
  const rows = after
    ? await membersOf(q, tenantId, after).limit(limit)
    : await firstPage(q, { tenantId, limit });
  return rows.map(({ active, ...user }) => seenIn(user, { active }));
}

const membersOf = (q: Reader, tenantId: string, after: Cursor | undefined) =>
  q
    .select({ ...shown, active: memberships.active })
    .from(memberships)
    .innerJoin(users, eq(users.id, memberships.userId))
    .where(
      and(
        eq(memberships.tenantId, tenantId),
        eq(memberships.userDeleted, false),
        after &&
          beyond("desc", [
            [memberships.userCreatedAt, after.at],
            [memberships.userId, after.id],
          ]),
      ),
    )
    .orderBy(desc(memberships.userCreatedAt), desc(memberships.userId));

/** The bin of a tenant: users who are at home there, newest deletion first. */
export const listDeleted = (q: Reader, tenantId: string, limit: number): Promise<UserRow[]> =>
  q
    .select()
    .from(users)
    .where(and(eq(users.tenantId, tenantId), isNotNull(users.deletedAt)))
    .orderBy(desc(users.deletedAt), desc(users.id))
    .limit(limit);

export async function insertUser(tx: Tx, row: typeof users.$inferInsert): Promise<UserRow> {
  const [inserted] = await tx.insert(users).values(row).returning();
  return inserted!;
}

export async function updateUser(tx: Tx, id: string, patch: UserPatch): Promise<UserRow> {
  const [updated] = await tx.update(users).set(patch).where(eq(users.id, id)).returning();
  return updated!;
}

export async function deleteUserRow(tx: Tx, id: string): Promise<void> {
  await tx.delete(users).where(eq(users.id, id));
}

export const insertPassword = preparedWrite(
  (tx, p: { userId: string; passwordHash: string; updatedAt: Date }) =>
    tx
      .insert(passwordCredentials)
      .values({ userId: p.userId, passwordHash: p.passwordHash, updatedAt: p.updatedAt })
      .onConflictDoUpdate({
        target: passwordCredentials.userId,
        set: { passwordHash: sql`excluded.password_hash`, updatedAt: sql`excluded.updated_at` },
      }),
);

/** Replaces a hash by a better one of the same password; a password that was changed meanwhile stays. */
export async function replaceHash(
  tx: Tx,
  { userId, from, to, at }: { userId: string; from: string; to: string; at: Date },
): Promise<void> {
  await tx
    .update(passwordCredentials)
    .set({ passwordHash: to, updatedAt: at })
    .where(and(eq(passwordCredentials.userId, userId), eq(passwordCredentials.passwordHash, from)));
}

export async function findPasswordHash(q: Reader, userId: string): Promise<string | null> {
  const [row] = await q
    .select({ passwordHash: passwordCredentials.passwordHash })
    .from(passwordCredentials)
    .where(eq(passwordCredentials.userId, userId));
  return row?.passwordHash ?? null;
}

export async function deletePassword(tx: Tx, userId: string): Promise<void> {
  await tx.delete(passwordCredentials).where(eq(passwordCredentials.userId, userId));
}

/** Leaves the membership of who has one as it is: a suspended one does not come back by itself. */
export async function insertMembership(
  tx: Tx,
  row: typeof memberships.$inferInsert,
): Promise<void> {
  await tx.insert(memberships).values(row).onConflictDoNothing();
}

export async function tenantCreatedAt(q: Reader, tenantId: string): Promise<Date> {
  const [row] = await q
    .select({ createdAt: tenants.createdAt })
    .from(tenants)
    .where(eq(tenants.id, tenantId));
  return row!.createdAt;
}

export async function findMembership(
  q: Reader,
  tenantId: string,
  userId: string,
): Promise<MembershipRow | undefined> {
  const [row] = await q
    .select()
    .from(memberships)
    .where(and(eq(memberships.tenantId, tenantId), eq(memberships.userId, userId)));
  return row;
}

export async function setMembershipActive(
  tx: Tx,
  { tenantId, userId }: { tenantId: string; userId: string },
  active: boolean,
): Promise<void> {
  await tx
    .update(memberships)
    .set({ active })
    .where(and(eq(memberships.tenantId, tenantId), eq(memberships.userId, userId)));
}

/** Takes a user from the pages of all their tenants, or puts them back. */
export async function setUserDeleted(tx: Tx, userId: string, userDeleted: boolean): Promise<void> {
  await tx.update(memberships).set({ userDeleted }).where(eq(memberships.userId, userId));
}

export async function deleteMembership(tx: Tx, tenantId: string, userId: string): Promise<boolean> {
  const deleted = await tx
    .delete(memberships)
    .where(and(eq(memberships.tenantId, tenantId), eq(memberships.userId, userId)))
    .returning({ userId: memberships.userId });
  return deleted.length === 1;
}

export interface MembershipOfUser {
  readonly tenantId: string;
  readonly active: boolean;
  readonly source: MembershipRow["source"];
  readonly createdAt: Date;
  readonly tenantName: string;
  readonly tenantStatus: "active" | "suspended" | "deleted";
  readonly isPersonal: boolean;
}

/** All of a user's memberships in tenants that are not deleted, the oldest first. */
export const membershipsOf = (q: Reader, userId: string): Promise<MembershipOfUser[]> =>
  q
    .select({
      tenantId: memberships.tenantId,
      active: memberships.active,
      source: memberships.source,
      createdAt: memberships.createdAt,
      tenantName: tenants.name,
      tenantStatus: tenants.status,
      isPersonal: tenants.personal,
    })
    .from(memberships)
    .innerJoin(tenants, eq(tenants.id, memberships.tenantId))
    .where(and(eq(memberships.userId, userId), isNull(tenants.deletedAt)))
    .orderBy(memberships.createdAt, memberships.tenantId);

/** Whether the user is a member of a shared tenant beside these (contract 00 §21). */
export async function belongsElsewhere(
  q: Reader,
  userId: string,
  tenantId: string,
): Promise<boolean> {
  const [row] = await q
    .select({ tenantId: memberships.tenantId })
    .from(memberships)
    .innerJoin(tenants, eq(tenants.id, memberships.tenantId))
    .where(
      and(
        eq(memberships.userId, userId),
        ne(memberships.tenantId, tenantId),
        eq(tenants.personal, false),
        isNull(tenants.deletedAt),
      ),
    )
    .limit(1);
  return row !== undefined;
}

/** Whether the user's home is a tenant that the account founded, and others reach into: members, or keys that work. */
export async function sharesOwnHome(
  q: Reader,
  { id, tenantId }: Pick<UserRow, "id" | "tenantId">,
  now: Date,
): Promise<boolean> {
  if (tenantId === null) return false;
  const founded = and(eq(tenants.id, tenantId), eq(tenants.createdBy, id));
  const [member] = await q
    .select({ id: tenants.id })
    .from(tenants)
    .innerJoin(memberships, eq(memberships.tenantId, tenants.id))
    .where(and(founded, ne(memberships.userId, id)))
    .limit(1);
  if (member) return true;
  const [key] = await q
    .select({ id: tenants.id })
    .from(tenants)
    .innerJoin(apiKeys, eq(apiKeys.tenantId, tenants.id))
    .where(
      and(
        founded,
        isNull(apiKeys.revokedAt),
        or(isNull(apiKeys.expiresAt), gt(apiKeys.expiresAt, now)),
      ),
    )
    .limit(1);
  return key !== undefined;
}

/** Takes a tenant away from those whose home it is. */
export async function clearHome(tx: Tx, tenantId: string): Promise<void> {
  await tx
    .update(users)
    .set({ tenantId: null })
    .where(and(eq(users.tenantId, tenantId), isNull(users.deletedAt)));
}

export async function slugOf(q: Reader, tenantId: string): Promise<string | undefined> {
  const [row] = await q
    .select({ slug: tenants.slug })
    .from(tenants)
    .where(eq(tenants.id, tenantId));
  return row?.slug;
}

export async function deleteMembershipsOf(tx: Tx, userId: string): Promise<void> {
  await tx.delete(memberships).where(eq(memberships.userId, userId));
}
