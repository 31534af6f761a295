/** What the hosted pages may know of a request. */
import type { Deps } from "../../deps.ts";
import { hashToken } from "../../platform/crypto/tokens.ts";
import { AppError } from "../../platform/errors.ts";
import type { OAuthClient } from "../../platform/oauth-client.ts";
import { findOidcClient } from "../clients/service.ts";
import type { HostedSession } from "../sessions/service.ts";
import { AUTHORIZE_PATH, findPending, isOfBrowser } from "./pending.ts";
import type { AuthorizationRequest } from "./request.ts";
import * as store from "./store.ts";

export interface PendingRequest {
  readonly requestId: string;
  readonly client: OAuthClient;
  readonly scopes: readonly string[];
  readonly loginHint: string | null;
  /** Without `select_account` once that was answered. */
  readonly prompt: readonly string[];
  readonly uiLocales: readonly string[];
  readonly display: string | null;
  /** Single claims that are asked for, as `userinfo.name`. */
  readonly claimNames: readonly string[];
  /** Where the answer goes, as a person would name it. */
  readonly redirectHost: string;
  readonly createdAt: Date;
  /** The session that may decide, once one has answered all that comes before. */
  readonly loginSessionId: string | null;
}

/**
 * A request that waits in this browser (`browser`: the value of cookie `qe_ar`); undefined for unknown, expired,
 * answered, and for one of another browser.
 */
export async function findPendingRequest(
  deps: Deps,
  requestId: string,
  browser: string | undefined,
): Promise<PendingRequest | undefined> {
  const pending = await findPending(deps, requestId);
  if (pending === undefined || !isOfBrowser(pending.row, browser)) return undefined;
  const { row, request } = pending;
  const { client, scopes, loginHint, prompt, uiLocales, display, claimNames } = request;
  return {
    requestId,
    client,
    scopes,
    loginHint,
    prompt: row.selectedAt === null ? prompt : prompt.filter((one) => one !== "select_account"),
    uiLocales,
    display,
    claimNames,
    redirectHost: hostOf(request.target.redirectUri),
    createdAt: row.createdAt,
    loginSessionId: row.loginSessionId,
  };
}

/** Of an application's own scheme (RFC 8252 §7.1) the scheme. */
const hostOf = (uri: string): string => {
  const { host, protocol } = new URL(uri);
  return host === "" ? protocol : host;
};

/**
 * The person has chosen the account to go on with: `prompt=select_account` is answered. Changes nothing where the
 * session is not one that the request could go on with.
 */
export async function markSelected(
  deps: Deps,
  requestId: string,
  session: HostedSession,
): Promise<void> {
  const pending = await findPending(deps, requestId);
  const pinned = session.pinnedTenantId;
  if (pending === undefined || (pinned !== null && pinned !== pending.request.client.tenantId))
    return;
  await deps.db.transaction((tx) =>
    store.selectAccount(tx, hashToken(requestId), {
      selectedAt: deps.clock.now(),
      loginSessionId: session.id,
    }),
  );
}

const RETURN_PATHS = [
  AUTHORIZE_PATH,
  "/saml/idp/sso",
  "/device",
  "/account",
  "/invite/accept",
] as const;
const MAX_RETURN_TO = 8_192;
/** Printable ASCII without quotes, `#` and backslashes, which browsers read as slashes. */
const PLAIN = /^[\x21\x24-\x5B\x5D-\x7E]+$/;

/**
 * Whether the hosted pages may send the browser to `url` when they are done (contract 00 §35). Compared as text: what a
 * parser would have to make sense of first is refused.
 */
export function isReturnTo({ config }: Pick<Deps, "config">, url: string): boolean {
  if (url.length > MAX_RETURN_TO || !PLAIN.test(url)) return false;
  const path = url.startsWith(`${config.publicUrl}/`) ? url.slice(config.publicUrl.length) : "";
  return RETURN_PATHS.some((one) => path === one || path.startsWith(`${one}?`));
}

export interface LoginContext {
  readonly client: OAuthClient;
  readonly requestId: string | undefined;
  readonly request: AuthorizationRequest | undefined;
}

/**
 * For sign-in pages elsewhere: the client, by its client_id or by a request that waits. Who knows a request_id is the
 * browser that it was given to. Throws `not_found`.
 */
export async function loginContext(
  deps: Deps,
  { clientId, requestId }: { clientId?: string | undefined; requestId?: string | undefined },
): Promise<LoginContext> {
  if (clientId === undefined && requestId === undefined)
    throw new AppError("bad_request", "client_id or request_id is required");
  const pending = requestId === undefined ? undefined : await findPending(deps, requestId);
  const client =
    requestId === undefined ? await findOidcClient(deps, clientId!) : pending?.request.client;
  if (client === undefined || (clientId !== undefined && clientId !== client.clientId))
    throw new AppError("not_found");
  return { client, requestId, request: pending?.request };
}
