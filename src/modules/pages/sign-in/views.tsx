import { Fragment, type ReactNode } from "react";
import { Carried, CSRF_FIELD } from "../../../platform/pages/form.tsx";
import type { Language } from "../../../platform/pages/language.ts";
import type { Page } from "../../../platform/pages/page.ts";
import { Account, type Person, Plus, shortened } from "../../../platform/pages/parts.tsx";
import { Card, Notice } from "../../../platform/pages/shell.tsx";
import { addressOf } from "../visit.ts";
import type { SignInForm, SignInMethod } from "./methods.tsx";
import { TEXTS } from "./texts.tsx";

/** Id of what is said about the whole form; fields refer to it. */
const FAULT_ID = "sign-in-fault";

/** What waits for the sign-in. */
export type Purpose =
  | { readonly kind: "client"; readonly name: string }
  | { readonly kind: "device" }
  | { readonly kind: "account"; readonly service: string };

interface SignInView extends Omit<SignInForm, "faultId"> {
  readonly purpose: Purpose;
  readonly methods: readonly SignInMethod[];
  /** Said above the form; `isAboutFields`: name and password are marked with it. */
  readonly fault?: { readonly text: string; readonly isAboutFields: boolean } | undefined;
  /** People may make themselves an account for this client. */
  readonly offersSignUp: boolean;
  /** There are sessions to go on with. */
  readonly offersChoice: boolean;
  readonly status?: number;
}

export function signInPage(view: SignInView): Page {
  const {
    language,
    purpose,
    methods,
    fault,
    offersSignUp,
    offersChoice,
    carried,
    status = 200,
  } = view;
  const texts = TEXTS[language];
  const form: SignInForm = { ...view, faultId: fault?.isAboutFields ? FAULT_ID : undefined };
  return {
    title: texts.title,
    status,
    body: (
      <Card heading={texts.title}>
        <p className="lead">{purposeOf(purpose, language)}</p>
        {fault === undefined ? null : (
          <Notice kind="error" id={FAULT_ID}>
            {fault.text}
          </Notice>
        )}
        {methods.map((method, index) => (
          <Fragment key={method.name}>
            {index === 0 ? null : <p className="or">{texts.or}</p>}
            {method.render(form)}
          </Fragment>
        ))}
        {methods.length === 0 ? <Notice kind="warning">{texts.noMethod}</Notice> : null}
        {offersSignUp ? (
          <p className="closing">
            {texts.noAccount} <a href={addressOf("/signup", carried)}>{texts.signUp}</a>
          </p>
        ) : null}
        {offersChoice ? (
          <p className="closing">
            <a href={addressOf("/login", { ...carried, choose: "1" })}>{texts.choose}</a>
          </p>
        ) : null}
      </Card>
    ),
  };
}

export function purposeOf(purpose: Purpose, language: Language): ReactNode {
  const { to } = TEXTS[language];
  if (purpose.kind === "client") return to.client(<strong>{shortened(purpose.name)}</strong>);
  return purpose.kind === "device" ? to.device : to.account(<strong>{purpose.service}</strong>);
}

/** The password was right, and is not enough. */
export function factorPage(language: Language, again: string): Page {
  const { title, text, again: words } = TEXTS[language].factor;
  return {
    title,
    status: 403,
    body: (
      <Card heading={title}>
        <Notice kind="warning">{text}</Notice>
        <p className="closing">
          <a href={again}>{words}</a>
        </p>
      </Card>
    ),
  };
}

export interface Choice extends Person {
  readonly id: string;
  readonly isCurrent: boolean;
}

interface ChooserView {
  readonly language: Language;
  readonly purpose: Purpose;
  readonly csrfToken: string;
  readonly carried: Readonly<Record<string, string | undefined>>;
  readonly choices: readonly Choice[];
  /** Where an account that is not among them signs in. */
  readonly another: string;
  readonly fault?: string | undefined;
}

export function chooserPage(view: ChooserView): Page {
  const { language, purpose, csrfToken, carried, choices, another, fault } = view;
  const texts = TEXTS[language].chooser;
  return {
    title: texts.title,
    status: fault === undefined ? 200 : 422,
    body: (
      <Card heading={texts.title}>
        <p className="lead">{purposeOf(purpose, language)}</p>
        {fault === undefined ? null : <Notice kind="error">{fault}</Notice>}
        <form method="post" action="/login/select">
          <Carried fields={{ [CSRF_FIELD]: csrfToken, ...carried }} />
          <ul className="accounts">
            {choices.map((choice, index) => (
              <li key={choice.id}>
                <button
                  id={`account-${index + 1}`}
                  className="account"
                  name="session"
                  value={choice.id}
                  type="submit"
                >
                  <Account person={choice}>
                    {choice.isCurrent ? <span className="mark">{texts.current}</span> : null}
                  </Account>
                </button>
              </li>
            ))}
            <li>
              <a id="another-account" className="account" href={another}>
                <Plus />
                <span className="who">{texts.another}</span>
              </a>
            </li>
          </ul>
        </form>
      </Card>
    ),
  };
}
