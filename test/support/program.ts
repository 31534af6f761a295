import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The compiled binary when QEETID_BINARY names one, else the sources. */
export const binary = process.env.QEETID_BINARY;
const program = binary ? [binary] : [process.execPath, join(import.meta.dir, "../../src/main.ts")];

/** Nothing of this process's environment but what a shell would have. */
const bareEnvironment = { PATH: process.env.PATH ?? "", TMPDIR: process.env.TMPDIR ?? tmpdir() };

export interface RunOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly stdin?: string;
  /** In place of the program itself, as in `["qemu-aarch64", "…"]`. */
  readonly command?: readonly string[];
}

export const emptyDirectory = (): string => mkdtempSync(join(tmpdir(), "qeetid-run-"));

/** Runs a command to its end. */
export async function runProgram(argv: readonly string[], options: RunOptions = {}) {
  const child = Bun.spawn([...(options.command ?? program), ...argv], {
    env: { ...bareEnvironment, ...options.env },
    cwd: options.cwd ?? emptyDirectory(),
    stdin: options.stdin === undefined ? "ignore" : new Blob([options.stdin]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}

/** A port that nobody has at this moment. */
export function freePort(): number {
  const probe = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const { port } = probe;
  void probe.stop(true);
  return port!;
}

/** Every server that was started, for the whole run: a module may be evaluated once for each test file. */
const shared = globalThis as { qeetidPrograms?: Set<Pick<Bun.Subprocess, "kill" | "exitCode">> };
shared.qeetidPrograms ??= new Set();
const programs = shared.qeetidPrograms;

/** Ends what a test has left running. */
export function endPrograms(): void {
  for (const child of programs) if (child.exitCode === null) child.kill("SIGKILL");
  programs.clear();
}

/** Starts `qeetid serve` in a directory of its own and waits until it is ready. */
export async function startProgram(
  argv: readonly string[] = [],
  options: RunOptions & { port?: number; scheme?: "http" | "https"; limitMs?: number } = {},
) {
  const cwd = options.cwd ?? emptyDirectory();
  const port = options.port ?? freePort();
  const startedAt = performance.now();
  const child = Bun.spawn(
    [...(options.command ?? program), "serve", "--http-port", String(port), ...argv],
    {
      env: { ...bareEnvironment, ...options.env },
      cwd,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  programs.add(child);
  const stdout = new Response(child.stdout).text();
  let stderr = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) stderr += decoder.decode(chunk, { stream: true });
  })();
  const base = `${options.scheme ?? "http"}://127.0.0.1:${port}`;
  const server = {
    base,
    port,
    cwd,
    child,
    dataDir: join(cwd, "qeetid-data"),
    get stderr() {
      return stderr;
    },
    /** Milliseconds from the start of the process to its first answer. */
    readyAfterMs: 0,
    /** Ends it, by SIGTERM unless told otherwise, and answers how it ended. */
    async stop(signal: NodeJS.Signals = "SIGTERM") {
      child.kill(signal);
      const exitCode = await child.exited;
      await reading;
      return { exitCode, stdout: await stdout, stderr };
    },
  };
  const giveUp = startedAt + (options.limitMs ?? 20_000);
  while (!(await isReady(base))) {
    if (child.exitCode !== null || performance.now() > giveUp) {
      const { exitCode } = await server.stop("SIGKILL");
      throw new Error(`qeetid serve is not ready (exit code ${exitCode}):\n${stderr}`);
    }
    await Bun.sleep(5);
  }
  server.readyAfterMs = performance.now() - startedAt;
  // It answers a moment before it says so.
  while (!stderr.includes("started in") && performance.now() < giveUp) await Bun.sleep(1);
  return server;
}

export type RunningProgram = Awaited<ReturnType<typeof startProgram>>;

async function isReady(base: string): Promise<boolean> {
  try {
    const options = { tls: { rejectUnauthorized: false } } as RequestInit;
    return (await fetch(`${base}/readyz`, options)).ok;
  } catch {
    return false;
  }
}

/** POST or GET of JSON, with no more than curl would send. */
export async function callApi(
  base: string,
  path: string,
  { body, token }: { body?: unknown; token?: string } = {},
) {
  const response = await fetch(base + path, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  // biome-ignore lint/suspicious/noExplicitAny: tests assert on the shape
  return { status: response.status, body: (text === "" ? undefined : JSON.parse(text)) as any };
}
