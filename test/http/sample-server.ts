import type { AnyElysia } from "elysia";
import { type Config, testConfig } from "../../src/config.ts";
import type { Deps } from "../../src/deps.ts";
import { createDerivedKeys } from "../../src/platform/crypto/derived-keys.ts";
import { AppError } from "../../src/platform/errors.ts";
import { docsRoutes } from "../../src/platform/http/docs.ts";
import type { AuthenticateOptions } from "../../src/platform/http/gate.ts";
import { createServer, type RouteGroup } from "../../src/platform/http/kernel.ts";
import { documentRoutes } from "../../src/platform/http/openapi.ts";
import { createRateLimiter } from "../../src/platform/http/rate-store.ts";
import { createLog } from "../../src/platform/log.ts";
import { createMetrics } from "../../src/platform/metrics.ts";
import type { Actor, Permission } from "../../src/platform/permissions.ts";
import { createRandom } from "../../src/platform/random.ts";
import { sampleGroups } from "./sample-routes.ts";

export const TENANT = "0199aaaa-0000-7000-8000-00000000000a";
export const OTHER_TENANT = "0199aaaa-0000-7000-8000-00000000000b";
export const USER = "0199aaaa-0000-7000-8000-000000000011";
export const OTHER_USER = "0199aaaa-0000-7000-8000-000000000012";

type Known = Pick<Actor, "kind" | "subject" | "userId" | "tenantId"> & { keys: Permission[] };
const known = (
  kind: Actor["kind"],
  subject: string,
  userId: string | null,
  tenantId: string | null,
  ...keys: Permission[]
): Known => ({ kind, subject, userId, tenantId, keys });

/** Whom `Authorization: Bearer <name>` names. */
const ACTORS: Record<string, Known> = {
  writer: known("user", "writer", USER, TENANT, "group.read", "group.write"),
  reader: known("user", "reader", USER, TENANT, "group.read"),
  stray: known("user", "stray", USER, null, "group.read"),
  key: known("api_key", "key", null, TENANT, "group.read"),
  "user-key": known("api_key", "user-key", USER, TENANT),
  service: known("service", "service", null, TENANT),
  oauth: known("oauth", "oauth", USER, TENANT, "group.read"),
};
export type Name = keyof typeof ACTORS;

/** The kernel over the sample routes, not listening: real parts, except that credentials are names. */
export async function sampleApp(
  overrides: Partial<Config> = {},
  extra: readonly RouteGroup[] = [],
) {
  const lines: string[] = [];
  let now = new Date("2026-01-01T00:00:00.000Z");
  const clock = { now: () => now };
  const config = testConfig({
    allowedOrigins: ["https://app.example"],
    httpPort: 0,
    ...overrides,
  });
  const log = createLog(config, clock.now, { write: (line) => void lines.push(line) });
  const metrics = createMetrics();
  const rate = await createRateLimiter({ config, clock, log, metrics });
  const deps = {
    config,
    clock,
    random: createRandom(clock),
    log,
    metrics,
    rate,
    derivedKeys: createDerivedKeys({ jwtSecret: "a secret of tests", rootKey: new Uint8Array(32) }),
  } as unknown as Deps; // all that the kernel touches; the sample routes have no database
  const asked: { authorization: string; options: AuthenticateOptions }[] = [];
  const app: AnyElysia = createServer(
    deps,
    {
      authenticate(_deps, authorization, caller, options) {
        asked.push({ authorization, options });
        const name = options.dev ? "writer" : authorization.replace(/^Bearer /i, "");
        const found = ACTORS[name];
        if (found === undefined) throw new AppError("unauthorized");
        const { keys, ...identity } = found;
        return {
          ...identity,
          sessionId: null,
          clientId: null,
          scopes: [],
          authTime: null,
          holds: (key) => keys.includes(key),
          permissions: new Set(keys),
          isOwner: false,
          caller,
        };
      },
    },
    [...sampleGroups, ...extra, docsRoutes, documentRoutes],
  );
  return {
    app,
    deps,
    asked,
    lines,
    advance(ms: number) {
      now = new Date(now.getTime() + ms);
    },
  };
}

export async function sampleServer(
  overrides: Partial<Config> = {},
  extra: readonly RouteGroup[] = [],
) {
  const { app, deps, asked, lines, advance } = await sampleApp(overrides, extra);
  app.listen({ port: 0, hostname: "127.0.0.1" });
  const base = `http://127.0.0.1:${app.server!.port}`;
  return {
    app,
    base,
    deps,
    /** Arguments of `authenticate`, one entry a call. */
    asked,
    /** Lines of the log so far, parsed. */
    log() {
      deps.log.flush();
      return lines
        .join("")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line));
    },
    advance,
    /** `METHOD /path` */
    async call(
      line: string,
      {
        as,
        headers = {},
        body,
      }: { as?: string; headers?: Record<string, string>; body?: unknown } = {},
    ) {
      const [method, path] = line.split(" ") as [string, string];
      const isPlain = body?.constructor === Object;
      const response = await fetch(base + path, {
        method,
        redirect: "manual",
        headers: {
          ...(as && { authorization: `Bearer ${as}` }),
          ...(isPlain && { "content-type": "application/json" }),
          ...headers,
        },
        ...(body !== undefined && { body: isPlain ? JSON.stringify(body) : (body as BodyInit) }),
      });
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        text,
        // biome-ignore lint/suspicious/noExplicitAny: tests assert on the shape
        body: (text.startsWith("{") ? JSON.parse(text) : undefined) as any,
      };
    },
    async stop() {
      deps.rate.close();
      await app.server?.stop(true);
    },
  };
}

export type SampleServer = Awaited<ReturnType<typeof sampleServer>>;
