import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { listMessages } from "../../src/platform/mail/service.ts";
import { audited, counts, logIn, MINUTE, published, WRONG } from "../auth/support.ts";
import {
  apiKey,
  assign,
  expectRefusal,
  member,
  ok,
  ownerRoleId,
  UNKNOWN_ID,
  unassign,
  type Workspace,
  workspace,
} from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { getUser, patchUser, setPassword } from "./support.ts";

let server: TestServer;
let space: Workspace;
let as: string;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
  as = space.owner.token;
});
afterAll(() => server.stop());

let count = 0;
const address = () => `account-${++count}-${server.port}@example.com`;
const create = (body: object, by = as) => server.call("POST", "/v1/users", { as: by, body });
const remove = (id: string, by = as) => server.call("DELETE", `/v1/users/${id}`, { as: by });
const purge = (id: string, by = as) => server.call("DELETE", `/v1/users/${id}/purge`, { as: by });
const newUser = async (body: object = {}) =>
  ok(await create({ email: address(), ...body }), 201).body;
const opens = async (token: string) =>
  (await server.call("GET", "/v1/auth/me", { as: token })).status;

describe("creating", () => {
  test("02 §13: POST /v1/users by SDK body {email} with API key", async () => {
    const { authorization } = await apiKey(server, space.owner);
    const { body } = ok(await create({ email: address() }, authorization), 201);
    expect(body).toMatchObject({
      tenant_id: space.tenantId,
      status: "active",
      email_verified_at: null,
      phone: null,
      display_name: null,
      metadata: {},
    });
    const list = await server.call("GET", "/v1/users", { as: authorization });
    expect(ok(list).body.items[0]).toEqual(body);
  });

  test("02 §9.3: one audit event, one event with the user as payload, and no role", async () => {
    const email = ` Some.Body-${++count}@Example.COM `;
    const user = await newUser({ email, display_name: "Some Body", phone: "", password: "" });
    expect(user).toMatchObject({ email: email.trim(), phone: null, display_name: "Some Body" });
    const [event] = await audited(server, space.tenantId, "user.created");
    expect(event).toMatchObject({
      resourceId: user.id,
      actorUserId: space.owner.userId,
      metadata: { email: user.email, source: "admin" },
    });
    const events = await published(server, user.id);
    expect(events.map(({ eventType, payload }) => ({ eventType, payload }))).toEqual([
      { eventType: "user.created", payload: user },
    ]);
    const path = `/v1/users/${user.id}/tenants/${space.tenantId}/permissions`;
    expect(ok(await server.call("GET", path, { as })).body.items).toEqual([]);
    expectRefusal(await logIn(server, user.email), 401);
  });

  test.each([
    { name: "no address", body: {}, status: 422 },
    { name: "not an address", body: { email: "somebody" }, status: 422 },
    {
      name: "255 characters",
      body: { email: `${"a".repeat(60)}@${"b.".repeat(96)}cc` },
      status: 422,
    },
    { name: "password of 7", body: { email: "x@example.com", password: "7 chars" }, status: 422 },
    {
      name: "weak password",
      body: { email: "x@example.com", password: "password123" },
      status: 422,
    },
    { name: "national number", body: { email: "x@example.com", phone: "0791234567" }, status: 422 },
    { name: "metadata not an object", body: { email: "x@example.com", metadata: [] }, status: 400 },
    { name: "unknown member", body: { email: "x@example.com", status: "active" }, status: 400 },
    {
      name: "another tenant",
      body: { email: "x@example.com", tenant_id: UNKNOWN_ID },
      status: 403,
    },
  ])("02 §9.3: $name is $status and changes nothing", async ({ body, status }) => {
    const before = await counts(server);
    expect((await create(body)).status).toBe(status);
    expect(await counts(server)).toEqual(before);
  });

  test("an address in use, whatever its case, is 409; of eight at once one wins", async () => {
    const email = address();
    const bodies = Array.from({ length: 8 }, (_, n) => ({
      email: n % 2 === 0 ? email : email.toUpperCase(),
    }));
    const answers = await Promise.all(bodies.map((body) => create(body)));
    const [won, ...lost] = answers.sort((a, b) => a.status - b.status);
    expect(won?.status).toBe(201);
    for (const answer of lost) expectRefusal(answer, 409, "email already in use");
    const elsewhere = await workspace(server);
    expectRefusal(await create({ email }, elsewhere.owner.token), 409, "email already in use");
    const created = await audited(server, space.tenantId, "user.created");
    expect(created.filter(({ metadata }) => metadata.email.toLowerCase() === email)).toHaveLength(
      1,
    );
  });
});

