import { t } from "elysia";
import type { Deps } from "../../../deps.ts";
import { AppError } from "../../../platform/errors.ts";
import { routeGroup } from "../../../platform/http/access.ts";
import { readCookie } from "../../../platform/http/cookies.ts";
import { CSRF_FIELD } from "../../../platform/pages/form.tsx";
import type { Caller } from "../../../platform/permissions.ts";
import { accountsOf, choose, keep, replacedBy } from "../accounts.ts";
import { type BrowserSessions, logIn, markSelected } from "../service.ts";
import { addressOf, form, type Incoming, page, text, type Visit } from "../visit.ts";
import { FLOW_FIELDS, type Flow, readFlow, visitIn } from "./flow.ts";
import { SIGN_IN_METHODS } from "./methods.tsx";
import { TEXTS } from "./texts.tsx";
import { chooserPage, factorPage, signInPage } from "./views.tsx";

const LoginQuery = t.Object({
  ...FLOW_FIELDS,
  error: text(),
  /** The form, whoever is signed in. */
  another: text(8),
  /** The chooser, whoever is current. */
  choose: text(8),
});
const LoginForm = t.Object({
  ...FLOW_FIELDS,
  [CSRF_FIELD]: text(),
  email: text(1_024),
  // The service takes 1024 at most, and so says the field.
  password: text(4_096),
});
const SelectForm = t.Object({ ...FLOW_FIELDS, [CSRF_FIELD]: text(), session: text(64) });

/** What went wrong, and what the form holds when it is shown again. */
interface Refusal {
  readonly status?: number;
  readonly email?: string | undefined;
  readonly fault?: { readonly text: string; readonly isAboutFields: boolean };
  readonly emailFault?: string;
  readonly passwordFault?: string;
}

