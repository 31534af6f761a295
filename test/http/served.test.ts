/** The whole server, not the sample: its own document and page. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import SwaggerParser from "@apidevtools/swagger-parser";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import { connect } from "../../db/raw.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

test("the served document has no finding", async () => {
  const { body } = await server.call("GET", "/openapi.json");
  await SwaggerParser.validate(structuredClone(body));
  const config = await createConfig({ extends: ["spec"] });
  const source = JSON.stringify(body);
  const problems = await lintFromString({ source, absoluteRef: "openapi.json", config });
  expect(problems.map(({ message, location }) => [message, location[0]?.pointer])).toEqual([]);
});

test("the page, health and discovery answer beside everything else", async () => {
  for (const path of ["/docs", "/healthz", "/readyz", "/metrics", "/.well-known/jwks.json"])
    expect([path, (await server.call("GET", path)).status]).toEqual([path, 200]);
});

test("01 §20: unknown path; PUT /v1/users", async () => {
  const unknown = await server.call("GET", "/v1/nothing");
  expect([unknown.status, unknown.body.error.code]).toEqual([404, "not_found"]);
  const wrong = await server.call("PUT", "/v1/users");
  expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, HEAD, POST, OPTIONS"]);
});

test("01 §12.3: /metrics counts the queues and what was refused", async () => {
  await server.signUp();
  await server.call("POST", "/v1/auth/login", {
    body: { email: "nobody@example.com", password: "not the password" },
  });
  const value = async (name: string) => {
    const text: string = (await server.call("GET", "/metrics")).body;
    return Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1]);
  };
  expect(await value("qeet_login_failures_total")).toBe(1);
  expect(await value("qeet_outbox_depth")).toBeGreaterThan(0);
  expect(await value("qeet_mail_queue")).toBeGreaterThan(0);
  expect(await value("qeet_outbox_dead_letters")).toBe(0);
  await server.runJob("mail");
  expect(await value("qeet_mail_queue")).toBe(0);
});

test("a database that another version has changed: /readyz is 503, in the words of the document", async () => {
  const own = await startServer();
  const connection = await connect(own.deps.config.databaseUrl);
  await connection.values("update schema_migrations set tag = '9' || tag");
  await connection.close();
  const { status, body } = await own.call("GET", "/readyz");
  expect([status, body.status, body.checks.migrations]).toEqual([
    503,
    "not_ready",
    "fail: unavailable",
  ]);
  await own.stop();
});
