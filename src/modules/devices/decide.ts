/** RFC 8628 §3.3: a person types in the code of a device, sees who asks, and decides. */
import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import { rateKeyOf } from "../../platform/http/address.ts";
import type { OAuthClient } from "../../platform/oauth-client.ts";
import type { Caller } from "../../platform/permissions.ts";
import { recordAudit, userAuthor } from "../audit/service.ts";
import { findOidcClient } from "../clients/service.ts";
import { decideFactors, type HostedSession } from "../sessions/service.ts";
import { acrOf, rememberConsent, sidOf } from "../tokens/service.ts";
import { findUser, isMember } from "../users/service.ts";
import * as store from "./store.ts";
import { readUserCode, showUserCode } from "./user-code.ts";

/** A device that waits for a decision. */
export interface WaitingDevice {
  /** As people read it. */
  readonly userCode: string;
  readonly client: OAuthClient;
  readonly scopes: readonly string[];
}

/**
 * What waits under a user code. Throws `bad_request` for none or an expired one, `not_found` for one that is none,
 * `conflict` once it is decided, `too_many_requests` for who guesses. The details begin with the dotted names of
 * contract 03 §16.2.
 */
export async function findDevice(
  deps: Deps,
  caller: Caller,
  userCode: string | undefined,
  session: HostedSession,
): Promise<WaitingDevice> {
  const { device, client } = await waiting(deps, caller, userCode, session);
  return { userCode: showUserCode(device.userCode), client, scopes: device.scopes };
}

/**
 * The person's answer, given once. Throws as `findDevice`, and `forbidden` for who may not sign in to the client:
 * no member where it asks for members, or signed in through another tenant's identity provider.
 */
export async function decideDevice(
  deps: Deps,
  caller: Caller,
  input: {
    readonly userCode: string | undefined;
    readonly approve: boolean;
    readonly session: HostedSession;
  },
): Promise<"authorized" | "denied"> {
  const { approve, session } = input;
  const { device, client } = await waiting(deps, caller, input.userCode, session);
  if (approve) await assertMaySignIn(deps, client, session);
  const { userId } = session;
  const status = approve ? ("authorized" as const) : ("denied" as const);
  const now = deps.clock.now();
  await deps.db.transaction(
    async (tx) => {
      const decision = approve
        ? { status, userId, ...bindingOf(deps, session, client) }
        : { status, userId };
      // A reset that ended the session has taken back what it had allowed, not what it allows now.
      if (approve && !(await store.isSignedIn(tx, session.id))) throw new AppError("unauthorized");
      if (!(await store.decideDevice(tx, device.id, now, decision))) throw alreadyDecided();
      if (approve)
        await rememberConsent(deps, tx, {
          userId,
          clientRowId: client.id,
          scopes: device.scopes,
          claims: [],
        });
      await recordAudit(deps, tx, userAuthor(caller, userId), {
        tenantId: client.tenantId,
        action: approve ? "oauth.device_authorized" : "oauth.device_denied",
        resource: { type: "oauth_device", id: device.id },
        metadata: {
          client_id: client.clientId,
          user_code: showUserCode(device.userCode),
          scopes: device.scopes,
        },
      });
    },
    { serializeOn: client.tenantId },
  );
  return status;
}

/** The hosted session as the tokens will tell of it. */
const bindingOf = (deps: Deps, session: HostedSession, client: OAuthClient) => ({
  loginSessionId: session.id,
  sid: sidOf(deps, session.id, client.id),
  authTime: session.authTime,
  amr: [...session.amr],
  acr: acrOf(session),
});

async function waiting(
  deps: Deps,
  caller: Caller,
  text: string | undefined,
  session: HostedSession,
): Promise<{ device: store.NamedDevice; client: OAuthClient }> {
  if (text === undefined || text.trim() === "")
    throw new AppError(
      "bad_request",
      "oidc.user_code_required: type in the code that the device shows",
    );
  await spendGuess(deps, caller, session);
  const userCode = readUserCode(text);
  const device = userCode && (await store.findByUserCode(deps.db.read, userCode));
  const client = device && (await findOidcClient(deps, device.clientId));
  if (!device || !client)
    throw new AppError("not_found", "oidc.user_code_invalid: no device shows this code");
  if (device.status !== "pending") throw alreadyDecided();
  if (device.expiresAt <= deps.clock.now())
    throw new AppError("bad_request", "oidc.user_code_expired: start again on the device");
  return { device, client };
}

const alreadyDecided = () =>
  new AppError("conflict", "oidc.device_already_decided: this code was answered before");

/**
 * RFC 8628 §5.1: a short code must not be found by trying. Counted before it is looked up, right or wrong: who has no
 * guess left must not learn that this one would have been right.
 */
async function spendGuess(deps: Deps, { ip }: Caller, session: HostedSession): Promise<void> {
  for (const key of [`session:${session.id}`, `ip:${rateKeyOf(ip)}`]) {
    const { waitSeconds } = await deps.rate.take("device", key);
    if (waitSeconds === 0) continue;
    deps.metrics.rateLimitDenied("device");
    throw new AppError("too_many_requests", undefined, {
      headers: { "retry-after": String(waitSeconds) },
    });
  }
}

async function assertMaySignIn(
  deps: Deps,
  client: OAuthClient,
  session: HostedSession,
): Promise<void> {
  const { userId, pinnedTenantId, amr, mfaAt } = session;
  const { tenantId } = client;
  const q = deps.db.read;
  // Contract 00 §23: a session from a tenant's own identity provider serves that tenant alone.
  const isForeign = pinnedTenantId !== null && pinnedTenantId !== tenantId;
  if (isForeign || (client.requireMembership && !(await isMember(q, tenantId, userId))))
    throw new AppError(
      "forbidden",
      `oidc.user_tenant_mismatch: this account may not use ${client.name}`,
    );
  const user = await findUser(q, userId);
  const homeTenantId = user?.tenantId ?? null;
  await decideFactors(deps, q, { userId, tenantId, homeTenantId, amr, mfaAt });
}
