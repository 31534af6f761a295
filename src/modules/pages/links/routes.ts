import { t } from "elysia";
import type { Deps } from "../../../deps.ts";
import { hashToken } from "../../../platform/crypto/tokens.ts";
import { AppError } from "../../../platform/errors.ts";
import { routeGroup } from "../../../platform/http/access.ts";
import { readCookie } from "../../../platform/http/cookies.ts";
import { CSRF_FIELD, csrfTokenFor, isFormOurs } from "../../../platform/pages/form.tsx";
import { languageOf } from "../../../platform/pages/language.ts";
import { type Page, renderPage } from "../../../platform/pages/page.ts";
import { accountsOf, keep } from "../accounts.ts";
import { confirmEmailByLink, consumeMagicLink, resetPassword } from "../service.ts";
import { form, type Incoming, page, text } from "../visit.ts";
import { type LinkFault, TEXTS } from "./texts.ts";
import { donePage, faultPage, type LinkForm, type LinkKind, linkPage } from "./views.tsx";

const TokenQuery = t.Object({ token: text() });
const VerifyQuery = t.Object({ id: text(), code: text() });
const TokenForm = t.Object({ [CSRF_FIELD]: text(), token: text(), new_password: text() });
const VerifyForm = t.Object({ [CSRF_FIELD]: text(), id: text(), code: text() });

/**
 * Where the links in messages lead. Looking at one changes nothing, because mail scanners follow
 * links; its button does. The forms call what stands behind the `/v1` operation of the same purpose.
 */
export const linkRoutes = (deps: Deps) => {
  const show = (incoming: Incoming, shown: Page) => renderPage(deps, incoming, shown);

  /** The page with its form; `more` says what was wrong the last time. */
  const ask = (
    kind: LinkKind,
    incoming: Incoming,
    fields: Record<string, string | undefined>,
    more: Partial<LinkForm> = {},
  ) => {
    const language = languageOf(incoming.request.headers);
    const given = Object.entries(fields).filter((entry): entry is [string, string] => !!entry[1]);
    if (given.length < Object.keys(fields).length)
      return show(incoming, faultPage("invalid", language));
    const csrfToken = csrfTokenFor(deps, incoming);
    return show(
      incoming,
      linkPage(kind, { language, fields: Object.fromEntries(given), csrfToken, ...more }),
    );
  };

  const done = (kind: LinkKind, incoming: Incoming) =>
    show(incoming, donePage(kind, languageOf(incoming.request.headers)));

  /** Does what the link is for, and says how it went: 303 to a page that is safe to reload, or the fault. */
  const act = async (
    kind: LinkKind,
    incoming: Incoming,
    body: Readonly<Record<string, string | undefined>>,
    fields: Record<string, string | undefined>,
    work: (values: Record<string, string>) => Promise<void>,
  ) => {
    const language = languageOf(incoming.request.headers);
    if (!isFormOurs(deps, incoming.request, body[CSRF_FIELD]))
      return ask(kind, incoming, fields, { notice: TEXTS[language].stale, status: 422 });
    if (Object.values(fields).some((value) => !value))
      return show(incoming, faultPage("invalid", language));
    try {
      await work(fields as Record<string, string>);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.code === "unprocessable" && kind === "reset")
        return ask(kind, incoming, fields, {
          fieldError: passwordFault(error, language),
          status: 422,
        });
      const fault = faultOf(error);
      if (fault === undefined) throw error;
      return show(incoming, faultPage(fault, language));
    }
    incoming.set.status = 303;
    incoming.set.headers.location = `/${kind}/done`;
    return "";
  };

  return routeGroup({ name: "link pages", tag: "Pages", errors: "page" })
    .get(
      "/reset",
      ({ request, set, query: { token } }) => ask("reset", { request, set }, { token }),
      { ...page, query: TokenQuery },
    )
    .post(
      "/reset",
      ({ request, set, caller, body }) =>
        act("reset", { request, set }, body, { token: body.token }, async ({ token }) => {
          const newPassword = body.new_password ?? "";
          await resetPassword(deps, caller, { token: token!, newPassword });
        }),
      { ...form, body: TokenForm },
    )
    .get("/reset/done", ({ request, set }) => done("reset", { request, set }), page)
    .get(
      "/magic",
      ({ request, set, query: { token } }) => ask("magic", { request, set }, { token }),
      { ...page, query: TokenQuery },
    )
    .post(
      "/magic",
      ({ request, set, caller, body }) =>
        act("magic", { request, set }, body, { token: body.token }, async ({ token }) => {
          const sessions = await accountsOf(deps, { request, set });
          const opened = await consumeMagicLink(deps, caller, {
            token: token!,
            flow: "cookie",
            knownCookie: readCookie(request.headers, "qe_known"),
            replacesHosted: sessions.current && hashToken(sessions.current.token),
            keepsOtherAccounts: true,
          });
          await keep(deps, caller, set, sessions, opened);
        }),
      { ...form, body: TokenForm },
    )
    .get("/magic/done", ({ request, set }) => done("magic", { request, set }), page)
    .get(
      "/verify",
      ({ request, set, query: { id, code } }) => ask("verify", { request, set }, { id, code }),
      { ...page, query: VerifyQuery },
    )
    .post(
      "/verify",
      ({ request, set, caller, body }) =>
        act("verify", { request, set }, body, { id: body.id, code: body.code }, ({ id, code }) =>
          confirmEmailByLink(deps, caller, { id: id!, code: code! }),
        ),
      { ...form, body: VerifyForm },
    )
    .get("/verify/done", ({ request, set }) => done("verify", { request, set }), page);
};

/** What the page says of a refusal; undefined for one that it has no words for. */
function faultOf({
  code,
  detail = "",
}: AppError): LinkFault | "suspended" | "secondFactor" | undefined {
  if (code === "mfa_required") return "secondFactor";
  if (code === "forbidden") return "suspended";
  if (code !== "bad_request" && code !== "not_found" && code !== "unprocessable") return undefined;
  if (detail.includes("expired")) return "expired";
  return detail.includes("used") ? "used" : "invalid";
}

function passwordFault({ fields }: AppError, language: "en" | "de"): string {
  const { tooShort, tooLong, weak } = TEXTS[language].reset;
  const code = fields?.[0]?.code;
  if (code === "too_long") return tooLong;
  return code === "not_allowed" ? weak : tooShort;
}
