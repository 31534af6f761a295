/** Answers `work` no earlier than `ms` after the call, however it ends: how long it took tells nothing. */
export async function noEarlierThan<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  try {
    return await work();
  } finally {
    // A sleep of 249.9 ms may take 249.
    const leftMs = ms - (performance.now() - startedAt);
    if (leftMs > 0) await Bun.sleep(Math.ceil(leftMs) + 1);
  }
}
