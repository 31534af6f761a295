import type { Deps } from "../../deps.ts";
import type { ErrorCode } from "../errors.ts";
import { languageOf, type Translated } from "./language.ts";
import { type PageContext, renderPage } from "./page.ts";
import { Card, Notice } from "./shell.tsx";

interface ErrorTexts {
  readonly title: string;
  readonly reference: string;
  readonly other: string;
  readonly known: Partial<Record<ErrorCode, string>>;
}

const TEXTS: Translated<ErrorTexts> = {
  en: {
    title: "That did not work",
    reference: "Reference",
    other: "Something went wrong on our side. Please try again in a moment.",
    known: {
      bad_request:
        "The address or the form is incomplete. Please open the link from the message again.",
      unprocessable:
        "The address or the form is incomplete. Please open the link from the message again.",
      csrf_failed:
        "This form was not sent from this site. Please open the link from the message again.",
      forbidden: "You are not allowed to do this.",
      not_found: "There is nothing at this address.",
      too_many_requests: "That was too often in a short time. Please wait a moment and try again.",
      service_unavailable: "The service is busy. Please try again in a moment.",
    },
  },
  de: {
    title: "Das hat nicht geklappt",
    reference: "Kennung",
    other: "Bei uns ist etwas schiefgegangen. Bitte versuchen Sie es gleich noch einmal.",
    known: {
      bad_request:
        "Adresse oder Formular sind unvollständig. Bitte öffnen Sie den Link aus der Nachricht noch einmal.",
      unprocessable:
        "Adresse oder Formular sind unvollständig. Bitte öffnen Sie den Link aus der Nachricht noch einmal.",
      csrf_failed:
        "Dieses Formular kam nicht von dieser Seite. Bitte öffnen Sie den Link aus der Nachricht noch einmal.",
      forbidden: "Das dürfen Sie nicht.",
      not_found: "Unter dieser Adresse gibt es nichts.",
      too_many_requests:
        "Das war zu oft in kurzer Zeit. Bitte warten Sie einen Moment und versuchen Sie es noch einmal.",
      service_unavailable: "Der Dienst ist ausgelastet. Bitte versuchen Sie es gleich noch einmal.",
    },
  },
};

/** An error for a person in front of a browser: what to do, and the id by which an operator finds it. */
export function renderErrorPage(
  deps: Pick<Deps, "config">,
  context: PageContext,
  { code, status, requestId }: { code: ErrorCode; status: number; requestId: string },
): Promise<string> {
  const texts = TEXTS[languageOf(context.request.headers)];
  return renderPage(deps, context, {
    title: texts.title,
    status,
    body: (
      <Card heading={texts.title}>
        <Notice kind="error">{texts.known[code] ?? texts.other}</Notice>
        <p className="hint">
          {texts.reference}: <code>{requestId}</code>
        </p>
      </Card>
    ),
  });
}
