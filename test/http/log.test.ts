import { expect, test } from "bun:test";
import { createLog } from "../../src/platform/log.ts";
import { redact } from "../../src/platform/redact.ts";
import { sampleServer } from "./sample-server.ts";

const now = () => new Date("2026-01-01T00:00:00.000Z");
const recorder = (logLevel: "debug" | "info" | "warn" | "error" = "debug") => {
  const lines: string[] = [];
  const log = createLog({ logLevel }, now, { write: (line) => void lines.push(line) });
  const parsed = () => {
    log.flush();
    return lines.map((line) => JSON.parse(line));
  };
  return { log, lines, parsed };
};

const MASKED =
  "password, new_password, old_password, secret, client_secret, signing_secret, webhook_secret, token, access_token, refresh_token, id_token, bearer, code, otp, recovery_code, api_key, apikey, authorization, cookie, set-cookie, x-api-key, private_key, client_assertion, registration_access_token, subject_token, actor_token, device_code, user_code, code_verifier, logout_token, id_token_hint".split(
    ", ",
  );

test.each(MASKED)("01 §4: %s is masked, in any case, however deep", (name) => {
  const camel = name.replace(/[_-](\w)/g, (_, letter: string) => letter.toUpperCase());
  for (const spelling of [name, name.toUpperCase(), name[0]?.toUpperCase() + name.slice(1)]) {
    const { log, lines } = recorder();
    log.info("x", { [spelling]: "s3cret-value", a: { b: [{ [spelling]: "s3cret-value" }] } });
    expect(lines[0]).not.toContain("s3cret-value");
    expect(lines[0]?.match(/\[REDACTED\]/g)).toHaveLength(2);
  }
  if (!name.includes("-")) expect(redact({ [camel]: "s3cret" })).toEqual({ [camel]: "[REDACTED]" });
});

test("01 §4: addresses and numbers are masked in part", () => {
  expect(
    redact({
      email: "alice@example.com",
      email_addr: "a@example.com",
      to: ["bob@example.com", "+4915112345678"],
      Phone: "+49 151 1234 5678",
      phone_number: "123",
      nothing: null,
      at: new Date("2026-01-01T00:00:00Z"),
      key: new Uint8Array(3),
      error: new TypeError("insert into users values ('alice@example.com')"),
    }),
  ).toEqual({
    email: "a***@example.com",
    email_addr: "*@example.com",
    to: ["b***@example.com", "[REDACTED]"],
    Phone: "***5678",
    phone_number: "***123",
    nothing: null,
    at: "2026-01-01T00:00:00.000Z",
    key: "[3 bytes]",
    error: { kind: "TypeError" },
  });
});

test("a circle or a deep value ends", () => {
  const circle: Record<string, unknown> = { password: "x" };
  circle.self = circle;
  expect(redact(circle)).toEqual({ password: "[REDACTED]", self: "[…]" });
  let deep: object = { password: "x" };
  for (let i = 0; i < 100; i++) deep = { deep };
  expect(JSON.stringify(redact(deep))).not.toContain('"x"');
});

test("LOG_LEVEL decides what is worth a line, the access log included", () => {
  const all = (level: Parameters<typeof recorder>[0]) => {
    const { log, parsed } = recorder(level);
    log.debug("d");
    log.info("i");
    log.warn("w");
    log.error("e");
    log.access({ method: "GET", path: "/", status: 200, bytes: 0, durationMs: 1, requestId: "r" });
    return parsed().map((line) => line.message);
  };
  expect(all("debug")).toEqual(["d", "i", "w", "e", "request"]);
  expect(all("info")).toEqual(["i", "w", "e", "request"]);
  expect(all("warn")).toEqual(["w", "e"]);
  expect(all("error")).toEqual(["e"]);
});

test("01 §4: one JSON line a request, without the query, without a header's value", async () => {
  const server = await sampleServer();
  await server.call("GET /v1/whoami?note=in-the-query", {
    headers: { "x-request-id": "r-1", cookie: "qe_ls=s3cret" },
  });
  await server.call("POST /v1/groups", {
    as: "writer",
    headers: { "x-request-id": "r-2" },
    body: { name: "s3cret" },
  });
  await server.call("GET /nothing/%22quoted%22%0a", { headers: { "x-request-id": "r-3" } });
  await server.call("HEAD /v1/whoami", { headers: { "x-request-id": "r-4" } });
  await server.call("OPTIONS /v1/whoami", { headers: { "x-request-id": "r-5" } });
  const lines = server.log().filter(({ message }) => message === "request");
  expect(lines.map(({ method, path, status, req_id }) => [method, path, status, req_id])).toEqual([
    ["GET", "/v1/whoami", 200, "r-1"],
    ["POST", "/v1/groups", 422, "r-2"],
    ["GET", "/nothing/%22quoted%22%0a", 404, "r-3"],
    ["HEAD", "/v1/whoami", 200, "r-4"],
    ["OPTIONS", "/v1/whoami", 204, "r-5"],
  ]);
  expect(Object.keys(lines[0]).sort()).toEqual(
    ["level", "time", "message", "method", "path", "status", "bytes", "dur_ms", "req_id"].sort(),
  );
  const { text } = await server
    .call("GET /v1/whoami", { headers: { "x-request-id": "é-no" } })
    .catch(() => ({ text: "" }));
  expect(text).not.toContain("é-no");
  const all = JSON.stringify(server.log());
  for (const secret of ["s3cret", "in-the-query", "Bearer"]) expect(all).not.toContain(secret);
  await server.stop();
});

test("bytes are those of the body", async () => {
  const server = await sampleServer();
  const { text } = await server.call("GET /v1/whoami", { headers: { "user-agent": "grün" } });
  const line = server.log().find(({ message }) => message === "request");
  expect(line.bytes).toBe(Buffer.byteLength(text));
  await server.stop();
});

test("a 500 is logged by its kind alone, under the request's id", async () => {
  const server = await sampleServer();
  const { body } = await server.call("GET /v1/bug");
  const line = server.log().find(({ level }) => level === "error");
  expect(line).toMatchObject({
    kind: "TypeError",
    req_id: body.error.request_id,
    route: "/v1/bug",
  });
  expect(JSON.stringify(server.log())).not.toContain("secrets");
  await server.stop();
});
