import type { Reader } from "../../../db/client.ts";
import { presentEvent } from "./present.ts";
import { eventsAfter } from "./store.ts";
import { canonicalOf } from "./verify.ts";

const BATCH = 500;

/**
 * A log as lines of JSON, oldest first: `{ leaf_index, leaf_input, event }` as contract 08 §2.5 words an entry. An
 * auditor checks such a file with `qeetid audit verify FILE`, without this database.
 */
export async function* exportEntries(q: Reader, logId: string): AsyncGenerator<string> {
  for (let seq = 0; ; ) {
    const rows = await eventsAfter(q, logId, seq, BATCH);
    for (const row of rows)
      yield JSON.stringify({
        leaf_index: row.seq - 1,
        leaf_input: Buffer.from(canonicalOf(row) ?? "").toString("base64"),
        event: presentEvent(row, true),
      });
    if (rows.length < BATCH) return;
    seq = rows.at(-1)!.seq;
  }
}
