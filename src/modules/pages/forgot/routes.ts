import { t } from "elysia";
import type { Deps } from "../../../deps.ts";
import { AppError } from "../../../platform/errors.ts";
import { routeGroup } from "../../../platform/http/access.ts";
import { CSRF_FIELD } from "../../../platform/pages/form.tsx";
import { startPasswordReset } from "../service.ts";
import { FLOW_FIELDS, FlowQuery, readFlow, visitIn } from "../sign-in/flow.ts";
import { addressOf, form, page, text } from "../visit.ts";
import { TEXTS } from "./texts.ts";
import { forgotPage, sentPage } from "./views.tsx";

const ForgotForm = t.Object({ ...FLOW_FIELDS, [CSRF_FIELD]: text(), email: text() });

/** Asking for a link to set a new password. */
export const forgotRoutes = (deps: Deps) =>
  routeGroup({ name: "forgot pages", tag: "Pages", errors: "page" })
    .get(
      "/forgot-password",
      async ({ request, set, query }) => {
        const flow = await readFlow(deps, { request, set }, query);
        const visit = visitIn(deps, { request, set }, flow);
        const { language } = visit;
        const { carried, loginHint: email } = flow;
        return visit.show(forgotPage({ language, csrfToken: visit.csrfToken(), carried, email }));
      },
      { ...page, query: FlowQuery },
    )
    .post(
      "/forgot-password",
      async ({ request, set, caller, body }) => {
        const flow = await readFlow(deps, { request, set }, body);
        const visit = visitIn(deps, { request, set }, flow);
        const { language } = visit;
        const { carried } = flow;
        const { email = "" } = body;
        const { fault } = TEXTS[language];
        const again = (more: { fault?: string; emailFault?: string }) =>
          visit.show(
            forgotPage({ language, csrfToken: visit.csrfToken(), carried, email, ...more }),
          );
        if (!visit.isFormOurs(body[CSRF_FIELD])) return again({ fault: fault.stale });
        try {
          await startPasswordReset(deps, caller, { email });
        } catch (error) {
          if (!(error instanceof AppError) || error.code !== "unprocessable") throw error;
          return again({ emailFault: fault.email });
        }
        return visit.redirect(addressOf("/forgot-password/sent", carried));
      },
      { ...form, body: ForgotForm },
    )
    .get(
      "/forgot-password/sent",
      async ({ request, set, query }) => {
        const flow = await readFlow(deps, { request, set }, query);
        const visit = visitIn(deps, { request, set }, flow);
        return visit.show(sentPage(visit.language, flow.carried));
      },
      { ...page, query: FlowQuery },
    );
