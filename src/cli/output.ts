/** What a command prints: sentences for people, or with `--json` one JSON document for machines. */
export interface Output {
  readonly isJson: boolean;
  /** A line for people on stdout; silent with `--json`. */
  line(text?: string): void;
  /** A line for people on stderr, in either mode. */
  note(text: string): void;
  /** The result, once: `text` for people or `value` for machines. */
  result(text: string, value: unknown): void;
  /** Progress of something long, shown on a terminal only once it has lasted two seconds. */
  progress(label: string): Progress;
}

export interface Progress {
  /** A bar, where the end is known. */
  at(done: number, of: number): void;
  /** A count, where it is not. */
  count(done: number): void;
  end(): void;
}

const BAR = 30;

export function createOutput(isJson: boolean): Output {
  const write = (stream: NodeJS.WriteStream, text: string) => void stream.write(text);
  return {
    isJson,
    line: (text = "") => isJson || write(process.stdout, `${text}\n`),
    note: (text) => write(process.stderr, `${text}\n`),
    result: (text, value) =>
      write(process.stdout, isJson ? `${JSON.stringify(value, null, 2)}\n` : `${text}\n`),
    progress(label) {
      const startedAt = performance.now();
      let shownAt = 0;
      const isShown = process.stderr.isTTY === true && !isJson;
      const show = (state: string) => {
        const now = performance.now();
        if (!isShown || now - startedAt < 2_000 || now - shownAt < 100) return;
        shownAt = now;
        write(process.stderr, `\r${label} ${state}`);
      };
      return {
        at(done, of) {
          const share = of === 0 ? 1 : Math.min(1, done / of);
          const bar = "#".repeat(Math.round(share * BAR)).padEnd(BAR, ".");
          show(`[${bar}] ${Math.floor(share * 100)} %`);
        },
        count: (done) => show(`${done} rows`),
        end() {
          if (shownAt > 0) write(process.stderr, "\r\x1b[K");
        },
      };
    },
  };
}

/** Columns as wide as their widest cell. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