/** Signing a browser in, and choosing among the accounts that it is signed in with. */
export const signInRoutes = (deps: Deps) => {
  const ask = async (visit: Visit, flow: Flow, sessions: BrowserSessions, refusal: Refusal) => {
    const tenantId = flow.client?.tenantId ?? null;
    const available = await Promise.all(
      SIGN_IN_METHODS.map((method) => method.isAvailable(deps, tenantId)),
    );
    return visit.show(
      signInPage({
        language: visit.language,
        purpose: flow.purpose,
        methods: SIGN_IN_METHODS.filter((_, index) => available[index]),
        csrfToken: visit.csrfToken(),
        carried: flow.carried,
        offersSignUp: flow.offersSignUp,
        offersChoice: sessions.others.length > 0,
        email: undefined,
        emailFault: undefined,
        passwordFault: undefined,
        ...refusal,
      }),
    );
  };

  const offerChoice = (visit: Visit, flow: Flow, sessions: BrowserSessions, fault?: string) =>
    visit.show(
      chooserPage({
        language: visit.language,
        purpose: flow.purpose,
        csrfToken: visit.csrfToken(),
        carried: flow.carried,
        another: addressOf("/login", { ...flow.carried, another: "1" }),
        choices: [...(sessions.current ? [sessions.current] : []), ...sessions.others].map(
          (session) => ({ ...session, isCurrent: session === sessions.current }),
        ),
        fault,
      }),
    );

  const signIn = async (incoming: Incoming, caller: Caller, body: typeof LoginForm.static) => {
    const flow = await readFlow(deps, incoming, body);
    const visit = visitIn(deps, incoming, flow);
    const sessions = await accountsOf(deps, incoming);
    const { email = "", password = "" } = body;
    const { fault } = TEXTS[visit.language];
    if (!visit.isFormOurs(body[CSRF_FIELD])) {
      const stale = { text: fault.stale, isAboutFields: false };
      return ask(visit, flow, sessions, { status: 422, email, fault: stale });
    }
    if (password === "")
      return ask(visit, flow, sessions, { status: 422, email, passwordFault: fault.missing });
    try {
      const opened = await logIn(deps, caller, {
        email,
        password,
        flow: "cookie",
        knownCookie: readCookie(incoming.request.headers, "qe_known"),
        replacesHosted: replacedBy(sessions, email),
      });
      await keep(deps, caller, incoming.set, sessions, opened);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      Object.assign(incoming.set.headers, error.headers);
      if (error.code === "mfa_required")
        return visit.show(
          factorPage(visit.language, addressOf("/login", { ...flow.carried, another: "1" })),
        );
      const refusal = refusalOf(error, visit);
      if (refusal === undefined) throw error;
      return ask(visit, flow, sessions, { email, ...refusal });
    }
    return visit.redirect(flow.returnTo ?? "/");
  };

  return routeGroup({ name: "sign-in pages", tag: "Pages", errors: "page" })
    .get(
      "/login",
      async ({ request, set, query }) => {
        const incoming = { request, set };
        const flow = await readFlow(deps, incoming, query);
        const visit = visitIn(deps, incoming, flow);
        const sessions = await accountsOf(deps, incoming);
        if (query.another === undefined) {
          if (sessions.current && flow.returnTo === undefined) return visit.redirect("/");
          if (isChoice(flow, sessions, query.choose !== undefined))
            return offerChoice(visit, flow, sessions);
        }
        const email = flow.loginHint ?? (query.another ? undefined : sessions.current?.email);
        const { other } = TEXTS[visit.language].fault;
        const fault = query.error ? { text: other, isAboutFields: false } : undefined;
        return ask(visit, flow, sessions, { email, ...(fault && { fault }) });
      },
      { ...page, query: LoginQuery },
    )
    .post("/login", ({ request, set, caller, body }) => signIn({ request, set }, caller, body), {
      ...form,
      body: LoginForm,
    })
    .post(
      "/login/select",
      async ({ request, set, caller, body }) => {
        const incoming = { request, set };
        const flow = await readFlow(deps, incoming, body);
        const visit = visitIn(deps, incoming, flow);
        const sessions = await accountsOf(deps, incoming);
        const { fault, chooser } = TEXTS[visit.language];
        if (!visit.isFormOurs(body[CSRF_FIELD]))
          return offerChoice(visit, flow, sessions, fault.stale);
        const chosen = [sessions.current, ...sessions.others].find(
          (session) => session?.id === body.session,
        );
        if (chosen === undefined) return offerChoice(visit, flow, sessions, chooser.gone);
        if (flow.pending) await markSelected(deps, flow.pending.requestId, chosen);
        await choose(deps, caller, set, sessions, chosen);
        return visit.redirect(flow.returnTo ?? "/");
      },
      { ...form, body: SelectForm },
    );
};

/**
 * Whether somebody should choose first: they were asked to, or nobody is current. A current session that was sent here
 * did not do as it is; choosing it again would lead back here.
 */
function isChoice(
  { prompt }: Flow,
  { current, others }: BrowserSessions,
  isWanted: boolean,
): boolean {
  const isAsked = isWanted || prompt.includes("select_account");
  return others.length > 0 ? isAsked || current === undefined : isAsked && current !== undefined;
}

/** How the page says what the service refused; undefined for what it has no words for. */
function refusalOf(error: AppError, { language }: Visit): Refusal | undefined {
  const { fault } = TEXTS[language];
  const about = (text: string, status: number, isAboutFields = false): Refusal => ({
    status,
    fault: { text, isAboutFields },
  });
  switch (error.code) {
    case "unauthorized":
      return about(fault.credentials, 422, true);
    case "unprocessable":
      return { status: 422, emailFault: fault.email };
    case "too_many_requests":
      return about(fault.locked(Math.ceil(Number(error.headers["retry-after"] ?? 60) / 60)), 429);
    case "service_unavailable":
      return about(fault.busy, 503);
    case "forbidden":
      if (error.detail === "account suspended") return about(fault.suspended, 403);
      if (error.detail === "tenant suspended") return about(fault.tenantSuspended, 403);
      return about(fault.refused, 403);
    default:
      return undefined;
  }
}
