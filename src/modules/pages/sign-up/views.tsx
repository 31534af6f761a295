import type { OAuthClient } from "../../../platform/oauth-client.ts";
import { Carried, CSRF_FIELD, Field, NewPasswordField } from "../../../platform/pages/form.tsx";
import type { Language } from "../../../platform/pages/language.ts";
import type { Page } from "../../../platform/pages/page.ts";
import { shortened } from "../../../platform/pages/parts.tsx";
import { Card, Notice } from "../../../platform/pages/shell.tsx";
import { addressOf } from "../visit.ts";
import { TEXTS } from "./texts.tsx";

export interface SignUpView {
  readonly language: Language;
  readonly csrfToken: string;
  readonly carried: Readonly<Record<string, string | undefined>>;
  readonly client: OAuthClient;
  readonly name?: string | undefined;
  readonly email?: string | undefined;
  readonly fault?: string | undefined;
  readonly nameFault?: string | undefined;
  readonly emailFault?: string | undefined;
  readonly passwordFault?: string | undefined;
  readonly status?: number;
}

export function signUpPage(view: SignUpView): Page {
  const { language, csrfToken, carried, client, fault, status = 200 } = view;
  const texts = TEXTS[language];
  const isAtName = view.email === undefined || view.nameFault !== undefined;
  return {
    title: texts.title,
    status,
    body: (
      <Card heading={texts.title}>
        <p className="lead">
          {texts.intro(
            <strong>{shortened(client.name)}</strong>,
            <strong>{shortened(client.tenantName)}</strong>,
          )}
        </p>
        {fault === undefined ? null : <Notice kind="error">{fault}</Notice>}
        <form method="post" action="/signup">
          <Carried fields={{ [CSRF_FIELD]: csrfToken, ...carried }} />
          <Field
            name="display_name"
            label={texts.name}
            autoComplete="name"
            value={view.name}
            hint={texts.nameHint}
            error={view.nameFault}
            required={false}
            maxLength={200}
            focus={isAtName}
          />
          <Field
            name="email"
            label={texts.email}
            type="email"
            autoComplete="username"
            value={view.email}
            error={view.emailFault}
            maxLength={320}
            focus={!isAtName && view.passwordFault === undefined}
          />
          <NewPasswordField
            name="password"
            label={texts.password}
            hint={texts.passwordHint}
            error={view.passwordFault}
            focus={view.passwordFault !== undefined}
          />
          <button id="signup-submit" className="button" type="submit">
            {texts.submit}
          </button>
        </form>
        <p className="closing">
          {texts.hasAccount} <a href={addressOf("/login", carried)}>{texts.signIn}</a>
        </p>
      </Card>
    ),
  };
}

export function closedPage(
  language: Language,
  carried: Readonly<Record<string, string | undefined>>,
): Page {
  const { closed, hasAccount, signIn } = TEXTS[language];
  const { title, text } = closed;
  return {
    title,
    status: 404,
    body: (
      <Card heading={title}>
        <Notice kind="error">{text}</Notice>
        <p className="closing">
          {hasAccount} <a href={addressOf("/login", carried)}>{signIn}</a>
        </p>
      </Card>
    ),
  };
}
