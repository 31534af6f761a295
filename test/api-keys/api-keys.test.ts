import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { apiKeySecrets, tenants } from "../../db/schema/index.ts";
import { findUser, markEmailVerified } from "../../src/modules/users/service.ts";
import {
  apiKey,
  auditActions,
  expectRefusal,
  member,
  ok,
  signedIn,
  UNKNOWN_ID,
  unassign,
  type Workspace,
  workspace,
} from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let server: TestServer;
let space: Workspace;
let other: Workspace;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
  other = await workspace(server);
});
afterAll(() => server.stop());
// Tests move the clock past the end of tokens.
beforeEach(async () => {
  space = await signedIn(server, space);
  other = await signedIn(server, other);
});

const create = (body: unknown, as = space.owner.token) =>
  server.call("POST", "/v1/api-keys", { as, body });
const users = (authorization: string) =>
  server.call("GET", "/v1/users", { headers: { authorization } });
const later = (ms: number) => new Date(server.clock.now().getTime() + ms).toISOString();

describe("verification", () => {
  test("07 §12: key: no dot, wrong secret, revoked, expired, Bearer qk_…, apikey lower-case scheme", async () => {
    const { id, authorization } = await apiKey(server, space.owner, { scopes: ["user.read"] });
    const key = authorization.slice("ApiKey ".length);
    expect(key).toMatch(/^qk_[\w-]{8}\.[\w-]{32}$/);
    ok(await users(authorization));
    ok(await users(`apikey ${key}`));
    ok(await users(`APIKEY ${key}`));

    const [prefix, secret] = key.split(".") as [string, string];
    expectRefusal(await users(`ApiKey ${prefix}`), 401, "malformed api key");
    expectRefusal(await users(`ApiKey qk_00000000.${secret}`), 401, "unknown api key");
    const wrong = `${secret.startsWith("A") ? "B" : "A"}${secret.slice(1)}`;
    expectRefusal(await users(`ApiKey ${prefix}.${wrong}`), 401, "invalid api key");
    expectRefusal(await users(`ApiKey ${key}.`), 401, "invalid api key");
    const asBearer = await users(`Bearer ${key}`);
    expectRefusal(asBearer, 401);
    expect(asBearer.headers.get("www-authenticate")).toContain("ApiKey");
    expectRefusal(await users(`ApiKey ${space.owner.token}`), 401);

    ok(await server.call("DELETE", `/v1/api-keys/${id}`, { as: space.owner.token }), 204);
    expectRefusal(await users(authorization), 401, "unknown api key");
  });

  test("expired: at its instant, though it was good a moment before", async () => {
    const body = { scopes: ["user.read"], expires_at: later(HOUR_MS) };
    const { authorization } = await apiKey(server, space.owner, body);
    server.clock.advance(HOUR_MS - 1);
    ok(await users(authorization));
    server.clock.advance(1);
    expectRefusal(await users(authorization), 401, "api key expired");
  });

  test("of a suspended tenant 403, of a deleted one 401", async () => {
    const doomed = await workspace(server);
    const { authorization } = await apiKey(server, doomed.owner);
    ok(await users(authorization));
    await setStatus(doomed.tenantId, "suspended");
    expectRefusal(await users(authorization), 403, "tenant suspended");
    ok(await server.call("GET", "/v1/auth/me", { as: authorization }));
    await setStatus(doomed.tenantId, "active");
    ok(await users(authorization));
    const path = `/v1/tenants/${doomed.tenantId}`;
    ok(await server.call("DELETE", path, { as: doomed.owner.token }), 204);
    expectRefusal(await users(authorization), 401);
  });

  test("notes its use, at most once a minute, and not in the way of the request", async () => {
    const { id, authorization } = await apiKey(server, space.owner, { scopes: ["user.read"] });
    const lastUsed = async (): Promise<string | null> => {
      const { body } = ok(await server.call("GET", "/v1/api-keys", { as: space.owner.token }));
      return body.items.find((one: { id: string }) => one.id === id).last_used_at;
    };
    expect(await lastUsed()).toBeNull();
    ok(await users(authorization));
    const first = server.clock.now().toISOString();
    await server.deps.touches.flush();
    expect(await lastUsed()).toBe(first);
    server.clock.advance(MINUTE_MS - 1);
    server.deps.principals.forget(`key:${id}`);
    ok(await users(authorization));
    await server.deps.touches.flush();
    expect(await lastUsed()).toBe(first);
    server.clock.advance(1);
    server.deps.principals.forget(`key:${id}`);
    ok(await users(authorization));
    const second = server.clock.now().toISOString();
    await server.deps.touches.flush();
    expect(await lastUsed()).toBe(second);
  });

  test("keeps neither key nor secret at rest", async () => {
    const { authorization } = await apiKey(server, space.owner, { scopes: ["user.read"] });
    const [prefix, secret] = authorization.slice("ApiKey ".length).split(".") as [string, string];
    const [row] = await server.deps.db.read
      .select()
      .from(apiKeySecrets)
      .where(eq(apiKeySecrets.prefix, prefix));
    expect(JSON.stringify(row)).not.toContain(secret);
    expect(row!.secretHash).toBe(new Bun.CryptoHasher("sha256").update(secret).digest("base64url"));
  });
});

