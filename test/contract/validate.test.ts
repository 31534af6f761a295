import { describe, expect, test } from "bun:test";
import { AnswerValidator, type OpenApiDocument } from "../support/validate.ts";

const json = (schema: object) => ({ content: { "application/json": { schema } } });
const document = {
  paths: {
    "/things/{id}": {
      get: {
        responses: {
          200: json({
            type: "object",
            required: ["id"],
            properties: {
              id: { type: "string", format: "uuid" },
              at: { type: ["string", "null"], format: "date-time" },
              tags: { type: "array", items: { type: "string", enum: ["a", "b"] } },
            },
            additionalProperties: false,
          }),
          404: { $ref: "#/components/responses/404" },
        },
      },
      delete: { responses: { 204: { description: "No content" } } },
    },
    "/things/all": { get: { responses: { 200: json({ type: "array" }) } } },
  },
  components: {
    responses: { 404: json({ $ref: "#/components/schemas/Error" }) },
    schemas: { Error: { type: "object", required: ["error"] } },
  },
} as unknown as OpenApiDocument; // a document in miniature

const id = "01890000-0000-7000-8000-000000000000";
const answer = {
  method: "GET",
  path: `/things/${id}?x=1`,
  status: 200,
  contentType: "application/json; charset=utf-8",
  body: { id },
};
const check = (change: object) => () =>
  new AnswerValidator(document).check({ ...answer, ...change });

describe("an answer is held against the document", () => {
  test.each([
    ["all it may be", { body: { id, at: null, tags: ["a", "b"] } }],
    ["a refusal by reference", { status: 404, body: { error: {} } }],
    [
      "no body where none is documented",
      { method: "DELETE", status: 204, contentType: null, body: undefined },
    ],
    ["a path without parameters goes before one with", { path: "/things/all", body: [] }],
    ["what the document leaves out", { path: "/elsewhere", status: 418 }],
  ])("passes: %s", (_, change) => {
    expect(check(change)).not.toThrow();
  });

  test.each([
    ["a status that is not documented", { status: 201 }, "201: not in the document"],
    ["another content type", { contentType: "text/html" }, "content type text/html"],
    ["a missing member", { body: {} }, "required"],
    ["an undocumented member", { body: { id, secret: 1 } }, "undocumented member secret"],
    ["a wrong type", { body: { id: 5 } }, "body.id breaks type"],
    ["a wrong format", { body: { id: "x" } }, "body.id breaks format"],
    ["an instant that is not UTC", { body: { id, at: "2026-01-01T00:00:00+01:00" } }, "body.at"],
    ["a wrong item", { body: { id, tags: ["a", "c"] } }, "body.tags[1] breaks enum"],
    ["a body where none is documented", { method: "DELETE", status: 204 }, "a body where none"],
  ])("refuses: %s", (_, change, message) => {
    expect(check(change)).toThrow(message);
  });

  test("and tells what was answered", () => {
    const validator = new AnswerValidator(document);
    validator.check(answer);
    validator.check({ ...answer, status: 404, body: { error: {} } });
    expect(validator.seen()).toEqual(["GET /things/{id} 200", "GET /things/{id} 404"]);
  });
});
