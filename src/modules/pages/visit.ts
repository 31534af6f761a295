import { type Context, t } from "elysia";
import type { Deps } from "../../deps.ts";
import type { Design } from "../../platform/pages/design.ts";
import { csrfTokenFor, isFormOurs } from "../../platform/pages/form.tsx";
import { type Language, languageFor } from "../../platform/pages/language.ts";
import { FOR_POPUPS, type Page, renderPage } from "../../platform/pages/page.ts";

export interface Incoming {
  readonly request: Request;
  readonly set: Context["set"];
}

/** Somebody looks at a page, or sends its form: in which language, for which tenant, and how to answer. */
export interface Visit extends Incoming {
  readonly language: Language;
  show(page: Page): Promise<string>;
  /** 302, after a form 303: whatever was sent is not sent again (RFC 9700 §4.12). */
  redirect(address: string): string;
  csrfToken(): string;
  isFormOurs(field: string | undefined): boolean;
}

interface Setting {
  /** `ui_locales` of the request that the page is part of. */
  readonly locales?: readonly string[];
  readonly design?: Design | undefined;
  readonly inFlow?: boolean;
}

export function visitOf(deps: Deps, incoming: Incoming, setting: Setting = {}): Visit {
  const { request, set } = incoming;
  const { locales, design, inFlow = false } = setting;
  const language = languageFor(request.headers, locales);
  return {
    request,
    set,
    language,
    show: (page) => renderPage(deps, incoming, { language, design, inFlow, ...page }),
    redirect(address) {
      set.status = request.method === "GET" ? 302 : 303;
      // Browsers heed it on redirects too.
      if (inFlow) set.headers["cross-origin-opener-policy"] = FOR_POPUPS;
      set.headers.location = address;
      return "";
    },
    csrfToken: () => csrfTokenFor(deps, incoming),
    isFormOurs: (field) => isFormOurs(deps, request, field),
  };
}

/** A field or parameter that may be missing. */
export const text = (maxLength = 1_024) => t.Optional(t.String({ maxLength }));

/** Options of a page's route. */
export const page = { public: true, http: { cors: "none" }, detail: { hide: true } } as const;
/** And of its form's. Contract 00 §35: double submit by a field, which the service's error page can't check; see `form.tsx`. */
export const form = {
  ...page,
  http: { cors: "none", form: true, open: true, bodyLimit: 32_768 },
} as const;

/** `path` with those of `parameters` that have a value. */
export function addressOf(
  path: string,
  parameters: Readonly<Record<string, string | undefined>>,
): string {
  const given = Object.entries(parameters).filter((one): one is [string, string] => !!one[1]);
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}
