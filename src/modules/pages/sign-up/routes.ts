import { t } from "elysia";
import type { Deps } from "../../../deps.ts";
import { AppError } from "../../../platform/errors.ts";
import { routeGroup } from "../../../platform/http/access.ts";
import { readCookie } from "../../../platform/http/cookies.ts";
import type { OAuthClient } from "../../../platform/oauth-client.ts";
import { CSRF_FIELD } from "../../../platform/pages/form.tsx";
import type { Caller } from "../../../platform/permissions.ts";
import { accountsOf, keep } from "../accounts.ts";
import { signUpHosted } from "../service.ts";
import { FLOW_FIELDS, type Flow, FlowQuery, readFlow, visitIn } from "../sign-in/flow.ts";
import { form, type Incoming, page, text, type Visit } from "../visit.ts";
import { TEXTS } from "./texts.tsx";
import { closedPage, type SignUpView, signUpPage } from "./views.tsx";

const SignUpForm = t.Object({
  ...FLOW_FIELDS,
  [CSRF_FIELD]: text(),
  display_name: text(1_024),
  email: text(1_024),
  password: text(4_096),
});

const MAX_NAME = 200;

type Refusal = Pick<SignUpView, "status" | "fault" | "nameFault" | "emailFault" | "passwordFault">;

/** Contract 00 §27: an account for who comes through a client that lets people make one; its tenant becomes their home. */
export const signUpRoutes = (deps: Deps) => {
  const ask = (
    visit: Visit,
    flow: Flow,
    client: OAuthClient,
    more: Refusal & Pick<SignUpView, "name" | "email"> = {},
  ) =>
    visit.show(
      signUpPage({
        language: visit.language,
        csrfToken: visit.csrfToken(),
        carried: flow.carried,
        client,
        ...more,
      }),
    );

  const signUp = async (incoming: Incoming, caller: Caller, body: typeof SignUpForm.static) => {
    const flow = await readFlow(deps, incoming, body);
    const visit = visitIn(deps, incoming, flow);
    const { client } = flow;
    if (client === undefined || !flow.offersSignUp)
      return visit.show(closedPage(visit.language, flow.carried));
    const { email = "", password = "" } = body;
    const name = body.display_name?.trim() ?? "";
    const { fault } = TEXTS[visit.language];
    const again = (refusal: Refusal) =>
      ask(visit, flow, client, { status: 422, name, email, ...refusal });
    if (!visit.isFormOurs(body[CSRF_FIELD])) return again({ fault: fault.stale });
    if (name.length > MAX_NAME) return again({ nameFault: fault.name });
    try {
      const opened = await signUpHosted(deps, caller, {
        email,
        password,
        displayName: name === "" ? undefined : name,
        homeTenantId: client.tenantId,
        knownCookie: readCookie(incoming.request.headers, "qe_known"),
      });
      await keep(deps, caller, incoming.set, await accountsOf(deps, incoming), opened);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const refusal = refusalOf(error, visit);
      if (refusal === undefined) throw error;
      Object.assign(incoming.set.headers, error.headers);
      return again(refusal);
    }
    return visit.redirect(flow.returnTo ?? "/");
  };

  return routeGroup({ name: "sign-up pages", tag: "Pages", errors: "page" })
    .get(
      "/signup",
      async ({ request, set, query }) => {
        const flow = await readFlow(deps, { request, set }, query);
        const visit = visitIn(deps, { request, set }, flow);
        const { client, loginHint: email } = flow;
        if (client === undefined || !flow.offersSignUp)
          return visit.show(closedPage(visit.language, flow.carried));
        return ask(visit, flow, client, { email });
      },
      { ...page, query: FlowQuery },
    )
    .post("/signup", ({ request, set, caller, body }) => signUp({ request, set }, caller, body), {
      ...form,
      body: SignUpForm,
    });
};

/** How the page says what the service refused; undefined for what it has no words for. */
function refusalOf(error: AppError, { language }: Visit): Refusal | undefined {
  const { fault } = TEXTS[language];
  if (error.code === "service_unavailable") return { status: 503, fault: fault.busy };
  if (error.code !== "unprocessable") return undefined;
  const [about] = error.fields ?? [];
  if (about === undefined) return { fault: fault.refused };
  if (about.field === "email") return { emailFault: fault.email };
  if (about.code === "too_long") return { passwordFault: fault.tooLong };
  return { passwordFault: about.code === "not_allowed" ? fault.weak : fault.tooShort };
}
