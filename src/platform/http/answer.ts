import { type Context, ElysiaCustomStatusResponse } from "elysia";
import type { Deps } from "../../deps.ts";
import type { Call } from "./call.ts";
import type { Series } from "./http-metrics.ts";

interface Answering {
  readonly request: Request;
  readonly path: string;
  readonly set: Context["set"];
  readonly call: Call;
}

/** Methods that get a series of their own where no route is: a stranger may invent any number of them. */
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** Runs once for each request, when its answer is known: last headers, metrics, access log. Answers the body to send. */
export function createFinish(deps: Pick<Deps, "metrics" | "log">, isDraining: () => boolean) {
  const { http } = deps.metrics;
  const unmatched = new Map(METHODS.map((method) => [method, http.series(method, "unmatched")]));
  const other = http.series("OTHER", "unmatched");
  const seriesOf = (method: string, call: Call): Series =>
    call.declaration?.series ?? unmatched.get(method) ?? other;

  return ({ request, path, set, call }: Answering, response: unknown): unknown => {
    let answer = response;
    if (answer instanceof ElysiaCustomStatusResponse) {
      set.status = answer.code;
      answer = answer.response;
    }
    if (isPlain(answer)) {
      answer = JSON.stringify(answer);
      set.headers["content-type"] ??= "application/json";
    }
    if (call.verdict !== undefined) {
      const { limit, remaining, resetSeconds } = call.verdict;
      set.headers["ratelimit-limit"] = String(limit);
      set.headers["ratelimit-remaining"] = String(remaining);
      set.headers["ratelimit-reset"] = String(resetSeconds);
    }
    if (isDraining()) set.headers.connection = "close";

    const { method } = request;
    const status = answer instanceof Response ? answer.status : ((set.status as number) ?? 200);
    const durationMs = performance.now() - call.startedAt;
    seriesOf(method, call).observe(status, durationMs / 1000);
    deps.log.access({
      method,
      path,
      status,
      bytes: method === "HEAD" ? 0 : sizeOf(answer),
      durationMs,
      requestId: call.caller.requestId,
    });
    return answer;
  };
}

const isPlain = (value: unknown): boolean => {
  if (typeof value !== "object" || value === null) return false;
  const kind = value.constructor;
  return kind === Object || kind === Array || kind === undefined;
};

function sizeOf(body: unknown): number {
  if (typeof body === "string") return Buffer.byteLength(body);
  if (body instanceof Uint8Array) return body.length;
  return body instanceof Blob ? body.size : 0;
}
