import { t } from "elysia";
import type { Deps } from "../../../deps.ts";
import { routeGroup } from "../../../platform/http/access.ts";
import { CSRF_FIELD } from "../../../platform/pages/form.tsx";
import { accountsOf, leave } from "../accounts.ts";
import { form, type Incoming, page, text, visitOf } from "../visit.ts";
import { TEXTS } from "./texts.tsx";
import { homePage, remainingPage, signedInPage, signedOutPage } from "./views.tsx";

const SignOutForm = t.Object({ [CSRF_FIELD]: text() });

/** For whoever just opens the address: who they are here, or what this is. */
export const homeRoutes = (deps: Deps) => {
  const { config } = deps;
  const open = async (incoming: Incoming, isStale = false) => {
    const visit = visitOf(deps, incoming);
    const { current, others } = await accountsOf(deps, incoming);
    // Whoever was current has signed out: those beside them are signed in, and choose.
    if (current === undefined && others.length > 0) return visit.redirect("/login");
    if (current === undefined)
      return visit.show(
        homePage(visit.language, config.env === "dev" ? config.publicUrl : undefined),
      );
    return visit.show(
      signedInPage({
        language: visit.language,
        csrfToken: visit.csrfToken(),
        service: config.serviceName,
        person: current,
        others,
        fault: isStale ? TEXTS[visit.language].signedIn.stale : undefined,
      }),
    );
  };

  return routeGroup({ name: "home pages", tag: "Pages", errors: "page" })
    .get("/", ({ request, set }) => open({ request, set }), page)
    .post(
      "/sign-out",
      async ({ request, set, caller, body }) => {
        const incoming = { request, set };
        const visit = visitOf(deps, incoming);
        if (!visit.isFormOurs(body[CSRF_FIELD])) return open(incoming, true);
        await leave(deps, caller, incoming);
        return visit.redirect("/logged-out");
      },
      { ...form, body: SignOutForm },
    )
    .get(
      "/logged-out",
      async ({ request, set }) => {
        const incoming = { request, set };
        const visit = visitOf(deps, incoming);
        const { current, others } = await accountsOf(deps, incoming);
        const remaining = [...(current ? [current] : []), ...others];
        return visit.show(
          remaining.length === 0
            ? signedOutPage(visit.language)
            : remainingPage(visit.language, visit.csrfToken(), remaining),
        );
      },
      page,
    );
};
