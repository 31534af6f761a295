import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Config, testConfig } from "../../src/config.ts";
import { createDeps } from "../../src/create-deps.ts";
import type { Deps } from "../../src/deps.ts";
import { createClock } from "../../src/platform/clock.ts";
import { descriptionOf, openapi } from "../../src/platform/http/openapi.ts";
import { type Job, startJobs } from "../../src/platform/jobs/runner.ts";
import { createApp, jobs } from "../../src/server.ts";
import { freshUrl } from "./db.ts";
import { AnswerValidator, type OpenApiDocument } from "./validate.ts";

export interface CallOptions {
  /** `Bearer …` or `ApiKey …` is taken as it stands; anything else is a bearer token. */
  as?: string | undefined;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests assert on the shape
  body: any;
}

export interface SignedUp {
  email: string;
  password: string;
  userId: string;
  tenantId: string;
  token: string;
  refreshToken: string;
  sessionId: string;
}

export const PASSWORD = "six blue herons";

/**
 * A real server on a free port, over a database of its own, with a clock that only the test moves. Jobs do not
 * run by themselves: `runJob("mail")` runs one pass. With `origin`, it listens where that says and is called by it.
 */
export async function startServer(overrides: Partial<Config> = {}, origin?: string) {
  const dataDir = mkdtempSync(join(tmpdir(), "qeetid-test-"));
  let now = new Date("2026-01-01T00:00:00.000Z");
  // Stopped, but like the real one: when the test sets it back, time stands still.
  const clock = createClock({ wallMs: () => now.getTime(), elapsedMs: () => 0 });
  const config = testConfig({
    dataDir,
    databaseUrl: await freshUrl(),
    httpPort: 0,
    logLevel: "error",
    ...overrides,
  });
  const deps: Deps = await createDeps(config, { clock });
  const app = await createApp(deps);
  app.listen({ port: origin ? Number(new URL(origin).port) : 0, hostname: "127.0.0.1" });
  const port = app.server!.port!;
  const base = origin ?? `http://127.0.0.1:${port}`;
  let count = 0;
  // As it is served: a member that is undefined is not there.
  const served = JSON.stringify(openapi(app, descriptionOf(config)));
  const document = JSON.parse(served) as OpenApiDocument;
  const validator = new AnswerValidator(document);

  /** One request. Throws when the answer is not as the served document has it (design §7). */
  async function call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const { as, body, headers } = options;
    const response = await fetch(base + path, {
      method,
      redirect: "manual",
      headers: {
        ...(as !== undefined && {
          authorization: /^(Bearer|ApiKey) /i.test(as) ? as : `Bearer ${as}`,
        }),
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") ?? false;
    const answer = {
      status: response.status,
      headers: response.headers,
      body: text === "" ? undefined : isJson ? JSON.parse(text) : text,
    };
    const contentType = response.headers.get("content-type");
    validator.check({ method, path, status: answer.status, contentType, body: answer.body });
    return answer;
  }

  return {
    deps,
    /** The routes, for tests that hold them against a table. */
    app,
    base,
    port,
    call,
    clock: {
      now: () => now,
      advance(ms: number) {
        now = new Date(now.getTime() + ms);
      },
    },
    /** Signs somebody up; with the default settings into a personal tenant that they own. */
    async signUp(email = `user${++count}-${port}@example.com`, password = PASSWORD) {
      const { status, body } = await call("POST", "/v1/auth/signup", { body: { email, password } });
      if (status !== 201) throw new Error(`sign-up answered ${status}: ${JSON.stringify(body)}`);
      return {
        email,
        password,
        userId: body.user_id,
        tenantId: body.tenant_id,
        token: body.access_token,
        refreshToken: body.refresh_token,
        sessionId: body.session_id,
      } as SignedUp;
    },
    /** Runs one pass of a background job, now. */
    async runJob(name: string) {
      const job = jobs.find((one: Job) => one.name === name);
      if (!job) throw new Error(`no job ${name}: ${jobs.map((one) => one.name).join(", ")}`);
      await job.run(deps, new AbortController().signal);
    },
    startJobs: () => startJobs(deps, jobs),
    async stop() {
      recordAnswers(validator);
      await app.server?.stop(true);
      await deps.db.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** QEETID_ANSWERS_FILE: the documented statuses that the run has seen, for test/answers.ts. */
function recordAnswers(validator: AnswerValidator): void {
  const file = process.env.QEETID_ANSWERS_FILE;
  if (file)
    appendFileSync(
      file,
      validator
        .seen()
        .map((line) => `${line}\n`)
        .join(""),
    );
}

export type TestServer = Awaited<ReturnType<typeof startServer>>;
