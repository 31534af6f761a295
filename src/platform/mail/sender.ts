import type { Deps } from "../../deps.ts";
import { defineJob } from "../jobs/runner.ts";
import { kindOf } from "../redact.ts";
import { openMessage } from "./service.ts";
import { claimMessages, dueMessageIds, type MessageRow, updateClaimed } from "./store.ts";
import { openTransport, SendRefused, type Transport } from "./transport.ts";

const BATCH = 20;
/** More than a batch can take with every timeout met, over three connections. */
const LEASE_MS = 300_000;
const MAX_ATTEMPTS = 5;

/**
 * Sends what is due. A message is sent at least once: where the answer to the last command is lost, it goes out again
 * with the same Message-ID.
 */
export const mailJob = defineJob({
  name: "mail",
  everyMs: 1_000,
  async run(deps, signal) {
    for (;;) {
      const rows = await claim(deps);
      await sendAll(deps, rows);
      if (rows.length < BATCH || signal.aborted) return;
    }
  },
});

async function claim(deps: Deps): Promise<MessageRow[]> {
  const now = deps.clock.now();
  const ids = await dueMessageIds(deps.db.read, now, BATCH); // an idle server writes nothing
  if (ids.length === 0) return [];
  const leaseUntil = new Date(now.getTime() + LEASE_MS);
  return deps.db.transaction((tx) => claimMessages(tx, ids, now, leaseUntil), {
    serializeOn: "mail",
  });
}

/** One transport a channel and pass: connections are shared within it, and none stays open without use. */
async function sendAll(deps: Deps, rows: readonly MessageRow[]): Promise<void> {
  const transports = new Map<MessageRow["channel"], Transport>();
  const transportOf = (channel: MessageRow["channel"]) => {
    const transport = transports.get(channel) ?? openTransport(deps, channel);
    transports.set(channel, transport);
    return transport;
  };
  try {
    await Promise.all(rows.map((row) => sendOne(deps, row, transportOf(row.channel))));
  } finally {
    for (const transport of transports.values()) transport.close();
  }
}

async function sendOne(deps: Deps, row: MessageRow, transport: Transport): Promise<void> {
  let failure: unknown;
  try {
    await transport.send(await openMessage(deps, row));
  } catch (error) {
    failure = error;
  }
  const now = deps.clock.now();
  const attempts = row.attempts + 1;
  const isLast = failure === undefined || attempts === MAX_ATTEMPTS;
  if (failure !== undefined) {
    const fields = { message_id: row.id, template: row.template, attempts, kind: labelOf(failure) };
    if (isLast) deps.log.error("message given up", fields);
    else deps.log.warn("message not sent yet", fields);
  }
  await deps.db.transaction(
    (tx) =>
      updateClaimed(tx, row, {
        attempts,
        lastError: failure === undefined ? null : labelOf(failure),
        ...(isLast
          ? {
              status: failure === undefined ? "sent" : "failed",
              dueAt: null,
              finishedAt: now,
              // The mailbox page of development shows it; anywhere else it has done its work.
              ...(deps.config.env !== "dev" && { contentSealed: null }),
            }
          : { dueAt: new Date(now.getTime() + backoffMs(attempts)) }),
      }),
    { serializeOn: "mail" },
  );
}

/** 5 s, 20 s, 80 s, 320 s: within the ten minutes that a code lives. */
const backoffMs = (attempts: number): number => 5_000 * 4 ** (attempts - 1);

/** What an operator needs, without the server's own words, which may name the recipient. */
function labelOf(error: unknown): string {
  if (error instanceof SendRefused) return error.message;
  const { responseCode } = error as { responseCode?: unknown };
  return typeof responseCode === "number" ? `${kindOf(error)} ${responseCode}` : kindOf(error);
}
