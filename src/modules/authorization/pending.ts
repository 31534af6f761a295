/** Requests that wait for a person: kept for half an hour, good for one answer, bound to one browser. */
import type { Deps } from "../../deps.ts";
import { hashToken, isSameText, newToken } from "../../platform/crypto/tokens.ts";
import { AppError } from "../../platform/errors.ts";
import { one, type Parameters } from "./parameters.ts";
import { type AuthorizationRequest, requestOf } from "./request.ts";
import * as store from "./store.ts";
import { clientOf, withQuery } from "./target.ts";

const LIFE_MS = 30 * 60_000;
/** What `newToken` makes. */
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

export const AUTHORIZE_PATH = "/v1/oauth/authorize";

/** A stored request, read. */
export interface Pending {
  /** Undefined where it was found without: only its hash is kept. */
  readonly requestId: string | undefined;
  readonly row: store.RequestRow;
  readonly request: AuthorizationRequest;
}

/** Contract 03 §7.2 step 12: whatever is wrong with a request_id is one answer, a page. */
export const gone = (): AppError =>
  new AppError(
    "bad_request",
    "this request was answered before, has expired, or is not of this browser",
  );

/** Stores a request and answers its request_id. `browser`: the value of cookie `qe_ar`; bound at re-entry without. */
export async function keepRequest(
  deps: Deps,
  request: AuthorizationRequest,
  arrivedAt: Date,
  bound: { readonly browser?: string; readonly loginSessionId?: string },
): Promise<string> {
  const { token, hash } = newToken(deps.random);
  await deps.db.transaction((tx) =>
    store.insertRequest(tx, {
      requestHash: hash,
      clientRowId: request.client.id,
      parameters: request.parameters as Record<string, string | string[]>, // drizzle's type is mutable
      browserHash: bound.browser === undefined ? null : hashToken(bound.browser),
      loginSessionId: bound.loginSessionId ?? null,
      createdAt: arrivedAt,
      expiresAt: new Date(arrivedAt.getTime() + LIFE_MS),
    }),
  );
  return token;
}

/** The value for cookie `qe_ar`: the browser's own, which its other requests hold, or a new one. */
export const browserTokenOf = (deps: Deps, browser: string | undefined): string =>
  browser !== undefined && TOKEN.test(browser) ? browser : newToken(deps.random).token;

/** A request that waits; undefined for unknown, answered, expired, or one whose client is gone or changed its redirects. */
export async function findPending(
  deps: Deps,
  requestId: string,
): Promise<(Pending & { readonly requestId: string }) | undefined> {
  if (!TOKEN.test(requestId)) return undefined;
  const row = await store.findRequest(deps.db.read, hashToken(requestId), deps.clock.now());
  const pending = row && (await readPending(deps, requestId, row));
  return pending && { ...pending, requestId };
}

export async function readPending(
  deps: Deps,
  requestId: string | undefined,
  row: store.RequestRow,
): Promise<Pending | undefined> {
  const parameters: Parameters = row.parameters;
  try {
    const client = await clientOf(deps, parameters);
    return { requestId, row, request: requestOf(client, parameters) };
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

/** Whether a stored request is of this browser. One that was posted is of nobody yet. */
export function isOfBrowser({ browserHash }: store.RequestRow, browser: string | undefined) {
  if (browserHash === null) return true;
  return browser !== undefined && isSameText(hashToken(browser), browserHash);
}

/** The address that brings a stored request back. */
export const reentryUrl = (deps: Pick<Deps, "config">, clientId: string, requestId: string) =>
  withQuery(deps.config.publicUrl + AUTHORIZE_PATH, { client_id: clientId, request_id: requestId });

/**
 * Beyond this, servers refuse an address (ours at 16 KiB of head), and a person would stand before an error that nobody
 * wrote for them: what the page can do without is left out.
 */
const MAX_ADDRESS = 6_000;

function pageAddress(
  page: string,
  needed: Readonly<Record<string, string | undefined>>,
  told: Readonly<Record<string, string | undefined>>,
): string {
  const full = withQuery(page, { ...needed, ...told });
  return full.length <= MAX_ADDRESS ? full : withQuery(page, needed);
}

/** Step 11: the page that signs somebody in and then goes to `return_to`. */
export function loginAddress(
  deps: Pick<Deps, "config">,
  { client, loginHint, uiLocales }: AuthorizationRequest,
  requestId: string,
): string {
  const needed = { return_to: reentryUrl(deps, client.clientId, requestId) };
  return pageAddress(`${deps.config.loginBaseUrl}/login`, needed, {
    login_hint: loginHint ?? undefined,
    ui_locales: uiLocales.length > 0 ? uiLocales.join(" ") : undefined,
  });
}

/** What the consent page is told, and what its decision may name instead of the request_id (contract 03 §7.4). */
export const DECIDED_BY = [
  "client_id",
  "redirect_uri",
  "scope",
  "state",
  "nonce",
  "code_challenge",
  "code_challenge_method",
] as const;

/** Step 14. */
export function consentAddress(
  deps: Pick<Deps, "config">,
  { client, parameters }: AuthorizationRequest,
  requestId: string,
): string {
  const needed = { request_id: requestId, client_id: client.clientId };
  const told = Object.fromEntries(DECIDED_BY.map((name) => [name, one(parameters, name)]));
  return pageAddress(`${deps.config.loginBaseUrl}/consent`, needed, told);
}
