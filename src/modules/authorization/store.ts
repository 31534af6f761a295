import { and, desc, eq, gt, isNull } from "drizzle-orm";
import type { Reader, Tx } from "../../../db/client.ts";
import { prepared } from "../../../db/prepared.ts";
import { authorizationRequests, pushedRequests } from "../../../db/schema/index.ts";

export type RequestRow = typeof authorizationRequests.$inferSelect;
export type NewRequest = Pick<
  RequestRow,
  | "requestHash"
  | "clientRowId"
  | "parameters"
  | "browserHash"
  | "loginSessionId"
  | "createdAt"
  | "expiresAt"
>;

export async function insertRequest(tx: Tx, row: NewRequest): Promise<void> {
  await tx.insert(authorizationRequests).values(row);
}

const selectRequest = prepared((q, p: { hash: string; now: Date }) =>
  q
    .select()
    .from(authorizationRequests)
    .where(
      and(
        eq(authorizationRequests.requestHash, p.hash),
        isNull(authorizationRequests.consumedAt),
        gt(authorizationRequests.expiresAt, p.now),
      ),
    ),
);

/** One that still waits. */
export async function findRequest(
  q: Reader,
  hash: string,
  now: Date,
): Promise<RequestRow | undefined> {
  const [row] = await selectRequest(q, { hash, now });
  return row;
}

/** Those that wait for a word of this session, the latest first. */
export const undecidedOf = (
  q: Reader,
  loginSessionId: string,
  now: Date,
  limit: number,
): Promise<RequestRow[]> =>
  q
    .select()
    .from(authorizationRequests)
    .where(
      and(
        eq(authorizationRequests.loginSessionId, loginSessionId),
        isNull(authorizationRequests.consumedAt),
        isNull(authorizationRequests.decidedAt),
        gt(authorizationRequests.expiresAt, now),
      ),
    )
    .orderBy(desc(authorizationRequests.createdAt))
    .limit(limit);

/** The browser that comes first with a request which was posted keeps it. False: another one did. */
export async function bindBrowser(tx: Tx, hash: string, browserHash: string): Promise<boolean> {
  const bound = await tx
    .update(authorizationRequests)
    .set({ browserHash })
    .where(
      and(eq(authorizationRequests.requestHash, hash), isNull(authorizationRequests.browserHash)),
    )
    .returning({ hash: authorizationRequests.requestHash });
  return bound.length === 1;
}

/** All has been asked but consent, and this session answered: what another one decided is void. */
export async function tieToSession(
  tx: Tx,
  { hash, loginSessionId }: { hash: string; loginSessionId: string },
): Promise<void> {
  await tx
    .update(authorizationRequests)
    .set({ loginSessionId, decidedAt: null, approved: null })
    .where(
      and(eq(authorizationRequests.requestHash, hash), isNull(authorizationRequests.consumedAt)),
    );
}

/** This session's account was chosen; or none, where the browser has come back with another one than was. */
export async function selectAccount(
  tx: Tx,
  hash: string,
  { selectedAt, loginSessionId }: Pick<RequestRow, "selectedAt" | "loginSessionId">,
): Promise<void> {
  await tx
    .update(authorizationRequests)
    .set({ selectedAt, loginSessionId, decidedAt: null, approved: null })
    .where(
      and(eq(authorizationRequests.requestHash, hash), isNull(authorizationRequests.consumedAt)),
    );
}

/** Uses a request up. False when it was before, or is too old. */
export async function consumeRequest(tx: Tx, hash: string, now: Date): Promise<boolean> {
  const consumed = await tx
    .update(authorizationRequests)
    .set({ consumedAt: now })
    .where(
      and(
        eq(authorizationRequests.requestHash, hash),
        isNull(authorizationRequests.consumedAt),
        gt(authorizationRequests.expiresAt, now),
      ),
    )
    .returning({ hash: authorizationRequests.requestHash });
  return consumed.length === 1;
}

/** The one decision about a request, by the session that it is tied to; uses it up where its answer goes out at once. */
export async function decideRequest(
  tx: Tx,
  decision: {
    readonly hash: string;
    readonly loginSessionId: string;
    readonly approved: boolean;
    readonly consumes: boolean;
    /** In the place of `hash` from now on. */
    readonly newHash: string | undefined;
    readonly now: Date;
  },
): Promise<boolean> {
  const { hash, loginSessionId, approved, consumes, newHash, now } = decision;
  const decided = await tx
    .update(authorizationRequests)
    .set({
      decidedAt: now,
      approved,
      ...(consumes && { consumedAt: now }),
      ...(newHash !== undefined && { requestHash: newHash }),
    })
    .where(
      and(
        eq(authorizationRequests.requestHash, hash),
        eq(authorizationRequests.loginSessionId, loginSessionId),
        isNull(authorizationRequests.consumedAt),
        isNull(authorizationRequests.decidedAt),
        gt(authorizationRequests.expiresAt, now),
      ),
    )
    .returning({ hash: authorizationRequests.requestHash });
  return decided.length === 1;
}

export type PushedRow = typeof pushedRequests.$inferSelect;

export async function insertPushed(tx: Tx, row: PushedRow): Promise<void> {
  await tx.insert(pushedRequests).values(row);
}

/** RFC 9126 §4: good for one authorization request, of the client that pushed it. */
export async function takePushed(
  tx: Tx,
  { hash, clientRowId, now }: { hash: string; clientRowId: string; now: Date },
): Promise<PushedRow | undefined> {
  const [row] = await tx
    .delete(pushedRequests)
    .where(
      and(
        eq(pushedRequests.requestHash, hash),
        eq(pushedRequests.clientRowId, clientRowId),
        gt(pushedRequests.expiresAt, now),
      ),
    )
    .returning();
  return row;
}
