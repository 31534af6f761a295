/** What the tests of verification read out of the mailbox, and how they ask. */
import { listMessages } from "../../src/platform/mail/service.ts";
import type { Person } from "../rbac/support.ts";
import type { Answer, TestServer } from "../support/server.ts";

export const MINUTE = 60_000;
export const DAY = 24 * 60 * MINUTE;
/** As long as a code is good (contract 02 §11). */
export const TTL = 10 * MINUTE;

type Channel = "email" | "phone";

/** Asks for a code about `userId`; by themselves unless `by` is another. */
export const start = (
  server: TestServer,
  channel: Channel,
  by: Pick<Person, "token">,
  userId: string,
  body?: unknown,
): Promise<Answer> =>
  server.call("POST", `/v1/users/${userId}/verify/${channel}/start`, { as: by.token, body });

export const confirm = (
  server: TestServer,
  channel: Channel,
  by: Pick<Person, "token">,
  userId: string,
  code: string,
): Promise<Answer> =>
  server.call("POST", `/v1/users/${userId}/verify/${channel}/confirm`, {
    as: by.token,
    body: { code },
  });

/** Texts of the messages of one template to an address or number, newest first. */
export async function textsTo(
  server: TestServer,
  recipient: string,
  template: string,
): Promise<string[]> {
  const messages = await listMessages(server.deps, 200);
  return messages
    .filter((one) => one.recipient === recipient && one.template === template)
    .map(({ content }) => content!.text);
}

/** The newest code that went there. */
export async function codeTo(
  server: TestServer,
  recipient: string,
  template: "verify_email" | "sms_code" | "email_change",
): Promise<string> {
  const [text = ""] = await textsTo(server, recipient, template);
  const code = /\b\d{6}\b/.exec(text)?.[0];
  if (code === undefined) throw new Error(`no code in a ${template} to ${recipient}: ${text}`);
  return code;
}

/** Another code of six digits than this one. */
export const wrong = (code: string): string => (code === "000000" ? "000001" : "000000");

/** The account as its owner reads it. */
export const readSelf = async (
  server: TestServer,
  { userId, token }: Pick<Person, "userId" | "token">,
) => (await server.call("GET", `/v1/users/${userId}`, { as: token })).body;
