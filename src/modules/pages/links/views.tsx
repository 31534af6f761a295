import { CSRF_FIELD, Hidden, NewPasswordField } from "../../../platform/pages/form.tsx";
import type { Language } from "../../../platform/pages/language.ts";
import type { Page } from "../../../platform/pages/page.ts";
import { Card, Notice } from "../../../platform/pages/shell.tsx";
import { type LinkFault, TEXTS } from "./texts.ts";

export type LinkKind = "reset" | "magic" | "verify";

/** What a form carries along: the link's own parameters, and the token that shows it is ours. */
export interface LinkForm {
  readonly language: Language;
  readonly fields: Readonly<Record<string, string>>;
  readonly csrfToken: string;
  /** Said above the form. */
  readonly notice?: string | undefined;
  /** Said at the password. */
  readonly fieldError?: string | undefined;
  readonly status?: number;
}

/**
 * A page with one button. What the link opens happens when it is pressed: mail scanners follow links, and must not
 * use them up.
 */
export function linkPage(kind: LinkKind, form: LinkForm): Page {
  const { language, fields, csrfToken, notice, fieldError, status = 200 } = form;
  const texts = TEXTS[language][kind];
  return {
    title: texts.title,
    status,
    body: (
      <Card heading={texts.title}>
        {notice === undefined ? null : <Notice kind="error">{notice}</Notice>}
        <p>{texts.intro}</p>
        <form method="post" action={`/${kind}`}>
          <Hidden name={CSRF_FIELD} value={csrfToken} />
          {Object.entries(fields).map(([name, value]) => (
            <Hidden key={name} name={name} value={value} />
          ))}
          {kind === "reset" ? <ResetField language={language} error={fieldError} /> : null}
          <button className="button" type="submit">
            {texts.button}
          </button>
        </form>
      </Card>
    ),
  };
}

function ResetField({ language, error }: { language: Language; error: string | undefined }) {
  const { field, hint } = TEXTS[language].reset;
  return <NewPasswordField name="new_password" label={field} hint={hint} error={error} focus />;
}

/** Where to go from a link that has done its work. */
const NEXT: Readonly<Record<LinkKind, string>> = {
  reset: "/login",
  magic: "/",
  verify: "/forgot-password",
};

export function donePage(kind: LinkKind, language: Language): Page {
  const { doneTitle, done, next } = TEXTS[language][kind];
  return {
    title: doneTitle,
    body: (
      <Card heading={doneTitle}>
        <Notice kind="success">{done}</Notice>
        <p className="closing">
          <a href={NEXT[kind]}>{next}</a>
        </p>
      </Card>
    ),
  };
}

export function faultPage(
  fault: LinkFault | "suspended" | "secondFactor",
  language: Language,
): Page {
  const texts = TEXTS[language];
  const isLink = fault !== "suspended" && fault !== "secondFactor";
  return {
    title: texts.linkTitle,
    status: isLink ? 400 : 403,
    body: (
      <Card heading={texts.linkTitle}>
        <Notice kind="error">{isLink ? texts.link[fault] : texts[fault]}</Notice>
      </Card>
    ),
  };
}
