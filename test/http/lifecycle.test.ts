import { expect, test } from "bun:test";
import { connect } from "node:net";
import { drain, isDraining } from "../../src/platform/http/lifecycle.ts";
import { sampleServer } from "./sample-server.ts";

test("01 §14: a slow request in flight completes, nothing new is accepted", async () => {
  const server = await sampleServer();
  const slow = server.call("GET /v1/slow");
  await Bun.sleep(100);
  expect(isDraining(server.app.server)).toBe(false);
  const running = server.app.server!;
  const drained = drain(running, 5);
  expect(isDraining(running)).toBe(true);
  const refused = await fetch(`${server.base}/v1/whoami`, {
    headers: { connection: "close" },
    keepalive: false,
  }).then(
    ({ status }) => status,
    () => "refused",
  );
  expect(refused).toBe("refused");
  const answer = await slow;
  expect([answer.status, answer.headers.get("connection")]).toEqual([200, "close"]);
  expect(await drained).toEqual({ inFlightAtSignal: 1, dropped: 0 });
});

test("what does not end in time is cut off and counted", async () => {
  const server = await sampleServer();
  const slow = server.call("GET /v1/slow").then(
    () => "answered",
    () => "cut off",
  );
  await Bun.sleep(100);
  expect(await drain(server.app.server!, 0.05)).toEqual({ inFlightAtSignal: 1, dropped: 1 });
  expect(await slow).toBe("cut off");
});

/** Speaks HTTP by hand; answers all that the server sends until it closes or `ms` are over. */
function raw(base: string, parts: readonly string[], pauseMs: number, ms: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let got = "";
  const socket = connect(Number(new URL(base).port), "127.0.0.1", async () => {
    for (const part of parts) {
      if (!socket.writable) break;
      socket.write(part);
      await Bun.sleep(pauseMs);
    }
  });
  socket.on("data", (chunk) => {
    got += chunk;
  });
  socket.on("close", () => resolve(got));
  socket.on("error", () => resolve(got));
  setTimeout(() => {
    socket.destroy();
    resolve(got);
  }, ms);
  return promise;
}

test("01 §11: a body that drips in is given up after HTTP_READ_TIMEOUT", async () => {
  const server = await sampleServer({ httpReadTimeoutSeconds: 1 });
  const head =
    "POST /v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
  const startedAt = performance.now();
  const answer = await raw(server.base, [head, ...Array(30).fill(" ")], 100, 2_500);
  expect(answer).toStartWith("HTTP/1.1 400");
  expect(answer).toContain("took too long");
  expect(performance.now() - startedAt).toBeLessThan(3_000);
  // The server is not shaken.
  expect((await server.call("GET /v1/whoami")).status).toBe(200);
  await server.stop();
});

test("01 §20: X-Request-Id with newline is replaced, and splits no header", async () => {
  const server = await sampleServer();
  const text = await raw(
    server.base,
    ["GET /v1/whoami HTTP/1.1\r\nhost: x\r\nx-request-id: a\nset-cookie: b=c\r\n\r\n"],
    0,
    300,
  );
  expect(text.toLowerCase()).not.toContain("set-cookie: b=c");
  expect(text).not.toMatch(/x-request-id: a\r?\n/i);
  await server.stop();
});

test("above Bun's own wall an upload ends, and the server stays", async () => {
  const server = await sampleServer();
  const { status } = await server.call("POST /v1/auth/login", {
    body: "x".repeat(10 * 1024 * 1024),
  });
  expect(status).toBe(413);
  expect((await server.call("GET /v1/whoami")).status).toBe(200);
  await server.stop();
});

test("01 §11: headers above 32 KiB are refused by Bun itself, which allows half of that", async () => {
  const server = await sampleServer();
  const big = (kib: number) =>
    raw(
      server.base,
      [
        `GET /v1/whoami HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-big: ${"a".repeat(kib * 1024)}\r\n\r\n`,
      ],
      0,
      500,
    );
  expect(await big(14)).toStartWith("HTTP/1.1 200");
  expect(await big(33)).toStartWith("HTTP/1.1 431");
  await server.stop();
});

test.each([
  ["GET /ab/metrics", "404"],
  ["GET /ab/v1/whoami", "404"],
  ["TRACE /v1/whoami", "405"],
  ["SEARCH /v1/whoami", "405"],
  ["GET //v1/whoami", "404"],
  ["GET /v1/%zz", "404"],
  ["OPTIONS /nothing", "404"],
  ["GET http://evil.example/v1/whoami", "200"],
])("%s with a Host of one letter answers %s", async (line, status) => {
  const server = await sampleServer();
  const answer = await raw(
    server.base,
    [`${line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`],
    0,
    500,
  );
  expect(answer.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
  expect(answer.toLowerCase()).toContain("\r\nx-request-id: req_");
  await server.stop();
});
