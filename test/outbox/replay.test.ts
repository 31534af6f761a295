/** The whole server: a dead letter of one's own goes out again. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { deadLetters } from "../../db/schema/index.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

test("01 §19: an owner replays their tenant's dead event; it is published at the next pass", async () => {
  const { token, tenantId, userId } = await server.signUp();
  await server.runJob("outbox");
  const now = server.clock.now();
  const id = server.deps.random.uuid();
  await server.deps.db.transaction(async (tx) => {
    await tx.insert(deadLetters).values({
      id,
      aggregateId: userId,
      tenantId,
      topic: "user.events",
      eventType: "user.updated",
      payload: { id: userId },
      createdAt: now,
      attempts: 10,
      lastError: "TypeError",
      deadLetteredAt: now,
    });
  });
  const listed = await server.call("GET", "/v1/admin/outbox/dlq", { as: token });
  expect(listed.body.items.map((row: { id: string }) => row.id)).toEqual([id]);
  const replayed = await server.call("POST", `/v1/admin/outbox/dlq/${id}/replay`, { as: token });
  expect(replayed.status).toBe(202);
  expect((await server.call("GET", "/v1/admin/outbox/dlq", { as: token })).body.items).toEqual([]);
  await server.runJob("outbox");
  expect(await server.deps.db.read.select().from(deadLetters)).toEqual([]);
});
