import { t } from "elysia";
import type { Deps } from "../../../deps.ts";
import { AppError } from "../../../platform/errors.ts";
import { routeGroup } from "../../../platform/http/access.ts";
import { designOf } from "../../../platform/pages/design.ts";
import { CSRF_FIELD } from "../../../platform/pages/form.tsx";
import type { Caller } from "../../../platform/permissions.ts";
import { accountsOf } from "../accounts.ts";
import { decideDevice, findDevice, type HostedSession } from "../service.ts";
import { addressOf, form, type Incoming, page, text, type Visit, visitOf } from "../visit.ts";
import { TEXTS } from "./texts.ts";
import { codePage, confirmPage, donePage } from "./views.tsx";

const DeviceQuery = t.Object({ user_code: text(64), ui_locales: text(512) });
const DeviceForm = t.Object({
  [CSRF_FIELD]: text(),
  user_code: text(64),
  /** Whose page it was. */
  session: text(64),
  decision: text(16),
});
const DoneQuery = t.Object({ outcome: text(16) });

/** RFC 8628 §3.3: a person lets a device in. */
export const deviceRoutes = (deps: Deps) => {
  /** This very page, for who signs in first. */
  const here = (userCode: string | undefined) =>
    deps.config.publicUrl + addressOf("/device", { user_code: userCode });
  const loginFor = (userCode: string | undefined, more: Record<string, string> = {}) =>
    addressOf("/login", { return_to: here(userCode), ...more });

  const ask = (
    visit: Visit,
    session: HostedSession,
    code: string | undefined,
    fault: { readonly status?: number; readonly codeFault?: string } = {},
  ) => {
    const another = loginFor(code, { choose: "1" });
    return visit.show(
      codePage({ language: visit.language, person: session, another, code, ...fault }),
    );
  };

  /** Shows what waits under the code, with `fault` above it; or asks again, where nothing does. */
  const confirm = async (
    incoming: Incoming,
    caller: Caller,
    session: HostedSession,
    code: string,
    fault: { readonly status?: number; readonly fault?: string } = {},
  ) => {
    const visit = visitOf(deps, incoming, { inFlow: true });
    try {
      const waiting = await findDevice(deps, caller, code, session);
      const design = designOf({ name: waiting.client.tenantName });
      return visit.show({
        ...confirmPage({
          ...waiting,
          language: visit.language,
          csrfToken: visit.csrfToken(),
          person: session,
          another: loginFor(waiting.userCode, { choose: "1" }),
          ...fault,
        }),
        design,
      });
    } catch (error) {
      const { status, text } = refusalOf(error, visit);
      Object.assign(incoming.set.headers, (error as AppError).headers);
      return ask(visit, session, code, { status, codeFault: text });
    }
  };

  const answer = async (incoming: Incoming, caller: Caller, body: typeof DeviceForm.static) => {
    const visit = visitOf(deps, incoming, { inFlow: true });
    const { current: session } = await accountsOf(deps, incoming);
    const { user_code: userCode = "", decision } = body;
    if (session === undefined) return visit.redirect(loginFor(userCode));
    if (!visit.isFormOurs(body[CSRF_FIELD]) || (decision !== "allow" && decision !== "deny")) {
      const { stale } = TEXTS[visit.language].fault;
      return confirm(incoming, caller, session, userCode, { status: 422, fault: stale });
    }
    // Another account was chosen in another tab since: it has not been asked on this page.
    if (body.session !== session.id) return confirm(incoming, caller, session, userCode);
    try {
      const approve = decision === "allow";
      const outcome = await decideDevice(deps, caller, { userCode, approve, session });
      return visit.redirect(addressOf("/device/done", { outcome }));
    } catch (error) {
      const { status, text } = refusalOf(error, visit);
      if (status === 403)
        return confirm(incoming, caller, session, userCode, { status, fault: text });
      Object.assign(incoming.set.headers, (error as AppError).headers);
      return ask(visit, session, userCode, { status, codeFault: text });
    }
  };

  return routeGroup({ name: "device pages", tag: "Pages", errors: "page" })
    .get(
      "/device",
      async ({ request, set, caller, query: { user_code: code, ui_locales } }) => {
        const incoming = { request, set };
        const locales = (ui_locales ?? "").split(" ");
        const visit = visitOf(deps, incoming, { locales, inFlow: true });
        const { current: session } = await accountsOf(deps, incoming);
        // A code is looked up for somebody: guesses are counted by session.
        if (session === undefined) return visit.redirect(loginFor(code));
        if (code === undefined) return ask(visit, session, undefined);
        return confirm(incoming, caller, session, code);
      },
      { ...page, query: DeviceQuery },
    )
    .post("/device", ({ request, set, caller, body }) => answer({ request, set }, caller, body), {
      ...form,
      body: DeviceForm,
    })
    .get(
      "/device/done",
      ({ request, set, query: { outcome } }) => {
        const visit = visitOf(deps, { request, set }, { inFlow: true });
        return visit.show(donePage(outcome === "denied" ? "denied" : "authorized", visit.language));
      },
      { ...page, query: DoneQuery },
    );
};

/** How the page says what the service refused. Throws again what it has no words for. */
function refusalOf(error: unknown, { language }: Visit): { status: number; text: string } {
  const { fault } = TEXTS[language];
  if (!(error instanceof AppError)) throw error;
  switch (error.code) {
    case "bad_request":
      return {
        status: 422,
        text: error.detail?.startsWith("oidc.user_code_expired") ? fault.expired : fault.missing,
      };
    case "not_found":
      return { status: 422, text: fault.unknown };
    case "conflict":
      return { status: 422, text: fault.decided };
    case "too_many_requests":
      return { status: 429, text: fault.guesses };
    case "forbidden":
      return { status: 403, text: fault.forbidden };
    case "mfa_required":
      return { status: 403, text: fault.factor };
    default:
      throw error;
  }
}
