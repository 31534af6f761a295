import type { ReactElement, ReactNode } from "react";
import type { Translated } from "../../platform/pages/language.ts";

interface Texts {
  readonly title: string;
  /** Who asks, where a client does. */
  readonly asks: (client: ReactNode, service: ReactNode) => ReactElement;
  readonly plain: (service: ReactNode) => ReactElement;
  /** The client named somebody who is not signed in here. */
  readonly other: string;
  readonly accounts: string;
  readonly button: string;
  readonly buttonAll: string;
  readonly stay: string;
  readonly stale: string;
}

export const TEXTS: Translated<Texts> = {
  en: {
    title: "Sign out?",
    asks: (client, service) => (
      <>
        {client} asks to sign you out of {service}, and of the applications that you opened with it.
      </>
    ),
    plain: (service) => (
      <>This signs you out of {service}, and of the applications that you opened with it.</>
    ),
    other: "The application names another account than those that are signed in here.",
    accounts: "Signed in here",
    button: "Sign out",
    buttonAll: "Sign out of all accounts",
    stay: "Stay signed in",
    stale: "This page was open for too long, or cookies are switched off. Please try again.",
  },
  de: {
    title: "Abmelden?",
    asks: (client, service) => (
      <>
        {client} möchte Sie bei {service} abmelden, und bei den Anwendungen, die Sie damit geöffnet
        haben.
      </>
    ),
    plain: (service) => (
      <>
        Sie werden bei {service} abgemeldet, und bei den Anwendungen, die Sie damit geöffnet haben.
      </>
    ),
    other: "Die Anwendung nennt ein anderes Konto als die, die hier angemeldet sind.",
    accounts: "Hier angemeldet",
    button: "Abmelden",
    buttonAll: "Alle Konten abmelden",
    stay: "Angemeldet bleiben",
    stale:
      "Diese Seite war zu lange offen, oder Cookies sind ausgeschaltet. Bitte versuchen Sie es noch einmal.",
  },
};
