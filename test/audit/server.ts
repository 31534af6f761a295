import type { Config } from "../../src/config.ts";
import type { Deps } from "../../src/deps.ts";
import { AppError } from "../../src/platform/errors.ts";
import { createServer, type RouteGroup } from "../../src/platform/http/kernel.ts";
import { createRateLimiter } from "../../src/platform/http/rate-store.ts";
import { createMetrics } from "../../src/platform/metrics.ts";
import type { Actor } from "../../src/platform/permissions.ts";
import { auditWorld } from "./support.ts";

/** Whom `Authorization: Bearer <name>` names. */
export type Actors = Readonly<Record<string, Partial<Actor> & { keys?: readonly string[] }>>;

/** The kernel with some route groups on it, listening on loopback, over a database of its own. Credentials are names. */
export async function kernelServer(
  groups: readonly RouteGroup[],
  overrides: Partial<Config> = {},
  actors: () => Actors = () => ({}),
) {
  const world = await auditWorld(overrides);
  const metrics = createMetrics();
  const { config, clock, log } = world.deps;
  const rate = await createRateLimiter({ config, clock, log, metrics });
  const nothing = () => {};
  const parts = { ...world.deps, metrics, rate, log: { ...log, access: nothing, flush: nothing } };
  const deps: Deps = parts;
  const authenticate = (_: Deps, authorization: string, caller: Actor["caller"]): Actor => {
    const found = actors()[authorization.replace("Bearer ", "")];
    if (!found) throw new AppError("unauthorized");
    const { keys = [], ...actor } = found;
    const identity = {
      kind: "user",
      subject: "x",
      userId: null,
      tenantId: null,
      ...actor,
    } as const;
    const rest = { sessionId: null, clientId: null, scopes: [], authTime: null, isOwner: false };
    const holds = (key: string) => keys.includes(key);
    return { ...rest, ...identity, holds, permissions: new Set(keys), caller };
  };
  const app = createServer(deps, { authenticate }, groups);
  app.listen({ port: 0, hostname: "127.0.0.1" });
  const port = app.server!.port!;
  const { host } = new URL(config.publicUrl);
  return {
    ...world,
    deps,
    port,
    /** As a client on this machine that calls the server by its name. */
    get: (path: string, headers: Record<string, string> = {}) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        redirect: "manual",
        headers: { host, ...headers },
      }),
    async call(method: string, path: string, as?: string) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        ...(as !== undefined && { headers: { authorization: `Bearer ${as}` } }),
      });
      const body = await response.text();
      // biome-ignore lint/suspicious/noExplicitAny: tests assert on the shape
      return { status: response.status, body: (body === "" ? undefined : JSON.parse(body)) as any };
    },
    async stop() {
      await app.server?.stop(true);
      rate.close();
      await world.db.close();
    },
  };
}
