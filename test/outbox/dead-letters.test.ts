import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { auditEvents, deadLetters, outboxEvents, users } from "../../db/schema/index.ts";
import { outboxRoutes } from "../../src/modules/outbox/routes.ts";
import { kernelServer } from "../audit/server.ts";

const TENANT = "0199aaaa-0000-7000-8000-00000000000a";
const OTHER = "0199aaaa-0000-7000-8000-00000000000b";
const OPERATOR = "0199aaaa-0000-7000-8000-000000000001";
const BY_MAIL = "0199aaaa-0000-7000-8000-000000000002";
const UNPROVEN = "0199aaaa-0000-7000-8000-000000000003";
const READER = "0199aaaa-0000-7000-8000-000000000004";

const actors = {
  operator: { subject: OPERATOR, userId: OPERATOR },
  operatorByMail: { subject: BY_MAIL, userId: BY_MAIL, tenantId: OTHER },
  unproven: { subject: UNPROVEN, userId: UNPROVEN },
  operatorsKey: { kind: "api_key", subject: "k", userId: OPERATOR, tenantId: TENANT, keys: [] },
  operatorAtClient: { kind: "oauth", subject: OPERATOR, userId: OPERATOR, tenantId: TENANT },
  reader: { subject: READER, userId: READER, tenantId: TENANT, keys: ["audit.read"] },
  manager: { userId: READER, tenantId: TENANT, keys: ["audit.read", "webhook.write"] },
  key: { kind: "api_key", subject: "k2", tenantId: TENANT, keys: ["audit.read"] },
  member: { userId: READER, tenantId: TENANT, keys: [] },
  stray: { userId: READER },
} as const;

let server: Awaited<ReturnType<typeof kernelServer>>;
beforeAll(async () => {
  const platformAdmins = [OPERATOR, "ops@example.com", "unproven@example.com"];
  server = await kernelServer([outboxRoutes], { platformAdmins }, () => actors);
  const { db, deps } = server;
  const now = deps.clock.now();
  const user = (id: string, email: string, emailVerifiedAt: Date | null) => ({
    id,
    email,
    emailKey: email,
    emailVerifiedAt,
    createdAt: now,
    updatedAt: now,
  });
  await db.transaction(async (tx) => {
    await tx
      .insert(users)
      .values([
        user(BY_MAIL, "ops@example.com", now),
        user(UNPROVEN, "unproven@example.com", null),
      ]);
    for (const [n, tenantId] of [TENANT, OTHER, null, TENANT].entries())
      await tx.insert(deadLetters).values({
        id: `0199aaaa-0000-7000-8000-0000000000d${n}`,
        aggregateId: READER,
        tenantId,
        topic: "user.events",
        eventType: "user.updated",
        payload: { n },
        createdAt: now,
        attempts: 10,
        lastError: n === 0 ? null : "TypeError",
        deadLetteredAt: new Date(now.getTime() + n),
      });
  });
});
afterAll(() => server.stop());

const numbers = (body: { items: { payload: { n: number } }[] }) =>
  body.items.map(({ payload }) => payload.n);
const list = (as?: string, query = "") => server.call("GET", `/v1/admin/outbox/dlq${query}`, as);

describe("08 §12: DLQ as tenant caller / operator: own rows / all", () => {
  test.each([
    ["operator", [3, 2, 1, 0]],
    ["operatorByMail", [3, 2, 1, 0]],
    ["reader", [3, 0]],
    ["key", [3, 0]],
  ])("%s sees %p", async (as, expected) => {
    const { status, body } = await list(as);
    expect([status, numbers(body)]).toEqual([200, expected]);
  });

  test.each([
    [undefined, 401],
    ["nobody", 401],
    ["stray", 401],
    ["unproven", 401], // an address that nobody has proved is no name
    ["member", 403],
    ["operatorsKey", 403], // operators act in person
    ["operatorAtClient", 403],
  ])("%p gets %i", async (as, expected) => expect((await list(as)).status).toBe(expected));

  test("shape of a row; limit", async () => {
    const { body } = await list("reader", "?limit=1");
    expect(body).toEqual({
      items: [
        {
          id: "0199aaaa-0000-7000-8000-0000000000d3",
          aggregate_id: READER,
          topic: "user.events",
          event_type: "user.updated",
          payload: { n: 3 },
          created_at: "2026-01-02T03:04:05.000Z",
          attempts: 10,
          last_error: "TypeError",
          dead_lettered_at: "2026-01-02T03:04:05.003Z",
        },
      ],
    });
    for (const limit of ["0", "-1", "abc", "500"])
      expect(numbers((await list("operator", `?limit=${limit}`)).body)).toHaveLength(4);
    expect((await list("reader")).body.items[1].last_error).toBe("");
  });
});

describe("replay", () => {
  const replay = (n: number | string, as?: string) =>
    server.call("POST", `/v1/admin/outbox/dlq/${n}/replay`, as);
  const id = (n: number) => `0199aaaa-0000-7000-8000-0000000000d${n}`;

  test.each([
    [id(0), undefined, 401],
    [id(0), "reader", 403],
    [id(1), "manager", 404],
    [id(2), "manager", 404],
    [id(9), "operator", 404],
    ["x", "operator", 400],
  ])("%s as %p: %i, and nothing is queued", async (which, as, expected) => {
    expect((await replay(which, as)).status).toBe(expected);
    expect(await server.db.read.select().from(outboxEvents)).toEqual([]);
    expect(await server.db.read.select().from(auditEvents)).toEqual([]);
  });

  test("queues the event anew, once, with an audit event", async () => {
    const answers = await Promise.all([replay(id(0), "manager"), replay(id(0), "manager")]);
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 404]);
    expect(await server.db.read.select().from(outboxEvents)).toMatchObject([
      { id: id(0), tenantId: TENANT, attempts: 0, publishedAt: null, payload: { n: 0 } },
    ]);
    expect(numbers((await list("operator")).body)).toEqual([3, 2, 1]);
    expect(await server.db.read.select().from(auditEvents)).toMatchObject([
      { logId: TENANT, action: "outbox.event_replayed", resourceId: id(0), actorUserId: READER },
    ]);
  });

  test("an operator replays the platform's own", async () => {
    expect((await replay(id(2), "operator")).status).toBe(202);
    expect(await server.db.read.select().from(auditEvents)).toMatchObject([
      { logId: TENANT },
      { logId: "platform" },
    ]);
  });
});
