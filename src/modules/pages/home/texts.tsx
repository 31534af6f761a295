import type { ReactNode } from "react";
import type { Translated } from "../../../platform/pages/language.ts";

interface HomeTexts {
  readonly title: string;
  readonly intro: string;
  readonly signIn: string;
  readonly docs: readonly [title: string, text: string];
  readonly document: readonly [title: string, text: string];
  readonly discovery: readonly [title: string, text: string];
  readonly mailbox: readonly [title: string, text: string];
  readonly firstSteps: string;
  readonly firstStepsIntro: string;
  readonly signedIn: {
    readonly title: string;
    readonly at: (service: ReactNode) => ReactNode;
    readonly others: string;
    readonly another: string;
    readonly signOut: string;
    readonly signOutAll: string;
    readonly stale: string;
  };
  readonly signedOut: {
    readonly title: string;
    readonly text: string;
    readonly advice: string;
    readonly again: string;
    /** Instead of all that, where somebody is still signed in. */
    readonly remaining: { readonly title: string; readonly text: string };
  };
}

export const TEXTS: Translated<HomeTexts> = {
  en: {
    title: "Your identity server is running",
    intro:
      "It signs people in, keeps their accounts and workspaces, and tells your applications who may do what.",
    signIn: "Sign in",
    docs: ["API reference", "Every operation, to read about and to try out."],
    document: ["OpenAPI file", "For client generators and other tools."],
    discovery: ["OpenID metadata", "Issuer, keys, and what is supported."],
    mailbox: ["Mailbox", "Messages that were sent, with their links and codes."],
    firstSteps: "First steps",
    firstStepsIntro: "Sign somebody up, then look into the mailbox:",
    signedIn: {
      title: "You are signed in",
      at: (service) => <>Applications that use {service} recognise you in this browser.</>,
      others: "Other accounts in this browser",
      another: "Use another account",
      signOut: "Sign out",
      signOutAll: "Sign out of all accounts",
      stale: "This page was open for too long, or cookies are switched off. Please try again.",
    },
    signedOut: {
      title: "You are signed out",
      text: "Nobody is signed in with this browser any more.",
      advice: "On a computer that others use as well, also close the applications that you used.",
      again: "Sign in again",
      remaining: {
        title: "Still signed in",
        text: "With this browser, somebody is still signed in:",
      },
    },
  },
  de: {
    title: "Ihr Identitätsserver läuft",
    intro:
      "Er meldet Menschen an, verwaltet Konten und Arbeitsbereiche und sagt Ihren Anwendungen, wer was darf.",
    signIn: "Anmelden",
    docs: ["API-Referenz", "Alle Operationen, zum Nachlesen und Ausprobieren."],
    document: ["OpenAPI-Datei", "Für Generatoren und andere Werkzeuge."],
    discovery: ["OpenID-Metadaten", "Aussteller, Schlüssel und was unterstützt wird."],
    mailbox: ["Postfach", "Gesendete Nachrichten mit ihren Links und Codes."],
    firstSteps: "Erste Schritte",
    firstStepsIntro: "Legen Sie ein Konto an, und sehen Sie dann ins Postfach:",
    signedIn: {
      title: "Sie sind angemeldet",
      at: (service) => <>Anwendungen, die {service} nutzen, erkennen Sie in diesem Browser.</>,
      others: "Weitere Konten in diesem Browser",
      another: "Anderes Konto verwenden",
      signOut: "Abmelden",
      signOutAll: "Von allen Konten abmelden",
      stale:
        "Diese Seite war zu lange offen, oder Cookies sind abgeschaltet. Bitte noch einmal versuchen.",
    },
    signedOut: {
      title: "Sie sind abgemeldet",
      text: "In diesem Browser ist niemand mehr angemeldet.",
      advice:
        "Teilen Sie den Computer mit anderen, dann schließen Sie auch die Anwendungen, die Sie benutzt haben.",
      again: "Wieder anmelden",
      remaining: {
        title: "Noch angemeldet",
        text: "In diesem Browser ist noch jemand angemeldet:",
      },
    },
  },
};