describe("what a key may do", () => {
  test("07 §12: key with user.read on POST /v1/users; on GET /v1/users", async () => {
    const { authorization } = await apiKey(server, space.owner, { scopes: ["user:read"] });
    const post = await server.call("POST", "/v1/users", {
      as: authorization,
      body: { email: "nobody@example.com" },
    });
    expectRefusal(post, 403, "missing permission: user.write");
    ok(await users(authorization));
  });

  test('01 §20: API key scopes ["user.read"] on POST /v1/users; scopes []', async () => {
    const { authorization } = await apiKey(server, space.owner, { scopes: [] });
    const post = await server.call("POST", "/v1/users", {
      as: authorization,
      body: { email: "by-key@example.com" },
    });
    expect(ok(post, 201).body.tenant_id).toBe(space.tenantId);
    const { authorization: star } = await apiKey(server, space.owner, { scopes: ["*"] });
    ok(await server.call("GET", `/v1/tenants/${space.tenantId}/audit`, { as: star }));
    const { authorization: odd } = await apiKey(server, space.owner, { scopes: ["invoice.pay"] });
    expectRefusal(await users(odd), 403, "missing permission: user.read");
  });

  test("only in its tenant", async () => {
    const { authorization } = await apiKey(server, space.owner);
    const path = `/v1/tenants/${other.tenantId}/roles`;
    expectRefusal(await server.call("GET", path, { as: authorization }), 403, "tenant mismatch");
  });

  test("07 §12: bound user loses the role, is suspended", async () => {
    const person = await member(server, space, ["user.read", "apikey.write"]);
    const { authorization } = await apiKey(server, person, {
      user_id: person.userId,
      scopes: ["user.read"],
    });
    ok(await users(authorization));
    const held = { userId: person.userId, roleId: person.roleId!, ...space };
    ok(await unassign(server, space.owner, held), 204);
    expectRefusal(await users(authorization), 403, "missing permission: user.read");
    ok(await server.call("GET", "/v1/auth/me", { as: authorization }));
    const suspended = await server.call("PATCH", `/v1/users/${person.userId}`, {
      as: space.owner.token,
      body: { status: "suspended" },
    });
    ok(suspended);
    expectRefusal(await server.call("GET", "/v1/auth/me", { as: authorization }), 401);
  });

  test("bound to a user, no more than both: a scope and a role meet by what they imply", async () => {
    const person = await member(server, space, ["apikey.write", "audit.read", "user.read"]);
    const { authorization } = await apiKey(server, person, {
      user_id: person.userId,
      scopes: ["apikey.write", "user.read"],
    });
    ok(await users(authorization));
    const audit = `/v1/tenants/${space.tenantId}/audit`;
    expectRefusal(await server.call("GET", audit, { as: authorization }), 403);
    ok(await server.call("GET", audit, { as: person.token }));
  });

  test("07 §12: key on /v1/auth/switch-tenant, MFA or passkey changes", async () => {
    const { authorization } = await apiKey(server, space.owner, { user_id: space.owner.userId });
    const answer = await server.call("POST", "/v1/auth/switch-tenant", {
      as: authorization,
      body: { tenant_id: space.tenantId },
    });
    expectRefusal(answer, 403);
  });

  test("07 §12: ApiKey POST with CSRF on and no Origin", async () => {
    const { authorization } = await apiKey(server, space.owner);
    ok(
      await server.call("POST", "/v1/api-keys", {
        as: authorization,
        body: { name: "made by a key" },
      }),
      201,
    );
  });
});

