import { type Context, t } from "elysia";
import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import { CLIENT_ENDPOINT, routeGroup } from "../../platform/http/access.ts";
import { readCookie, setAuthorizationBrowser } from "../../platform/http/cookies.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import { formPostAddress } from "../../platform/pages/assets.ts";
import { languageFor, languageOf } from "../../platform/pages/language.ts";
import { renderPage } from "../../platform/pages/page.ts";
import { clientAuthFields } from "../clients/model.ts";
import { authenticateClient, spendUnproved } from "../clients/service.ts";
import { hostedSessionOf } from "../sessions/service.ts";
import {
  AuthorizeForm,
  authorizeParameters,
  DecisionAnswer,
  DecisionForm,
  FormPostPage,
  LoginContext,
  LoginContextQuery,
  PushedAnswer,
} from "./model.ts";
import * as service from "./service.ts";
import { formPostPage } from "./views.tsx";

interface Incoming {
  readonly request: Request;
  readonly set: Context["set"];
}

/**
 * Contract 03 §2. A window that the client has opened (`display=popup`) keeps its opener; the client does not read in a
 * `Referer` what it was asked with.
 */
const HEADERS = {
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "unsafe-none",
} as const;

/** Sends the browser on. RFC 9700 §4.12: never 307, which would repeat a form with a password in it. */
async function send(
  deps: Deps,
  incoming: Incoming,
  outcome: service.Outcome,
): Promise<string | undefined> {
  const { request, set } = incoming;
  if (outcome.kind === "redirect") {
    set.status = request.method === "POST" ? 303 : 302;
    set.headers.location = outcome.location;
    return undefined;
  }
  const page = formPostPage(outcome, languageOf(request.headers), await formPostAddress());
  const html = await renderPage(deps, incoming, page);
  Object.assign(set.headers, HEADERS);
  return html;
}

const searchOf = ({ url }: Request): string => {
  const start = url.indexOf("?");
  return start === -1 ? "" : url.slice(start + 1);
};

/** RFC 6749 §3.1. */
export const authorizeRoutes = (deps: Deps) =>
  routeGroup({ name: "authorize", prefix: "/v1", tag: "OIDC", errors: "page" })
    .get(
      "/oauth/authorize",
      async ({ request, set }) => {
        Object.assign(set.headers, HEADERS);
        const incoming = { request, set };
        const visitor = {
          session: await hostedSessionOf(deps, incoming),
          browser: readCookie(request.headers, "qe_ar"),
        };
        const { outcome, browser } = await service.authorize(deps, visitor, searchOf(request));
        if (browser !== undefined) setAuthorizationBrowser(deps, set, browser);
        return send(deps, incoming, outcome);
      },
      {
        public: true,
        http: { credential: "cookie", cors: "none", documented: { 401: ErrorBody } },
        response: { 200: FormPostPage, 302: t.Void(), 400: ErrorBody },
        detail: {
          operationId: "authorize",
          summary: "Ask a user to authorize a client",
          description:
            "Answers the client with a code or an error; before that the user may have to sign in, to choose an account and to consent. A page only where there is no client to answer.",
          parameters: authorizeParameters,
        },
      },
    )
    .post(
      "/oauth/authorize",
      async ({ request, set, body }) => {
        Object.assign(set.headers, HEADERS);
        return send(deps, { request, set }, await service.authorizeByPost(deps, body));
      },
      {
        public: true,
        http: {
          credential: "cookie",
          cors: "none",
          csrf: "none",
          form: true,
          open: true,
          repeatable: ["resource"],
        },
        body: AuthorizeForm,
        response: { 200: FormPostPage, 303: t.Void(), 400: ErrorBody },
        detail: {
          operationId: "authorizeByPost",
          summary: "Ask a user to authorize a client, by a form",
        },
      },
    );

