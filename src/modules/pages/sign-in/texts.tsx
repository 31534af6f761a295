import type { ReactNode } from "react";
import type { Translated } from "../../../platform/pages/language.ts";

interface SignInTexts {
  readonly title: string;
  /** Why: a client waits, a device, or nobody. */
  readonly to: {
    readonly client: (name: ReactNode) => ReactNode;
    readonly device: string;
    readonly account: (service: ReactNode) => ReactNode;
  };
  readonly email: string;
  readonly password: string;
  readonly submit: string;
  readonly forgot: string;
  readonly or: string;
  readonly noAccount: string;
  readonly signUp: string;
  readonly choose: string;
  readonly noMethod: string;
  readonly fault: {
    readonly stale: string;
    readonly credentials: string;
    readonly email: string;
    readonly missing: string;
    readonly locked: (minutes: number) => string;
    readonly busy: string;
    readonly suspended: string;
    readonly tenantSuspended: string;
    readonly refused: string;
    readonly other: string;
  };
  readonly factor: { readonly title: string; readonly text: string; readonly again: string };
  readonly chooser: {
    readonly title: string;
    readonly another: string;
    readonly current: string;
    readonly gone: string;
  };
}

export const TEXTS: Translated<SignInTexts> = {
  en: {
    title: "Sign in",
    to: {
      client: (name) => <>to continue to {name}</>,
      device: "to connect a device",
      account: (service) => <>to your account at {service}</>,
    },
    email: "E-mail address",
    password: "Password",
    submit: "Sign in",
    forgot: "Forgot your password?",
    or: "or",
    noAccount: "No account yet?",
    signUp: "Sign up",
    choose: "Choose an account that is signed in here",
    noMethod: "There is no way to sign in here. Please ask your administrator.",
    fault: {
      stale: "This page was open for too long, or cookies are switched off. Please try again.",
      credentials: "The e-mail address or the password is not right.",
      email: "Please enter an e-mail address, like name@example.com.",
      missing: "Please enter your password.",
      locked: (minutes) =>
        minutes === 1
          ? "Too many failed attempts. Please try again in a minute."
          : `Too many failed attempts. Please try again in ${minutes} minutes.`,
      busy: "Many people are signing in right now. Please try again in a moment.",
      suspended: "This account is suspended. Please ask your administrator.",
      tenantSuspended: "Your organisation is suspended. Please ask your administrator.",
      refused: "You may not sign in here. Please ask your administrator.",
      other: "Signing in did not work. Please try again, or in another way.",
    },
    factor: {
      title: "One more step is needed",
      text: "Your password is right, but this account asks for a second factor, which can't be given here yet. Please ask your administrator.",
      again: "Sign in with another account",
    },
    chooser: {
      title: "Choose an account",
      another: "Use another account",
      current: "in use",
      gone: "You are no longer signed in with this account. Please sign in again.",
    },
  },
  de: {
    title: "Anmelden",
    to: {
      client: (name) => <>weiter zu {name}</>,
      device: "um ein Gerät zu verbinden",
      account: (service) => <>mit Ihrem Konto bei {service}</>,
    },
    email: "E-Mail-Adresse",
    password: "Passwort",
    submit: "Anmelden",
    forgot: "Passwort vergessen?",
    or: "oder",
    noAccount: "Noch kein Konto?",
    signUp: "Konto anlegen",
    choose: "Ein hier angemeldetes Konto wählen",
    noMethod: "Hier kann man sich nicht anmelden. Bitte wenden Sie sich an Ihre Administration.",
    fault: {
      stale:
        "Diese Seite war zu lange offen, oder Cookies sind abgeschaltet. Bitte noch einmal versuchen.",
      credentials: "E-Mail-Adresse oder Passwort stimmen nicht.",
      email: "Bitte geben Sie eine E-Mail-Adresse ein, etwa name@example.com.",
      missing: "Bitte geben Sie Ihr Passwort ein.",
      locked: (minutes) =>
        minutes === 1
          ? "Zu viele Fehlversuche. Bitte versuchen Sie es in einer Minute noch einmal."
          : `Zu viele Fehlversuche. Bitte versuchen Sie es in ${minutes} Minuten noch einmal.`,
      busy: "Gerade melden sich viele an. Bitte versuchen Sie es gleich noch einmal.",
      suspended: "Dieses Konto ist gesperrt. Bitte wenden Sie sich an Ihre Administration.",
      tenantSuspended:
        "Ihre Organisation ist gesperrt. Bitte wenden Sie sich an Ihre Administration.",
      refused: "Sie dürfen sich hier nicht anmelden. Bitte wenden Sie sich an Ihre Administration.",
      other:
        "Die Anmeldung hat nicht geklappt. Bitte versuchen Sie es noch einmal oder auf einem anderen Weg.",
    },
    factor: {
      title: "Ein Schritt fehlt noch",
      text: "Ihr Passwort stimmt, aber dieses Konto verlangt einen zweiten Faktor, und der lässt sich hier noch nicht angeben. Bitte wenden Sie sich an Ihre Administration.",
      again: "Mit einem anderen Konto anmelden",
    },
    chooser: {
      title: "Konto auswählen",
      another: "Anderes Konto verwenden",
      current: "in Gebrauch",
      gone: "Mit diesem Konto sind Sie nicht mehr angemeldet. Bitte melden Sie sich neu an.",
    },
  },
};
