/** What a sign-in is part of: the address that it leads back to, and what is known about what waits there. */
import { t } from "elysia";
import type { Deps } from "../../../deps.ts";
import { readCookie } from "../../../platform/http/cookies.ts";
import type { OAuthClient } from "../../../platform/oauth-client.ts";
import { type Design, designOf } from "../../../platform/pages/design.ts";
import { findOidcClient, findPendingRequest, isReturnTo, type PendingRequest } from "../service.ts";
import { addressOf, type Incoming, text, type Visit, visitOf } from "../visit.ts";
import type { Purpose } from "./views.tsx";

const AUTHORIZE_PATH = "/v1/oauth/authorize";
const MAX_LOCALES = 20;
const MAX_CARRIED_LOCALES = 512;
/** What a field for an address takes: a longer hint is none. */
const MAX_HINT = 320;

/** Parameters and fields that go along from page to page. */
export const FLOW_FIELDS = {
  return_to: text(8_192),
  // As long as a client may send them (contract 03 §2).
  login_hint: text(8_192),
  ui_locales: text(8_192),
};
export const FlowQuery = t.Object(FLOW_FIELDS);

type FlowParameters = typeof FlowQuery.static;

export interface Flow {
  /** Where it goes on; undefined without an address of ours that may be returned to. */
  readonly returnTo: string | undefined;
  readonly purpose: Purpose;
  /** The authorization request that waits. */
  readonly pending: PendingRequest | undefined;
  readonly client: OAuthClient | undefined;
  readonly loginHint: string | undefined;
  readonly prompt: readonly string[];
  readonly locales: readonly string[];
  readonly design: Design | undefined;
  /** The client lets people make themselves an account, and so does the server. */
  readonly offersSignUp: boolean;
  /** For links and forms within the flow. */
  readonly carried: Readonly<Record<string, string | undefined>>;
}

export async function readFlow(
  deps: Deps,
  { request: { headers } }: Incoming,
  given: FlowParameters,
): Promise<Flow> {
  const { return_to, login_hint, ui_locales } = given;
  const returnTo = return_to && isReturnTo(deps, return_to) ? return_to : undefined;
  const { pending, client } = await waitingAt(deps, returnTo, readCookie(headers, "qe_ar"));
  const asked = (ui_locales ?? "").split(" ").slice(0, MAX_LOCALES);
  const hint = login_hint || pending?.loginHint || "";
  return {
    returnTo,
    pending,
    client,
    purpose: purposeOf(deps, returnTo, client),
    loginHint: hint !== "" && hint.length <= MAX_HINT ? hint : undefined,
    prompt: pending?.prompt ?? [],
    locales: [...asked, ...(pending?.uiLocales ?? [])],
    design: client && designOf({ name: client.tenantName }),
    offersSignUp: (client?.selfRegistration ?? false) && deps.config.signupMode === "open",
    carried: { return_to: returnTo, ui_locales: asked.join(" ").slice(0, MAX_CARRIED_LOCALES) },
  };
}

/** The authorization request behind an address to return to; of one that is over, only whose it was. */
async function waitingAt(
  deps: Deps,
  returnTo: string | undefined,
  browser: string | undefined,
): Promise<Pick<Flow, "pending" | "client">> {
  const nothing = { pending: undefined, client: undefined };
  if (returnTo === undefined) return nothing;
  const { pathname, searchParams } = new URL(returnTo);
  if (pathname !== AUTHORIZE_PATH) return nothing;
  const requestId = searchParams.get("request_id");
  const pending =
    requestId === null ? undefined : await findPendingRequest(deps, requestId, browser);
  if (pending !== undefined) return { pending, client: pending.client };
  const clientId = searchParams.get("client_id");
  return { pending, client: clientId === null ? undefined : await findOidcClient(deps, clientId) };
}

function purposeOf(
  { config }: Deps,
  returnTo: string | undefined,
  client: OAuthClient | undefined,
): Purpose {
  if (client !== undefined) return { kind: "client", name: client.name };
  if (returnTo !== undefined && new URL(returnTo).pathname === "/device") return { kind: "device" };
  return { kind: "account", service: config.serviceName };
}

/** The page's language, look and headers, as what waits asks for them. */
export const visitIn = (deps: Deps, incoming: Incoming, { locales, design }: Flow): Visit =>
  visitOf(deps, incoming, { locales, design, inFlow: true });

/** The address that brings an authorization request back, as `return_to` (contract 03 §7.2 step 12). */
export const reentryOf = (
  { config }: Deps,
  { requestId, client }: Pick<PendingRequest, "requestId" | "client">,
): string =>
  config.publicUrl +
  addressOf(AUTHORIZE_PATH, { client_id: client.clientId, request_id: requestId });
