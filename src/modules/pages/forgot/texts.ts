import type { Translated } from "../../../platform/pages/language.ts";

interface ForgotTexts {
  readonly title: string;
  readonly intro: string;
  readonly email: string;
  readonly submit: string;
  readonly back: string;
  readonly fault: { readonly stale: string; readonly email: string };
  readonly sent: { readonly title: string; readonly text: string; readonly advice: string };
}

export const TEXTS: Translated<ForgotTexts> = {
  en: {
    title: "Forgot your password?",
    intro: "Enter your e-mail address. We send you a link to set a new password.",
    email: "E-mail address",
    submit: "Send the link",
    back: "Back to sign-in",
    fault: {
      stale: "This page was open for too long, or cookies are switched off. Please try again.",
      email: "Please enter an e-mail address, like name@example.com.",
    },
    sent: {
      title: "Look into your mailbox",
      text: "If there is an account with this address, a message with a link is on its way. The link works for one hour.",
      advice:
        "Nothing there after a few minutes? Look into the spam folder, or try another address.",
    },
  },
  de: {
    title: "Passwort vergessen?",
    intro:
      "Geben Sie Ihre E-Mail-Adresse ein. Wir schicken Ihnen einen Link, mit dem Sie ein neues Passwort setzen.",
    email: "E-Mail-Adresse",
    submit: "Link schicken",
    back: "Zurück zur Anmeldung",
    fault: {
      stale:
        "Diese Seite war zu lange offen, oder Cookies sind abgeschaltet. Bitte noch einmal versuchen.",
      email: "Bitte geben Sie eine E-Mail-Adresse ein, etwa name@example.com.",
    },
    sent: {
      title: "Sehen Sie in Ihr Postfach",
      text: "Gibt es zu dieser Adresse ein Konto, dann ist eine Nachricht mit einem Link unterwegs. Der Link gilt eine Stunde.",
      advice:
        "Nach ein paar Minuten noch nichts da? Sehen Sie im Spam-Ordner nach, oder versuchen Sie es mit einer anderen Adresse.",
    },
  },
};
