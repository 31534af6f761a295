import type { Deps } from "../../deps.ts";
import type { ErrorCode } from "../errors.ts";
import { languageOf, type Translated } from "./language.ts";
import { type PageContext, renderPage } from "./page.ts";
import { Card, Notice } from "./shell.tsx";

interface ErrorTexts {
  readonly title: string;
  readonly reference: string;
  readonly detail: string;
  readonly other: string;
  readonly known: Partial<Record<ErrorCode, string>>;
}

const TEXTS: Translated<ErrorTexts> = {
  en: {
    title: "That did not work",
    reference: "Reference",
    detail: "Detail",
    other: "Something went wrong on our side. Please try again in a moment.",
    known: {
      bad_request:
        "The address or the form is incomplete or no longer valid. Please go back to where you came from and start again.",
      unprocessable:
        "The address or the form is incomplete or no longer valid. Please go back to where you came from and start again.",
      csrf_failed:
        "This form was not sent from this site. Please go back to where you came from and start again.",
      forbidden: "You are not allowed to do this.",
      not_found: "There is nothing at this address.",
      method_not_allowed: "There is nothing to open at this address.",
      too_many_requests: "That was too often in a short time. Please wait a moment and try again.",
      service_unavailable: "The service is busy. Please try again in a moment.",
    },
  },
  de: {
    title: "Das hat nicht geklappt",
    reference: "Kennung",
    detail: "Einzelheit",
    other: "Bei uns ist etwas schiefgegangen. Bitte versuchen Sie es gleich noch einmal.",
    known: {
      bad_request:
        "Adresse oder Formular sind unvollständig oder nicht mehr gültig. Bitte gehen Sie dorthin zurück, woher Sie kamen, und beginnen Sie noch einmal.",
      unprocessable:
        "Adresse oder Formular sind unvollständig oder nicht mehr gültig. Bitte gehen Sie dorthin zurück, woher Sie kamen, und beginnen Sie noch einmal.",
      csrf_failed:
        "Dieses Formular kam nicht von dieser Seite. Bitte gehen Sie dorthin zurück, woher Sie kamen, und beginnen Sie noch einmal.",
      forbidden: "Das dürfen Sie nicht.",
      not_found: "Unter dieser Adresse gibt es nichts.",
      method_not_allowed: "Unter dieser Adresse gibt es nichts zu öffnen.",
      too_many_requests:
        "Das war zu oft in kurzer Zeit. Bitte warten Sie einen Moment und versuchen Sie es noch einmal.",
      service_unavailable: "Der Dienst ist ausgelastet. Bitte versuchen Sie es gleich noch einmal.",
    },
  },
};

interface Shown {
  readonly code: ErrorCode;
  readonly status: number;
  readonly requestId: string;
  /** In English, for whoever built the link that led here. */
  readonly detail?: string | undefined;
}

/** An error for a person in front of a browser: what to do, and the id by which an operator finds it. */
export async function renderErrorPage(
  deps: Pick<Deps, "config">,
  context: PageContext,
  { code, status, requestId, detail }: Shown,
): Promise<string> {
  const texts = TEXTS[languageOf(context.request.headers)];
  const html = await renderPage(deps, context, {
    title: texts.title,
    status,
    body: (
      <Card heading={texts.title}>
        <Notice kind="error">{texts.known[code] ?? texts.other}</Notice>
        {detail === undefined ? null : (
          <p className="hint">
            {texts.detail}: <span lang="en">{detail}</span>
          </p>
        )}
        <p className="hint">
          {texts.reference}: <code>{requestId}</code>
        </p>
      </Card>
    ),
  });
  // It has no form, and its address may hold what a stranger should not read.
  context.set.headers["referrer-policy"] = "no-referrer";
  return html;
}
