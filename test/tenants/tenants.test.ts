/** Contract 02 §10: making, reading, changing and deleting workspaces. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { roles, tenants } from "../../db/schema/index.ts";
import { findUser, markEmailVerifiedBySession } from "../../src/modules/users/service.ts";
import { audited, counts, logIn, MINUTE, published } from "../auth/support.ts";
import {
  apiKey,
  assign,
  expectRefusal,
  member,
  ok,
  type Person,
  role,
  signIn,
  UNKNOWN_ID,
  type Workspace,
  workspace,
} from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";

const DAY = 24 * 60 * MINUTE;

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const create = (as: string, body: object) => server.call("POST", "/v1/tenants", { as, body });
const read = (id: string, as: string) => server.call("GET", `/v1/tenants/${id}`, { as });
const patch = (id: string, as: string, body: object) =>
  server.call("PATCH", `/v1/tenants/${id}`, { as, body });
const remove = (id: string, as: string) => server.call("DELETE", `/v1/tenants/${id}`, { as });

/** A second workspace of the same owner; their token stays good for the first. */
async function another({ owner }: Workspace): Promise<Workspace> {
  const { id, access_token: token } = ok(await create(owner.token, { name: "Second" }), 201).body;
  return { tenantId: id, owner: { ...owner, token } };
}

/** Their address is proved, so they may join a second workspace. */
async function prove(person: Person): Promise<void> {
  await server.deps.db.transaction(async (tx) => {
    const user = await findUser(tx, person.userId);
    await markEmailVerifiedBySession(server.deps, tx, user!);
  });
}