test("00 §22: the first proof of an address ends the keys that were made before it", async () => {
  const squatted = await workspace(server);
  const { userId } = squatted.owner;
  const free = await apiKey(server, squatted.owner);
  const bound = await apiKey(server, squatted.owner, { user_id: userId });
  for (const { authorization } of [free, bound]) ok(await users(authorization));
  await server.deps.db.transaction(async (tx) => {
    const user = await findUser(tx, userId);
    await markEmailVerified(server.deps, tx, user!);
  });
  for (const { authorization } of [free, bound])
    expectRefusal(await users(authorization), 401, "unknown api key");
});

describe("creation", () => {
  test("07 §12: create unscoped key without the whole catalogue; scope not held; bind to another user", async () => {
    const person = await member(server, space, ["apikey.write", "user.read"]);
    const refused = (body: object, detail?: string) =>
      create({ name: "k", ...body }, person.token).then((answer) =>
        expectRefusal(answer, 403, detail),
      );
    await refused({});
    await refused({ scopes: [] });
    await refused({ scopes: ["*"] });
    await refused({ scopes: ["user.read", "user:write"] }, "missing permission: user.write");
    await refused({ scopes: ["platform.admin"] });
    await refused({ scopes: ["platform:admin"] });
    await refused({ scopes: ["user.read"], user_id: space.owner.userId });
    ok(
      await create(
        { name: "k", scopes: ["user.read", "invoice.pay"], user_id: person.userId },
        person.token,
      ),
      201,
    );
    ok(await create({ name: "k", user_id: person.userId }), 201); // an owner binds to any member
    expectRefusal(await create({ name: "k", user_id: other.owner.userId }), 422);
    expectRefusal(await create({ name: "k", scopes: ["platform.admin"] }), 403); // nobody gives that
  });

  test("07 §12: key create: name missing, expires_at past, local datetime, no tenant_id", async () => {
    expectRefusal(await create({}), 422);
    expectRefusal(await create({ name: "" }), 422);
    expectRefusal(await create({ name: "x".repeat(201) }), 422);
    expectRefusal(await create({ name: "k", expires_at: later(0) }), 422);
    expectRefusal(await create({ name: "k", expires_at: "tomorrow" }), 400);
    expectRefusal(await create({ name: "k", expires_at: "2099-13-01T00:00" }), 400);
    expectRefusal(await create({ name: "k", colour: "red" }), 400);
    expectRefusal(await create({ name: "k", scopes: ["a b"] }), 422);
    expectRefusal(
      await create({ name: "k", scopes: Array.from({ length: 65 }, (_, n) => `a.${n}`) }),
      422,
    );
    for (const [sent, kept] of [
      ["2099-01-02T03:04", "2099-01-02T03:04:00.000Z"],
      ["2099-01-02T03:04:05", "2099-01-02T03:04:05.000Z"],
      ["2099-01-02T03:04:05+02:00", "2099-01-02T01:04:05.000Z"],
    ]) {
      const { body } = ok(await create({ name: "k", expires_at: sent }), 201);
      expect(body.api_key).toMatchObject({ expires_at: kept, tenant_id: space.tenantId });
    }
  });

  test("01 §20: body tenant_id = B with tenant A token; zero UUID; absent", async () => {
    expectRefusal(await create({ name: "k", tenant_id: other.tenantId }), 403, "tenant mismatch");
    const zero = "00000000-0000-0000-0000-000000000000";
    for (const tenant_id of [zero, space.tenantId])
      expect(ok(await create({ name: "k", tenant_id }), 201).body.api_key.tenant_id).toBe(
        space.tenantId,
      );
  });

  test("answers the key once, under every name that clients read", async () => {
    const answer = ok(
      await create({ name: "Shown once", scopes: ["user.read", "user.read"] }),
      201,
    );
    const { api_key, secret, warning, id, name, key, raw } = answer.body;
    expect({ id, name, key, raw }).toEqual({
      id: api_key.id,
      name: "Shown once",
      key: secret,
      raw: secret,
    });
    expect(warning).toBeString();
    expect(api_key).toEqual({
      id,
      tenant_id: space.tenantId,
      user_id: null,
      name,
      prefix: secret.split(".")[0],
      scopes: ["user.read"],
      expires_at: null,
      last_used_at: null,
      revoked_at: null,
      created_at: server.clock.now().toISOString(),
    });
    expect(answer.headers.get("cache-control")).toContain("no-store");
    expect(await auditActions(server, space, id)).toEqual(["apikey.created"]);
  });

  test("beyond 200 active keys: 409, until one is revoked", async () => {
    const full = await workspace(server);
    const ids: string[] = [];
    for (let n = 0; n < 200; n += 1)
      ids.push(ok(await create({ name: `k${n}` }, full.owner.token), 201).body.id);
    expectRefusal(await create({ name: "one more" }, full.owner.token), 409);
    ok(await server.call("DELETE", `/v1/api-keys/${ids[0]}`, { as: full.owner.token }), 204);
    ok(await create({ name: "one more" }, full.owner.token), 201);
  });
});

