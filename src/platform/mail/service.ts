import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { insertMessage } from "./store.ts";
import { render, type TemplateKey, type Variables } from "./templates.ts";

export interface NewMessage<K extends TemplateKey = TemplateKey> {
  readonly template: K;
  /** Default `email`. */
  readonly channel?: "email" | "sms";
  /** Address, or number in E.164. */
  readonly to: string;
  readonly userId?: string | null;
  readonly tenantId?: string | null;
  readonly variables: Variables<K>;
}

/** What is sent; sealed while it waits, because links and codes open accounts. */
export interface MessageContent {
  readonly subject: string;
  readonly text: string;
  /** Null for a text message. */
  readonly html: string | null;
}

/**
 * Queues a message in the caller's transaction; the job `mail` sends it. So trouble with the mail server is never
 * the caller's trouble, and how long a request takes does not tell whether a message was written.
 * Throws a TypeError for a recipient with a line break (RFC 5321 §4.5.2: it would end the command).
 */
export async function queueMail<K extends TemplateKey>(
  deps: Deps,
  tx: Tx,
  message: NewMessage<K>,
): Promise<void> {
  const { template, channel = "email", to, userId = null, tenantId = null, variables } = message;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of them are refused
  if (to === "" || /[\0-\x1f\x7f]/.test(to))
    throw new TypeError("recipient holds a control character");
  const content: MessageContent = render(template, variables, {
    serviceName: deps.config.serviceName,
    channel,
  });
  const id = deps.random.uuid();
  const now = deps.clock.now();
  await insertMessage(tx, {
    id,
    tenantId,
    userId,
    channel,
    template,
    recipient: to,
    contentSealed: await deps.sealer.seal(JSON.stringify(content), { tenantId, label: "mail", id }),
    createdAt: now,
    dueAt: now,
  });
}
