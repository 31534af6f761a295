import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { assertReviewedAccess, declaredAccess } from "../../src/access-check.ts";
import { routeGroup } from "../../src/platform/http/access.ts";
import { accessTable, TABLE_PATH } from "./write-access-table.ts";

const answer = () => "ok";
const app = () =>
  routeGroup({ name: "sample", prefix: "/v1", tag: "Sample" })
    .get("/open", answer, { public: true })
    .get("/mine", answer, { self: "user" })
    .get("/users/:id", answer, {
      own: { permission: "user.read", param: "id" },
      http: { names: { id: "userID" } },
    })
    .get("/users", answer, { permission: "user.read" });

const TABLE = {
  "GET /v1/open": "public",
  "GET /v1/mine": "self:user",
  "GET /v1/users/{userID}": "own:user.read",
  "GET /v1/users": "user.read",
};

test("a declaration is one word, under the published path", () => {
  expect(Object.fromEntries(declaredAccess(app()))).toEqual(TABLE);
});

test("a server whose routes are reviewed starts, rows without a route do not matter", () => {
  expect(() => assertReviewedAccess(app(), { ...TABLE, "GET /v1/later": "public" })).not.toThrow();
});

test("a route in no table stops the start", () => {
  const { "GET /v1/users": _, ...rest } = TABLE;
  expect(() => assertReviewedAccess(app(), rest)).toThrow(
    "GET /v1/users declares user.read, reviewed is nothing",
  );
});

test("so does a route that declares less than was reviewed", () => {
  expect(() => assertReviewedAccess(app(), { ...TABLE, "GET /v1/open": "user.read" })).toThrow(
    "GET /v1/open declares public, reviewed is user.read",
  );
});

test("the embedded table is made of permissions.json and beyond.json", () => {
  // When this fails: bun test/contract/write-access-table.ts
  expect(JSON.parse(readFileSync(TABLE_PATH, "utf8"))).toEqual(accessTable());
});
