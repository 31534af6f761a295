import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { oidcClientSecrets, oidcClients, tenants } from "../../db/schema/index.ts";
import { findClient, findOidcClient } from "../../src/modules/clients/service.ts";
import { findUser, markEmailVerified } from "../../src/modules/users/service.ts";
import {
  apiKey,
  auditActions,
  expectRefusal,
  member,
  ok,
  signedIn,
  UNKNOWN_ID,
  type Workspace,
  workspace,
} from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { basic, clientKey, post } from "./support.ts";

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

const CALLBACK = "https://app.example/callback";
const register = (body: Record<string, unknown>, as = space.owner.token) =>
  server.call("POST", "/v1/oidc/clients", { as, body: { name: "App", ...body } });
const made = async (body: Record<string, unknown> = {}, as?: string) =>
  ok(await register(body, as), 201).body;
const pathOf = (id: string, tenantId = space.tenantId) =>
  `/v1/tenants/${tenantId}/oidc/clients/${id}`;
const get = (id: string) => server.call("GET", pathOf(id), { as: space.owner.token });
const patch = (id: string, body: unknown, as = space.owner.token) =>
  server.call("PATCH", pathOf(id), { as, body });
const rotate = (id: string, body?: unknown, as = space.owner.token) =>
  server.call("POST", `${pathOf(id)}/rotate-secret`, { as, body });
const remove = (id: string, as = space.owner.token) =>
  server.call("DELETE", `/v1/oidc/clients/${id}`, { as });

const MACHINE = { grant_types: ["client_credentials"], scopes: ["reports:read"] };
const tokenFor = (clientId: string, secret: string) =>
  post(server, { grant_type: "client_credentials" }, basic(clientId, secret));

