/** Contract 03 §9, 09: what tokens of OAuth clients and of services are good for at this server's own API. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { and, eq } from "drizzle-orm";
import { memberships, oauthGrants, servicePrincipals, users } from "../../db/schema/index.ts";
import { revokeAccessToken } from "../../src/modules/tokens/service.ts";
import { verifyAccessToken } from "../../src/platform/crypto/access-token.ts";
import { apiKey, expectRefusal, member, ok, type Workspace, workspace } from "../rbac/support.ts";
import { serviceToken, userToken } from "../support/oauth.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let space: Workspace;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
});
afterAll(() => server.stop());

const get = (path: string, as: string) => server.call("GET", path, { as });
const ownerToken = (scopes: readonly string[]) =>
  userToken(server, space, space.owner.userId, { scopes });

describe("a client's token for a user", () => {
  test("says at /v1/auth/me whom it is for, and that it is a client's", async () => {
    const { token } = await ownerToken(["openid", "profile"]);
    expect(ok(await get("/v1/auth/me", token)).body).toEqual({
      user_id: space.owner.userId,
      tenant_id: space.tenantId,
      session_id: null,
      actor: "user",
      scopes: ["openid", "profile"],
    });
  });

  test("07 §12: OAuth token with openid profile of an owner on DELETE /v1/tenants/{id}", async () => {
    const { token } = await ownerToken(["openid", "profile"]);
    const path = `/v1/tenants/${space.tenantId}`;
    expectRefusal(await server.call("DELETE", path, { as: token }), 403);
    expect(ok(await get(path, space.owner.token)).body.status).toBe("active");
  });

  test("may do what its scope names and the user may, and no more", async () => {
    const { userId } = await member(server, space, ["user.read"]);
    const scoped = await userToken(server, space, userId, { scopes: ["user.read", "user.write"] });
    ok(await get("/v1/users", scoped.token));
    const body = { email: "somebody@example.com" };
    const refused = await server.call("POST", "/v1/users", { as: scoped.token, body });
    expectRefusal(refused, 403, "missing permission: user.write");
  });

  test("03 §17: third-party token of a non-member on GET /v1/tenants/{client's tenant}/…", async () => {
    const stranger = await server.signUp();
    const { token } = await userToken(server, space, stranger.userId, {
      scopes: ["openid", "role.read", "user.read"],
    });
    ok(await get("/v1/auth/me", token));
    for (const path of [`/v1/tenants/${space.tenantId}/roles`, "/v1/users"])
      expectRefusal(await get(path, token), 403);
    expectRefusal(await get(`/v1/tenants/${stranger.tenantId}/roles`, token), 403);
  });

  test("02 §13: switch-tenant: via OIDC-issued token", async () => {
    const { token } = await ownerToken(["openid", "tenant.write"]);
    const body = { tenant_id: space.tenantId };
    expectRefusal(await server.call("POST", "/v1/auth/switch-tenant", { as: token, body }), 403);
    for (const [method, path] of [
      ["POST", "/v1/auth/logout"],
      ["GET", "/v1/auth/sessions"],
      ["DELETE", "/v1/auth/sessions"],
      ["GET", "/v1/auth/sso-sessions"],
      ["POST", "/v1/tenants"],
    ] as const)
      expectRefusal(
        await server.call(method, path, {
          as: token,
          ...(path === "/v1/tenants" && { body: { name: "X" } }),
        }),
        403,
      );
  });

  test("02 §13: refresh with an OIDC refresh token, an access token, 10 kB string", async () => {
    const { token, refreshToken } = await ownerToken(["openid"]);
    for (const one of [refreshToken, token])
      expectRefusal(
        await server.call("POST", "/v1/auth/refresh", { body: { refresh_token: one } }),
        401,
      );
    const [grant] = await server.deps.db.read
      .select()
      .from(oauthGrants)
      .where(eq(oauthGrants.revokedReason, "refresh_reuse"));
    expect(grant).toBeUndefined();
  });

  test("an ID token and a refresh token are no bearer tokens", async () => {
    const { idToken, refreshToken } = await ownerToken(["openid"]);
    for (const one of [idToken!, refreshToken]) expectRefusal(await get("/v1/auth/me", one), 401);
  });

  test("ends with its grant, its user, its membership, its client and its tenant, at once", async () => {
    const { deps } = server;
    const make = async () => {
      const there = await workspace(server);
      const { userId } = await member(server, there);
      const made = await userToken(server, there, userId, {
        client: { require_membership: true },
      });
      ok(await get("/v1/auth/me", made.token));
      return { ...made, userId, there, as: there.owner.token };
    };
    const change = {
      revoked: async ({ token }) => revokeAccessToken(deps, await verifyAccessToken(deps, token)),
      grant: async ({ there, grantId, as }) => {
        const path = `/v1/tenants/${there.tenantId}/oauth/grants/${grantId}`;
        ok(await server.call("DELETE", path, { as }), 204);
      },
      user: async ({ userId, as }) => {
        const body = { status: "suspended" };
        ok(await server.call("PATCH", `/v1/users/${userId}`, { as, body }));
      },
      client: async ({ clientRowId, as }) => {
        ok(await server.call("DELETE", `/v1/oidc/clients/${clientRowId}`, { as }), 204);
      },
      tenant: async ({ there, as }) => {
        ok(await server.call("DELETE", `/v1/tenants/${there.tenantId}`, { as }), 204);
      },
    } satisfies Record<string, (made: Awaited<ReturnType<typeof make>>) => Promise<void>>;
    for (const [name, end] of Object.entries(change)) {
      const made = await make();
      await end(made);
      expect({ name, status: (await get("/v1/auth/me", made.token)).status }).toEqual({
        name,
        status: 401,
      });
    }
  });

  test("of a client that wants members ends with the membership", async () => {
    const stranger = await server.signUp();
    const made = await userToken(server, space, stranger.userId, {
      client: { require_membership: true },
    });
    expectRefusal(await get("/v1/auth/me", made.token), 401);
    const at = server.clock.now();
    await server.deps.db.transaction(async (tx) => {
      const [user] = await tx.select().from(users).where(eq(users.id, stranger.userId));
      await tx.insert(memberships).values({
        tenantId: space.tenantId,
        userId: stranger.userId,
        source: "admin",
        userCreatedAt: user!.createdAt,
        tenantCreatedAt: at,
        createdAt: at,
      });
    });
    ok(await get("/v1/auth/me", made.token));
    await server.deps.db.transaction((tx) =>
      tx
        .update(memberships)
        .set({ active: false })
        .where(
          and(eq(memberships.tenantId, space.tenantId), eq(memberships.userId, stranger.userId)),
        ),
    );
    server.deps.principals.forget(`user:${stranger.userId}`);
    expectRefusal(await get("/v1/auth/me", made.token), 401);
  });
});

describe("a service's token", () => {
  test("01 §20: service token on GET /v1/auth/sessions", async () => {
    const { token } = await serviceToken(server, space, ["*"]);
    expectRefusal(await get("/v1/auth/sessions", token), 401);
  });

  test("07 §12: service token without scopes on GET /v1/users", async () => {
    const { token } = await serviceToken(server, space);
    expectRefusal(await get("/v1/users", token), 403, "missing permission: user.read");
    const scoped = await serviceToken(server, space, ["user:read"]);
    ok(await get("/v1/users", scoped.token));
  });

  test("says at /v1/auth/me that it is a service", async () => {
    const { token, principalId } = await serviceToken(server, space, ["reports:read"]);
    expect(ok(await get("/v1/auth/me", token)).body).toMatchObject({
      user_id: null,
      tenant_id: space.tenantId,
      actor: "service",
      scopes: ["reports:read"],
    });
    expect(principalId).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("stays in its tenant", async () => {
    const { token } = await serviceToken(server, space, ["*"]);
    const other = await workspace(server);
    expectRefusal(await get(`/v1/tenants/${other.tenantId}/roles`, token), 403, "tenant mismatch");
    expectRefusal(await get(`/v1/tenants/${other.tenantId}`, token), 404);
  });

  test("is a service in the audit log", async () => {
    const { token, principalId } = await serviceToken(server, space, ["role.write"]);
    const path = `/v1/tenants/${space.tenantId}/roles`;
    const body = { name: "made by a service", permissions: ["role.write"] };
    ok(await server.call("POST", path, { as: token, body }), 201);
    const { items } = ok(
      await get(
        `/v1/tenants/${space.tenantId}/audit?action=role.created&limit=1`,
        space.owner.token,
      ),
    ).body;
    expect(items[0]).toMatchObject({ actor_type: "service" });
    expect(JSON.stringify(items[0])).toContain(principalId);
  });

  test("what it hands out is bounded by what it holds", async () => {
    const { token } = await serviceToken(server, space, ["apikey.write"]);
    const create = (scopes: string[]) =>
      server.call("POST", "/v1/api-keys", { as: token, body: { name: "k", scopes } });
    ok(await create(["apikey.write"]), 201);
    expectRefusal(await create(["user.write"]), 403);
    expectRefusal(await create([]), 403);
  });

  test("ends when the principal is disabled, here and in another instance", async () => {
    const { token, principalId } = await serviceToken(server, space, ["user.read"]);
    ok(await get("/v1/users", token));
    const path = `/v1/service-principals/${principalId}`;
    ok(await server.call("DELETE", path, { as: space.owner.token }), 204);
    expectRefusal(await get("/v1/users", token), 401);

    const elsewhere = await serviceToken(server, space, ["apikey.write"]);
    ok(await get("/v1/api-keys", elsewhere.token));
    await server.deps.db.transaction((tx) =>
      tx
        .update(servicePrincipals)
        .set({ disabledAt: server.clock.now() })
        .where(eq(servicePrincipals.id, elsewhere.principalId)),
    );
    // Remembered for a moment, but not for what outlasts the moment.
    const refused = await server.call("POST", "/v1/api-keys", {
      as: elsewhere.token,
      body: { name: "k", scopes: ["apikey.write"] },
    });
    expectRefusal(refused, 401);
  });
});

test("an API key is no bearer token, and a token no API key", async () => {
  const { token } = await serviceToken(server, space, ["*"]);
  const { authorization } = await apiKey(server, space.owner);
  expectRefusal(await get("/v1/users", `ApiKey ${token}`), 401);
  expectRefusal(await get("/v1/users", `Bearer ${authorization.slice(7)}`), 401);
});

/** The last one: time does not go back. */
test("a client's token expires", async () => {
  const { token } = await ownerToken(["openid"]);
  server.clock.advance(899_000);
  ok(await get("/v1/auth/me", token));
  server.clock.advance(1_000);
  expectRefusal(await get("/v1/auth/me", token), 401);
});
