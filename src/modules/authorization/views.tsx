import { Hidden } from "../../platform/pages/form.tsx";
import type { Language, Translated } from "../../platform/pages/language.ts";
import type { Page } from "../../platform/pages/page.ts";
import { Card } from "../../platform/pages/shell.tsx";

const TEXTS: Translated<{ title: string; intro: string; button: string }> = {
  en: {
    title: "Back to the application",
    intro: "You are being taken back to the application. If nothing happens, press the button.",
    button: "Continue",
  },
  de: {
    title: "Zurück zur Anwendung",
    intro: "Sie werden zur Anwendung zurückgeleitet. Wenn nichts geschieht, drücken Sie den Knopf.",
    button: "Weiter",
  },
};

/**
 * Carries an authorization response to the client in a form, by itself where scripts run, else at the press of a button.
 *
 * @see https://openid.net/specs/oauth-v2-form-post-response-mode-1_0.html#rfc.section.2
 */
export function formPostPage(
  { action, fields }: { action: string; fields: Readonly<Record<string, string>> },
  language: Language,
  script: string,
): Page {
  const { title, intro, button } = TEXTS[language];
  return {
    title,
    script,
    inFlow: true,
    body: (
      <Card heading={title}>
        <p className="hint">{intro}</p>
        <form id="form-post" method="post" action={action}>
          {Object.entries(fields).map(([name, value]) => (
            <Hidden key={name} name={name} value={value} />
          ))}
          <button id="form-post-continue" className="button" type="submit">
            {button}
          </button>
        </form>
      </Card>
    ),
  };
}
