import type { ReactNode } from "react";
import type { Translated } from "../../../platform/pages/language.ts";

interface SignUpTexts {
  readonly title: string;
  readonly intro: (client: ReactNode, tenant: ReactNode) => ReactNode;
  readonly name: string;
  readonly nameHint: string;
  readonly email: string;
  readonly password: string;
  readonly passwordHint: string;
  readonly submit: string;
  readonly hasAccount: string;
  readonly signIn: string;
  readonly fault: {
    readonly stale: string;
    readonly name: string;
    readonly email: string;
    readonly tooShort: string;
    readonly tooLong: string;
    readonly weak: string;
    readonly refused: string;
    readonly busy: string;
  };
  readonly closed: { readonly title: string; readonly text: string };
}

export const TEXTS: Translated<SignUpTexts> = {
  en: {
    title: "Create an account",
    intro: (client, tenant) => (
      <>
        at {tenant}, to continue to {client}
      </>
    ),
    name: "Your name",
    nameHint: "As others shall see it. You may leave it out.",
    email: "E-mail address",
    password: "Password",
    passwordHint:
      "At least 8 characters. A few unrelated words are easy to remember and hard to guess.",
    submit: "Create account",
    hasAccount: "Already have an account?",
    signIn: "Sign in",
    fault: {
      stale: "This page was open for too long, or cookies are switched off. Please try again.",
      name: "This name is too long: 200 characters are the most.",
      email: "Please enter an e-mail address, like name@example.com.",
      tooShort: "This password is too short: it takes at least 8 characters.",
      tooLong: "This password is too long: 256 characters are the most.",
      weak: "This password is too easy to guess. Please choose another.",
      refused:
        "No account could be created with this address. If you have one already, sign in, or ask for a new password.",
      busy: "Many people are signing up right now. Please try again in a moment.",
    },
    closed: {
      title: "No sign-up here",
      text: "Accounts are not created here. Please ask your administrator.",
    },
  },
  de: {
    title: "Konto anlegen",
    intro: (client, tenant) => (
      <>
        bei {tenant}, um weiterzugehen zu {client}
      </>
    ),
    name: "Ihr Name",
    nameHint: "So, wie andere ihn sehen sollen. Sie können ihn weglassen.",
    email: "E-Mail-Adresse",
    password: "Passwort",
    passwordHint:
      "Mindestens 8 Zeichen. Ein paar Wörter ohne Zusammenhang merkt man sich leicht, und sie sind schwer zu erraten.",
    submit: "Konto anlegen",
    hasAccount: "Sie haben schon ein Konto?",
    signIn: "Anmelden",
    fault: {
      stale:
        "Diese Seite war zu lange offen, oder Cookies sind abgeschaltet. Bitte noch einmal versuchen.",
      name: "Dieser Name ist zu lang: Mehr als 200 Zeichen gehen nicht.",
      email: "Bitte geben Sie eine E-Mail-Adresse ein, etwa name@example.com.",
      tooShort: "Dieses Passwort ist zu kurz: Es braucht mindestens 8 Zeichen.",
      tooLong: "Dieses Passwort ist zu lang: Mehr als 256 Zeichen gehen nicht.",
      weak: "Dieses Passwort ist zu leicht zu erraten. Bitte wählen Sie ein anderes.",
      refused:
        "Mit dieser Adresse ließ sich kein Konto anlegen. Haben Sie schon eines, dann melden Sie sich an, oder fordern Sie ein neues Passwort an.",
      busy: "Gerade legen viele ein Konto an. Bitte versuchen Sie es gleich noch einmal.",
    },
    closed: {
      title: "Hier keine Registrierung",
      text: "Konten werden hier nicht angelegt. Bitte wenden Sie sich an Ihre Administration.",
    },
  },
};
