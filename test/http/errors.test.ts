import { expect, test } from "bun:test";
import { DatabaseFull, DatabaseOverloaded, DatabaseUnavailable } from "../../db/errors.ts";
import { AppError } from "../../src/platform/errors.ts";
import { routeGroup } from "../../src/platform/http/access.ts";
import { bearerChallenge } from "../support/bearer-challenge.ts";
import { sampleServer } from "./sample-server.ts";

/** As a driver says it, inside what drizzle makes of it. */
const violation = (code: string, message: string) =>
  new Error("Failed query: insert into users values ('alice@example.com')", {
    cause: Object.assign(new Error(message), { code, errno: 1 }),
  });

/** What a query can end with, by path. */
const FAULTS: Record<string, () => unknown> = {
  away: () => new DatabaseUnavailable("connect ECONNREFUSED 10.0.0.5:5432"),
  full: () => new DatabaseFull("SQLITE_FULL: database or disk is full"),
  "away, wrapped": () => new Error("Failed query", { cause: new DatabaseOverloaded("full") }),
  unique: () => violation("SQLITE_CONSTRAINT_UNIQUE", "UNIQUE constraint failed: users.email"),
  "foreign key": () => violation("SQLITE_CONSTRAINT_FOREIGNKEY", "FOREIGN KEY constraint failed"),
  "not null": () =>
    violation("SQLITE_CONSTRAINT_NOTNULL", "NOT NULL constraint failed: users.email"),
  other: () => violation("SQLITE_ERROR", "no such table: users"),
  text: () => "alice@example.com",
};

test.each([
  { fault: "away", status: 503, code: "service_unavailable", retryAfter: "1" },
  { fault: "full", status: 503, code: "service_unavailable", retryAfter: "1" },
  { fault: "away, wrapped", status: 503, code: "service_unavailable", retryAfter: "1" },
  { fault: "unique", status: 409, code: "conflict" },
  { fault: "foreign key", status: 400, code: "bad_request" },
  { fault: "not null", status: 422, code: "unprocessable" },
  { fault: "other", status: 500, code: "internal" },
  { fault: "text", status: 500, code: "internal" },
])("01 §2: a database that is $fault answers $status", async (row) => {
  const server = await sampleServer({}, [
    () =>
      routeGroup({ name: "faults", tag: "X" }).post(
        "/fault",
        () => {
          throw FAULTS[row.fault]?.();
        },
        { public: true },
      ),
  ]);
  const { status, body, headers, text } = await server.call("POST /fault");
  expect([status, body.error.code]).toEqual([row.status, row.code]);
  expect(headers.get("retry-after")).toBe(row.retryAfter ?? null);
  // Nothing of the driver's, neither to the caller nor into the log.
  const written = text + JSON.stringify(server.log());
  for (const word of ["alice", "insert into", "ECONNREFUSED", "UNIQUE constraint", "users.email"])
    expect(written).not.toContain(word);
  await server.stop();
});

test("what a handler sets before it throws does not reach the refusal's type", async () => {
  const server = await sampleServer({}, [
    () =>
      routeGroup({ name: "half", tag: "X" }).get(
        "/half",
        ({ set }) => {
          set.headers["content-type"] = "text/html";
          set.headers["cache-control"] = "public";
          throw new AppError("not_found");
        },
        { public: true },
      ),
  ]);
  const { status, headers } = await server.call("GET /half");
  expect([status, headers.get("content-type"), headers.get("cache-control")]).toEqual([
    404,
    "application/json",
    "no-store",
  ]);
  await server.stop();
});

test("01 §2: every 401 says how to authenticate, also one that a service threw", async () => {
  const server = await sampleServer({}, [
    () =>
      routeGroup({ name: "login", tag: "X" }).post(
        "/login",
        () => {
          throw new AppError("unauthorized", "wrong password");
        },
        { public: true },
      ),
  ]);
  const { status, headers } = await server.call("POST /login");
  expect([status, headers.get("www-authenticate")]).toEqual([401, bearerChallenge()]);
  await server.stop();
});

test("an address without a route: a page for a person, JSON for a program and below the API", async () => {
  const server = await sampleServer();
  const typeAt = async (call: string, accept: string) => {
    const { status, headers } = await server.call(call, { headers: { accept } });
    expect(status).toBe(404);
    return headers.get("content-type");
  };
  const browser = "text/html,application/xhtml+xml,*/*;q=0.8";
  expect(await typeAt("GET /nothing", browser)).toContain("text/html");
  for (const [call, accept] of [
    ["GET /nothing", "*/*"],
    ["GET /nothing", "application/json"],
    ["GET /nothing", "text/html;q=0.5,application/json"],
    ["POST /nothing", browser],
    ["GET /v1/nothing", browser],
    ["GET /oauth/nothing", browser],
  ] as const)
    expect(await typeAt(call, accept)).toContain("application/json");
  await server.stop();
});
