import type { OAuthClient } from "../../../platform/oauth-client.ts";
import { Carried, CSRF_FIELD, Field } from "../../../platform/pages/form.tsx";
import type { Language } from "../../../platform/pages/language.ts";
import type { Page } from "../../../platform/pages/page.ts";
import { type Person, shortened } from "../../../platform/pages/parts.tsx";
import { Card, Notice } from "../../../platform/pages/shell.tsx";
import {
  Answering,
  Answers,
  Origin,
  Parties,
  Policies,
  pictureOf,
  Wishes,
} from "../access/views.tsx";
import { TEXTS } from "./texts.ts";

interface CodeView {
  readonly language: Language;
  readonly person: Person;
  readonly another: string;
  readonly code?: string | undefined;
  readonly codeFault?: string | undefined;
  readonly status?: number;
}

/** Asks for the code. Looking one up changes nothing, so the form is a GET. */
export function codePage(view: CodeView): Page {
  const { language, person, another, code, codeFault, status = 200 } = view;
  const texts = TEXTS[language];
  return {
    title: texts.title,
    status,
    body: (
      <Card heading={texts.title}>
        <p className="lead">{texts.intro}</p>
        <form method="get" action="/device">
          <Field
            name="user_code"
            label={texts.code}
            autoComplete="off"
            value={code}
            hint={texts.hint}
            error={codeFault}
            maxLength={64}
            code
            focus
          />
          <button id="device-next" className="button" type="submit">
            {texts.next}
          </button>
        </form>
        <Answering person={person} another={another} language={language} />
      </Card>
    ),
  };
}

interface ConfirmView {
  readonly language: Language;
  readonly csrfToken: string;
  readonly userCode: string;
  readonly client: OAuthClient;
  readonly scopes: readonly string[];
  readonly person: Person & { readonly id: string };
  readonly another: string;
  readonly fault?: string | undefined;
  readonly status?: number;
}

/** RFC 8628 §5.4: the person compares the code, even where a link brought it along. */
export function confirmPage(view: ConfirmView): Page {
  const { language, csrfToken, userCode, client, person, another, fault, status = 200 } = view;
  const texts = TEXTS[language];
  return {
    title: texts.title,
    status,
    picture: pictureOf(client),
    body: (
      <Card
        heading={texts.heading(shortened(client.name))}
        above={<Parties client={client} person={person} />}
      >
        <Origin client={client} language={language} />
        {fault === undefined ? null : <Notice kind="error">{fault}</Notice>}
        <div className="compare">
          <p>{texts.compare}</p>
          <p className="user-code">{userCode}</p>
        </div>
        <Wishes {...view} />
        <Answering person={person} another={another} language={language} />
        <Notice kind="warning">{texts.warning}</Notice>
        <form method="post" action="/device">
          <Carried fields={{ [CSRF_FIELD]: csrfToken, user_code: userCode, session: person.id }} />
          <Answers language={language} prefix="device" />
        </form>
        <Policies client={client} language={language} />
      </Card>
    ),
  };
}

export function donePage(outcome: "authorized" | "denied", language: Language): Page {
  const { done, more } = TEXTS[language];
  const { title, text } = done[outcome];
  return {
    title,
    body: (
      <Card heading={title}>
        <Notice kind="success">{text}</Notice>
        <p className="closing">
          <a href="/device">{more}</a>
        </p>
      </Card>
    ),
  };
}
