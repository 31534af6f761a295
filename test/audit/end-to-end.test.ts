import { afterAll, beforeAll, expect, test } from "bun:test";
import { outboxEvents } from "../../db/schema/index.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ trustedProxies: ["127.0.0.0/8", "10.0.0.0/8"] });
});
afterAll(() => server.stop());

interface Event {
  action: string;
  ip: string | null;
  user_agent: string | null;
  request_id: string | null;
}
const eventsOf = async (tenantId: string, as: string): Promise<Event[]> =>
  (await server.call("GET", `/v1/tenants/${tenantId}/audit`, { as })).body.items;

test("01 §20: X-Forwarded-For: 1.2.3.4, 10.0.0.1 via trusted proxy: audit ip 1.2.3.4, no 500", async () => {
  const owner = await server.signUp();
  const headers = {
    "x-forwarded-for": "1.2.3.4, 10.0.0.1",
    "user-agent": '<>&"\\ curl',
    "x-request-id": "req-two-hops",
  };
  const path = `/v1/tenants/${owner.tenantId}`;
  const body = { name: "Renamed" };
  expect((await server.call("PATCH", path, { as: owner.token, headers, body })).status).toBe(200);
  const [event] = await eventsOf(owner.tenantId, owner.token);
  expect(event).toMatchObject({
    action: "tenant.updated",
    ip: "1.2.3.4",
    user_agent: '<>&"\\ curl',
    request_id: "req-two-hops",
  });
  const { body: verified } = await server.call("GET", `${path}/audit/verify`, { as: owner.token });
  expect(verified.ok).toBe(true);
});

test("08 §12: Audit of another tenant: 403; a refused request leaves no event and no message", async () => {
  const [owner, stranger] = [await server.signUp(), await server.signUp()];
  const before = await eventsOf(owner.tenantId, owner.token);
  const queued = (await server.deps.db.read.select().from(outboxEvents)).length;
  for (const path of ["audit", "audit/verify"]) {
    const url = `/v1/tenants/${owner.tenantId}/${path}`;
    expect((await server.call("GET", url, { as: stranger.token })).status).toBe(403);
  }
  const url = `/v1/tenants/${owner.tenantId}`;
  const body = { name: "Mine" };
  expect((await server.call("PATCH", url, { as: stranger.token, body })).status).not.toBe(200);
  expect(await eventsOf(owner.tenantId, owner.token)).toEqual(before);
  expect(await server.deps.db.read.select().from(outboxEvents)).toHaveLength(queued);
});

test("the jobs of the server deliver what a sign-up queued", async () => {
  await server.signUp();
  await server.runJob("outbox");
  await server.runJob("mail");
  const events = await server.deps.db.read.select().from(outboxEvents);
  expect(events.length).toBeGreaterThan(0);
  expect(events.filter(({ publishedAt }) => publishedAt === null)).toEqual([]);
});
