import { Carried, CSRF_FIELD, Field } from "../../../platform/pages/form.tsx";
import type { Language } from "../../../platform/pages/language.ts";
import type { Page } from "../../../platform/pages/page.ts";
import { Card, Notice } from "../../../platform/pages/shell.tsx";
import { addressOf } from "../visit.ts";
import { TEXTS } from "./texts.ts";

type Carry = Readonly<Record<string, string | undefined>>;

interface ForgotView {
  readonly language: Language;
  readonly csrfToken: string;
  readonly carried: Carry;
  readonly email?: string | undefined;
  readonly fault?: string | undefined;
  readonly emailFault?: string | undefined;
}

export function forgotPage(view: ForgotView): Page {
  const { language, csrfToken, carried, email, fault, emailFault } = view;
  const texts = TEXTS[language];
  return {
    title: texts.title,
    status: fault === undefined && emailFault === undefined ? 200 : 422,
    body: (
      <Card heading={texts.title}>
        <p className="lead">{texts.intro}</p>
        {fault === undefined ? null : <Notice kind="error">{fault}</Notice>}
        <form method="post" action="/forgot-password">
          <Carried fields={{ [CSRF_FIELD]: csrfToken, ...carried }} />
          <Field
            name="email"
            label={texts.email}
            type="email"
            autoComplete="username"
            value={email}
            error={emailFault}
            maxLength={320}
            focus
          />
          <button id="forgot-submit" className="button" type="submit">
            {texts.submit}
          </button>
        </form>
        <Back language={language} carried={carried} />
      </Card>
    ),
  };
}

/** The same whether or not anything was sent. */
export function sentPage(language: Language, carried: Carry): Page {
  const { title, text, advice } = TEXTS[language].sent;
  return {
    title,
    body: (
      <Card heading={title}>
        <Notice kind="success">{text}</Notice>
        <p className="hint">{advice}</p>
        <Back language={language} carried={carried} />
      </Card>
    ),
  };
}

function Back({ language, carried }: { language: Language; carried: Carry }) {
  return (
    <p className="closing">
      <a href={addressOf("/login", carried)}>{TEXTS[language].back}</a>
    </p>
  );
}
