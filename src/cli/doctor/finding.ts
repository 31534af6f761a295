import type { Config } from "../../config.ts";

/** What is wrong, and what to do about it. */
export class Finding extends Error {}

export interface Check {
  readonly name: string;
  /** What was found, in words; undefined when there is nothing to check. Throws Finding. */
  readonly run: (config: Config) => Promise<string | undefined>;
}