/** For consent pages, ours and others: cookies and the CSRF token of `qe_csrf` come along. */
export const decisionRoutes = (deps: Deps) =>
  routeGroup({ name: "decision", prefix: "/v1", tag: "OIDC" })
    .post(
      "/oauth/authorize/decision",
      async ({ request, set, caller, body }) => {
        set.headers.pragma = "no-cache";
        const session = await hostedSessionOf(deps, { request, set });
        if (session === undefined) throw new AppError("unauthorized");
        const { request_id: requestId, approve: _, decision: __, ...match } = body;
        const approve = approvalOf(body);
        return service.decide(deps, caller, { requestId, match, session, approve });
      },
      {
        public: true,
        http: {
          credential: "cookie",
          cors: "login",
          csrf: "double-submit",
          documented: { 302: t.Void() },
        },
        body: DecisionForm,
        response: { 200: DecisionAnswer, 401: ErrorBody, 403: ErrorBody },
        detail: {
          operationId: "decideAuthorization",
          summary: "Allow or deny what a client asks for",
          description:
            "Of the browser's hosted session alone, once. Every value is that of the request; what is allowed is remembered.",
        },
      },
    )
    .get(
      "/oauth/login-context",
      async ({ query, request }) => {
        const context = await service.loginContext(deps, {
          clientId: query.client_id,
          requestId: query.request_id,
        });
        return presentContext(deps, request.headers, context);
      },
      {
        public: true,
        http: { credential: "cookie", cors: "login" },
        query: LoginContextQuery,
        response: { 200: LoginContext, 404: ErrorBody },
        detail: {
          operationId: "getLoginContext",
          summary: "What a sign-in page shows of a client or a request",
        },
      },
    );

/** `approve` and `decision` say the same; one of them must. */
function approvalOf({ approve, decision }: typeof DecisionForm.static): boolean {
  const decided = decision === undefined ? undefined : decision === "allow";
  if (approve === undefined && decided === undefined)
    throw new AppError("bad_request", "approve or decision is required");
  if (approve !== undefined && decided !== undefined && approve !== decided)
    throw new AppError("bad_request", "approve and decision contradict each other");
  return approve ?? decided!;
}

/** Public: a name and how to sign in, no redirect URI, nothing secret. */
function presentContext(
  { config }: Deps,
  headers: Headers,
  { client, requestId, request }: service.LoginContext,
): typeof LoginContext.static {
  const { loginHint, prompt = [], uiLocales = [] } = request ?? {};
  return {
    ...(requestId !== undefined && { request_id: requestId }),
    client_id: client.clientId,
    client_name: client.name,
    tenant_id: client.tenantId,
    providers: [],
    scopes: [...(request?.scopes ?? [])],
    ...(loginHint && { login_hint: loginHint }),
    ...(prompt.length > 0 && { prompt: prompt.join(" ") }),
    ...(uiLocales.length > 0 && { ui_locales: uiLocales.join(" ") }),
    locale: languageFor(headers, uiLocales),
    methods: { password: true, passkey: false, magic_link: true },
    self_registration_enabled: client.selfRegistration && config.signupMode === "open",
    remember_device_enabled: false,
    branding: null,
  };
}

/** RFC 9126. */
export const parRoutes = (deps: Deps) =>
  routeGroup({ name: "par", prefix: "/v1", tag: "OIDC", errors: "oauth" }).post(
    "/oauth/par",
    async ({ request, set, caller, body, status }) => {
      set.headers.pragma = "no-cache";
      const { headers } = request;
      const credential = await authenticateClient(deps, { headers, form: body, caller });
      await spendUnproved(deps, credential, caller);
      const proof = headers.get("dpop");
      return status(201, await service.pushRequest(deps, { credential, form: body, proof }));
    },
    {
      public: true,
      http: { ...CLIENT_ENDPOINT, repeatable: ["resource"] },
      body: t.Object({ ...AuthorizeForm.properties, ...clientAuthFields }),
      response: { 201: PushedAnswer, 401: ErrorBody },
      detail: {
        operationId: "pushAuthorizationRequest",
        summary: "Push an authorization request",
        description: "RFC 9126. Its `request_uri` is good for 90 seconds, once.",
      },
    },
  );
