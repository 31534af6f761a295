import type { Translated } from "../../platform/pages/language.ts";

interface Texts {
  readonly title: string;
  readonly intro: string;
  readonly empty: string;
  readonly back: string;
  readonly to: string;
  readonly sent: string;
  readonly template: string;
  readonly sms: string;
  readonly gone: string;
  readonly status: Readonly<Record<"queued" | "sent" | "failed", string>>;
}

export const TEXTS: Translated<Texts> = {
  en: {
    title: "Mailbox",
    intro:
      "Every message of this server, newest first. Only in development, and only on this machine.",
    empty: "No messages yet. Sign up or ask for a new password, and it arrives here.",
    back: "All messages",
    to: "To",
    sent: "When",
    template: "Kind",
    sms: "Text message",
    gone: "The content of this message is gone.",
    status: { queued: "on its way", sent: "sent", failed: "failed" },
  },
  de: {
    title: "Postfach",
    intro:
      "Alle Nachrichten dieses Servers, die neuesten zuerst. Nur in der Entwicklung, nur auf diesem Rechner.",
    empty:
      "Noch keine Nachrichten. Legen Sie ein Konto an, oder fordern Sie ein neues Passwort an.",
    back: "Alle Nachrichten",
    to: "An",
    sent: "Wann",
    template: "Art",
    sms: "SMS",
    gone: "Der Inhalt dieser Nachricht ist nicht mehr da.",
    status: { queued: "unterwegs", sent: "gesendet", failed: "gescheitert" },
  },
};
