/** What a relying party asks with, and how it travels on to the page and back (RP-Initiated Logout 1.0 §2). */
import type { Deps } from "../../deps.ts";
import { isSameText } from "../../platform/crypto/tokens.ts";
import { AppError } from "../../platform/errors.ts";
import type { OAuthClient } from "../../platform/oauth-client.ts";
import { findOidcClient } from "../clients/service.ts";
import type { LogoutParameters } from "./model.ts";

/** Whom an ID token was issued for. */
export interface Hint {
  readonly sub: string;
  /** Of the session that it was issued in; null for a token of older days. */
  readonly sid: string | null;
}

/** Checked: the client exists, the address is registered, the hint is genuine. */
export interface LogoutRequest {
  readonly client: OAuthClient | undefined;
  readonly hint: Hint | undefined;
  /** Where the browser goes afterwards, byte for byte as registered. */
  readonly redirectUri: string | undefined;
  readonly state: string | undefined;
  readonly uiLocales: readonly string[];
}

/** Contract 03 §2. */
const MAX_STATE_CHARACTERS = 2_048;
/** As RFC 5646 §4.4.1 has it, more or less. */
const LOCALE = /^[A-Za-z0-9-]{1,35}$/;
/** A browser names fewer languages. */
const MAX_LOCALES = 10;
/** Long enough to read a page. */
const LIFE_SECONDS = 1_800;

const refused = (detail: string) => new AppError("bad_request", detail);

/** Throws what becomes a page, and no redirect, for anything that is wrong with a request (contract 03 §12.2, §12.3). */
export async function readRequest(
  deps: Deps,
  parameters: LogoutParameters,
): Promise<LogoutRequest> {
  const given = (name: keyof LogoutParameters) => parameters[name] || undefined;
  const idToken = given("id_token_hint");
  const clientId = given("client_id");
  const redirectUri = given("post_logout_redirect_uri");
  const state = given("state");
  if (state !== undefined && state.length > MAX_STATE_CHARACTERS)
    throw refused(`state is longer than ${MAX_STATE_CHARACTERS} characters`);
  const hinted = idToken === undefined ? undefined : await readHint(deps, idToken);
  if (hinted && clientId !== undefined && clientId !== hinted.client.clientId)
    throw refused("client_id is not the audience of id_token_hint");
  const client = hinted?.client ?? (await clientOf(deps, clientId));
  assertRegistered(client, redirectUri);
  return {
    client,
    hint: hinted?.hint,
    redirectUri,
    state,
    uiLocales: (given("ui_locales") ?? "")
      .split(" ")
      .filter((locale) => LOCALE.test(locale))
      .slice(0, MAX_LOCALES),
  };
}

/** RP-Initiated Logout 1.0 §4: genuine is enough, it may have expired. */
async function readHint(deps: Deps, idToken: string): Promise<{ client: OAuthClient; hint: Hint }> {
  const unusable = () => refused("id_token_hint is no ID token of this server");
  const claims = await deps.keyring
    .verify(idToken, {
      typ: "JWT",
      algorithms: ["RS256", "ES256"],
      audience: null,
      evenExpired: true,
    })
    .catch((error: unknown) => {
      if (error instanceof AppError && error.code === "unauthorized") throw unusable();
      throw error;
    });
  const { sub, sid, aud } = claims;
  const client = typeof aud === "string" ? await findOidcClient(deps, aud) : undefined;
  if (typeof sub !== "string" || client === undefined) throw unusable();
  return { client, hint: { sub, sid: typeof sid === "string" ? sid : null } };
}

async function clientOf(
  deps: Deps,
  clientId: string | undefined,
): Promise<OAuthClient | undefined> {
  if (clientId === undefined) return undefined;
  const client = await findOidcClient(deps, clientId);
  if (client === undefined) throw refused("no client has this client_id");
  return client;
}

/** RFC 9700 §4.11: an address that nobody registered would make this server an open redirector. */
function assertRegistered(client: OAuthClient | undefined, redirectUri: string | undefined): void {
  if (redirectUri === undefined) return;
  if (client === undefined)
    throw refused("post_logout_redirect_uri needs id_token_hint or client_id");
  if (!client.postLogoutUris.includes(redirectUri))
    throw refused(
      "post_logout_redirect_uri is not one of the client's post_logout_uris: register it there, letter by letter",
    );
}

/** A request in an address of ours: who asked, whom for, where to. The ID token is not in it. */
interface Parked {
  readonly client?: string;
  readonly sub?: string;
  readonly sid?: string | null;
  readonly uri?: string;
  readonly state?: string;
  readonly locales: readonly string[];
  /** Seconds. */
  readonly until: number;
}

/**
 * A checked request as text for a URL, with a MAC: what comes back is what was checked. Stateless, because anybody may
 * ask, as often as they like.
 */
export function parkRequest({ clock, derivedKeys }: Deps, request: LogoutRequest): string {
  const { client, hint, redirectUri, state, uiLocales } = request;
  const parked: Parked = {
    ...(client && { client: client.clientId }),
    ...hint,
    ...(redirectUri !== undefined && { uri: redirectUri }),
    ...(state !== undefined && { state }),
    locales: uiLocales,
    until: Math.floor(clock.now().getTime() / 1000) + LIFE_SECONDS,
  };
  const payload = Buffer.from(JSON.stringify(parked)).toString("base64url");
  return `${payload}.${macOf({ derivedKeys }, payload)}`;
}

const macOf = ({ derivedKeys }: Pick<Deps, "derivedKeys">, payload: string): string =>
  Buffer.from(derivedKeys.hmac("logout", payload)).toString("base64url");

/** The request behind `parkRequest`'s text. Throws `bad_request` for one that is not ours, too old, or refused by now. */
export async function unparkRequest(deps: Deps, text: string): Promise<LogoutRequest> {
  const [payload = "", mac = ""] = text.split(".");
  if (!isSameText(mac, macOf(deps, payload))) throw refused("logout_request is not of this server");
  // Ours, so shaped by us.
  const parked = JSON.parse(Buffer.from(payload, "base64url").toString()) as Parked;
  if (parked.until * 1000 <= deps.clock.now().getTime()) throw refused("logout_request is too old");
  const client = await clientOf(deps, parked.client);
  assertRegistered(client, parked.uri);
  return {
    client,
    hint: parked.sub === undefined ? undefined : { sub: parked.sub, sid: parked.sid ?? null },
    redirectUri: parked.uri,
    state: parked.state,
    uiLocales: parked.locales,
  };
}
