import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy on loopback in front of `url`, which can fall silent, hang up, and come back. */
export async function proxyBefore(url: string) {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let silent = false;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      // What arrives in silence is lost, and nobody is told: no FIN, no RST.
      from.on("data", (data) => silent || to.write(data));
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on("error", () => {});
    }
  });
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  await listen(0);
  const { port } = server.address() as { port: number };
  const through = new URL(url);
  through.hostname = "127.0.0.1";
  through.port = String(port);
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: through.href,
    fallSilent() {
      silent = true;
    },
    speakAgain() {
      silent = false;
    },
    /** Breaks every connection; new ones are taken. */
    cut,
    /** Refuses connections, until `comeBack`. */
    async goAway() {
      const closed = new Promise((resolve) => server.close(resolve));
      cut();
      await closed;
    },
    comeBack: () => listen(port),
    async stop() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