describe("POST /v1/oidc/clients", () => {
  test("03 §5: the defaults of a confidential client, and its secret once", async () => {
    const body = await made({ tenant_id: space.tenantId, redirect_uris: [CALLBACK] });
    expect(body.client_secret).toMatch(/^[\w-]{43}$/);
    expect(body.warning).toBe("secret shown once");
    expect(body.id).toBe(body.client.id);
    expect(body.client_id).toBe(body.client.client_id);
    expect(body.client_id).toMatch(
      /^qci_[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/,
    );
    expect(body.client).toMatchObject({
      tenant_id: space.tenantId,
      type: "confidential",
      name: "App",
      redirect_uris: [CALLBACK],
      post_logout_uris: [],
      grant_types: ["authorization_code", "refresh_token"],
      scopes: ["openid", "profile", "email"],
      registration: "admin",
      require_pkce: false,
      require_par: false,
      id_token_signed_response_alg: "RS256",
      token_endpoint_auth_method: null,
      require_membership: true,
      self_registration: false,
      logout_requires_confirmation: false,
      dpop_bound_access_tokens: false,
      refresh_reuse_leeway_seconds: 10,
      created_at: server.clock.now().toISOString(),
    });
    expect(ok(await get(body.id)).body).toEqual(body.client);
    expect(JSON.stringify((await get(body.id)).body)).not.toContain(body.client_secret);
    expect(await auditActions(server, space, body.id)).toEqual(["oidc.client_registered"]);
  });

  test("03 §5: a public client has no secret, uses PKCE and gets no leeway", async () => {
    const body = await made({ type: "public", redirect_uris: ["com.example.app:/callback"] });
    expect(body.client_secret).toBeUndefined();
    expect(body.warning).toBeUndefined();
    expect(body.client).toMatchObject({ require_pkce: true, refresh_reuse_leeway_seconds: 0 });
  });

  test("03 §5: empty lists of grants and scopes are the defaults; short names of grants are theirs", async () => {
    const { client } = await made({ grant_types: [], scopes: [] });
    expect(client.grant_types).toEqual(["authorization_code", "refresh_token"]);
    expect(client.scopes).toEqual(["openid", "profile", "email"]);
    const grants = ["device_code", "token_exchange", "device_code"];
    expect((await made({ grant_types: grants })).client.grant_types).toEqual([
      "urn:ietf:params:oauth:grant-type:device_code",
      "urn:ietf:params:oauth:grant-type:token-exchange",
    ]);
  });

  test("00 §27: membership is asked for unless people may sign up; either may be said", async () => {
    const { client } = await made({ self_registration: true });
    expect(client).toMatchObject({ self_registration: true, require_membership: false });
    const both = await made({ self_registration: true, require_membership: true });
    expect(both.client.require_membership).toBe(true);
    expect((await made({ require_membership: false })).client.require_membership).toBe(false);
  });

  test("every other setting is kept as it is given", async () => {
    const { jwk } = await clientKey();
    const body = {
      require_pkce: true,
      require_par: true,
      id_token_signed_response_alg: "ES256",
      token_endpoint_auth_method: "private_key_jwt",
      logout_requires_confirmation: true,
      dpop_bound_access_tokens: true,
      refresh_reuse_leeway_seconds: 30,
      jwks: { keys: [jwk] },
      post_logout_uris: ["https://app.example/bye"],
      backchannel_logout_uri: "https://app.example/backchannel",
      backchannel_logout_session_required: true,
      client_uri: "https://app.example",
      logo_uri: "https://app.example/logo.png",
      policy_uri: "https://app.example/privacy",
      tos_uri: "https://app.example/terms",
    };
    const answer = await made(body);
    expect(answer.client).toMatchObject(body);
    expect(answer.client_secret).toBeUndefined();
    const remote = await made({
      token_endpoint_auth_method: "private_key_jwt",
      jwks_uri: "https://app.example/jwks",
    });
    expect(remote.client.jwks_uri).toBe("https://app.example/jwks");
  });

  test('03 §17: clients/principals: other tenant; scopes omitted; duplicate name; type:"x"; http://evil or #frag redirect; unknown JSON field', async () => {
    expectRefusal(await register({ tenant_id: other.tenantId }), 403, "tenant mismatch");
    ok(await register({ scopes: undefined }), 201);
    ok(await register({ name: "Same" }), 201);
    ok(await register({ name: "Same" }), 201);
    const { status, body: refused } = await register({ type: "x" });
    expect(status).toBe(422);
    expect(refused.error.detail).toBe("type is not allowed: confidential, public would be");
    expect((await register({ redirect_uris: ["http://evil"] })).status).toBe(422);
    expect((await register({ redirect_uris: ["https://a.example/#frag"] })).status).toBe(422);
    expectRefusal(await register({ unknown: 1 }), 400, "unknown member unknown");
    expectRefusal(await register({ tenant_id: "x" }), 400);
    expectRefusal(await register({ redirect_uris: CALLBACK }), 400);
  });

  test.each([
    ["name", { name: "" }],
    ["name", { name: "  " }],
    ["name", { name: "n".repeat(201) }],
    ["grant_types", { grant_types: ["password"] }],
    ["grant_types", { grant_types: ["implicit"] }],
    ["grant_types", { type: "public", grant_types: ["client_credentials"] }],
    ["scopes", { scopes: ['quo"te'] }],
    ["scopes", { scopes: ["two words"] }],
    ["scopes", { scopes: ["s".repeat(129)] }],
    ["scopes", { scopes: Array.from({ length: 101 }, (_, n) => `s${n}`) }],
    ["redirect_uris", { redirect_uris: Array.from({ length: 51 }, (_, n) => `${CALLBACK}/${n}`) }],
    ["redirect_uris", { redirect_uris: [`${CALLBACK}/${"x".repeat(2048)}`] }],
    ["redirect_uris", { redirect_uris: ["com.example.app:/callback"] }],
    ["post_logout_uris", { post_logout_uris: ["javascript:alert(1)"] }],
    ["token_endpoint_auth_method", { token_endpoint_auth_method: "none" }],
    [
      "token_endpoint_auth_method",
      { type: "public", token_endpoint_auth_method: "client_secret_post" },
    ],
    ["token_endpoint_auth_method", { token_endpoint_auth_method: "client_secret_jwt" }],
    ["jwks", { token_endpoint_auth_method: "private_key_jwt" }],
    ["jwks_uri", { jwks: { keys: [{ kty: "EC" }] }, jwks_uri: "https://app.example/jwks" }],
    ["jwks", { jwks: { keys: [] } }],
    ["jwks", { jwks: { keys: [{ kty: "oct", k: "c2VjcmV0" }] } }],
    ["jwks", { jwks: { keys: [{ kty: "EC", crv: "P-256", x: "AA", y: "AA" }] } }],
    ["require_pkce", { type: "public", require_pkce: false }],
    ["refresh_reuse_leeway_seconds", { type: "public", refresh_reuse_leeway_seconds: 1 }],
    ["refresh_reuse_leeway_seconds", { refresh_reuse_leeway_seconds: 31 }],
    ["refresh_reuse_leeway_seconds", { refresh_reuse_leeway_seconds: -1 }],
    ["id_token_signed_response_alg", { id_token_signed_response_alg: "HS256" }],
    ["logo_uri", { logo_uri: "data:image/png;base64,AAAA" }],
    ["backchannel_logout_uri", { backchannel_logout_uri: "https://app.example/#x" }],
    ["tos_uri", { tos_uri: "javascript:alert(1)" }],
  ])("422 that names %s: %j", async (field, body) => {
    const answer = await register(body);
    expect(answer.status).toBe(422);
    expect(answer.body.error.fields[0].field.split(".")[0]).toBe(field);
  });

  test("a private half never gets in", async () => {
    const { jwk } = await clientKey("ES256");
    const { jwk: rsa } = await clientKey("RS256");
    for (const key of [
      { ...jwk, d: "AAAA" },
      { ...rsa, p: "AAAA" },
    ])
      expect((await register({ jwks: { keys: [jwk, key] } })).body.error.detail).toBe(
        "jwks must hold public keys only",
      );
  });

  test("00 §18: a permission among the scopes is given by who holds it", async () => {
    const admin = await member(server, space, ["connection.write", "user.read"]);
    ok(await register({ scopes: ["openid", "user:read"] }, admin.token), 201);
    expectRefusal(
      await register({ scopes: ["user.write"] }, admin.token),
      403,
      "missing permission: user.write",
    );
    expectRefusal(await register({ scopes: ["*"] }, admin.token), 403);
    expectRefusal(await register({ scopes: ["platform:admin"] }), 403);
    ok(await register({ scopes: ["*"] }), 201);
  });

  test("who may: connection.write, or tenant.write; not a member, nobody without a credential", async () => {
    const [plain, reader, coarse] = await Promise.all([
      member(server, space),
      member(server, space, ["connection.read"]),
      member(server, space, ["tenant.write"]),
    ]);
    const body = { name: "App" };
    expectRefusal(await server.call("POST", "/v1/oidc/clients", { body }), 401);
    expectRefusal(await register({}, plain.token), 403, "missing permission: connection.write");
    expectRefusal(await register({}, reader.token), 403);
    ok(await register({}, coarse.token), 201);
    const key = await apiKey(server, space.owner, { scopes: ["connection.write"] });
    ok(await register({}, key.authorization), 201);
  });

  test("beyond 1000 clients 409, under either path", async () => {
    const full = await workspace(server);
    const { client } = await made({}, full.owner.token);
    const { db, random } = server.deps;
    const [row] = await db.read.select().from(oidcClients).where(eq(oidcClients.id, client.id));
    await db.transaction(async (tx) => {
      for (let n = 1; n < 1000; n += 1)
        await tx
          .insert(oidcClients)
          .values({ ...row!, id: random.uuid(), clientId: `qci_${random.uuid()}` });
    });
    expectRefusal(await register({}, full.owner.token), 409);
    const path = `/v1/tenants/${full.tenantId}/oidc/clients`;
    expectRefusal(
      await server.call("POST", path, { as: full.owner.token, body: { name: "x" } }),
      409,
    );
    ok(await remove(client.id, full.owner.token), 204);
    ok(await register({}, full.owner.token), 201);
  });
});

describe("/v1/tenants/{tenantID}/oidc/clients", () => {
  test("lists all at once, newest first, or in pages; none of another tenant, none deleted", async () => {
    const mine = await workspace(server);
    const as = mine.owner.token;
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) ids.unshift((await made({ name: `App ${n}` }, as)).id);
    const gone = ids.splice(2, 1)[0]!;
    ok(await remove(gone, as), 204);
    const list = (query = "") =>
      server.call("GET", `/v1/tenants/${mine.tenantId}/oidc/clients${query}`, { as });
    const whole = ok(await list()).body;
    expect(whole.items.map(({ id }: { id: string }) => id)).toEqual(ids);
    expect(whole.next_cursor).toBe("");
    const paged: string[] = [];
    let cursor = "";
    do {
      const { body } = ok(await list(`?limit=3&cursor=${cursor}`));
      paged.push(...body.items.map(({ id }: { id: string }) => id));
      cursor = body.next_cursor;
    } while (cursor !== "");
    expect(paged).toEqual(ids);
    expectRefusal(await list("?cursor=made-up"), 400, "invalid cursor");
    const foreign = `/v1/tenants/${mine.tenantId}/oidc/clients`;
    expectRefusal(await server.call("GET", foreign, { as: space.owner.token }), 403);
  });

  test("03 §16.1: the tenant of the path wins over the body's", async () => {
    const path = `/v1/tenants/${space.tenantId}/oidc/clients`;
    const body = { name: "By path", tenant_id: other.tenantId };
    const answer = ok(await server.call("POST", path, { as: space.owner.token, body }), 201);
    expect(answer.body.client.tenant_id).toBe(space.tenantId);
    const theirs = `/v1/tenants/${other.tenantId}/oidc/clients`;
    expectRefusal(await server.call("POST", theirs, { as: space.owner.token, body }), 403);
  });

  test("another tenant's, an unknown and a deleted client are 404 everywhere; a malformed id 400", async () => {
    const theirs = (await made({}, other.owner.token)).id;
    const gone = (await made()).id;
    ok(await remove(gone), 204);
    for (const id of [theirs, UNKNOWN_ID, gone]) {
      expectRefusal(await get(id), 404);
      expectRefusal(await patch(id, { name: "x" }), 404);
      expectRefusal(await rotate(id), 404);
      expectRefusal(await remove(id), 404);
      const as = space.owner.token;
      expectRefusal(await server.call("DELETE", pathOf(id), { as }), 404);
    }
    for (const answer of [
      await get("x"),
      await patch("x", {}),
      await rotate("x"),
      await remove("x"),
    ])
      expectRefusal(answer, 400, "invalid id");
    expect(await auditActions(server, other, theirs)).toEqual(["oidc.client_registered"]);
  });
});