describe("making one", () => {
  test("02 §13: tenant slug Ac me, ACME vs acme, 1 / 65 chars, slug of a deleted tenant, missing slug", async () => {
    const { token } = await server.signUp();
    const refused = async (slug: string) =>
      expectRefusal(await create(token, { name: "Acme", slug }), 422);
    await refused("Ac me");
    await refused("a");
    await refused("a".repeat(65));
    for (const reserved of ["admin", "API", "www", "personal-x", "-acme", "acme-"])
      await refused(reserved);
    const made = ok(await create(token, { name: "Acme", slug: " ACME " }), 201).body;
    expect(made.slug).toBe("acme");
    for (const slug of ["acme", "ACME", "Acme"])
      expectRefusal(await create(token, { name: "Other", slug }), 409, "slug already exists");
    ok(await create(token, { name: "Long", slug: "b".repeat(64) }), 201);

    ok(await remove(made.id, made.access_token), 204);
    expectRefusal(await create(token, { name: "New", slug: "acme" }), 409, "slug already exists");

    const derived = async (name: string) => ok(await create(token, { name }), 201).body.slug;
    expect(await derived("Größe & Söhne GmbH")).toBe("gro-e-sohne-gmbh");
    expect(await derived("Größe & Söhne GmbH")).toBe("gro-e-sohne-gmbh-2");
    expect(await derived("Acme")).toBe("acme-2");
    expect(await derived("admin")).toBe("workspace-admin");
    expect(await derived("日本")).toBe("workspace");
  });

  test("02 §13: create tenant: SDK reads res.id; token in body works for GET /v1/users", async () => {
    const { token, userId } = await server.signUp();
    const { body } = ok(await create(token, { name: "Reads" }), 201);
    const { tenant, roles: names, tenant_id, user_id, token_type } = body;
    expect([body.id, tenant_id, user_id]).toEqual([tenant.id, tenant.id, userId]);
    expect([names, token_type]).toEqual([["owner"], "Bearer"]);
    for (const [name, value] of Object.entries(tenant)) expect(body[name]).toEqual(value);
    expect(tenant).toMatchObject({ status: "active", plan: "free", region: "us-east-1" });
    const page = ok(await server.call("GET", "/v1/users", { as: body.access_token })).body;
    expect(page.items.map(({ id }: { id: string }) => id)).toEqual([userId]);
    const [event] = await audited(server, tenant.id, "tenant.created");
    expect(event).toMatchObject({
      actorUserId: userId,
      metadata: { slug: tenant.slug, name: "Reads" },
    });
    expect(await published(server, tenant.id)).toMatchObject([{ eventType: "tenant.created" }]);
  });

  test("02 §13: parallel creates, one slug", async () => {
    const people = await Promise.all([1, 2, 3, 4].map(() => server.signUp()));
    const rolesBefore = await server.deps.db.read.$count(roles);
    const answers = await Promise.all(
      people.map(({ token }) => create(token, { name: "Race", slug: "race" })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
    expect(await server.deps.db.read.$count(roles)).toBe(rolesBefore + 1);
    expect(await server.deps.db.read.$count(tenants, eq(tenants.slug, "race"))).toBe(1);
  });

  test("02 §10.2: the first workspace becomes home, a second does not", async () => {
    const { token, userId, tenantId: personal } = await server.signUp();
    const home = async () =>
      ok(await server.call("GET", `/v1/users/${userId}`, { as: token })).body.tenant_id;
    expect(await home()).toBe(personal);
    const first = ok(await create(token, { name: "First" }), 201).body;
    expect(await home()).toBe(first.id);
    ok(await create(token, { name: "Next" }), 201);
    expect(await home()).toBe(first.id);
  });

  test("02 §10.2: a key bound to a user makes one without a token pair; an unbound key is 401", async () => {
    const { owner } = await workspace(server);
    const bound = await apiKey(server, owner, { user_id: owner.userId });
    const { body } = ok(await create(bound.authorization, { name: "By key" }), 201);
    for (const name of ["access_token", "refresh_token", "session_id"])
      expect(body[name]).toBeUndefined();
    ok(await read(body.id, owner.token));
    const unbound = await apiKey(server, owner);
    const before = await counts(server);
    // Chapter 09 rules on machines: where it says `user`, others are 401.
    expectRefusal(await create(unbound.authorization, { name: "By key" }), 401);
    expect(await counts(server)).toEqual(before);
  });

  test("02 §10.2: more than 100 in a day", async () => {
    const { email } = await server.signUp();
    // The workspace that sign-up made is a day old then, and counts no more.
    server.clock.advance(DAY + 1);
    const token = await signIn(server, email);
    const { id } = ok(await create(token, { name: "Many" }), 201).body;
    const [row] = await server.deps.db.read.select().from(tenants).where(eq(tenants.id, id));
    const copies = Array.from({ length: 98 }, (_, n) => ({
      ...row!,
      id: server.deps.random.uuid(),
      slug: `copy-${n}-${id}`,
    }));
    await server.deps.db.transaction(async (tx) => {
      await tx.insert(tenants).values(copies);
    });
    ok(await create(token, { name: "Many" }), 201); // the hundredth
    const before = await counts(server);
    const refusal = await create(token, { name: "Many" });
    expectRefusal(refusal, 429);
    expect(refusal.headers.get("retry-after")).toBe("3600");
    expect(await counts(server)).toEqual(before);
    server.clock.advance(DAY + 1);
    ok(await create(await signIn(server, email), { name: "Many" }), 201);
    const other = await server.signUp();
    ok(await create(other.token, { name: "Many" }), 201);
  });

  test("00 §27: TENANT_CREATION=operators", async () => {
    const closed = await startServer({ tenantCreation: "operators" });
    try {
      const { token } = await closed.signUp();
      const before = await counts(closed);
      const answer = await closed.call("POST", "/v1/tenants", { as: token, body: { name: "No" } });
      expectRefusal(answer, 403);
      expect(await counts(closed)).toEqual(before);
    } finally {
      await closed.stop();
    }
  });
});

describe("addressing one", () => {
  test("02 §13: GET/PATCH/DELETE /v1/tenants/{id} of a foreign tenant", async () => {
    const mine = await workspace(server);
    const { tenantId: foreign } = await workspace(server);
    const key = await apiKey(server, mine.owner);
    const second = await another(mine);
    const before = await counts(server);
    for (const id of [foreign, UNKNOWN_ID]) {
      expectRefusal(await read(id, mine.owner.token), 404);
      expectRefusal(await patch(id, mine.owner.token, { name: "Mine" }), 404);
      expectRefusal(await remove(id, mine.owner.token), 404);
    }
    // A machine addresses its own only, whatever its maker belongs to.
    for (const id of [foreign, second.tenantId])
      expectRefusal(await read(id, key.authorization), 404);
    expect(await counts(server)).toEqual(before);
  });

  test("02 §13: patch own second tenant without switching, as its owner / as mere member", async () => {
    const mine = await workspace(server);
    const second = await another(mine);
    const { token } = mine.owner;
    const { body } = ok(await patch(second.tenantId, token, { name: "Renamed" }));
    expect(body.name).toBe("Renamed");
    const [event] = await audited(server, second.tenantId, "tenant.updated");
    expect(event?.metadata).toEqual({ fields: ["name"] });
    expect((await published(server, second.tenantId)).at(-1)).toMatchObject({
      eventType: "tenant.updated",
      payload: { name: "Renamed" },
    });

    const theirs = await workspace(server);
    await prove(mine.owner);
    const roleId = await role(server, theirs, ["tenant.read"]);
    const mere = { userId: mine.owner.userId, tenantId: theirs.tenantId, roleId };
    ok(await assign(server, theirs.owner, mere), 204);
    ok(await read(theirs.tenantId, token));
    const before = await counts(server);
    // The whole catalogue in one's own tenant counts for nothing there.
    const refusal = await patch(theirs.tenantId, token, { name: "Taken" });
    expectRefusal(refusal, 403, "missing permission: tenant.write");
    expectRefusal(await remove(theirs.tenantId, token), 403, "missing permission: tenant.write");
    expect(await counts(server)).toEqual(before);
  });

  test("02 §10.4: {} changes nothing; slug and unknown members are 400; bounds are 422", async () => {
    const { tenantId, owner } = await workspace(server);
    const was = ok(await read(tenantId, owner.token)).body;
    server.clock.advance(MINUTE);
    const before = await counts(server);
    for (const same of [{}, { name: was.name, plan: was.plan }])
      expect(ok(await patch(tenantId, owner.token, same)).body).toEqual(was);
    for (const unknown of [{ slug: "other" }, { id: UNKNOWN_ID }])
      expectRefusal(await patch(tenantId, owner.token, unknown), 400);
    for (const bad of [{ name: "" }, { status: "deleted" }, { plan: "gold" }, { region: "" }])
      expectRefusal(await patch(tenantId, owner.token, bad), 422);
    expect(await counts(server)).toEqual(before);
  });

  test("02 §10.1: one's own list; an unbound key sees its tenant only", async () => {
    const mine = await workspace(server);
    const second = await another(mine);
    const ids = async (as: string) =>
      ok(await server.call("GET", "/v1/tenants", { as })).body.items.map(
        ({ id }: { id: string }) => id,
      );
    const listed = await ids(mine.owner.token);
    expect(listed).toHaveLength(3); // the personal one too
    expect(listed).toEqual(expect.arrayContaining([mine.tenantId, second.tenantId]));
    expect(await ids((await apiKey(server, mine.owner)).authorization)).toEqual([mine.tenantId]);
  });
});

describe("deleting one", () => {
  test("02 §13: delete the active tenant", async () => {
    const space = await workspace(server);
    const second = await another(space);
    const person = await member(server, space, ["user.read"]);
    const key = await apiKey(server, space.owner);
    const { body: current } = ok(
      await server.call("POST", "/v1/auth/switch-tenant", {
        as: second.owner.token,
        body: { tenant_id: space.tenantId },
      }),
    );
    ok(await remove(space.tenantId, current.access_token), 204);
    for (const as of [current.access_token, person.token, key.authorization])
      expectRefusal(await server.call("GET", "/v1/auth/me", { as }), 401);
    const [event] = await audited(server, space.tenantId, "tenant.deleted");
    expect(event?.actorUserId).toBe(space.owner.userId);
    expect((await published(server, space.tenantId)).at(-1)?.eventType).toBe("tenant.deleted");

    const back = ok(await logIn(server, space.owner.email)).body;
    ok(await read(second.tenantId, back.access_token));
    expectRefusal(await read(space.tenantId, back.access_token), 404);
    expectRefusal(await remove(space.tenantId, back.access_token), 404);
    // Whose only tenant it was still signs in, to none.
    const token = await signIn(server, person.email);
    expectRefusal(await server.call("GET", "/v1/users", { as: token }), 401);
  });
});
