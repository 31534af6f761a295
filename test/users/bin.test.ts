import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { connect, tableNames } from "../../db/raw.ts";
import { loginSessions } from "../../db/schema/index.ts";
import { hashToken } from "../../src/platform/crypto/tokens.ts";
import { audited, browser, counts, logIn, published, refresh, WRONG } from "../auth/support.ts";
import {
  apiKey,
  assign,
  expectRefusal,
  member,
  ok,
  ownerRoleId,
  UNKNOWN_ID,
  type Workspace,
  workspace,
} from "../rbac/support.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";
import { getUser, patchUser, setPassword, switchTo } from "./support.ts";

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
const restore = (id: string, by = as) => server.call("POST", `/v1/users/${id}/restore`, { as: by });
const purge = (id: string, by = as) => server.call("DELETE", `/v1/users/${id}/purge`, { as: by });
const newUser = async (body: object = {}) =>
  ok(await create({ email: address(), ...body }), 201).body;
const opens = async (token: string) =>
  (await server.call("GET", "/v1/auth/me", { as: token })).status;

const sessionsBehind = (cookie: string) =>
  server.deps.db.read.$count(loginSessions, eq(loginSessions.tokenHash, hashToken(cookie)));

describe("the bin", () => {
  test("02 §13: GET /v1/users/deleted is not read as id deleted", async () => {
    const tenant = await workspace(server);
    const by = tenant.owner.token;
    const list = (query = "") => server.call("GET", `/v1/users/deleted${query}`, { as: by });
    expect(ok(await list()).body).toEqual({ items: [] });
    const people = [await member(server, tenant), await member(server, tenant)];
    for (const { userId } of people) {
      server.clock.advance(1000);
      ok(await remove(userId, by), 204);
    }
    const { items } = ok(await list()).body;
    expect(items.map(({ id }: { id: string }) => id)).toEqual(
      people.map((one) => one.userId).reverse(),
    );
    expect(items[0]).toMatchObject({
      email: people[1]!.email,
      tenant_id: tenant.tenantId,
      status: "deleted",
      deleted_at: server.clock.now().toISOString(),
    });
    expect(ok(await list("?limit=1")).body.items).toHaveLength(1);
    expect(ok(await list("?limit=0")).body.items).toHaveLength(2);
    expectRefusal(await server.call("GET", "/v1/users/delete", { as: by }), 400);
    const plain = await member(server, tenant, ["role.read"]);
    expectRefusal(await server.call("GET", "/v1/users/deleted", { as: plain.token }), 403);
  });

  test("02 §13: delete user → its access token, refresh token, API key, qe_ls, OIDC refresh", async () => {
    const person = await member(server, space, ["apikey.write", "user.read"]);
    const { userId, email } = person;
    const pair = ok(await logIn(server, email)).body;
    const key = await apiKey(server, person, { user_id: userId, scopes: ["user.read"] });
    const { jar, send } = await browser(server);
    ok(await send("POST", "/v1/auth/session", { email, password: PASSWORD }));
    const cookie = jar.get("qe_ls")!;
    expect(await sessionsBehind(cookie)).toBe(1);
    const resets = await server.call("POST", "/v1/auth/forgot-password", { body: { email } });
    ok(resets, 202);

    ok(await remove(userId), 204);
    expect(await opens(pair.access_token)).toBe(401);
    expect(await opens(person.token)).toBe(401);
    expect((await refresh(server, pair.refresh_token)).status).toBe(401);
    expect(await opens(key.authorization)).toBe(401);
    expectRefusal(await logIn(server, email), 401);
    expect(await sessionsBehind(cookie)).toBe(0);

    for (const answer of [
      await getUser(server, as, userId),
      await patchUser(server, as, userId, { display_name: "x" }),
      await setPassword(server, as, userId, { password: WRONG }),
      await remove(userId),
    ])
      expectRefusal(answer, 404);
    expect((await published(server, userId)).at(-1)).toMatchObject({
      eventType: "user.deleted",
      payload: { id: userId, tenant_id: space.tenantId, mode: "soft" },
    });

    // Back again: with roles and password, without what was open.
    const back = ok(await restore(userId)).body;
    expect(back).toMatchObject({ id: userId, status: "active", email });
    expect([await opens(pair.access_token), await opens(key.authorization)]).toEqual([401, 401]);
    const again = ok(await logIn(server, email)).body.access_token;
    ok(await server.call("GET", "/v1/users", { as: again }));
    expectRefusal(await restore(userId), 404);
    const [event] = await audited(server, space.tenantId, "user.restored");
    expect(event).toMatchObject({ resourceId: userId });
  });

  test("02 §9.7: who was suspended comes back suspended", async () => {
    const { id } = await newUser();
    ok(await patchUser(server, as, id, { status: "suspended" }));
    ok(await remove(id), 204);
    expect(ok(await restore(id)).body.status).toBe("suspended");
  });

  test("02 §13: create with e-mail of a soft-deleted user, then restore the old one", async () => {
    const { id, email } = await newUser();
    ok(await remove(id), 204);
    const next = await newUser({ email: email.toUpperCase() });
    const before = await counts(server);
    expectRefusal(await restore(id), 409, "email already in use");
    expect(await counts(server)).toEqual(before);
    ok(await remove(next.id), 204);
    ok(await restore(id));
    expectRefusal(await restore(next.id), 409, "email already in use");
  });

  test("restore and purge at once: one of them", async () => {
    const { id } = await newUser();
    ok(await remove(id), 204);
    const [back, gone] = await Promise.all([restore(id), purge(id)]);
    const outcome = [back.status, gone.status];
    expect([
      [200, 404],
      [404, 204],
    ]).toContainEqual(outcome);
    expect((await getUser(server, as, id)).status).toBe(back.status === 200 ? 200 : 404);
  });

  test("the workspace that sign-up made goes with its user, and comes back with them", async () => {
    const tenant = await workspace(server);
    const { owner, tenantId } = tenant;
    const own = ok(await server.call("GET", "/v1/tenants", { as: owner.token })).body.items;
    const personal = own.find(({ id }: { id: string }) => id !== tenantId).id;
    const personalKey = await apiKey(server, {
      ...owner,
      token: await switchTo(server, owner.token, personal),
    });
    const second = await member(server, tenant);
    const roleId = await ownerRoleId(server, tenant);
    ok(await assign(server, owner, { userId: second.userId, tenantId, roleId }), 204);

    ok(await remove(owner.userId, second.token), 204);
    expect(await opens(personalKey.authorization)).toBe(401);
    ok(await restore(owner.userId, second.token));
    const token = ok(await logIn(server, owner.email)).body.access_token;
    const after = ok(await server.call("GET", "/v1/tenants", { as: token })).body.items;
    expect(after).toHaveLength(2);
    expect(ok(await server.call("GET", `/v1/tenants/${personal}`, { as: token })).body.status).toBe(
      "active",
    );
  });

  test("02 §13: purge live user; purge twice; user with orphan-prone rows", async () => {
    const { id: live } = await newUser();
    expectRefusal(await purge(live), 404);
    expectRefusal(await purge(UNKNOWN_ID), 404);
    ok(await getUser(server, as, live));

    // Somebody who left traces everywhere: roles given and held, keys bound and made, workspaces, codes, mail.
    const tenant = await workspace(server);
    const { owner, tenantId } = tenant;
    const second = await member(server, tenant);
    const roleId = await ownerRoleId(server, tenant);
    ok(await assign(server, owner, { userId: second.userId, tenantId, roleId }), 204);
    await apiKey(server, owner, { user_id: owner.userId });
    await apiKey(server, owner);
    for (const what of ["email", "phone"])
      ok(
        await server.call("POST", `/v1/users/${owner.userId}/verify/${what}/start`, {
          as: owner.token,
          body: what === "phone" ? { phone: "+41791234567" } : {},
        }),
        202,
      );
    const { send } = await browser(server);
    ok(await send("POST", "/v1/auth/session", { email: owner.email, password: PASSWORD }));
    for (const path of ["forgot-password", "magic-link/start"])
      ok(await server.call("POST", `/v1/auth/${path}`, { body: { email: owner.email } }), 202);

    const by = second.token;
    ok(await remove(owner.userId, by), 204);
    ok(await purge(owner.userId, by), 204);
    expectRefusal(await purge(owner.userId, by), 404);
    expectRefusal(await restore(owner.userId, by), 404);
    expect(await tablesNaming(owner.userId, owner.email)).toEqual([
      "audit_events",
      "outbox_events",
    ]);
    const [event] = await audited(server, tenantId, "user.purged");
    expect(event).toMatchObject({ resourceId: owner.userId, actorUserId: second.userId });
    expect((await published(server, owner.userId)).at(-1)?.payload).toEqual({
      id: owner.userId,
      tenant_id: tenantId,
      mode: "purged",
    });
    // The log that names them is whole, and the workspace that they founded works.
    const path = `/v1/tenants/${tenantId}/audit/verify`;
    expect(ok(await server.call("GET", path, { as: by })).body.ok).toBe(true);
    ok(await server.call("GET", "/v1/users", { as: by }));
  });
});

/** Tables with a row that holds one of these texts. */
async function tablesNaming(...texts: string[]): Promise<string[]> {
  const raw = await connect(server.deps.config.databaseUrl);
  const found: string[] = [];
  for (const name of (await tableNames(raw)).sort()) {
    const rows = JSON.stringify(await raw.values(`select * from "${name}"`));
    if (texts.some((text) => rows.includes(text))) found.push(name);
  }
  await raw.close();
  return found;
}
