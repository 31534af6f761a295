import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import type { OutboxRow } from "./store.ts";

/** Who wants to hear of events. It writes rows in `tx` and nothing else: what goes over a network has a queue of its own. */
export interface Publisher {
  readonly name: string;
  publish(deps: Deps, tx: Tx, event: OutboxRow): Promise<void>;
}

/** All of them. Without any, an event is kept for its seven days and then pruned. */
export const PUBLISHERS: readonly Publisher[] = [];
