declare const QEETID_VERSION: string | undefined;
declare const QEETID_COMMIT: string | undefined;

/** What `build.ts` stamped into the binary; run from source, there is nothing to stamp. */
export const buildInfo = {
  version: typeof QEETID_VERSION === "string" ? QEETID_VERSION : "0.0.0-source",
  commit: typeof QEETID_COMMIT === "string" ? QEETID_COMMIT : "source",
};
