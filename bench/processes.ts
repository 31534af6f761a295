/** The servers of a run: the product, the ceiling. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

export function rssMiB(pid: number): number {
  try {
    const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Math.round(Number(kib) / 1024);
  } catch {
    return Number.NaN; // no /proc on this system
  }
}

/** Processor time that a process has used, in milliseconds: it says what a path costs on a busy machine, too. */
export function cpuMs(pid: number): number {
  try {
    // proc(5): the name may hold blanks; utime and stime are the 12th and 13th after it, in ticks of 10 ms.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return Number.NaN;
  }
}

/** Starts the binary and answers once it is ready; its own output is only shown when it fails. */
export async function startServer(command: readonly string[], cwd: string) {
  const port = freePort();
  const startedAt = performance.now();
  const server = Bun.spawn([...command, `--http-port=${port}`], {
    cwd,
    stdout: "ignore",
    stderr: "pipe",
  });
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    if (answer?.ok) break;
    if (server.exitCode !== null)
      throw new Error(`the server did not start: ${await new Response(server.stderr).text()}`);
    await Bun.sleep(2);
  }
  return {
    port,
    pid: server.pid,
    readyMs: performance.now() - startedAt,
    async stop() {
      server.kill("SIGTERM");
      await server.exited;
    },
  };
}

/** A port that nobody has at this moment. */
function freePort(): number {
  const probe = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const { port } = probe;
  void probe.stop(true);
  return port!;
}

export async function startCeiling(url: string, jwks: readonly string[]) {
  const server = Bun.spawn([process.execPath, resolve("bench/ceiling.ts"), url, ...jwks], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const port = await portOf(server.stdout);
  return {
    port,
    pid: server.pid,
    async stop() {
      server.kill("SIGTERM");
      await server.exited;
    },
  };
}

/** The first number that a server prints is its port. */
async function portOf(stdout: ReadableStream<Uint8Array>): Promise<number> {
  let text = "";
  for await (const chunk of stdout as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString();
    const found = /\d{4,5}/.exec(text);
    if (found) return Number(found[0]);
  }
  throw new Error(`the server ended before it listened: ${text.slice(0, 500)}`);
}