describe("PATCH", () => {
  test("changes what is given, removes by null, and says so in the log", async () => {
    const { id, client } = await made({
      redirect_uris: [CALLBACK],
      client_uri: "https://a.example",
    });
    server.clock.advance(1000);
    const body = {
      name: " Renamed ",
      redirect_uris: ["https://b.example/cb"],
      post_logout_uris: ["https://b.example/bye"],
      grant_types: ["authorization_code"],
      scopes: ["openid"],
      require_par: true,
      client_uri: null,
      backchannel_logout_uri: "https://b.example/logout",
    };
    const changed = ok(await patch(id, body)).body;
    const updated_at = server.clock.now().toISOString();
    expect(changed).toEqual({ ...client, ...body, name: "Renamed", updated_at });
    expect(ok(await get(id)).body).toEqual(changed);
    const { body: log } = await server.call(
      "GET",
      `/v1/tenants/${space.tenantId}/audit?resource_id=${id}&limit=1`,
      { as: space.owner.token },
    );
    expect(log.items[0]).toMatchObject({
      action: "oidc.client_updated",
      metadata: { client_id: client.client_id, name: "Renamed" },
    });
    expect(log.items[0].metadata.fields.sort()).toEqual(Object.keys(body).sort());
  });

  test("of nothing, or of what is so already, leaves no trace", async () => {
    const { id, client } = await made();
    server.clock.advance(1000);
    expect(ok(await patch(id, {})).body).toEqual(client);
    expect(ok(await patch(id, { name: "App" })).body).toEqual(client);
    expect(await auditActions(server, space, id)).toEqual(["oidc.client_registered"]);
  });

  test("keeps the rules of creation", async () => {
    const { id, client } = await made({ redirect_uris: [CALLBACK] });
    for (const body of [
      { name: " " },
      { redirect_uris: ["http://evil"] },
      { token_endpoint_auth_method: "private_key_jwt" },
      { grant_types: ["password"] },
      { scopes: ["two words"] },
    ])
      expect((await patch(id, body)).status).toBe(422);
    for (const body of [{ type: "public" }, { client_id: "x" }, { tenant_id: other.tenantId }])
      expectRefusal(await patch(id, body), 400);
    expect(ok(await get(id)).body).toEqual(client);
  });

  test("00 §18: only by who holds the permissions in its scopes, also where they stay", async () => {
    const { id } = await made({ scopes: ["openid", "user.write"] });
    const admin = await member(server, space, ["connection.write"]);
    const move = { redirect_uris: ["https://evil.example/cb"] };
    expectRefusal(await patch(id, move, admin.token), 403, "missing permission: user.write");
    expectRefusal(await rotate(id, undefined, admin.token), 403, "missing permission: user.write");
    ok(await patch(id, { ...move, scopes: ["openid"] }, admin.token));
    expectRefusal(await patch(id, { scopes: ["user.write"] }, admin.token), 403);
  });

  test("is seen at once by whoever has looked the client up before", async () => {
    const { id, client_id } = await made({ redirect_uris: [CALLBACK] });
    const found = () => findOidcClient(server.deps, client_id);
    expect((await found())?.redirectUris).toEqual([CALLBACK]);
    ok(await patch(id, { redirect_uris: [] }));
    expect((await found())?.redirectUris).toEqual([]);
  });
});

