import { type Block, htmlOf, textOf } from "./layout.tsx";
import type { MessageContent } from "./service.ts";

interface Draft {
  readonly subject: string;
  readonly blocks: readonly Block[];
}

const text = (words: string): Block => ({ kind: "text", words });
const code = (digits: string): Block => ({ kind: "code", digits });
const link = (label: string, url: string): Block => ({ kind: "link", label, url });

const IGNORE = text("If you did not ask for this, you can ignore this message: nothing changes.");

/** The messages of the product. A variable is data: it is escaped where the message is HTML, and never scanned again. */
const TEMPLATES = {
  verify_email: (service: string, v: { code: string; ttl: string; verify_url: string }) => ({
    subject: `${v.code} is your code for ${service}`,
    blocks: [
      text("Enter this code to confirm that this e-mail address is yours:"),
      code(v.code),
      text(
        "No application at hand? Confirm it in the browser. You will then choose a new password, because nobody can tell who set the old one:",
      ),
      link("Confirm my address", v.verify_url),
      text(`Code and link are good for ${v.ttl}.`),
      IGNORE,
    ],
  }),
  password_reset: (service: string, v: { reset_url: string }) => ({
    subject: `Set a new password for ${service}`,
    blocks: [
      text(`Somebody, we hope you, asked to set a new password for your ${service} account.`),
      link("Set a new password", v.reset_url),
      text("The link works once and for a short time. It ends every session of your account."),
      IGNORE,
    ],
  }),
  magic_link: (service: string, v: { magic_url: string }) => ({
    subject: `Sign in to ${service}`,
    blocks: [
      text(`Here is your link to sign in to ${service}.`),
      link("Sign in", v.magic_url),
      text("The link works once and for a short time. Do not pass it on: it opens your account."),
      IGNORE,
    ],
  }),
  email_change: (service: string, v: { code: string; ttl: string }) => ({
    subject: `${v.code} confirms your new address at ${service}`,
    blocks: [
      text(`Enter this code to make this address the one of your ${service} account:`),
      code(v.code),
      text(`The code is good for ${v.ttl}.`),
      IGNORE,
    ],
  }),
  password_changed: (service: string, _: Empty) => ({
    subject: `Your ${service} password was changed`,
    blocks: [
      text(`The password of your ${service} account was changed just now.`),
      text("If that was you, there is nothing to do."),
      text("If it was not, set a new password at once and tell your administrator."),
    ],
  }),
  signup_attempt: (service: string, _: Empty) => ({
    subject: `You already have an account at ${service}`,
    blocks: [
      text(
        `Somebody tried to sign up at ${service} with this address, which has an account already.`,
      ),
      text("If that was you, sign in instead, or ask for a new password if you forgot yours."),
      text("If it was not, there is nothing to do: the account is as it was."),
    ],
  }),
  security_alert: (service: string, v: { what: string }) => ({
    subject: `Security notice from ${service}`,
    blocks: [
      text(v.what),
      text("If that was you, there is nothing to do."),
      text("If it was not, set a new password at once and tell your administrator."),
    ],
  }),
  sms_code: (service: string, v: { code: string; ttl: string }) => ({
    subject: "",
    blocks: [text(`${v.code} is your code for ${service}. It is good for ${v.ttl}.`)],
  }),
} satisfies Record<string, (service: string, variables: never) => Draft>;

type Empty = Readonly<Record<never, never>>;
export type TemplateKey = keyof typeof TEMPLATES;
export type Variables<K extends TemplateKey> = Readonly<Parameters<(typeof TEMPLATES)[K]>[1]>;

/** The message that `key` makes of `variables`. A text message has no subject and no HTML. */
export function render<K extends TemplateKey>(
  key: K,
  variables: Variables<K>,
  { serviceName, channel }: { serviceName: string; channel: "email" | "sms" },
): MessageContent {
  // Each template takes its own variables; the table's union of functions wants all of them at once.
  const template = TEMPLATES[key] as unknown as (service: string, v: Variables<K>) => Draft;
  const { subject, blocks } = template(serviceName, variables);
  return {
    // RFC 5322 §2.2: a line break would begin another header field.
    subject: subject.replace(/[\r\n]+/g, " "),
    text: textOf(blocks),
    html: channel === "email" ? htmlOf(subject, blocks, serviceName) : null,
  };
}

/** A life in words, rounded down: "10 minutes", "1 hour", "2 days". */
export function inWords(seconds: number): string {
  const [count, unit] =
    seconds < 60
      ? [seconds, "second"]
      : seconds < 3600
        ? [seconds / 60, "minute"]
        : seconds < 2 * 86_400
          ? [seconds / 3600, "hour"]
          : [seconds / 86_400, "day"];
  const whole = Math.floor(count);
  return `${whole} ${unit}${whole === 1 ? "" : "s"}`;
}
