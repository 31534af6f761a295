import type { Tx } from "../../../db/client.ts";
import type { JsonObject } from "../../platform/json.ts";
import type { SubjectData } from "../../platform/subject-data.ts";
import { canonicalJson } from "./canonical.ts";
import { eraseEvent, unerasedEventsOf } from "./store.ts";

const BATCH = 200;

/**
 * Takes the personal data out of every event by or about a user. The hashes stay what they are: they cover seals, and
 * without the salt nobody can guess what was sealed (contract 08 §2.4).
 */
async function eraseEvents(tx: Tx, userId: string, at: Date): Promise<void> {
  for (;;) {
    const rows = await unerasedEventsOf(tx, userId, BATCH);
    for (const { id, metadata, seals } of rows) {
      const emptied = { ...(JSON.parse(metadata) as JsonObject) };
      for (const name of Object.keys(seals))
        if (name.startsWith("metadata.")) Object.assign(emptied, { [name.slice(9)]: null });
      await eraseEvent(tx, id, canonicalJson(emptied), at);
    }
    if (rows.length < BATCH) return;
  }
}

export const auditSubjectData: SubjectData = [
  // A purge removes the account; the log says what happened, and to which id.
  { table: "audit_events", purge: "keep", erase: eraseEvents },
];
