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

/** Where an answer leads: to the client, to one of the pages, or nowhere. */
export function stageOf(answer: { status: number; headers: Headers }): string {
  const location = answer.headers.get("location");
  if (location === null) return String(answer.status);
  const { pathname } = new URL(location);
  return pathname === "/login" ? "login" : pathname === "/consent" ? "consent" : "callback";
}

/** Comes back with the `return_to` of an answer that led to the sign-in page. */
export function comeBack(
  server: Pick<TestProvider, "base">,
  browser: Browser,
  answer: { headers: Headers },
) {
  const { return_to } = paramsOf(answer);
  if (!return_to?.startsWith(`${server.base}/v1/oauth/authorize?`))
    throw new Error(`return_to is ${return_to}`);
  return browser.call("GET", return_to.slice(server.base.length));
}

/** Allows the request of an answer that led to the consent page; the parameters that the client gets. */
export async function allow(
  server: Pick<TestProvider, "base">,
  browser: Browser,
  answer: { headers: Headers },
): Promise<Record<string, string>> {
  const { status, body } = await api(server, browser, "POST", "/v1/oauth/authorize/decision", {
    request_id: paramsOf(answer).request_id,
    decision: "allow",
  });
  if (status !== 200) throw new Error(`the decision answered ${status}`);
  return Object.fromEntries(new URL(body.redirect).searchParams);
}

/** An ID token of this provider, as a client keeps it for a hint. */
export function idTokenFor(
  { deps, base, clock }: Pick<TestProvider, "deps" | "base" | "clock">,
  client: TestClient,
  sub: string,
): Promise<string> {
  const iat = Math.floor(clock.now().getTime() / 1000);
  return deps.keyring.sign(
    "RS256",
    { typ: "JWT" },
    { iss: base, aud: client.clientId, sub, iat, exp: iat + 900 },
  );
}

/** Of a client: whoever has an account may use it. */
export const OPEN = { require_membership: false };
