import type { Context } from "elysia";
import type { ReactElement } from "react";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import type { Deps } from "../../deps.ts";
import { assetAddresses } from "./assets.ts";
import { languageOf } from "./language.ts";
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
}

/**
 * Headers of every page. No `form-action` (contract 00 §35: Chromium applies it to the redirect that follows a form,
 * which may lead to a client). The referrer stays within the server: addresses hold tokens; `no-referrer` would take
 * the Origin header from our own forms, by which they are told from a stranger's.
 */
export const PAGE_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'",
  "referrer-policy": "same-origin",
  "x-robots-tag": "noindex",
  vary: "Origin, Accept-Language",
} as const;

/** Renders a page in the browser's language and sets its headers. */
export async function renderPage(
  { config }: Pick<Deps, "config">,
  { request, set }: PageContext,
  { title, body, wide = false, status = 200 }: Page,
): Promise<string> {
  Object.assign(set.headers, PAGE_HEADERS);
  set.status = status;
  const language = languageOf(request.headers);
  const { serviceName } = config;
  const addresses = await assetAddresses();
  return markup(
    createElement(Shell, { language, title, serviceName, wide, ...addresses, children: body }),
  );
}

/** Static markup writes no doctype, and without one browsers fall back to the last century's rules. */
const markup = (page: ReactElement): string => `<!doctype html>${renderToStaticMarkup(page)}`;
