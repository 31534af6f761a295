/** RFC 8628 §3.4–3.5: the device asks, again and again, whether the person has decided. */
import assert from "node:assert";
import type { Deps } from "../../deps.ts";
import { hashToken } from "../../platform/crypto/tokens.ts";
import { OAuthError } from "../../platform/errors.ts";
import type { OAuthClient } from "../../platform/oauth-client.ts";
import { DEVICE_GRANT } from "../clients/service.ts";
import {
  assertResources,
  consentOf,
  findLiveGrant,
  type GrantHandler,
  issueTokens,
  openGrant,
} from "../tokens/service.ts";
import { deviceClientOf } from "./start.ts";
import * as store from "./store.ts";

/** RFC 8628 §3.5: what `slow_down` adds. */
const SLOWER_BY_SECONDS = 5;
/** However often a device came too soon: it must find its tokens before they expire. */
const MAX_INTERVAL_SECONDS = 60;

/**
 * Trades a device code for tokens, once. Throws `authorization_pending`, `slow_down`, `access_denied`, `expired_token`,
 * and `invalid_grant` for a code that is unknown, another client's, or used.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8628#section-3.5
 */
export const deviceCodeGrant: GrantHandler = {
  grantType: DEVICE_GRANT,
  async exchange(deps, { credential, form, dpopJkt, resources }) {
    const client = deviceClientOf(credential);
    if (form.device_code === undefined || form.device_code === "")
      throw new OAuthError("invalid_request", "device_code is missing");
    const deviceCodeHash = hashToken(form.device_code);
    const [device] = await store.selectByDeviceCode(deps.db.read, { deviceCodeHash });
    if (!device || device.clientRowId !== client.id || device.consumedAt !== null) throw unknown();
    if (device.expiresAt <= deps.clock.now())
      throw new OAuthError("expired_token", "the device code has expired; ask for a new one");
    await notePoll(deps, device);
    if (device.status === "denied")
      throw new OAuthError("access_denied", "the user refused, or may not sign in any more");
    if (device.status === "pending")
      throw new OAuthError("authorization_pending", "the user has not decided yet");
    return fetchTokens(deps, client, device, { dpopJkt, resources });
  },
};

const unknown = () =>
  new OAuthError("invalid_grant", "the device code is unknown, used, or another client's");

/** Throws `slow_down` for a poll that comes too soon, also beside another one. */
async function notePoll(deps: Deps, device: store.DeviceRow): Promise<void> {
  const at = deps.clock.now();
  const { lastPolledAt, intervalSeconds } = device;
  const isTooSoon =
    lastPolledAt !== null && at.getTime() - lastPolledAt.getTime() < intervalSeconds * 1000;
  const next = isTooSoon
    ? Math.min(intervalSeconds + SLOWER_BY_SECONDS, MAX_INTERVAL_SECONDS)
    : intervalSeconds;
  const isNoted = await deps.db.transaction((tx) =>
    store.notePoll(tx, device, { at, intervalSeconds: next }),
  );
  if (isTooSoon || !isNoted)
    throw new OAuthError("slow_down", `wait ${SLOWER_BY_SECONDS} seconds longer between two polls`);
}

async function fetchTokens(
  deps: Deps,
  client: OAuthClient,
  device: store.DeviceRow,
  { dpopJkt, resources }: { dpopJkt: string | null; resources: readonly string[] },
) {
  // RFC 8707 §2.2: fewer than were authorized; where none were, those of this request are the grant's.
  if (device.resources.length > 0) assertResources(device.resources, resources);
  // What was taken from the client's registration since is not given any more.
  const scopes = device.scopes.filter((scope) => client.scopes.includes(scope));
  const { userId, loginSessionId, sid, authTime, amr, acr } = device;
  assert(userId && loginSessionId && sid && authTime && amr && acr, "authorized without a session");
  const grant = await deps.db.transaction(async (tx) => {
    if (!(await store.consumeDevice(tx, device.id, deps.clock.now()))) throw unknown();
    // A sign-out ends what the session gave (contract 03 §12.5), whether it was fetched by then or not.
    const outlivesSignOut = scopes.includes("offline_access");
    if (!outlivesSignOut && !(await store.isSignedIn(tx, loginSessionId)))
      throw new OAuthError("access_denied", "the user has signed out since");
    // Who takes the client's access away takes the consent away: what waits under it must not come after that.
    const consent = await consentOf(tx, userId, client.id);
    if (!consent || !scopes.every((scope) => consent.scopes.includes(scope)))
      throw new OAuthError("access_denied", "the access of the client was revoked");
    const opened = await openGrant(deps, tx, {
      grantType: DEVICE_GRANT,
      // By it the grant is found when the device is revoked.
      codeHash: device.deviceCodeHash,
      client,
      clientRowId: client.id,
      userId,
      tenantId: client.tenantId,
      scopes,
      nonce: null,
      claims: null,
      resources: device.resources.length > 0 ? device.resources : resources,
      // RFC 9449 §5: refresh tokens of public clients are bound to the key, those of others to the client.
      dpopJkt: client.type === "public" ? dpopJkt : null,
      loginSessionId,
      sid,
      authTime,
      amr,
      acr,
    });
    // The user, the tenant and the membership may have changed since the decision.
    if (!(await findLiveGrant(tx, opened.id, "")))
      throw new OAuthError("access_denied", "the user may not sign in any more");
    return opened;
  });
  return issueTokens(deps, {
    grant,
    client,
    scopes,
    resources: resources.length > 0 ? resources : device.resources,
    refreshToken: grant.refreshToken,
    dpopJkt,
  });
}
