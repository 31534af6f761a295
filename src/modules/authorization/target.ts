/** Where an answer to a client goes: decided before anything else, or nothing is sent anywhere. */
import type { Deps } from "../../deps.ts";
import { AppError, OAuthError } from "../../platform/errors.ts";
import { describable } from "../../platform/http/errors.ts";
import type { OAuthClient } from "../../platform/oauth-client.ts";
import { findOidcClient } from "../clients/service.ts";
import { one, type Parameters } from "./parameters.ts";

export type ResponseMode = "query" | "form_post";

export interface Target {
  /** Byte for byte as registered. */
  readonly redirectUri: string;
  readonly state: string | undefined;
  readonly responseMode: ResponseMode;
}

/** What the browser is to do next. */
export type Outcome =
  | { readonly kind: "redirect"; readonly location: string }
  | { readonly kind: "form"; readonly action: string; readonly fields: Record<string, string> };

/** Contract 03 §7.2 step 2, first half. Throws what becomes a page: there is nobody to redirect to. */
export async function clientOf(deps: Deps, parameters: Parameters): Promise<OAuthClient> {
  const clientId = one(parameters, "client_id");
  if (clientId === undefined) throw new AppError("bad_request", "client_id is missing");
  const client = await findOidcClient(deps, clientId);
  if (client === undefined) throw new AppError("bad_request", "no client has this client_id");
  return client;
}

/** Contract 03 §7.2 step 2, second half. Throws what becomes a page (RFC 9700 §4.11.2: never an open redirector). */
export function targetOf(client: OAuthClient, parameters: Parameters): Target {
  const redirectUri = one(parameters, "redirect_uri");
  if (redirectUri === undefined) throw new AppError("bad_request", "redirect_uri is missing");
  if (!isRegistered(client, redirectUri))
    throw new AppError(
      "bad_request",
      "redirect_uri is not one of the client's redirect_uris: register it there, letter by letter",
    );
  const responseMode = one(parameters, "response_mode") === "form_post" ? "form_post" : "query";
  return { redirectUri, state: one(parameters, "state"), responseMode };
}

/** RFC 9700 §2.1: compared as text. RFC 8252 §7.3: but for the port of a native application on the loopback interface. */
export function isRegistered(client: OAuthClient, redirectUri: string): boolean {
  if (client.redirectUris.includes(redirectUri)) return true;
  if (client.type !== "public") return false;
  const asked = withoutLoopbackPort(redirectUri);
  return (
    asked !== undefined && client.redirectUris.some((uri) => withoutLoopbackPort(uri) === asked)
  );
}

const LOOPBACK = /^(http:\/\/(?:127\.0\.0\.1|\[::1\]))(?::([1-9]\d{0,4}))?([/?].*)?$/;

function withoutLoopbackPort(uri: string): string | undefined {
  const [, origin, port, rest = ""] = LOOPBACK.exec(uri) ?? [];
  return origin === undefined || Number(port ?? 80) > 65_535 ? undefined : origin + rest;
}

/** An authorization response (RFC 6749 §4.1.2, RFC 9207 §2): the parameters that the client gets, in its response mode. */
export function answerTo(
  { config }: Pick<Deps, "config">,
  { redirectUri, state, responseMode }: Target,
  answer: Readonly<Record<string, string>>,
): Outcome {
  const fields = { ...answer, ...(state !== undefined && { state }), iss: config.jwtIssuer };
  return responseMode === "form_post"
    ? { kind: "form", action: redirectUri, fields }
    : { kind: "redirect", location: withQuery(redirectUri, fields) };
}

/** The answer that says no (RFC 6749 §4.1.2.1). */
export const refusalTo = (
  deps: Pick<Deps, "config">,
  target: Target,
  { error, message }: OAuthError,
): Outcome => answerTo(deps, target, { error, error_description: describable(message) });

export const denied = () => new OAuthError("access_denied", "the user refused");

/** Adds to the query of an address without touching what is there: `URL` would write a registered one anew. */
export function withQuery(
  address: string,
  fields: Readonly<Record<string, string | undefined>>,
): string {
  const added = Object.entries(fields)
    .filter((field): field is [string, string] => field[1] !== undefined)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join("&");
  const separator = !address.includes("?") ? "?" : /[?&]$/.test(address) ? "" : "&";
  return `${address}${separator}${added}`;
}