describe("rotate-secret", () => {
  test("without grace the old secret ends at once", async () => {
    const { id, client_id, client_secret } = await made(MACHINE);
    ok(await tokenFor(client_id, client_secret));
    const { body } = ok(await rotate(id));
    expect(body).toEqual({ client_secret: expect.any(String), warning: "secret shown once" });
    expect((await tokenFor(client_id, client_secret)).status).toBe(401);
    ok(await tokenFor(client_id, body.client_secret));
    expect((await auditActions(server, space, id))[0]).toBe("oidc.client_secret_rotated");
  });

  test("with grace both work, until it is over or the next rotation", async () => {
    const { id, client_id, client_secret } = await made(MACHINE);
    const second = ok(await rotate(id, { grace_seconds: 60 })).body.client_secret;
    ok(await tokenFor(client_id, client_secret));
    ok(await tokenFor(client_id, second));
    server.clock.advance(59_000);
    ok(await tokenFor(client_id, client_secret));
    server.clock.advance(1_000);
    expect((await tokenFor(client_id, client_secret)).status).toBe(401);
    ok(await tokenFor(client_id, second));

    const third = ok(await rotate(id, { grace_seconds: 3600 })).body.client_secret;
    const fourth = ok(await rotate(id, { grace_seconds: 3600 })).body.client_secret;
    expect((await tokenFor(client_id, second)).status).toBe(401);
    ok(await tokenFor(client_id, third));
    ok(await tokenFor(client_id, fourth));
    const kept = await server.deps.db.read
      .select()
      .from(oidcClientSecrets)
      .where(eq(oidcClientSecrets.clientRowId, id));
    expect(kept.length).toBe(2);
  });

  test("422 for who has no secret, and for a grace beyond a day", async () => {
    const { jwk } = await clientKey();
    const spa = await made({ type: "public" });
    const signer = await made({
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [jwk] },
    });
    for (const { id } of [spa, signer]) expectRefusal(await rotate(id), 422);
    const { id } = await made();
    for (const grace_seconds of [-1, 86_401])
      expect((await rotate(id, { grace_seconds })).status).toBe(422);
    expectRefusal(await rotate(id, { grace_seconds: "60" }), 400);
  });
});

