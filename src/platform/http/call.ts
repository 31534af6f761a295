import type { Actor, Caller } from "../permissions.ts";
import type { Declaration } from "./declarations.ts";
import type { Verdict } from "./rate.ts";

/** What the kernel knows about one request. Made for each request by `kernel.ts`. */
export interface Call {
  readonly caller: Caller;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** The route, once it is known. */
  declaration: Declaration | undefined;
  /** Set by the gate; undefined on public routes. */
  actor: Actor | undefined;
  /** The tightest bucket that the request spent from. */
  verdict: Verdict | undefined;
}
