import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { auditEvents, auditLogs } from "../../db/schema/index.ts";
import { testConfig } from "../../src/config.ts";
import { auditRoutes } from "../../src/modules/audit/routes.ts";
import { kernelServer } from "./server.ts";

const TENANT = "0199aaaa-0000-7000-8000-00000000000a";
const OTHER = "0199aaaa-0000-7000-8000-00000000000b";
const USER = "0199aaaa-0000-7000-8000-000000000001";
const actors = {
  reader: { userId: USER, subject: USER, tenantId: TENANT, keys: ["audit.read"] },
  key: { kind: "api_key", subject: OTHER, tenantId: TENANT, keys: ["audit.read"] },
  member: { userId: USER, subject: USER, tenantId: TENANT },
  stray: { userId: USER, subject: USER },
  foreigner: { userId: USER, subject: USER, tenantId: OTHER, keys: ["audit.read"] },
} as const;

const OFF = testConfig().rateLimits;
let server: Awaited<ReturnType<typeof kernelServer>>;
beforeAll(async () => {
  server = await kernelServer(
    [auditRoutes],
    { rateLimits: { ...OFF, verify: { ratePerSecond: 0.1, burst: 6 } } },
    () => actors,
  );
  const caller = { requestId: "req-1", ip: "203.0.113.7", userAgent: "curl/8.9" };
  for (let n = 0; n < 60; n += 1)
    await server.record(
      { tenantId: TENANT, metadata: { email: "a@example.com", n } },
      { user: { id: USER }, caller },
    );
});
afterAll(() => server.stop());

const list = (query = "", as: string | undefined = "reader", tenant = TENANT) =>
  server.call("GET", `/v1/tenants/${tenant}/audit${query}`, as);
const verify = (as: string | undefined = "reader") =>
  server.call("GET", `/v1/tenants/${TENANT}/audit/verify`, as);

describe("08 §2.1", () => {
  test("an event, with and without proof", async () => {
    const { status, body } = await list("?limit=1");
    expect(status).toBe(200);
    const [event] = body.items;
    expect(event).toEqual({
      id: event.id,
      tenant_id: TENANT,
      actor_user_id: USER,
      actor_type: "user",
      action: "user.updated",
      resource_type: "user",
      resource_id: null,
      ip: "203.0.113.7",
      user_agent: "curl/8.9",
      request_id: "req-1",
      created_at: "2026-01-02T03:04:05.000059Z",
      metadata: { email: "a@example.com", n: 59 },
      seq: 60,
      prev_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      row_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      erased_at: null,
    });
    const { body: proved } = await list("?limit=1&include=proof");
    expect(proved.items[0]).toMatchObject({
      salt: expect.stringMatching(/^[\w-]{43}$/),
      seals: {
        ip: expect.stringMatching(/^s:[\w-]{43}$/),
        user_agent: expect.stringMatching(/^s:/),
        "metadata.email": expect.stringMatching(/^s:/),
      },
    });
  });

  test.each([
    ["0", 50],
    ["-1", 50],
    ["abc", 50],
    ["1000", 60], // contract 00 §34: more than 200 means 200
  ])("08 §12: limit=%s gives %i", async (limit, count) => {
    expect((await list(`?limit=${limit}`)).body.items).toHaveLength(count);
  });

  test("pages follow each other to the end", async () => {
    const seen: number[] = [];
    let cursor = "";
    do {
      const query = `?limit=17&cursor=${cursor}&actor_user_id=${USER}`;
      const { body } = await list(query);
      seen.push(...body.items.map(({ seq }: { seq: number }) => seq));
      cursor = body.next_cursor;
    } while (cursor !== "");
    expect(seen).toEqual(Array.from({ length: 60 }, (_, n) => 60 - n));
  });

  test.each([
    ["?cursor=%25%25%25", 400, "invalid cursor"],
    ["?actor_user_id=x", 400, "invalid actor_user_id"],
    ["?since=yesterday", 400, "invalid since"],
    [`?q=${"x".repeat(201)}`, 422, "q is too long"],
  ])("%s: %i %s", async (query, status, detail) => {
    const answer = await list(query);
    expect([answer.status, answer.body.error.detail]).toEqual([status, detail]);
  });

  test("an API key with the scope reads; a log without events is an empty page", async () => {
    expect((await list("", "key")).status).toBe(200);
    expect((await list("", "foreigner", OTHER)).body).toEqual({ items: [], next_cursor: "" });
  });

  test.each([
    [undefined, TENANT, 401],
    ["stray", TENANT, 401],
    ["member", TENANT, 403],
    ["foreigner", TENANT, 403],
    ["reader", OTHER, 403],
    ["reader", "x", 400],
  ])("08 §12: %p at %s: %i, on both operations", async (as, tenant, status) => {
    const path = `/v1/tenants/${tenant}/audit`;
    expect((await server.call("GET", path, as)).status).toBe(status);
    expect((await server.call("GET", `${path}/verify`, as)).status).toBe(status);
  });
});

describe("08 §2.2", () => {
  test("a sound log; the seventh call within a minute is 429", async () => {
    const answers = [];
    for (let n = 0; n < 7; n += 1) answers.push(await verify());
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200, 429]);
    const { items } = (await list("?limit=1")).body;
    expect(answers[0]!.body).toEqual({
      ok: true,
      rows_checked: 60,
      verified_count: 60,
      last_verified_id: items[0].id,
      tree_size: 60,
      root_hash: expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/),
    });
    server.advance(60_000);
  });

  test("a broken log is 200, says where, and is noted in the platform's log", async () => {
    await server.db.transaction(async (tx) => {
      await tx.update(auditLogs).set({ size: 61 }).where(eq(auditLogs.logId, TENANT));
    });
    const { status, body } = await verify();
    expect([status, body.ok, body.rows_checked, body.broken_reason]).toEqual([
      200,
      false,
      60,
      "sequence gap",
    ]);
    const [event] = await server.db.read
      .select()
      .from(auditEvents)
      .where(eq(auditEvents.logId, "platform"));
    expect(event).toMatchObject({
      action: "audit.verify_failed",
      actorType: "system",
      resourceType: "audit_log",
      resourceId: null,
      metadata: `{"origin":"localhost:4000/audit/${TENANT}","reason":"sequence gap"}`,
    });
  });
});
