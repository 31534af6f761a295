/** What the tests of this folder share: a server that ends with its test, and a few ways to ask it. */
import { afterEach, expect } from "bun:test";
import {
  callApi,
  type RunningProgram,
  type RunOptions,
  runProgram,
  startProgram,
} from "../support/program.ts";

export const PASSWORD = "six blue herons";
export const isRootOnLinux = process.platform === "linux" && process.getuid?.() === 0;
export const hasCompiler = process.platform === "linux" && Bun.which("cc") !== null;

/** No limit is in the way of a load; what is asked here is not how it is limited. */
export const NO_LIMITS = ["ip", "tenant", "user", "apikey", "sensitive"].map(
  (bucket) => `--rate-limit-${bucket}=off`,
);

const running = new Set<RunningProgram>();
afterEach(async () => {
  for (const server of running) if (server.child.exitCode === null) await server.stop("SIGKILL");
  running.clear();
});

/** `startProgram` without limits; whatever happens, it ends with the test. */
export async function start(argv: readonly string[] = [], options: RunOptions = {}) {
  const server = await startProgram([...NO_LIMITS, ...argv], options);
  running.add(server);
  return server;
}

export const signUp = (base: string, email: string) =>
  callApi(base, "/v1/auth/signup", { body: { email, password: PASSWORD } });
export const logIn = (base: string, email: string) =>
  callApi(base, "/v1/auth/login", { body: { email, password: PASSWORD } });

/** An answer with its headers, text and JSON. */
export async function ask(url: string, init?: RequestInit) {
  const startedAt = performance.now();
  const response = await fetch(url, init);
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    // biome-ignore lint/suspicious/noExplicitAny: tests assert on the shape
    body: (text.startsWith("{") ? JSON.parse(text) : undefined) as any,
    ms: performance.now() - startedAt,
  };
}

export const post = (url: string, body: unknown, token?: string) =>
  ask(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

/** Contract 01 §4: to be tried again, in the envelope, without a word of the database's. */
export function expectUnavailable(answer: Awaited<ReturnType<typeof ask>>): void {
  expect(answer.status).toBe(503);
  expect(answer.body).toEqual({
    error: expect.objectContaining({
      code: "service_unavailable",
      request_id: expect.stringMatching(/./),
    }),
  });
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(answer.text).not.toMatch(/SQLITE|sqlite|disk|ECONN|postgres|select |insert /i);
}

/** Asks `/readyz` until it answers `status`; its last answer. */
export async function untilReadyz(base: string, status: 200 | 503, limitMs = 15_000) {
  const giveUp = performance.now() + limitMs;
  let answer = await ask(`${base}/readyz`);
  while (answer.status !== status && performance.now() < giveUp) {
    await Bun.sleep(100);
    answer = await ask(`${base}/readyz`);
  }
  expect(answer.status).toBe(status);
  return answer;
}

/** The chains of the audit log and its tree hold: no change without its event, none of them half-written. */
export async function expectSoundAudit(options: RunOptions): Promise<void> {
  const { exitCode, stderr } = await runProgram(["audit", "verify"], options);
  expect(`${exitCode} ${stderr}`).toStartWith("0 ");
}

/** Compiles a shim for LD_PRELOAD of test/probe into `directory`; its path. */
export function compileShim(name: string, directory: string): string {
  const shim = `${directory}/${name}.so`;
  const source = `${import.meta.dir}/../probe/${name}.c`;
  const cc = ["cc", "-shared", "-fPIC", "-O2", "-o", shim, source, "-ldl"];
  expect(Bun.spawnSync(cc).stderr.toString()).toBe("");
  return shim;
}
