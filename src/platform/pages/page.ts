import type { Context } from "elysia";
import type { ReactElement } from "react";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import type { Deps } from "../../deps.ts";
import { assetAddresses } from "./assets.ts";
import type { Design } from "./design.ts";
import { type Language, languageOf } from "./language.ts";
import { Shell } from "./shell.tsx";

export interface PageContext {
  readonly request: Request;
  readonly set: Pick<Context["set"], "headers" | "status">;
}

export interface Page {
  readonly title: string;
  readonly body: ReactElement;
  readonly wide?: boolean;
  /** Default 200. */
  readonly status?: number;
  /** Default: the browser's. */
  readonly language?: Language | undefined;
  /** Of the tenant that the page is for; default: the service's own. */
  readonly design?: Design | undefined;
  /** Stands in the way of an authorization request: may run in a popup, and leads nowhere else. */
  readonly inFlow?: boolean;
  /** A picture from elsewhere that the policy must let in: an https address. */
  readonly picture?: string | null | undefined;
  /** Address of a script of ours. Every page works without. */
  readonly script?: string;
}

const policyOf = (pictures: readonly string[], script?: string): string =>
  `default-src 'none'; ${script === undefined ? "" : "script-src 'self'; "}style-src 'self'; img-src ${["'self'", ...pictures].join(" ")}; base-uri 'none'; frame-ancestors 'none'`;

/**
 * Headers of every page. No `form-action` (contract 00 §35: Chromium applies it to the redirect that follows a form,
 * which may lead to a client). The referrer stays within the server: addresses hold tokens; `no-referrer` would take
 * the Origin header from our own forms, by which they are told from a stranger's.
 */
export const PAGE_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": policyOf([]),
  "referrer-policy": "same-origin",
  "x-robots-tag": "noindex",
  vary: "Origin, Accept-Language",
} as const;

/** Cross-Origin-Opener-Policy, contract 03 §2: `same-origin` would cut a popup from the application that opened it. */
export const FOR_POPUPS = "unsafe-none";

/** Renders a page and sets its headers. */
export async function renderPage(
  { config }: Pick<Deps, "config">,
  { request, set }: PageContext,
  page: Page,
): Promise<string> {
  const { title, body, design, wide = false, status = 200, inFlow = false, script } = page;
  Object.assign(set.headers, PAGE_HEADERS);
  const pictures = [page.picture, design?.logoUrl].flatMap((one) => originOf(one) ?? []);
  if (pictures.length > 0 || script !== undefined)
    set.headers["content-security-policy"] = policyOf(pictures, script);
  if (inFlow) set.headers["cross-origin-opener-policy"] = FOR_POPUPS;
  set.status = status;
  const language = page.language ?? languageOf(request.headers);
  const { serviceName } = config;
  const addresses = await assetAddresses();
  const shell = { language, title, serviceName, design, wide, inFlow, script, ...addresses };
  return markup(createElement(Shell, { ...shell, children: body }));
}

/** Only https, and as an origin, which holds no character that could end the directive. */
function originOf(picture: string | null | undefined): string | undefined {
  if (!picture || !URL.canParse(picture)) return undefined;
  const { protocol, origin } = new URL(picture);
  return protocol === "https:" ? origin : undefined;
}

/** Static markup writes no doctype, and without one browsers fall back to the last century's rules. */
const markup = (page: ReactElement): string => `<!doctype html>${renderToStaticMarkup(page)}`;
