type Server = Pick<Bun.Server<unknown>, "stop" | "pendingRequests">;

const draining = new WeakSet<object>();

/** True once `drain` was called: the server is going away and should get no new work. */
export const isDraining = (server: object | null | undefined): boolean =>
  server !== null && server !== undefined && draining.has(server);

export interface Drained {
  readonly inFlightAtSignal: number;
  /** Requests that were cut off because they did not end in time. */
  readonly dropped: number;
}

/**
 * Contract 01 §14: accepts nothing new, lets the requests in flight end, at most `graceSeconds` long, then cuts off
 * what is left. `/readyz` says 503 from the start, and each answer closes its connection.
 */
export async function drain(server: Server, graceSeconds: number): Promise<Drained> {
  draining.add(server);
  const inFlightAtSignal = server.pendingRequests;
  const stopped = server.stop();
  const grace = Promise.withResolvers<void>();
  const timer = setTimeout(grace.resolve, graceSeconds * 1_000);
  await Promise.race([stopped, grace.promise]);
  clearTimeout(timer);
  const dropped = server.pendingRequests;
  if (dropped > 0) void server.stop(true);
  return { inFlightAtSignal, dropped };
}
