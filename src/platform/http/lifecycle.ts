import type { AnyElysia } from "elysia";

const draining = new WeakSet<AnyElysia>();

/** True once `drain` was called: the server is going away and should get no new work. */
export const isDraining = (app: AnyElysia): boolean => draining.has(app);

export interface Drained {
  readonly inFlightAtSignal: number;
  /** Requests that were cut off because they did not end in time. */
  readonly dropped: number;
}

/**
 * Contract 01 §14: stops accepting, lets the requests in flight end, at most `graceSeconds` long, then cuts off
 * what is left. `/readyz` says 503 from the start.
 */
export async function drain(app: AnyElysia, graceSeconds: number): Promise<Drained> {
  draining.add(app);
  const { server } = app;
  if (server === null || server === undefined) return { inFlightAtSignal: 0, dropped: 0 };
  const inFlightAtSignal = server.pendingRequests;
  const stopped = Promise.resolve(server.stop());
  const timer = Promise.withResolvers<void>();
  const timeout = setTimeout(timer.resolve, graceSeconds * 1000);
  await Promise.race([stopped, timer.promise]);
  clearTimeout(timeout);
  const dropped = server.pendingRequests;
  await server.stop(true);
  return { inFlightAtSignal, dropped };
}
