import { expect, test } from "bun:test";
import { Elysia, t } from "elysia";
import { routeGroup } from "../../src/platform/http/access.ts";
import type { RouteGroup } from "../../src/platform/http/kernel.ts";
import { sampleApp, sampleServer } from "./sample-server.ts";

/** Whether a server with this group starts. */
const start = async (group: RouteGroup) => {
  const server = await sampleServer({}, [group]);
  await server.stop();
};

test("a route without access stops the start, and the message names it", async () => {
  const group = () =>
    new Elysia({ prefix: "/v1" }).get("/open", () => "x").get("/x/:id", () => "y");
  expect(start(group)).rejects.toThrow(
    "routes without exactly one access: GET /v1/open, GET /v1/x/:id",
  );
});

test("two accesses on one route stop the start", async () => {
  const group = () =>
    routeGroup({ name: "two", tag: "X" }).get("/x", () => "x", { public: true, self: "any" });
  expect(start(group)).rejects.toThrow("GET /x");
});

test("types: a permission from the table, an actor only where there is one, a caller everywhere", () => {
  routeGroup({ name: "types", tag: "X" })
    // @ts-expect-error a public handler has no actor
    .get("/a", ({ actor }) => String(actor), { public: true })
    .get("/b", ({ caller }) => caller.requestId, { public: true })
    .get("/c", ({ caller, actor }) => caller.requestId + actor.subject, { self: "any" })
    // @ts-expect-error no such permission
    .get("/d", () => "", { permission: "group.reed" })
    // @ts-expect-error no such machine rule
    .get("/e", () => "", { self: true });
});

test("schemas that can't be closed stop the start", async () => {
  const both = t.Intersect([t.Object({ a: t.String() }), t.Object({ b: t.String() })]);
  const group = () =>
    routeGroup({ name: "both", tag: "X" }).post("/x", () => "x", { public: true, body: both });
  expect(start(group)).rejects.toThrow("t.Composite");
});

test("two names for one segment do not listen", async () => {
  const group = () =>
    routeGroup({ name: "names", tag: "X" })
      .get("/t/:id", () => "", { self: "any" })
      .get("/t/:tenantID/x", () => "", { self: "any" });
  expect(start(group)).rejects.toThrow("different parameter name");
});

test("query values arrive typed, with defaults", async () => {
  const query = t.Object({
    limit: t.Integer({ minimum: 1, default: 50 }),
    deep: t.Optional(t.Boolean()),
    kind: t.Optional(t.Array(t.String())),
  });
  const server = await sampleServer({}, [
    () =>
      routeGroup({ name: "query", tag: "X" }).get("/q", ({ query }) => query, {
        public: true,
        query,
      }),
  ]);
  expect((await server.call("GET /q")).body).toEqual({ limit: 50 });
  expect((await server.call("GET /q?limit=7&deep=false&kind=a,b&kind=c&x=1")).body).toEqual({
    limit: 7,
    deep: false,
    kind: ["a", "b", "c"],
  });
  await server.stop();
});

test("a route mounted behind the kernel's back is 500, never open", async () => {
  const { app } = await sampleApp();
  app.get("/late", () => "open").post("/late", () => "open");
  for (const method of ["GET", "POST"]) {
    const response = await app.handle(new Request("http://localhost/late", { method }));
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("open");
  }
});
