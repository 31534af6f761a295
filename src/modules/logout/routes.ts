import { type Context, t } from "elysia";
import type { Deps } from "../../deps.ts";
import { routeGroup } from "../../platform/http/access.ts";
import {
  clearLoginSession,
  readAccounts,
  readCookie,
  setAccounts,
  setLoginSession,
} from "../../platform/http/cookies.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import { CSRF_FIELD, csrfTokenFor, isFormOurs } from "../../platform/pages/form.tsx";
import { languageFor } from "../../platform/pages/language.ts";
import { renderPage } from "../../platform/pages/page.ts";
import type { Caller } from "../../platform/permissions.ts";
import { ConfirmQuery, LogoutForm, LogoutQuery } from "./model.ts";
import {
  browserSessions,
  type LogoutRequest,
  logOutBrowser,
  needsConfirmation,
  parkRequest,
  readRequest,
  targetOf,
  unparkRequest,
} from "./service.ts";
import { confirmPage } from "./views.tsx";

interface Incoming {
  readonly request: Request;
  readonly set: Context["set"];
}

const NOTHING: LogoutRequest = {
  client: undefined,
  hint: undefined,
  redirectUri: undefined,
  state: undefined,
  uiLocales: [],
};

/** RFC 9700 §4.12: never 307. */
function redirect({ request, set }: Incoming, location: string): undefined {
  set.status = request.method === "GET" ? 302 : 303;
  set.headers.location = location;
  // The state, and who asked, are nobody else's business.
  set.headers["referrer-policy"] = "no-referrer";
}

/** Ends the sessions and sends the browser on, or undefined when the person has to be asked. */
async function tryLogout(
  deps: Deps,
  caller: Caller,
  incoming: Incoming,
  request: LogoutRequest,
  { isConfirmed = false } = {},
): Promise<string | undefined> {
  const { headers } = incoming.request;
  const sessions = await browserSessions(deps, headers);
  if (!isConfirmed && needsConfirmation(deps, request, sessions)) return undefined;
  const kept = await logOutBrowser(deps, caller, request, sessions, { isConfirmed });
  const { set } = incoming;
  // A page of another site that loads this address brings no cookie, and shall not take one away.
  if (kept.current !== undefined) {
    if (sessions.current?.renewed) setLoginSession(deps, set, kept.current);
  } else if (readCookie(headers, "qe_ls") !== undefined) clearLoginSession(deps, set);
  if (readAccounts(headers).length > 0) setAccounts(deps, set, kept.others);
  return targetOf(deps, request);
}

const parkedAt = (deps: Deps, path: string, request: LogoutRequest): string =>
  `${deps.config.publicUrl}${path}?logout_request=${parkRequest(deps, request)}`;

const DESCRIPTION =
  "OpenID Connect RP-Initiated Logout 1.0. Ends the hosted session, and what it gave to clients but for grants with `offline_access`; clients with a `backchannel_logout_uri` are told. May ask the person first. A page, and no redirect, for an ID token that is not genuine and an address that is not registered.";

const http = { credential: "cookie", cors: "none" } as const;

/** RP-Initiated Logout 1.0 §2. */
export const logoutRoutes = (deps: Deps) =>
  routeGroup({ name: "logout", prefix: "/v1/oauth", tag: "OIDC", errors: "page" })
    .get(
      "/logout",
      async ({ request, set, query, caller }) => {
        const incoming = { request, set };
        const { logout_request: parked, ...parameters } = query;
        const asked =
          parked === undefined
            ? await readRequest(deps, parameters)
            : await unparkRequest(deps, parked);
        const target = await tryLogout(deps, caller, incoming, asked);
        return redirect(incoming, target ?? parkedAt(deps, "/logout", asked));
      },
      {
        public: true,
        http,
        query: LogoutQuery,
        response: { 302: t.Void(), 400: ErrorBody, 422: ErrorBody },
        detail: {
          operationId: "logOutOfProvider",
          summary: "Sign out of the provider",
          description: DESCRIPTION,
        },
      },
    )
    .post(
      "/logout",
      async ({ request, set, query, body }) => {
        // Contract 00 §36: a form from another site brings no Lax cookie; the GET that follows does.
        const { logout_request: _, ...inQuery } = query;
        const inForm = Object.values(body).some((value) => value !== undefined);
        const asked = await readRequest(deps, inForm ? body : inQuery);
        return redirect({ request, set }, parkedAt(deps, "/v1/oauth/logout", asked));
      },
      {
        public: true,
        http: {
          ...http,
          csrf: "none",
          form: true,
          open: true,
          bodyOptional: true,
          documented: { 302: t.Void() },
        },
        query: LogoutQuery,
        body: LogoutForm,
        response: { 303: t.Void(), 400: ErrorBody, 422: ErrorBody },
        detail: {
          operationId: "logOutOfProviderByPost",
          summary: "Sign out of the provider, by a form",
          description: `${DESCRIPTION} Parameters in the query count where the form has none.`,
        },
      },
    );

const ConfirmForm = t.Object({
  [CSRF_FIELD]: t.Optional(t.String({ maxLength: 1_024 })),
  logout_request: ConfirmQuery.properties.logout_request,
});

/** The question, at an address of its own; contract 00 §35. */
export const logoutPageRoutes = (deps: Deps) => {
  const asked = (parked: string | undefined) =>
    parked === undefined ? NOTHING : unparkRequest(deps, parked);

  const ask = async (incoming: Incoming, request: LogoutRequest, isStale = false) => {
    const { current, others } = await browserSessions(deps, incoming.request.headers);
    const people = [...(current ? [current] : []), ...others];
    const { client, hint } = request;
    const language = languageFor(incoming.request.headers, request.uiLocales);
    const page = confirmPage({
      language,
      service: deps.config.serviceName,
      client: client?.name,
      people,
      namesAnother: hint !== undefined && !people.some(({ userId }) => userId === hint.sub),
      csrfToken: csrfTokenFor(deps, incoming),
      parked: parkRequest(deps, request),
      isStale,
    });
    return renderPage(deps, incoming, { language, ...page });
  };

  return routeGroup({ name: "logout page", tag: "Pages", errors: "page" })
    .get(
      "/logout",
      async ({ request, set, query, caller }) => {
        const incoming = { request, set };
        const wanted = await asked(query.logout_request);
        const { current, others } = await browserSessions(deps, request.headers);
        if (current !== undefined || others.length > 0) return ask(incoming, wanted);
        // Meanwhile nobody is signed in any more: there is nothing to ask.
        const target = await tryLogout(deps, caller, incoming, wanted);
        return redirect(incoming, target ?? targetOf(deps, wanted)) ?? "";
      },
      {
        public: true,
        http: { cors: "none" },
        query: ConfirmQuery,
        detail: { hide: true },
      },
    )
    .post(
      "/logout",
      async ({ request, set, body, caller }) => {
        const incoming = { request, set };
        const wanted = await asked(body.logout_request);
        if (!isFormOurs(deps, request, body[CSRF_FIELD])) return ask(incoming, wanted, true);
        const target = await tryLogout(deps, caller, incoming, wanted, { isConfirmed: true });
        return redirect(incoming, target ?? targetOf(deps, wanted)) ?? "";
      },
      {
        public: true,
        http: { cors: "none", form: true, open: true, bodyLimit: 32_768 },
        body: ConfirmForm,
        detail: { hide: true },
      },
    );
};
