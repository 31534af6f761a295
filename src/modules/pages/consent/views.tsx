import type { OAuthClient } from "../../../platform/oauth-client.ts";
import { Carried, CSRF_FIELD } from "../../../platform/pages/form.tsx";
import type { Language } from "../../../platform/pages/language.ts";
import type { Page } from "../../../platform/pages/page.ts";
import { type Person, shortened } from "../../../platform/pages/parts.tsx";
import { Card, Notice } from "../../../platform/pages/shell.tsx";
import { TEXTS } from "../access/texts.tsx";
import {
  Answering,
  Answers,
  Origin,
  Parties,
  Policies,
  pictureOf,
  Wishes,
} from "../access/views.tsx";

interface ConsentView {
  readonly language: Language;
  readonly csrfToken: string;
  readonly requestId: string;
  readonly client: OAuthClient;
  readonly scopes: readonly string[];
  readonly claimNames: readonly string[];
  /** Where the answer goes. */
  readonly redirectHost: string;
  readonly person: Person & { readonly id: string };
  /** Where to sign in as somebody else. */
  readonly another: string;
  readonly fault?: string | undefined;
}

export function consentPage(view: ConsentView): Page {
  const { language, csrfToken, requestId, client, person, another, fault } = view;
  const texts = TEXTS[language];
  return {
    title: texts.title,
    status: fault === undefined ? 200 : 422,
    picture: pictureOf(client),
    body: (
      <Card
        heading={texts.heading(shortened(client.name))}
        above={<Parties client={client} person={person} />}
      >
        <Origin client={client} language={language} />
        {fault === undefined ? null : <Notice kind="error">{fault}</Notice>}
        <Wishes {...view} />
        <Answering person={person} another={another} language={language} />
        <form method="post" action="/consent">
          <Carried
            fields={{ [CSRF_FIELD]: csrfToken, request_id: requestId, session: person.id }}
          />
          <Answers language={language} prefix="consent" />
        </form>
        <p className="hint after">{texts.continues(<strong>{view.redirectHost}</strong>)}</p>
        <Policies client={client} language={language} />
      </Card>
    ),
  };
}

/** There is nothing to decide any more, and nowhere to go but back. */
export function gonePage(language: Language): Page {
  const { title, text, advice } = TEXTS[language].gone;
  return {
    title,
    status: 400,
    body: (
      <Card heading={title}>
        <Notice kind="error">{text}</Notice>
        <p className="hint">{advice}</p>
      </Card>
    ),
  };
}
