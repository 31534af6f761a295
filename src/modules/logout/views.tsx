import { Carried, CSRF_FIELD } from "../../platform/pages/form.tsx";
import type { Language } from "../../platform/pages/language.ts";
import type { Page } from "../../platform/pages/page.ts";
import { Account, type Person } from "../../platform/pages/parts.tsx";
import { Card, Notice } from "../../platform/pages/shell.tsx";
import { TEXTS } from "./texts.tsx";

interface ConfirmView {
  readonly language: Language;
  readonly service: string;
  /** Name of the client that asks. */
  readonly client: string | undefined;
  readonly people: readonly (Person & { readonly id: string })[];
  /** The client means somebody who is not among them. */
  readonly namesAnother: boolean;
  readonly csrfToken: string;
  /** The request, as it is parked. */
  readonly parked: string;
  readonly isStale: boolean;
}

/** RP-Initiated Logout 1.0 §2: the OP SHOULD ask the End-User whether to log out of the OP as well. */
export function confirmPage(view: ConfirmView): Page {
  const { language, client, people, csrfToken, parked, isStale } = view;
  const texts = TEXTS[language];
  const service = <strong>{view.service}</strong>;
  return {
    title: texts.title,
    status: isStale ? 422 : 200,
    body: (
      <Card heading={texts.title}>
        {isStale ? <Notice kind="error">{texts.stale}</Notice> : null}
        <p>
          {client === undefined
            ? texts.plain(service)
            : texts.asks(<strong>{client}</strong>, service)}
        </p>
        {view.namesAnother ? <p className="hint">{texts.other}</p> : null}
        <ul className="accounts" aria-label={texts.accounts}>
          {people.map((person) => (
            <li key={person.id}>
              <p className="account still">
                <Account person={person} />
              </p>
            </li>
          ))}
        </ul>
        <form method="post" action="/logout">
          <Carried fields={{ [CSRF_FIELD]: csrfToken, logout_request: parked }} />
          <div className="answers">
            <a id="logout-cancel" className="button second" href="/">
              {texts.stay}
            </a>
            <button id="logout-confirm" className="button" type="submit">
              {people.length > 1 ? texts.buttonAll : texts.button}
            </button>
          </div>
        </form>
      </Card>
    ),
  };
}
