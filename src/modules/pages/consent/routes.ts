import { t } from "elysia";
import type { Deps } from "../../../deps.ts";
import { AppError } from "../../../platform/errors.ts";
import { routeGroup } from "../../../platform/http/access.ts";
import { readCookie } from "../../../platform/http/cookies.ts";
import { designOf } from "../../../platform/pages/design.ts";
import { CSRF_FIELD } from "../../../platform/pages/form.tsx";
import type { Caller } from "../../../platform/permissions.ts";
import { TEXTS } from "../access/texts.tsx";
import { accountsOf } from "../accounts.ts";
import { decide, findPendingRequest, type HostedSession, type PendingRequest } from "../service.ts";
import { reentryOf } from "../sign-in/flow.ts";
import { addressOf, form, type Incoming, page, text, type Visit, visitOf } from "../visit.ts";
import { consentPage, gonePage } from "./views.tsx";

const ConsentQuery = t.Object({ request_id: text() });
const ConsentForm = t.Object({
  [CSRF_FIELD]: text(),
  request_id: text(),
  /** Whose page it was. */
  session: text(64),
  decision: text(16),
});

/** Asking a person whether a client may have what it wants. */
export const consentRoutes = (deps: Deps) => {
  /** The request that waits for this browser's session, or the answer where there is none. */
  const enter = async (incoming: Incoming, requestId: string | undefined) => {
    const browser = readCookie(incoming.request.headers, "qe_ar");
    const pending = await findPendingRequest(deps, requestId ?? "", browser);
    const visit = visitOf(deps, incoming, {
      locales: pending?.uiLocales ?? [],
      design: pending && designOf({ name: pending.client.tenantName }),
      inFlow: true,
    });
    if (pending === undefined) return { answer: visit.show(gonePage(visit.language)) };
    const { current } = await accountsOf(deps, incoming);
    // Nobody, or not the one who answered all that comes before: the request says what is missing.
    if (current === undefined || current.id !== pending.loginSessionId)
      return { answer: visit.redirect(reentryOf(deps, pending)) };
    return { visit, pending, session: current };
  };

  const ask = (visit: Visit, pending: PendingRequest, session: HostedSession, fault?: string) =>
    visit.show(
      consentPage({
        ...pending,
        language: visit.language,
        csrfToken: visit.csrfToken(),
        person: session,
        another: addressOf("/login", {
          return_to: reentryOf(deps, pending),
          ui_locales: pending.uiLocales.join(" "),
          choose: "1",
        }),
        fault,
      }),
    );

  const answer = async (incoming: Incoming, caller: Caller, body: typeof ConsentForm.static) => {
    const entered = await enter(incoming, body.request_id);
    if (entered.answer !== undefined) return entered.answer;
    const { visit, pending, session } = entered;
    const { decision } = body;
    // Another account was chosen in another tab since: it has not been asked on this page.
    if (body.session !== session.id) return ask(visit, pending, session);
    if (!visit.isFormOurs(body[CSRF_FIELD]) || (decision !== "allow" && decision !== "deny"))
      return ask(visit, pending, session, TEXTS[visit.language].stale);
    try {
      const approve = decision === "allow";
      const { requestId } = pending;
      const { redirect } = await decide(deps, caller, { requestId, session, approve });
      return visit.redirect(redirect);
    } catch (error) {
      // Answered in another window meanwhile, or no longer good enough: the request itself knows.
      if (!(error instanceof AppError) || error.code !== "bad_request") throw error;
      return visit.redirect(reentryOf(deps, pending));
    }
  };

  return routeGroup({ name: "consent pages", tag: "Pages", errors: "page" })
    .get(
      "/consent",
      async ({ request, set, query }) => {
        const entered = await enter({ request, set }, query.request_id);
        if (entered.answer !== undefined) return entered.answer;
        return ask(entered.visit, entered.pending, entered.session);
      },
      { ...page, query: ConsentQuery },
    )
    .post("/consent", ({ request, set, caller, body }) => answer({ request, set }, caller, body), {
      ...form,
      body: ConsentForm,
    });
};