describe("the page of users", () => {
  test("02 §9.1: every member once, the newest first, also where two are of one instant", async () => {
    const tenant = await workspace(server);
    const made = [tenant.owner.userId];
    for (const n of [1, 2, 3, 4, 5]) {
      if (n !== 3) server.clock.advance(1000);
      made.unshift((await member(server, tenant)).userId);
    }
    const seen: string[] = [];
    let cursor = "";
    do {
      const path = `/v1/users?limit=2&cursor=${encodeURIComponent(cursor)}`;
      const { body } = ok(await server.call("GET", path, { as: tenant.owner.token }));
      expect(body.items.length).toBeLessThanOrEqual(2);
      seen.push(...body.items.map(({ id }: { id: string }) => id));
      cursor = body.next_cursor;
    } while (cursor !== "");
    expect(seen.toSorted()).toEqual(made.toSorted());
    expect(seen[0]).toBe(made[0]!);
    expect(seen.at(-1)).toBe(tenant.owner.userId);
  });

  test("02 §9.1: tenant must name the own one, by id or slug", async () => {
    const { slug } = ok(await server.call("GET", `/v1/tenants/${space.tenantId}`, { as })).body;
    const list = (tenant: string) =>
      server.call("GET", `/v1/users?tenant=${encodeURIComponent(tenant)}`, { as });
    for (const name of [space.tenantId, space.tenantId.toUpperCase(), slug, slug.toUpperCase(), ""])
      ok(await list(name));
    const other = await workspace(server);
    for (const name of [other.tenantId, UNKNOWN_ID, "no-such-slug"])
      expectRefusal(await list(name), 403, "tenant mismatch");
  });
});

