import { type DestinationStream, destination, pino } from "pino";
import type { Config } from "../config.ts";
import { redact } from "./redact.ts";

type Fields = Readonly<Record<string, unknown>>;

/** One line of the access log. The path has no query: that is where secrets stand. */
export interface AccessLine {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  readonly durationMs: number;
  readonly requestId: string;
}

/** JSON lines on standard output. Fields are redacted by name; messages are fixed sentences without data. */
export interface Log {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  access(line: AccessLine): void;
  /** Writes out what is buffered; call before the process ends. */
  flush(): void;
}

/** Lines of the access log wait at most this long, or for so many characters: a write for each would cost more than the request. */
const FLUSH_MS = 100;
const FLUSH_CHARS = 16_384;

/**
 * Pino on a synchronous destination; a transport would need a worker that the compiled binary can't load.
 * `now` gives the time of each line; tests pass a `sink`.
 */
export function createLog(
  config: Pick<Config, "logLevel">,
  now: () => Date,
  sink: DestinationStream = destination({ dest: 1, sync: true }),
): Log {
  const logger = pino(
    {
      level: config.logLevel,
      base: null,
      timestamp: () => `,"time":"${now().toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
      messageKey: "message",
    },
    sink,
  );
  let pending = "";
  let isFlushDue = false;
  const flush = () => {
    if (pending === "") return;
    const lines = pending;
    pending = "";
    sink.write(lines);
  };
  const write =
    (level: "debug" | "info" | "warn" | "error") => (message: string, fields?: Fields) => {
      if (!logger.isLevelEnabled(level)) return;
      flush(); // lines stay in order
      logger[level](redact(fields ?? {}) as object, message);
    };
  const timeOf = createTimeText(now);
  const isAccessLogged = logger.isLevelEnabled("info");
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    access({ method, path, status, bytes, durationMs, requestId }) {
      if (!isAccessLogged) return;
      // By hand: this line is written for every request. Ids, methods and times need no escaping.
      pending += `{"level":"info","time":"${timeOf()}","message":"request","method":"${method}","path":${JSON.stringify(path)},"status":${status},"bytes":${bytes},"dur_ms":${Math.round(durationMs * 100) / 100},"req_id":"${requestId}"}\n`;
      if (pending.length > FLUSH_CHARS) flush();
      else if (!isFlushDue) {
        isFlushDue = true;
        setTimeout(() => {
          isFlushDue = false;
          flush();
        }, FLUSH_MS).unref();
      }
    },
    flush,
  };
}

/** Many requests end within one millisecond: its text is made once. */
function createTimeText(now: () => Date): () => string {
  let lastMs = Number.NaN;
  let text = "";
  return () => {
    const at = now();
    const ms = at.getTime();
    if (ms !== lastMs) {
      lastMs = ms;
      text = at.toISOString();
    }
    return text;
  };
}
