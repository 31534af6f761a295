import { createTransport, type Transporter } from "nodemailer";
import type { Deps } from "../../deps.ts";
import { maskEmail, maskPhone } from "../redact.ts";
import type { Message } from "./service.ts";

/** Sends messages of one channel. `send` throws when the message was not taken. */
export interface Transport {
  send(message: Message): Promise<void>;
  close(): void;
}

type TransportDeps = Pick<Deps, "config" | "clock" | "log" | "outbound">;

/** How this deployment sends: by its mail server and its text message service, else to the log. */
export function openTransport(deps: TransportDeps, channel: Message["channel"]): Transport {
  const { smtp, twilio } = deps.config;
  if (channel === "email" && smtp !== null) return smtpTransport(deps, smtp);
  if (channel === "sms" && twilio !== null) return twilioTransport(deps, twilio);
  return logTransport(deps);
}

// The library's defaults are minutes.
const CONNECT_TIMEOUT_MS = 10_000;
const SOCKET_TIMEOUT_MS = 20_000;
const MAX_CONNECTIONS = 3;

function smtpTransport(
  { config, clock }: TransportDeps,
  smtp: NonNullable<Deps["config"]["smtp"]>,
): Transport {
  const transporter: Transporter = createTransport({
    host: smtp.host,
    port: smtp.port,
    secure: smtp.tls === "implicit",
    ignoreTLS: smtp.tls === "none",
    // RFC 3207 §6: a server, or somebody in between, that offers no STARTTLS gets nothing.
    requireTLS: smtp.tls === "starttls" && config.env === "production",
    tls: { minVersion: "TLSv1.2", rejectUnauthorized: true },
    ...(smtp.username !== null && { auth: { user: smtp.username, pass: smtp.password ?? "" } }),
    pool: true,
    maxConnections: MAX_CONNECTIONS,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const domain = /@([^\s>]+)>?\s*$/.exec(smtp.from)?.[1] ?? "localhost";
  return {
    async send({ id, recipient, content }) {
      if (content === null) throw new Error("message has no content");
      await transporter.sendMail({
        from: smtp.from,
        // An object is one address; text would be parsed, and a comma in it would make two.
        to: [{ name: "", address: recipient }],
        subject: content.subject,
        text: content.text,
        ...(content.html !== null && { html: content.html }),
        date: clock.now(),
        // The same at every attempt: a mailbox that got it twice can tell.
        messageId: `<${id}@${domain}>`,
        // RFC 3834 §5: keeps holiday answers away.
        headers: { "Auto-Submitted": "auto-generated" },
      });
    },
    close: () => transporter.close(),
  };
}

/** @see https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource */
function twilioTransport(
  { outbound }: TransportDeps,
  { accountSid, authToken, from, baseUrl }: NonNullable<Deps["config"]["twilio"]>,
): Transport {
  const credentials = Buffer.from(`${accountSid}:${authToken}`).toString("base64");
  return {
    async send({ recipient, content }) {
      if (content === null) throw new Error("message has no content");
      const { status } = await outbound.request({
        url: `${baseUrl}/2010-04-01/Accounts/${encodeURIComponent(accountSid)}/Messages.json`,
        method: "POST",
        headers: {
          authorization: `Basic ${credentials}`,
          "content-type": "application/x-www-form-urlencoded",
        },
        body: new URLSearchParams({ To: recipient, From: from, Body: content.text }).toString(),
        timeoutMs: CONNECT_TIMEOUT_MS,
        allowPrivate: true, // the operator's own setting
      });
      if (status >= 300) throw new SendRefused(`HTTP ${status}`);
    },
    close() {},
  };
}

/** The service answered, and not with a yes. The message is safe to store. */
export class SendRefused extends Error {
  override readonly name = "SendRefused";
}

/** Links and codes open accounts, so a log says no more than that there was a message, and roughly to whom. */
function logTransport({ config, log }: TransportDeps): Transport {
  return {
    async send({ channel, template, recipient }) {
      const fields = {
        channel,
        template,
        recipient: channel === "email" ? maskEmail(recipient) : maskPhone(recipient),
      };
      if (config.env === "dev")
        log.info("message is in the mailbox", {
          ...fields,
          see: `${config.publicUrl}/dev/mailbox`,
        });
      else log.warn(`message not sent: no ${channel} service is set up`, fields);
    },
    close() {},
  };
}
