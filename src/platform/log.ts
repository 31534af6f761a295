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

interface Sink extends DestinationStream {
  flushSync?(): void;
}

/** Lines wait at most this long, or until there are 4 KiB: a write for each would cost more than the request. */
const FLUSH_MS = 100;
const BUFFER_BYTES = 4_096;

/**
 * Pino on a synchronous destination; a transport would need a worker that the compiled binary can't load.
 * `now` gives the time of each line; tests pass a `sink`.
 */
export function createLog(
  config: Pick<Config, "logLevel">,
  now: () => Date,
  sink: Sink = destination({ dest: 1, sync: true, minLength: BUFFER_BYTES }),
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
  const flush = () => sink.flushSync?.();
  let isFlushDue = false;
  const flushSoon = () => {
    if (isFlushDue) return;
    isFlushDue = true;
    setTimeout(() => {
      isFlushDue = false;
      flush();
    }, FLUSH_MS).unref();
  };
  const write =
    (level: "debug" | "info" | "warn" | "error") => (message: string, fields?: Fields) => {
      if (!logger.isLevelEnabled(level)) return;
      logger[level](redact(fields ?? {}) as object, message);
      // What may be the last word of a dying process doesn't wait.
      if (level === "warn" || level === "error") flush();
      else flushSoon();
    };
  const isAccessLogged = logger.isLevelEnabled("info");
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    access({ method, path, status, bytes, durationMs, requestId }) {
      if (!isAccessLogged) return;
      // By hand: this line is written for every request. Ids, methods and times need no escaping.
      sink.write(
        `{"level":"info","time":"${now().toISOString()}","message":"request","method":"${method}","path":${JSON.stringify(path)},"status":${status},"bytes":${bytes},"dur_ms":${durationMs.toFixed(2)},"req_id":"${requestId}"}\n`,
      );
      flushSoon();
    },
    flush,
  };
}
