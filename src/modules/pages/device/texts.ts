import type { Translated } from "../../../platform/pages/language.ts";

interface DeviceTexts {
  readonly title: string;
  readonly intro: string;
  readonly code: string;
  readonly hint: string;
  readonly next: string;
  readonly heading: (client: string) => string;
  readonly compare: string;
  readonly warning: string;
  readonly fault: {
    readonly missing: string;
    readonly unknown: string;
    readonly expired: string;
    readonly decided: string;
    readonly guesses: string;
    readonly forbidden: string;
    readonly factor: string;
    readonly stale: string;
  };
  readonly done: Readonly<Record<"authorized" | "denied", { title: string; text: string }>>;
  readonly more: string;
}

export const TEXTS: Translated<DeviceTexts> = {
  en: {
    title: "Connect a device",
    intro: "Enter the code that your device shows.",
    code: "Code",
    hint: "Eight letters. Capitals, blanks and dashes make no difference.",
    next: "Continue",
    heading: (client) => `${client} wants access from a device`,
    compare: "Does your device show this code?",
    warning:
      "Allow this only if you have the device in front of you and began this yourself. Whoever sent you the code or the link gets the access.",
    fault: {
      missing: "Please enter the code.",
      unknown: "No device shows this code. Please compare it letter by letter.",
      expired: "This code has expired. Please start again on the device.",
      decided: "This code was answered already. Please start again on the device.",
      guesses: "Too many codes in a short time. Please wait a minute and try again.",
      forbidden: "This account may not use this application. Please use another account.",
      factor: "This application asks for a second factor, which can't be given here yet.",
      stale: "This page was open for too long, or cookies are switched off. Please try again.",
    },
    done: {
      authorized: {
        title: "Your device is connected",
        text: "It goes on by itself in a few seconds. You can close this page.",
      },
      denied: {
        title: "You have refused",
        text: "The device gets no access. You can close this page.",
      },
    },
    more: "Connect another device",
  },
  de: {
    title: "Gerät verbinden",
    intro: "Geben Sie den Code ein, den Ihr Gerät zeigt.",
    code: "Code",
    hint: "Acht Buchstaben. Großschreibung, Leerzeichen und Striche spielen keine Rolle.",
    next: "Weiter",
    heading: (client) => `${client} möchte von einem Gerät aus zugreifen`,
    compare: "Zeigt Ihr Gerät diesen Code?",
    warning:
      "Erlauben Sie das nur, wenn Sie das Gerät vor sich haben und selbst begonnen haben. Wer Ihnen den Code oder den Link geschickt hat, bekommt den Zugriff.",
    fault: {
      missing: "Bitte geben Sie den Code ein.",
      unknown: "Kein Gerät zeigt diesen Code. Bitte vergleichen Sie Buchstabe für Buchstabe.",
      expired: "Dieser Code ist abgelaufen. Bitte beginnen Sie auf dem Gerät neu.",
      decided: "Dieser Code wurde schon beantwortet. Bitte beginnen Sie auf dem Gerät neu.",
      guesses:
        "Zu viele Codes in kurzer Zeit. Bitte warten Sie eine Minute und versuchen Sie es noch einmal.",
      forbidden:
        "Dieses Konto darf diese Anwendung nicht benutzen. Bitte verwenden Sie ein anderes.",
      factor:
        "Diese Anwendung verlangt einen zweiten Faktor, und der lässt sich hier noch nicht angeben.",
      stale:
        "Diese Seite war zu lange offen, oder Cookies sind abgeschaltet. Bitte noch einmal versuchen.",
    },
    done: {
      authorized: {
        title: "Ihr Gerät ist verbunden",
        text: "Es macht in wenigen Sekunden von selbst weiter. Sie können diese Seite schließen.",
      },
      denied: {
        title: "Sie haben abgelehnt",
        text: "Das Gerät bekommt keinen Zugriff. Sie können diese Seite schließen.",
      },
    },
    more: "Noch ein Gerät verbinden",
  },
};
