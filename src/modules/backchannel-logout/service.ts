import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { insertLogouts, recipientsAmong } from "./store.ts";

export { backchannelLogoutJob } from "./deliver.ts";
export { backchannelLogoutSubjectData } from "./subject-data.ts";

/** A sign-in of a user at a client that has ended. */
export interface EndedLogin {
  readonly clientRowId: string;
  readonly userId: string;
  /** The session as the client knows it: `sid` of its ID tokens. */
  readonly sid: string;
}

/**
 * Notes that clients must be told of sign-ins that end with this transaction: one logout token for each client and
 * session, to clients that have registered a `backchannel_logout_uri`. The others hear nothing.
 *
 * @see https://openid.net/specs/openid-connect-backchannel-1_0.html#BCRequest
 */
export async function queueBackchannelLogouts(
  deps: Pick<Deps, "clock" | "random">,
  tx: Tx,
  ended: readonly EndedLogin[],
): Promise<void> {
  if (ended.length === 0) return;
  const recipients = await recipientsAmong(tx, [
    ...new Set(ended.map(({ clientRowId }) => clientRowId)),
  ]);
  if (recipients.length === 0) return;
  const wanting = new Set(recipients.map(({ id }) => id));
  // A session may hold several grants of one client: it is one sign-in to the client all the same.
  const logins = new Map(
    ended
      .filter(({ clientRowId }) => wanting.has(clientRowId))
      .map((login) => [`${login.clientRowId} ${login.sid}`, login]),
  );
  const now = deps.clock.now();
  await insertLogouts(
    tx,
    [...logins.values()].map(({ clientRowId, userId, sid }) => ({
      id: deps.random.uuid(),
      clientRowId,
      userId,
      sid,
      dueAt: now,
      createdAt: now,
    })),
  );
}
