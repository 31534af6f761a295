import {
  authorizeUrl,
  type Browser,
  challengeOf,
  type Parameters,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";

export const VERIFIER = "v".repeat(43);
/** PKCE as most tests send it. */
export const PKCE: Parameters = {
  code_challenge: challengeOf(VERIFIER),
  code_challenge_method: "S256",
};

/** Signs a browser in without any page, as a script of the sign-in page would. */
export async function signIn(
  server: TestProvider,
  browser: Browser,
  user: Pick<SignedUp, "email" | "password">,
): Promise<void> {
  const { email, password } = user;
  const answer = await api(server, browser, "POST", "/v1/auth/session", { email, password });
  if (answer.status !== 200) throw new Error(`sign-in answered ${answer.status}`);
}

/** A call of a page's script: with the cookies, its Origin, and the CSRF token. */
export async function api(
  server: Pick<TestProvider, "base">,
  browser: Browser,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
) {
  if (!browser.cookies.has("qe_csrf")) await browser.call("GET", "/healthz");
  return browser.call(method, path, {
    body,
    headers: {
      origin: server.base,
      "x-csrf-token": browser.cookies.get("qe_csrf")?.value ?? "",
      ...headers,
    },
  });
}

/** One GET of the authorization endpoint, no redirect followed. */
export const ask = (browser: Browser, client: TestClient, parameters: Parameters = {}) =>
  browser.call("GET", authorizeUrl(client, { ...PKCE, ...parameters }));

/** The parameters of the address that an answer leads to. */
export const paramsOf = (answer: { headers: Headers }): Record<string, string> =>
  Object.fromEntries(new URL(answer.headers.get("location") ?? "none:").searchParams);