describe("changing", () => {
  test('02 §13: PATCH phone:null, phone:"", changed phone, status:"deleted", email, {}', async () => {
    const { id, email } = await newUser({ phone: "+41791234567" });
    server.clock.advance(MINUTE);
    const cleared = ok(await patchUser(server, as, id, { phone: null })).body;
    expect(cleared).toMatchObject({ phone: null, phone_verified_at: null });

    const before = await counts(server);
    for (const body of [
      { phone: "" },
      { phone: "079" },
      { status: "deleted" },
      { status: "invited" },
    ])
      expectRefusal(await patchUser(server, as, id, body), 422);
    expectRefusal(await patchUser(server, as, id, { email }), 400);
    expectRefusal(await patchUser(server, as, id, { display_name: "x".repeat(201) }), 422);
    server.clock.advance(MINUTE);
    expect(ok(await patchUser(server, as, id, {})).body).toEqual(cleared);
    expect(ok(await patchUser(server, as, id, { phone: null, metadata: null })).body).toEqual(
      cleared,
    );
    expect(await counts(server)).toEqual(before);

    const changed = ok(
      await patchUser(server, as, id, {
        phone: "+41791234568",
        display_name: "",
        metadata: { team: "blue" },
      }),
    ).body;
    expect(changed).toMatchObject({
      phone: "+41791234568",
      display_name: "",
      metadata: { team: "blue" },
    });
    expect(Date.parse(changed.updated_at)).toBe(server.clock.now().getTime());
    const [event] = await audited(server, space.tenantId, "user.updated");
    expect(event?.metadata).toEqual({ fields: ["display_name", "phone", "metadata"] });
    expect(
      ok(await patchUser(server, as, id, { display_name: null, metadata: {} })).body,
    ).toMatchObject({
      display_name: null,
      metadata: {},
    });
  });

  test("a changed number is no longer verified", async () => {
    const { userId, token } = await member(server, space);
    const phone = "+41791112233";
    const path = `/v1/users/${userId}/verify/phone`;
    ok(await server.call("POST", `${path}/start`, { as: token, body: { phone } }), 202);
    const [message] = await listMessages(server.deps, 1);
    const code = message?.content?.text.match(/\b\d{6}\b/)?.[0];
    ok(await server.call("POST", `${path}/confirm`, { as: token, body: { code } }), 204);
    const verified = ok(await getUser(server, as, userId)).body;
    expect(verified).toMatchObject({ phone, phone_verified_at: expect.any(String) });
    const same = ok(await patchUser(server, as, userId, { phone })).body;
    expect(same).toEqual(verified);
    const changed = ok(await patchUser(server, as, userId, { phone: "+41791112244" })).body;
    expect(changed).toMatchObject({ phone: "+41791112244", phone_verified_at: null });
  });

  test("02 §9.5: one's own name, and nothing else of oneself", async () => {
    const { userId, token } = await member(server, space);
    ok(await patchUser(server, token, userId, { display_name: "Me" }));
    for (const body of [
      { phone: "+41791234567" },
      { status: "active" },
      { metadata: {} },
      { display_name: "I", metadata: { admin: true } },
    ])
      expectRefusal(await patchUser(server, token, userId, body), 403);
    expect(ok(await getUser(server, token, userId)).body).toMatchObject({
      display_name: "Me",
      metadata: {},
    });
    expectRefusal(await patchUser(server, token, space.owner.userId, { display_name: "You" }), 403);
    expectRefusal(
      await patchUser(server, as, space.owner.userId, { status: "suspended" }),
      409,
      "cannot suspend yourself",
    );
  });

  test("02 §9.5: suspension ends everything, and activation gives nothing of it back", async () => {
    const person = await member(server, space, ["apikey.write", "user.read"]);
    const { userId, email, token } = person;
    const key = await apiKey(server, person, { user_id: userId, scopes: ["user.read"] });
    ok(await patchUser(server, as, userId, { status: "suspended" }));
    expectRefusal(await server.call("GET", "/v1/auth/me", { as: token }), 403, "account suspended");
    expect(await opens(key.authorization)).toBe(401);
    expectRefusal(await logIn(server, email, { password: WRONG }), 401);
    expectRefusal(await logIn(server, email), 403, "account suspended");
    ok(await patchUser(server, as, userId, { status: "active" }));
    expect([await opens(token), await opens(key.authorization)]).toEqual([401, 401]);
    ok(await logIn(server, email));
  });

  test("02 §13: patch, delete, re-password a user who holds a key the caller lacks (admin vs owner)", async () => {
    const admin = await member(server, space, ["user.write"]);
    const auditor = await member(server, space, ["audit.read"]);
    for (const { userId } of [space.owner, auditor]) {
      const before = await counts(server);
      for (const answer of [
        await patchUser(server, admin.token, userId, { display_name: "Renamed" }),
        await patchUser(server, admin.token, userId, { status: "suspended" }),
        await remove(userId, admin.token),
        await setPassword(server, admin.token, userId, { password: WRONG }),
      ])
        expectRefusal(answer, 403);
      expect(await counts(server)).toEqual(before);
    }
    // Nor when the owner, who may, has suspended them, or put them into the bin.
    ok(await patchUser(server, as, auditor.userId, { status: "suspended" }));
    expectRefusal(await setPassword(server, admin.token, auditor.userId, { password: WRONG }), 403);
    ok(await remove(auditor.userId), 204);
    expectRefusal(await purge(auditor.userId, admin.token), 403);

    // The same by the same administrator, of who holds no more than they do.
    const plain = await member(server, space, ["user.read"]);
    ok(await patchUser(server, admin.token, plain.userId, { display_name: "Renamed" }));
    ok(await setPassword(server, admin.token, plain.userId, { password: WRONG }), 204);
    ok(await remove(plain.userId, admin.token), 204);
  });

  test("02 §13: suspend / delete / demote the last owner", async () => {
    const tenant = await workspace(server);
    const { owner, tenantId } = tenant;
    // An unbound key of the owner's has all permissions, and is not the owner.
    const { authorization } = await apiKey(server, owner);
    const roleId = await ownerRoleId(server, tenant);
    const refusals = async () => [
      await patchUser(server, authorization, owner.userId, { status: "suspended" }),
      await remove(owner.userId, authorization),
      await unassign(server, owner, { userId: owner.userId, tenantId, roleId }),
    ];
    for (const answer of await refusals()) expectRefusal(answer, 409, "tenant must keep an owner");

    // A second one, who is suspended, does not count.
    const second = await member(server, tenant);
    ok(await assign(server, owner, { userId: second.userId, tenantId, roleId }), 204);
    ok(await patchUser(server, authorization, second.userId, { status: "suspended" }));
    for (const answer of await refusals()) expectRefusal(answer, 409, "tenant must keep an owner");
    ok(await patchUser(server, authorization, second.userId, { status: "active" }));
    ok(await remove(owner.userId, authorization), 204);
  });

  test("two owners delete each other at once: one stays", async () => {
    const tenant = await workspace(server);
    const { owner, tenantId } = tenant;
    const second = await member(server, tenant);
    const roleId = await ownerRoleId(server, tenant);
    ok(await assign(server, owner, { userId: second.userId, tenantId, roleId }), 204);
    const answers = await Promise.all([
      remove(second.userId, owner.token),
      remove(owner.userId, second.token),
    ]);
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses[0]).toBe(204);
    expect([401, 403, 404, 409]).toContain(statuses[1]!);
    const survivors = [owner.token, second.token];
    expect((await Promise.all(survivors.map(opens))).sort()).toEqual([200, 401]);
  });
});
