/** Requests that no client of ours would send. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

/** The status line of the answer to these lines. */
function statusOf(...lines: string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(server.port, "127.0.0.1", () =>
    socket.write(`${lines.join("\r\n")}\r\nConnection: close\r\n\r\n`),
  );
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  socket.on("end", () => resolve(text.slice(9, 12)));
  socket.on("error", reject);
  return promise;
}

test.each([
  ["a preflight by a Host that is no host", "204", ["OPTIONS /v1/users HTTP/1.1", "Host: [::"]],
  ["a Host with a path in it", "401", ["GET /v1/users HTTP/1.1", "Host: x/healthz?"]],
  ["a path above the root", "401", ["GET /v1/users/..%2f..%2fhealthz HTTP/1.1", "Host: x"]],
  ["an id that ends in U+0000", "401", ["GET /v1/users/%00 HTTP/1.1", "Host: x"]],
  [
    "two lengths",
    "400",
    ["POST /v1/auth/login HTTP/1.1", "Host: x", "Content-Length: 2", "Content-Length: 0"],
  ],
  [
    "a length and chunks",
    "400",
    ["POST /v1/auth/login HTTP/1.1", "Host: x", "Content-Length: 2", "Transfer-Encoding: chunked"],
  ],
])("%s: %s", async (_name, status, lines) => {
  expect(await statusOf(...lines)).toBe(status);
});
