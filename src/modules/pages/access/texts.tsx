import type { ReactNode } from "react";
import type { Translated } from "../../../platform/pages/language.ts";

interface AccessTexts {
  readonly title: string;
  readonly heading: (client: string) => string;
  /** Who answers for the client. */
  readonly registered: (tenant: ReactNode) => ReactNode;
  readonly unverified: string;
  readonly account: string;
  readonly another: string;
  readonly allows: string;
  readonly nothing: string;
  readonly details: (list: string) => string;
  readonly continues: (host: ReactNode) => ReactNode;
  readonly privacy: string;
  readonly terms: string;
  readonly allow: string;
  readonly deny: string;
  readonly stale: string;
  readonly gone: { readonly title: string; readonly text: string; readonly advice: string };
}

export const TEXTS: Translated<AccessTexts> = {
  en: {
    title: "Allow access",
    heading: (client) => `${client} wants access to your account`,
    registered: (tenant) => <>Registered by an administrator of {tenant}</>,
    unverified:
      "This application registered itself, and nobody has checked who is behind it. Go on only if you trust where you came from.",
    account: "Your account",
    another: "Use another account",
    allows: "It will be able to:",
    nothing: "Sign you in",
    details: (list) => `See these details: ${list}`,
    continues: (host) => <>You continue at {host}.</>,
    privacy: "Privacy policy",
    terms: "Terms of service",
    allow: "Allow",
    deny: "Deny",
    stale: "This page was open for too long, or cookies are switched off. Please try again.",
    gone: {
      title: "This request is over",
      text: "It was answered already, has expired, or was begun in another browser.",
      advice: "Please go back to the application and start again there.",
    },
  },
  de: {
    title: "Zugriff erlauben",
    heading: (client) => `${client} möchte auf Ihr Konto zugreifen`,
    registered: (tenant) => <>Eingetragen von der Administration von {tenant}</>,
    unverified:
      "Diese Anwendung hat sich selbst eingetragen, und niemand hat geprüft, wer dahintersteht. Machen Sie nur weiter, wenn Sie der Stelle trauen, von der Sie kommen.",
    account: "Ihr Konto",
    another: "Anderes Konto verwenden",
    allows: "Die Anwendung darf dann:",
    nothing: "Sie anmelden",
    details: (list) => `Diese Angaben sehen: ${list}`,
    continues: (host) => <>Weiter geht es bei {host}.</>,
    privacy: "Datenschutzerklärung",
    terms: "Nutzungsbedingungen",
    allow: "Erlauben",
    deny: "Ablehnen",
    stale:
      "Diese Seite war zu lange offen, oder Cookies sind abgeschaltet. Bitte noch einmal versuchen.",
    gone: {
      title: "Diese Anfrage ist vorbei",
      text: "Sie wurde schon beantwortet, ist abgelaufen oder in einem anderen Browser begonnen worden.",
      advice: "Bitte gehen Sie zurück zur Anwendung, und beginnen Sie dort neu.",
    },
  },
};