describe("list", () => {
  test("newest first, revoked ones too, in pages on request; never a secret", async () => {
    const listed = await workspace(server);
    const as = listed.owner.token;
    const path = `/v1/tenants/${listed.tenantId}/api-keys`;
    expect(ok(await server.call("GET", path, { as })).body).toEqual({ items: [], next_cursor: "" });
    const made = [];
    for (let n = 0; n < 3; n += 1) {
      server.clock.advance(1);
      made.unshift(await apiKey(server, listed.owner, { name: `k${n}` }));
    }
    ok(await server.call("DELETE", `/v1/api-keys/${made[1]!.id}`, { as }), 204);
    const { body } = ok(await server.call("GET", path, { as }));
    expect(body.items.map(({ id }: { id: string }) => id)).toEqual(made.map(({ id }) => id));
    expect(body.items[1].revoked_at).toBe(server.clock.now().toISOString());
    expect(JSON.stringify(body)).not.toContain("hash");
    expect(ok(await server.call("GET", "/v1/api-keys", { as })).body).toEqual(body);

    const first = ok(await server.call("GET", `${path}?limit=2`, { as })).body;
    const rest = ok(
      await server.call("GET", `${path}?limit=2&cursor=${first.next_cursor}`, { as }),
    ).body;
    expect([...first.items, ...rest.items]).toEqual(body.items);
    expect(rest.next_cursor).toBe("");
    expectRefusal(await server.call("GET", `${path}?cursor=x`, { as }), 400, "invalid cursor");
  });
});

