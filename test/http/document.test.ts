import { afterAll, beforeAll, expect, test } from "bun:test";
import SwaggerParser from "@apidevtools/swagger-parser";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import { type SampleServer, sampleServer } from "./sample-server.ts";

let server: SampleServer;
// biome-ignore lint/suspicious/noExplicitAny: a document of any shape
let document: any;
beforeAll(async () => {
  server = await sampleServer();
  // Every route has been called and compiled once: the document may not depend on it.
  await server.call("POST /v1/groups", { as: "writer", body: { name: "x" } });
  document = (await server.call("GET /openapi.json")).body;
});
afterAll(() => server.stop());

test("swagger-parser has no finding", async () => {
  await SwaggerParser.validate(structuredClone(document));
});

test("redocly's rules have no finding", async () => {
  const config = await createConfig({ extends: ["spec"] });
  const problems = await lintFromString({
    source: JSON.stringify(document),
    absoluteRef: "openapi.json",
    config,
  });
  expect(problems.map((problem) => problem.message)).toEqual([]);
});

test("security, closed bodies and common failures come from the declaration", () => {
  const create = document.paths["/v1/groups"].post;
  expect(create.security).toEqual([{ bearerAuth: [] }, { apiKeyAuth: [] }]);
  expect(document.paths["/v1/auth/login"].post.security).toEqual([]);
  expect(Object.keys(create.responses)).toEqual([
    "201",
    "202",
    "400",
    "401",
    "403",
    "409",
    "413",
    "415",
    "422",
    "429",
    "500",
  ]);
  const body = create.requestBody.content["application/json"].schema;
  expect(body.additionalProperties).toBe(false);
  expect(body.properties.size).toEqual({ type: "integer", minimum: 1, maximum: 100 });
});

test("parameters: ids without a schema of their own, published names, query", () => {
  expect(document.paths["/v1/tenants/{tenantID}/groups"].get.parameters.slice(0, 2)).toEqual([
    { name: "tenantID", in: "path", required: true, schema: { type: "string", format: "uuid" } },
    {
      name: "limit",
      in: "query",
      required: false,
      schema: { type: "integer", minimum: 1, maximum: 200, default: 50 },
    },
  ]);
  expect(document.paths["/v1/tenants/{id}"].get.parameters[0].name).toBe("id");
});

test("an optional body says so; each protocol has its own error", () => {
  expect(document.paths["/v1/optional"].post.requestBody.required).toBe(false);
  expect(document.paths["/v1/oauth/token"].post.responses["400"].$ref).toBe(
    "#/components/responses/oauth-400",
  );
  expect(document.components.responses["scim-401"].content).toHaveProperty("application/scim+json");
});

test("nothing of the kernel's own shows", () => {
  const text = JSON.stringify(document);
  for (const word of ["x-access", "x-http", "x-errors"]) expect(text).not.toContain(word);
});

test("anybody's page may read it, and keep it for five minutes", async () => {
  const { headers } = await server.call("GET /openapi.json", {
    headers: { origin: "https://evil.example" },
  });
  expect(headers.get("access-control-allow-origin")).toBe("*");
  expect(headers.get("cache-control")).toBe("public, max-age=300");
  expect(headers.get("content-type")).toBe("application/json");
});
