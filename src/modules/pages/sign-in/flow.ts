/** What a sign-in is part of: the address that it leads back to, and what is known about what waits there. */
import { t } from "elysia";
import type { Deps } from "../../../deps.ts";
import type { OAuthClient } from "../../../platform/oauth-client.ts";
import { type Design, designOf } from "../../../platform/pages/design.ts";
import { type Incoming, text, type Visit, visitOf } from "../visit.ts";
import type { Purpose } from "./views.tsx";

/** Parameters and fields that go along from page to page. */
export const FLOW_FIELDS = {
  return_to: text(8_192),
  login_hint: text(320),
  ui_locales: text(512),
};
export const FlowQuery = t.Object(FLOW_FIELDS);

type FlowParameters = typeof FlowQuery.static;

export interface Flow {
  /** Where it goes on; undefined without an address of ours that may be returned to. */
  readonly returnTo: string | undefined;
  readonly purpose: Purpose;
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

/** Contract 00 §35: what may be returned to. */
const RETURN_PATHS = new Set([
  "/v1/oauth/authorize",
  "/saml/idp/sso",
  "/device",
  "/account",
  "/invite/accept",
]);

function isReturnTo({ config }: Deps, url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { origin, pathname } = new URL(url);
  return origin === config.publicUrl && RETURN_PATHS.has(pathname);
}

export async function readFlow(
  deps: Deps,
  _incoming: Incoming,
  given: FlowParameters,
): Promise<Flow> {
  const { return_to, login_hint, ui_locales } = given;
  const returnTo = return_to && isReturnTo(deps, return_to) ? return_to : undefined;
  const client: OAuthClient | undefined = undefined as OAuthClient | undefined;
  return {
    returnTo,
    client,
    purpose: purposeOf(deps, returnTo, client),
    loginHint: login_hint || undefined,
    prompt: [],
    locales: (ui_locales ?? "").split(" ").slice(0, 20),
    design: client && designOf({ name: client.tenantName }),
    offersSignUp: (client?.selfRegistration ?? false) && deps.config.signupMode === "open",
    carried: { return_to: returnTo, ui_locales },
  };
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