describe("revocation", () => {
  test("07 §12: revoke twice; foreign key id", async () => {
    const { id } = await apiKey(server, space.owner);
    const revoke = (key: string, as = space.owner.token) =>
      server.call("DELETE", `/v1/api-keys/${key}`, { as });
    expectRefusal(await revoke(id, other.owner.token), 404);
    ok(await revoke(id), 204);
    expectRefusal(await revoke(id), 404);
    expectRefusal(await revoke(UNKNOWN_ID), 404);
    expectRefusal(await revoke("x"), 400);
    expect(await auditActions(server, space, id)).toEqual(["apikey.revoked", "apikey.created"]);
  });

  test("a key ends itself, but no other one without apikey.write", async () => {
    const one = await apiKey(server, space.owner, { scopes: ["user.read"] });
    const two = await apiKey(server, space.owner, { scopes: ["user.read"] });
    const revoke = (id: string, as: string) => server.call("DELETE", `/v1/api-keys/${id}`, { as });
    expectRefusal(await revoke(two.id, one.authorization), 403, "missing permission: apikey.write");
    const nobody = await member(server, space);
    expectRefusal(await revoke(two.id, nobody.token), 403, "missing permission: apikey.write");
    ok(await revoke(one.id, one.authorization), 204);
    expectRefusal(await users(one.authorization), 401, "unknown api key");
    ok(await users(two.authorization));
  });

  test("at once by eight: one 204", async () => {
    const { id } = await apiKey(server, space.owner);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () =>
        server.call("DELETE", `/v1/api-keys/${id}`, { as: space.owner.token }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([204, ...Array(7).fill(404)]);
  });
});

describe("rotation", () => {
  const rotate = (id: string, body?: unknown, as = space.owner.token) =>
    server.call("POST", `/v1/api-keys/${id}/rotate`, { as, ...(body !== undefined && { body }) });

  test("without grace the old secret ends at once; with it, when the grace is over", async () => {
    const { id, authorization } = await apiKey(server, space.owner, { scopes: ["user.read"] });
    ok(await users(authorization));
    const second = ok(await rotate(id), 201).body;
    expect(second.api_key).toMatchObject({
      id,
      scopes: ["user.read"],
      prefix: second.key.split(".")[0],
    });
    expectRefusal(await users(authorization), 401);
    ok(await users(`ApiKey ${second.key}`));

    const third = ok(await rotate(id, { grace_seconds: 60 }), 201).body;
    ok(await users(`ApiKey ${second.key}`));
    ok(await users(`ApiKey ${third.key}`));
    server.clock.advance(MINUTE_MS);
    expectRefusal(await users(`ApiKey ${second.key}`), 401);
    ok(await users(`ApiKey ${third.key}`));
    expect(await auditActions(server, space, id)).toEqual([
      "apikey.rotated",
      "apikey.rotated",
      "apikey.created",
    ]);
  });

  test("keeps to who could make the key: settled 18", async () => {
    const person = await member(server, space, ["apikey.write"]);
    const full = await apiKey(server, space.owner);
    const narrow = await apiKey(server, space.owner, { scopes: ["user.read"] });
    const bound = await apiKey(server, space.owner, {
      scopes: ["apikey.write"],
      user_id: space.owner.userId,
    });
    for (const { id } of [full, narrow, bound])
      expectRefusal(await rotate(id, {}, person.token), 403);
    const own = await apiKey(server, space.owner, { scopes: ["apikey.write"] });
    ok(await rotate(own.id, {}, person.token), 201);
    for (const { authorization } of [full, bound])
      ok(await server.call("GET", "/v1/auth/me", { as: authorization }));
  });

  test.each([
    ["above a day", { grace_seconds: 86_401 }, 422],
    ["below 0", { grace_seconds: -1 }, 422],
    ["as text", { grace_seconds: "60" }, 400],
    ["with another member", { grace: 60 }, 400],
  ])("grace_seconds %s is refused", async (_, body, status) => {
    const { id } = await apiKey(server, space.owner);
    expectRefusal(await rotate(id, body), status);
  });

  test("of a key unknown, foreign, revoked: 404; expired: 409", async () => {
    const { id } = await apiKey(server, space.owner, { expires_at: later(HOUR_MS) });
    expectRefusal(await rotate(UNKNOWN_ID), 404);
    expectRefusal(await rotate(id, {}, other.owner.token), 404);
    server.clock.advance(HOUR_MS);
    space = await signedIn(server, space);
    expectRefusal(await rotate(id), 409);
    ok(await server.call("DELETE", `/v1/api-keys/${id}`, { as: space.owner.token }), 204);
    expectRefusal(await rotate(id), 404);
  });
});

async function setStatus(tenantId: string, status: "active" | "suspended"): Promise<void> {
  await server.deps.db.transaction((tx) =>
    tx.update(tenants).set({ status }).where(eq(tenants.id, tenantId)),
  );
  server.deps.principals.forget(`tenant:${tenantId}`);
}