describe("DELETE", () => {
  test("03 §17: disable twice; disable other tenant's id; malformed id: as for clients, under both paths", async () => {
    const first = await made(MACHINE);
    ok(await tokenFor(first.client_id, first.client_secret));
    ok(await remove(first.id), 204);
    expectRefusal(await remove(first.id), 404);
    expect((await tokenFor(first.client_id, first.client_secret)).status).toBe(401);
    expect(await findClient(server.deps, first.client_id)).toBeUndefined();
    expect((await auditActions(server, space, first.id))[0]).toBe("oidc.client_deleted");

    const second = await made();
    const as = space.owner.token;
    ok(await server.call("DELETE", pathOf(second.id), { as }), 204);
    expectRefusal(await server.call("DELETE", pathOf(second.id), { as }), 404);
  });

  test("eight at once: one 204", async () => {
    const { id } = await made();
    const answers = await Promise.all(Array.from({ length: 8 }, () => remove(id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, ...Array(7).fill(404)]);
    expect(await auditActions(server, space, id)).toEqual([
      "oidc.client_deleted",
      "oidc.client_registered",
    ]);
  });

  test("the row stays for its grants, without a secret, and goes when none can be left", async () => {
    const { id } = await made();
    ok(await remove(id), 204);
    const left = () => server.deps.db.read.select().from(oidcClients).where(eq(oidcClients.id, id));
    const secrets = await server.deps.db.read
      .select()
      .from(oidcClientSecrets)
      .where(eq(oidcClientSecrets.clientRowId, id));
    expect(secrets).toEqual([]);
    const { refreshTokenMaxLifetimeSeconds } = server.deps.config;
    server.clock.advance((refreshTokenMaxLifetimeSeconds + 31 * 86_400 - 60) * 1000);
    await server.runJob("janitor");
    expect(await left()).toHaveLength(1);
    server.clock.advance(120_000);
    await server.runJob("janitor");
    expect(await left()).toHaveLength(0);
  });
});

describe("whose clients are not found", () => {
  test("those of a deleted tenant", async () => {
    const gone = await workspace(server);
    const { client_id } = await made({}, gone.owner.token);
    expect(await findOidcClient(server.deps, client_id)).toBeDefined();
    ok(await server.call("DELETE", `/v1/tenants/${gone.tenantId}`, { as: gone.owner.token }), 204);
    expect(await findOidcClient(server.deps, client_id)).toBeUndefined();
    const [row] = await server.deps.db.read
      .select({ deletedAt: oidcClients.deletedAt, status: tenants.status })
      .from(oidcClients)
      .innerJoin(tenants, eq(tenants.id, oidcClients.tenantId))
      .where(eq(oidcClients.clientId, client_id));
    expect(row).toEqual({ deletedAt: server.clock.now(), status: "deleted" });
  });

  test("00 §22: those that were registered before the first proof of the address, by whatever was", async () => {
    const squatted = await workspace(server);
    const key = await apiKey(server, squatted.owner);
    const byHand = await made({}, squatted.owner.token);
    const byKey = await made({}, key.authorization);
    const machine = await server.call("POST", "/v1/service-principals", {
      as: key.authorization,
      body: { name: "left behind", scopes: ["connection.write", "apikey.write"] },
    });
    const principal = ok(machine, 201).body;
    const { body: token } = ok(await tokenFor(principal.client_id, principal.client_secret));
    const byMachine = await made({}, token.access_token);
    const keyOfMachine = await server.call("POST", "/v1/api-keys", {
      as: token.access_token,
      body: { name: "and behind that", scopes: ["connection.write"] },
    });
    ok(keyOfMachine, 201);

    await server.deps.db.transaction(async (tx) => {
      const user = await findUser(tx, squatted.owner.userId);
      await markEmailVerified(server.deps, tx, user!);
    });
    for (const { client_id } of [byHand, byKey, byMachine, principal])
      expect(await findClient(server.deps, client_id)).toBeUndefined();
    expectRefusal(await register({}, token.access_token), 401);
    expectRefusal(await register({}, `ApiKey ${keyOfMachine.body.secret}`), 401);
  });
});
