import type { Context } from "elysia";
import type { Deps } from "../../deps.ts";

/** Elysia's `set`. Its jar is the one place for cookies: mixed with a `set-cookie` header, one of them is lost. */
export type CookieSink = Pick<Context["set"], "cookie">;

interface Attributes {
  readonly httpOnly: boolean;
  readonly sameSite: "lax" | "strict";
  readonly maxAgeSeconds: number;
  readonly domain?: string | null;
}

/** Sets a cookie of ours on the answer: `Path=/`, `Secure` outside development. */
export function setCookie(
  deps: Pick<Deps, "config">,
  set: CookieSink,
  name: string,
  value: string,
  { httpOnly, sameSite, maxAgeSeconds, domain }: Attributes,
): void {
  set.cookie ??= {};
  set.cookie[name] = {
    value,
    path: "/",
    httpOnly,
    sameSite,
    secure: deps.config.env !== "dev",
    maxAge: maxAgeSeconds,
    ...(domain && { domain }),
  };
}

/** The value of a cookie of the request; undefined when it was not sent. */
export function readCookie(headers: Headers, name: string): string | undefined {
  const cookies = headers.get("cookie");
  if (cookies === null) return undefined;
  for (const pair of cookies.split(";")) {
    const at = pair.indexOf("=");
    if (pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

/** Seconds that a hosted session's cookie lives (contract 02 §3). */
export const LOGIN_SESSION_SECONDS = 1_800;
const KNOWN_BROWSER_SECONDS = 365 * 86_400;
const CSRF_SECONDS = 43_200;
const ACCOUNTS_SECONDS = 43_200;

const LOGIN_SESSION = { httpOnly: true, sameSite: "lax" } as const;

/** `qe_ls`, the hosted session: host-only. */
export const setLoginSession = (deps: Pick<Deps, "config">, set: CookieSink, token: string): void =>
  setCookie(deps, set, "qe_ls", token, {
    ...LOGIN_SESSION,
    maxAgeSeconds: LOGIN_SESSION_SECONDS,
  });

export const clearLoginSession = (deps: Pick<Deps, "config">, set: CookieSink): void =>
  setCookie(deps, set, "qe_ls", "", { ...LOGIN_SESSION, maxAgeSeconds: 0 });

const AUTHORIZATION_SECONDS = 1_800;

/** `qe_ar`: ties the authorization requests of a browser to it, for as long as one lives (contract 03 §7.2). */
export const setAuthorizationBrowser = (
  deps: Pick<Deps, "config">,
  set: CookieSink,
  token: string,
): void =>
  setCookie(deps, set, "qe_ar", token, { ...LOGIN_SESSION, maxAgeSeconds: AUTHORIZATION_SECONDS });

/** `qe_known`: this browser signed in before (contract 00 §54). */
export const setKnownBrowser = (deps: Pick<Deps, "config">, set: CookieSink, value: string): void =>
  setCookie(deps, set, "qe_known", value, {
    ...LOGIN_SESSION,
    maxAgeSeconds: KNOWN_BROWSER_SECONDS,
  });

/** `qe_csrf`: readable by the page, which echoes it (contract 01 §8). */
export const setCsrfCookie = (deps: Pick<Deps, "config">, set: CookieSink, token: string): void =>
  setCookie(deps, set, "qe_csrf", token, {
    httpOnly: false,
    sameSite: "strict",
    maxAgeSeconds: CSRF_SECONDS,
    domain: deps.config.csrfCookieDomain,
  });

/** Sessions beside the current one that a browser keeps for the account chooser. */
export const MAX_OTHER_ACCOUNTS = 4;
const ACCOUNTS = /^[A-Za-z0-9_-]{43}(?:~[A-Za-z0-9_-]{43})*$/;

/** `qe_accounts`: tokens of the other hosted sessions of this browser. */
export function setAccounts(
  deps: Pick<Deps, "config">,
  set: CookieSink,
  tokens: readonly string[],
): void {
  const value = tokens.slice(0, MAX_OTHER_ACCOUNTS).join("~");
  // As long as any of them may live; which ones do is looked up each time.
  const maxAgeSeconds = value === "" ? 0 : ACCOUNTS_SECONDS;
  setCookie(deps, set, "qe_accounts", value, { ...LOGIN_SESSION, maxAgeSeconds });
}

/** Tokens of `qe_accounts`, the latest first. */
export function readAccounts(headers: Headers): string[] {
  const value = readCookie(headers, "qe_accounts") ?? "";
  return ACCOUNTS.test(value) ? value.split("~").slice(0, MAX_OTHER_ACCOUNTS) : [];
}
