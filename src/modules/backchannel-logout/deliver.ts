import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { defineJob } from "../../platform/jobs/runner.ts";
import { OutboundError } from "../../platform/outbound.ts";
import { kindOf } from "../../platform/redact.ts";
import { recordAudit } from "../audit/service.ts";
import * as store from "./store.ts";

const BATCH = 20;
const TIMEOUT_MS = 5_000;
/** More than a batch takes when every client is silent. */
const LEASE_MS = 60_000;
const MAX_ATTEMPTS = 10;
/** Of an answer nothing but its status is looked at. */
const MAX_ANSWER_BYTES = 16 * 1024;
/** Other logouts of an unreachable client that one failure puts off. */
const POSTPONED_AT_ONCE = 500;
/** Back-Channel Logout 1.0 §4: at most two minutes, so that a copied token is of no use. */
const TOKEN_SECONDS = 120;
const EVENT = "http://schemas.openid.net/event/backchannel-logout";

/**
 * Sends the logout tokens that are due. Each is delivered at least once: where the answer is lost, another token for
 * the same session goes out.
 */
export const backchannelLogoutJob = defineJob({
  name: "backchannel-logout",
  everyMs: 1_000,
  async run(deps, signal) {
    for (;;) {
      const rows = await claim(deps);
      // A batch that is not full says nothing: a tenant may have more waiting than its share.
      if (rows.length === 0) return;
      const recipients = await store.recipientsAmong(deps.db.read, [
        ...new Set(rows.map(({ clientRowId }) => clientRowId)),
      ]);
      const byId = new Map(recipients.map((one) => [one.id, one]));
      await Promise.all(rows.map((row) => deliverOne(deps, row, byId.get(row.clientRowId))));
      if (signal.aborted) return;
    }
  },
});

async function claim(deps: Deps): Promise<store.LogoutRow[]> {
  const now = deps.clock.now();
  const ids = await store.dueLogoutIds(deps.db.read, now, BATCH); // an idle server writes nothing
  if (ids.length === 0) return [];
  const leaseUntil = new Date(now.getTime() + LEASE_MS);
  return deps.db.transaction((tx) => store.claimLogouts(tx, ids, now, leaseUntil), {
    serializeOn: "backchannel-logout",
  });
}

async function deliverOne(
  deps: Deps,
  row: store.LogoutRow,
  recipient: store.Recipient | undefined,
): Promise<void> {
  // Deleted meanwhile, or it does not want to know any more.
  if (!recipient) return finish(deps, row, { lastError: "the client has no logout URI any more" });
  let failure: unknown;
  try {
    await send(deps, row, recipient);
  } catch (error) {
    failure = error;
  }
  const attempts = row.attempts + 1;
  if (failure === undefined) return finish(deps, row, { attempts, lastError: null });
  const error = labelOf(failure);
  const fields = { logout_id: row.id, client_id: recipient.clientId, attempts, fault: error };
  if (attempts >= MAX_ATTEMPTS) {
    deps.log.error("back-channel logout given up", fields);
    return giveUp(deps, row, recipient, { attempts, error });
  }
  deps.log.warn("back-channel logout not delivered yet", fields);
  await postpone(deps, row, { attempts, error, isUnreachable: isUnreachable(failure) });
}

/** Throws an OutboundError for anything but a 2xx answer (Back-Channel Logout 1.0 §2.8). */
async function send(deps: Deps, row: store.LogoutRow, recipient: store.Recipient): Promise<void> {
  const { status } = await deps.outbound.request({
    url: recipient.uri,
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ logout_token: await logoutToken(deps, row, recipient) }).toString(),
    timeoutMs: TIMEOUT_MS,
    maxBytes: MAX_ANSWER_BYTES,
    allowPrivate: deps.config.env === "dev",
  });
  if (status < 200 || status > 299) throw new OutboundError("bad_status", status);
}

/**
 * Signed as the client's ID tokens are. No `nonce`, which keeps it from passing for one of those.
 *
 * @see https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken
 */
function logoutToken(
  { keyring, config, clock, random }: Deps,
  { userId, sid }: store.LogoutRow,
  { clientId, idTokenAlg }: store.Recipient,
): Promise<string> {
  const iat = Math.floor(clock.now().getTime() / 1000);
  return keyring.sign(
    idTokenAlg,
    { typ: "logout+jwt" },
    {
      iss: config.jwtIssuer,
      aud: clientId,
      iat,
      exp: iat + TOKEN_SECONDS,
      jti: random.uuid(),
      events: { [EVENT]: {} },
      sub: userId,
      sid,
    },
  );
}

async function finish(
  deps: Deps,
  row: store.LogoutRow,
  change: { readonly attempts?: number; readonly lastError: string | null },
): Promise<void> {
  const finishedAt = deps.clock.now();
  await deps.db.transaction((tx) => store.updateClaimed(tx, row, { ...change, finishedAt }), {
    serializeOn: "backchannel-logout",
  });
}

async function postpone(
  deps: Deps,
  row: store.LogoutRow,
  {
    attempts,
    error,
    isUnreachable,
  }: { readonly attempts: number; readonly error: string; readonly isUnreachable: boolean },
): Promise<void> {
  const now = deps.clock.now();
  const dueAt = new Date(now.getTime() + backoffMs(attempts));
  const { clientRowId } = row;
  const others = { clientRowId, now, dueAt, error, maxAttempts: MAX_ATTEMPTS };
  const work = async (tx: Tx) => {
    await store.updateClaimed(tx, row, { attempts, lastError: error, dueAt });
    // Whatever else there is for a client that is down would wait for its time-out too, and other clients behind it.
    if (isUnreachable) await store.postponeOthers(tx, { ...others, limit: POSTPONED_AT_ONCE });
  };
  await deps.db.transaction(work, { serializeOn: "backchannel-logout" });
}

/** The tenant learns that a client of theirs may still hold a session that has ended here. */
async function giveUp(
  deps: Deps,
  row: store.LogoutRow,
  { id, tenantId, clientId }: store.Recipient,
  { attempts, error }: { readonly attempts: number; readonly error: string },
): Promise<void> {
  const finishedAt = deps.clock.now();
  const work = async (tx: Tx) => {
    if (!(await store.updateClaimed(tx, row, { attempts, lastError: error, finishedAt }))) return;
    await recordAudit(
      deps,
      tx,
      { system: true, userId: row.userId },
      {
        tenantId,
        action: "oauth.backchannel_logout_failed",
        resource: { type: "oidc_client", id },
        metadata: { client_id: clientId, sid: row.sid, attempts, error },
      },
    );
  };
  await deps.db.transaction(work, { serializeOn: tenantId });
}

/** 10 s, 20 s, 40 s, …: the tenth attempt comes 85 minutes after the first. */
const backoffMs = (attempts: number): number => 10_000 * 2 ** (attempts - 1);

const isUnreachable = (error: unknown): boolean =>
  error instanceof OutboundError && error.fault !== "bad_status" && error.fault !== "too_large";

/** Names neither address nor body. */
const labelOf = (error: unknown): string =>
  error instanceof OutboundError
    ? `${error.message}${error.status === undefined ? "" : ` ${error.status}`}`
    : kindOf(error);
