import type { Translated } from "../../../platform/pages/language.ts";

/** Why a link leads nowhere. */
export type LinkFault = "invalid" | "used" | "expired";

interface LinkTexts {
  readonly title: string;
  readonly intro: string;
  readonly button: string;
  readonly doneTitle: string;
  readonly done: string;
  /** Of the link to where one goes on; where it leads is in the view. */
  readonly next: string;
}

interface Texts {
  readonly stale: string;
  readonly linkTitle: string;
  readonly link: Readonly<Record<LinkFault, string>>;
  readonly suspended: string;
  readonly secondFactor: string;
  readonly reset: LinkTexts & {
    readonly field: string;
    readonly hint: string;
    readonly tooShort: string;
    readonly tooLong: string;
    readonly weak: string;
  };
  readonly magic: LinkTexts;
  readonly verify: LinkTexts;
}

export const TEXTS: Translated<Texts> = {
  en: {
    stale: "This page was open for too long, or cookies are switched off. Please try again.",
    linkTitle: "This link no longer works",
    link: {
      invalid:
        "The link is incomplete, or a newer one has taken its place. Open the newest message, or ask for another.",
      used: "The link has been used already, and works only once. Please ask for another.",
      expired: "The link has expired. Please ask for another.",
    },
    suspended: "This account is suspended. Please ask your administrator.",
    secondFactor: "This account asks for a second factor. Please sign in with your application.",
    reset: {
      title: "Set a new password",
      intro: "Choose a new password for your account. All its sessions end, on every device.",
      field: "New password",
      hint: "At least 8 characters. A few unrelated words are easy to remember and hard to guess.",
      tooShort: "This password is too short: it takes at least 8 characters.",
      tooLong: "This password is too long: 256 characters are the most.",
      weak: "This password is too easy to guess. Please choose another.",
      button: "Set new password",
      doneTitle: "Your password is set",
      done: "You can close this page and sign in with your new password.",
      next: "Sign in",
    },
    magic: {
      title: "Sign in",
      intro: "One more step: confirm that it is you who opened this link.",
      button: "Sign me in",
      doneTitle: "You are signed in",
      done: "You can close this page and go back to your application.",
      next: "See who is signed in",
    },
    verify: {
      title: "Confirm your address",
      intro:
        "Confirm that the e-mail address is yours. If you signed up yourself, enter the code from the message in your application instead: confirming here ends all sessions and removes the password, because somebody else may have set it.",
      button: "Confirm my address",
      doneTitle: "Your address is confirmed",
      done: "Passwords and sessions from before are gone. Ask for a new password where you sign in.",
      next: "Set a new password",
    },
  },
  de: {
    stale:
      "Diese Seite war zu lange offen, oder Cookies sind abgeschaltet. Bitte noch einmal versuchen.",
    linkTitle: "Dieser Link gilt nicht mehr",
    link: {
      invalid:
        "Der Link ist unvollständig, oder es gibt einen neueren. Öffnen Sie die neueste Nachricht, oder fordern Sie einen neuen Link an.",
      used: "Der Link wurde schon benutzt und gilt nur einmal. Bitte fordern Sie einen neuen an.",
      expired: "Der Link ist abgelaufen. Bitte fordern Sie einen neuen an.",
    },
    suspended: "Dieses Konto ist gesperrt. Bitte wenden Sie sich an Ihre Administration.",
    secondFactor:
      "Dieses Konto verlangt einen zweiten Faktor. Bitte melden Sie sich über Ihre Anwendung an.",
    reset: {
      title: "Neues Passwort setzen",
      intro: "Wählen Sie ein neues Passwort. Alle Sitzungen des Kontos enden, auf jedem Gerät.",
      field: "Neues Passwort",
      hint: "Mindestens 8 Zeichen. Ein paar Wörter ohne Zusammenhang merkt man sich leicht, und sie sind schwer zu erraten.",
      tooShort: "Dieses Passwort ist zu kurz: Es braucht mindestens 8 Zeichen.",
      tooLong: "Dieses Passwort ist zu lang: Mehr als 256 Zeichen gehen nicht.",
      weak: "Dieses Passwort ist zu leicht zu erraten. Bitte wählen Sie ein anderes.",
      button: "Passwort setzen",
      doneTitle: "Ihr Passwort ist gesetzt",
      done: "Sie können diese Seite schließen und sich mit dem neuen Passwort anmelden.",
      next: "Anmelden",
    },
    magic: {
      title: "Anmelden",
      intro: "Noch ein Schritt: Bestätigen Sie, dass Sie diesen Link geöffnet haben.",
      button: "Jetzt anmelden",
      doneTitle: "Sie sind angemeldet",
      done: "Sie können diese Seite schließen und zu Ihrer Anwendung zurückkehren.",
      next: "Sehen, wer angemeldet ist",
    },
    verify: {
      title: "Adresse bestätigen",
      intro:
        "Bestätigen Sie, dass die E-Mail-Adresse Ihre ist. Haben Sie sich selbst angemeldet, dann geben Sie lieber den Code aus der Nachricht in Ihrer Anwendung ein: Hier zu bestätigen beendet alle Sitzungen und entfernt das Passwort, denn jemand anderes könnte es gesetzt haben.",
      button: "Adresse bestätigen",
      doneTitle: "Ihre Adresse ist bestätigt",
      done: "Passwörter und Sitzungen von vorher sind weg. Fordern Sie dort, wo Sie sich anmelden, ein neues Passwort an.",
      next: "Neues Passwort setzen",
    },
  },
};
