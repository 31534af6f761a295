import { isIPv6 } from "node:net";
import { EXIT, type Run } from "./command.ts";

/** Where this machine reaches the server: an address to bind is not always one to connect to. */
export function localUrl(config: {
  host: string;
  httpPort: number;
  tlsCert: string | null;
}): string {
  const host = config.host === "::" || config.host === "0.0.0.0" ? "127.0.0.1" : config.host;
  const scheme = config.tlsCert === null ? "http" : "https";
  return `${scheme}://${isIPv6(host) ? `[${host}]` : host}:${config.httpPort}`;
}

export const run: Run = async ({ config, out }) => {
  const url = `${localUrl(config)}/readyz`;
  try {
    const answer = await fetch(url, {
      signal: AbortSignal.timeout(4_000),
      proxy: false,
      // Our own loopback address is in nobody's certificate.
      tls: { rejectUnauthorized: false },
    } as RequestInit);
    const checks = await answer.json().catch(() => undefined);
    out.result(answer.ok ? "ready" : `not ready: ${answer.status}`, {
      ready: answer.ok,
      status: answer.status,
      checks,
    });
    return answer.ok ? EXIT.done : EXIT.failed;
  } catch (error) {
    const reason =
      (error as Error).name === "TimeoutError" ? "no answer within 4 s" : "no connection";
    out.result(`not ready: ${reason} (${url})`, { ready: false, reason });
    return EXIT.failed;
  }
};
