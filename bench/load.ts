/**
 * A closed-loop HTTP/1.1 load generator on bare sockets: a few µs a request, so that the server is what is
 * measured. `fetch` as the client costs more than the server under test.
 */
export interface Load {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** The bytes of the n-th request of this run; it may look at the last answer that its connection got. */
  next(n: number, connection: number): string;
  /** Reads an answer, where the next request depends on it (a rotated refresh token, a code in `Location`). */
  answered?(answer: Answered, connection: number): void;
}

export interface Answered {
  readonly head: string;
  readonly body: string;
}

export interface Figures {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly answered: number;
  /** Answers outside 200–299 and 302: must be 0, or the figures mean nothing. */
  readonly failed: number;
  readonly firstFailure: string | undefined;
}

/** Runs `load` to its end: bounded by `seconds`, each connection waits for its answer before it asks again. */
export async function run(load: Load): Promise<Figures> {
  const samples: number[] = [];
  let failed = 0;
  let firstFailure: string | undefined;
  let count = 0;
  const start = performance.now();
  const end = start + load.seconds * 1000;

  const connect = (connection: number) =>
    new Promise<void>((resolve, reject) => {
      let sentAt = 0;
      let text = "";
      const send = (socket: { write(text: string): unknown; end(): unknown }) => {
        if (performance.now() >= end) {
          socket.end();
          resolve();
          return;
        }
        text = "";
        sentAt = performance.now();
        socket.write(load.next(count++, connection));
      };
      Bun.connect({
        hostname: "127.0.0.1",
        port: load.port,
        socket: {
          open: send,
          data(socket, chunk) {
            text += chunk.toString("latin1");
            const head = text.indexOf("\r\n\r\n");
            if (head < 0) return;
            const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
            if (text.length < head + 4 + length) return;
            samples.push(performance.now() - sentAt);
            if (/^HTTP\/1\.1 (2|302)/.test(text))
              load.answered?.(
                { head: text.slice(0, head), body: text.slice(head + 4) },
                connection,
              );
            else {
              failed += 1;
              firstFailure ??= text.slice(0, 15) + text.slice(head + 4, head + 300);
            }
            send(socket);
          },
          error: (_, error) => reject(error),
          close: () => resolve(),
          connectError: (_, error) => reject(error),
        },
      }).catch(reject);
    });
  await Promise.all(Array.from({ length: load.connections }, (_, i) => connect(i)));

  const took = (performance.now() - start) / 1000;
  samples.sort((a, b) => a - b);
  const at = (share: number) => samples[Math.floor(samples.length * share)] ?? Number.NaN;
  return {
    perSecond: samples.length / took,
    p50: at(0.5),
    p99: at(0.99),
    answered: samples.length,
    failed,
    firstFailure,
  };
}

export interface Content {
  readonly authorization?: string;
  readonly cookie?: string;
  /** Sent as JSON. */
  readonly body?: object;
  readonly form?: Record<string, string>;
}

/** The bytes of one request. */
export function request(method: string, path: string, content: Content = {}): string {
  const { authorization, cookie, body, form } = content;
  const text = form
    ? new URLSearchParams(form).toString()
    : body === undefined
      ? ""
      : JSON.stringify(body);
  const head = [`${method} ${path} HTTP/1.1`, "host: localhost"];
  if (authorization !== undefined) head.push(`authorization: ${authorization}`);
  if (cookie !== undefined) head.push(`cookie: ${cookie}`);
  const type = form ? "application/x-www-form-urlencoded" : "application/json";
  if (text !== "") head.push(`content-type: ${type}`, `content-length: ${Buffer.byteLength(text)}`);
  return `${head.join("\r\n")}\r\n\r\n${text}`;
}
