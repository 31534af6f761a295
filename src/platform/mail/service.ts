import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import type { SubjectData } from "../subject-data.ts";
import {
  deleteMessagesOf,
  findMessage,
  insertMessage,
  latestMessages,
  type MessageRow,
  putContent,
  sealedMessages,
} from "./store.ts";
import { render, type TemplateKey, type Variables } from "./templates.ts";

export { countWaiting } from "./store.ts";
export { inWords } from "./templates.ts";

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

/** A message with its content; null once that is gone. */
export type Message = Omit<MessageRow, "contentSealed"> & {
  readonly content: MessageContent | null;
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: all of them are refused
const CONTROL = /[\0-\x1f\x7f]/;

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
  if (to === "" || CONTROL.test(to)) throw new TypeError("recipient holds a control character");
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
    contentSealed: await deps.sealer.seal(JSON.stringify(content), contextOf({ tenantId, id })),
    createdAt: now,
    dueAt: now,
  });
}

const contextOf = ({ tenantId, id }: Pick<MessageRow, "tenantId" | "id">) => ({
  tenantId,
  label: "mail",
  id,
});

/** Opens what a row holds. Throws SealBroken when it was sealed under a key that is gone. */
export async function openMessage(
  { sealer }: Pick<Deps, "sealer">,
  { contentSealed, ...row }: MessageRow,
): Promise<Message> {
  if (contentSealed === null) return { ...row, content: null };
  const opened = await sealer.open(contentSealed, contextOf(row));
  return { ...row, content: JSON.parse(Buffer.from(opened).toString()) as MessageContent };
}

/** The newest messages, opened. For the mailbox page in development, and for tests. */
export async function listMessages(
  deps: Pick<Deps, "db" | "sealer">,
  limit: number,
): Promise<Message[]> {
  const rows = await latestMessages(deps.db.read, limit);
  return Promise.all(rows.map((row) => openMessage(deps, row)));
}

export async function readMessage(
  deps: Pick<Deps, "db" | "sealer">,
  id: string,
): Promise<Message | undefined> {
  const row = await findMessage(deps.db.read, id);
  return row && openMessage(deps, row);
}

const REKEY_BATCH = 100;

export const mailSubjectData: SubjectData = [
  {
    table: "mail_messages",
    purge: deleteMessagesOf,
    erase: deleteMessagesOf,
    async rekey(tx, reseal, after) {
      const rows = await sealedMessages(tx, after, REKEY_BATCH);
      for (const row of rows)
        await putContent(tx, row.id, await reseal(row.contentSealed!, contextOf(row)));
      return rows.at(-1)?.id;
    },
  },
];
