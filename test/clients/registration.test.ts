/** RFC 7591 and RFC 7592: clients that register and manage themselves. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { desc, eq } from "drizzle-orm";
import { auditEvents, oidcClients } from "../../db/schema/index.ts";
import { findOidcClient } from "../../src/modules/clients/service.ts";
import { hashToken } from "../../src/platform/crypto/tokens.ts";
import { apiKey, auditActions, member, ok, type Workspace, workspace } from "../rbac/support.ts";
import { type Answer, startServer, type TestServer } from "../support/server.ts";
import { basic, clientKey, post } from "./support.ts";

let server: TestServer;
let space: Workspace;
beforeAll(async () => {
  server = await startServer({ dynamicRegistration: true });
  space = await workspace(server);
});
afterAll(() => server.stop());

const CALLBACK = "https://app.example/callback";
const register = (body: unknown, as: string | undefined = space.owner.token) =>
  server.call("POST", "/v1/oauth/register", { as, body });
const made = async (body: Record<string, unknown> = {}) =>
  ok(await register({ redirect_uris: [CALLBACK], ...body }), 201).body;
interface Its {
  readonly client_id: string;
  readonly registration_access_token: string;
}
const pathOf = ({ client_id }: Pick<Its, "client_id">) => `/v1/oauth/register/${client_id}`;
const read = (its: Its) => server.call("GET", pathOf(its), { as: its.registration_access_token });
const replace = (its: Its, body: unknown) =>
  server.call("PUT", pathOf(its), { as: its.registration_access_token, body });
const end = (its: Its) => server.call("DELETE", pathOf(its), { as: its.registration_access_token });

function expectError(answer: Answer, status: number, error: string): void {
  expect({ status: answer.status, error: answer.body?.error }).toEqual({ status, error });
}

async function rowOf({ client_id }: Pick<Its, "client_id">) {
  const [row] = await server.deps.db.read
    .select()
    .from(oidcClients)
    .where(eq(oidcClients.clientId, client_id));
  return row!;
}

describe("RFC 7591 §3", () => {
  test("the least: redirect URIs; the rest are defaults, and all is told", async () => {
    const body = await made();
    expect(body).toEqual({
      client_id: expect.stringMatching(/^qci_/),
      client_secret: expect.stringMatching(/^[\w-]{43}$/),
      client_secret_expires_at: 0,
      client_id_issued_at: Math.floor(server.clock.now().getTime() / 1000),
      registration_access_token: expect.stringMatching(/^[\w-]{43}$/),
      registration_client_uri: `${server.deps.config.publicUrl}${pathOf(body)}`,
      client_name: "app.example",
      redirect_uris: [CALLBACK],
      post_logout_redirect_uris: [],
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["authorization_code"],
      response_types: ["code"],
      scope: "openid profile email",
      subject_type: "public",
      id_token_signed_response_alg: "RS256",
      require_pushed_authorization_requests: false,
      dpop_bound_access_tokens: false,
      backchannel_logout_session_required: false,
    });
    const row = await rowOf(body);
    expect(row).toMatchObject({
      tenantId: space.tenantId,
      registration: "dynamic",
      requirePkce: true,
      requireMembership: true,
      logoutRequiresConfirmation: true,
      registrationTokenHash: hashToken(body.registration_access_token),
    });
    expect(JSON.stringify(row)).not.toContain(body.registration_access_token);
    expect(await auditActions(server, space, row.id)).toEqual(["oidc.client_registered"]);
  });

  test("everything that may be said", async () => {
    const { jwk } = await clientKey();
    const metadata = {
      redirect_uris: [CALLBACK, "http://localhost:3000/cb"],
      post_logout_redirect_uris: ["https://app.example/bye"],
      token_endpoint_auth_method: "private_key_jwt",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      client_name: "My App",
      client_uri: "https://app.example",
      logo_uri: "https://app.example/logo.png",
      tos_uri: "https://app.example/tos",
      policy_uri: "https://app.example/privacy",
      scope: "openid email offline_access",
      jwks: { keys: [jwk] },
      id_token_signed_response_alg: "ES256",
      backchannel_logout_uri: "https://app.example/backchannel",
      backchannel_logout_session_required: true,
      require_pushed_authorization_requests: true,
      dpop_bound_access_tokens: true,
    };
    const body = await made({
      ...metadata,
      "client_name#de": "Meine App",
      software_id: "x",
      contacts: [],
    });
    expect(body).toMatchObject(metadata);
    expect(body.client_secret).toBeUndefined();
    expect(body.client_secret_expires_at).toBeUndefined();
    expect(body).not.toHaveProperty("software_id");
  });

  test("method none is a public client", async () => {
    const body = await made({
      token_endpoint_auth_method: "none",
      redirect_uris: ["com.example.app:/cb"],
    });
    expect(body.client_secret).toBeUndefined();
    expect(await findOidcClient(server.deps, body.client_id)).toMatchObject({
      type: "public",
      tokenEndpointAuthMethod: "none",
      refreshReuseLeewaySeconds: 0,
    });
  });

  test("a machine: no redirect, no response type; it gets tokens", async () => {
    const body = ok(
      await register({ grant_types: ["client_credentials"], scope: "reports:read" }),
      201,
    ).body;
    expect(body).toMatchObject({ client_name: "Unnamed client", response_types: [] });
    const grant = { grant_type: "client_credentials" };
    ok(await post(server, grant, basic(body.client_id, body.client_secret)));
  });

  test.each([
    ["invalid_redirect_uri", {}],
    ["invalid_redirect_uri", { redirect_uris: [] }],
    ["invalid_redirect_uri", { redirect_uris: ["http://evil.example/cb"] }],
    ["invalid_redirect_uri", { redirect_uris: [`${CALLBACK}#x`] }],
    ["invalid_redirect_uri", { redirect_uris: CALLBACK }],
    ["invalid_redirect_uri", { redirect_uris: [1] }],
    ["invalid_client_metadata", { redirect_uris: [CALLBACK], post_logout_redirect_uris: ["x"] }],
    ["invalid_client_metadata", { redirect_uris: [CALLBACK], grant_types: ["implicit"] }],
    ["invalid_client_metadata", { redirect_uris: [CALLBACK], grant_types: ["password"] }],
    [
      "invalid_client_metadata",
      {
        redirect_uris: [CALLBACK],
        grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"],
      },
    ],
    ["invalid_client_metadata", { redirect_uris: [CALLBACK], response_types: ["token"] }],
    ["invalid_client_metadata", { redirect_uris: [CALLBACK], response_types: [] }],
    [
      "invalid_client_metadata",
      { grant_types: ["client_credentials"], response_types: ["code"], redirect_uris: [CALLBACK] },
    ],
    [
      "invalid_client_metadata",
      { grant_types: ["client_credentials"], token_endpoint_auth_method: "none" },
    ],
    [
      "invalid_client_metadata",
      { redirect_uris: [CALLBACK], token_endpoint_auth_method: "tls_client_auth" },
    ],
    [
      "invalid_client_metadata",
      { redirect_uris: [CALLBACK], token_endpoint_auth_method: "private_key_jwt" },
    ],
    ["invalid_client_metadata", { redirect_uris: [CALLBACK], subject_type: "pairwise" }],
    [
      "invalid_client_metadata",
      { redirect_uris: [CALLBACK], id_token_signed_response_alg: "HS256" },
    ],
    ["invalid_client_metadata", { redirect_uris: [CALLBACK], scope: 'quo"te' }],
    ["invalid_client_metadata", { redirect_uris: [CALLBACK], client_name: "n".repeat(201) }],
    ["invalid_client_metadata", { redirect_uris: [CALLBACK], jwks: { keys: "none" } }],
    ["invalid_client_metadata", { redirect_uris: [CALLBACK], logo_uri: "javascript:alert(1)" }],
    // Contract 00 §18.
    ["invalid_client_metadata", { redirect_uris: [CALLBACK], scope: "openid user.write" }],
    ["invalid_client_metadata", { redirect_uris: [CALLBACK], scope: "openid tenant:read" }],
    ["invalid_client_metadata", { redirect_uris: [CALLBACK], scope: "*" }],
    ["invalid_client_metadata", { redirect_uris: [CALLBACK], scope: "platform:admin" }],
  ])("RFC 7591 §3.2.2: %s: %j", async (error, body) => {
    const answer = await register(body);
    expectError(answer, 400, error);
    expect(answer.body.error_description).toBeString();
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });

  test("the initial access token: a token or key of who may change connections, and no other", async () => {
    const body = { redirect_uris: [CALLBACK] };
    const [plain, admin] = [
      await member(server, space),
      await member(server, space, ["connection.write"]),
    ];
    const anonymous = await server.call("POST", "/v1/oauth/register", { body });
    expect(anonymous.status).toBe(401);
    expect(anonymous.headers.get("www-authenticate")).toStartWith("Bearer");
    expect((await register(body, "made-up")).status).toBe(401);
    expectError(await register(body, plain.token), 403, "access_denied");
    ok(await register(body, admin.token), 201);
    const key = await apiKey(server, space.owner, { scopes: ["connection.write"] });
    ok(await register(body, key.authorization), 201);
    expectError(await register("[]", admin.token), 400, "invalid_request");
    expectError(await register("{", admin.token), 400, "invalid_request");
  });

  test("beyond 1000 clients of the tenant: 409", async () => {
    const full = await workspace(server);
    const first = ok(await register({ redirect_uris: [CALLBACK] }, full.owner.token), 201).body;
    const row = await rowOf(first);
    const { db, random } = server.deps;
    await db.transaction(async (tx) => {
      for (let n = 1; n < 1000; n += 1)
        await tx
          .insert(oidcClients)
          .values({ ...row, id: random.uuid(), clientId: `qci_${random.uuid()}` });
    });
    expect((await register({ redirect_uris: [CALLBACK] }, full.owner.token)).status).toBe(409);
  });
});

describe("RFC 7592", () => {
  test("§2.1: reads what is registered, but never the secret again", async () => {
    const its = await made({ client_name: "Mine" });
    const { client_secret, client_secret_expires_at, ...rest } = its;
    const answer = ok(await read(its));
    expect(answer.body).toEqual(rest);
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });

  test("§2.2: replaces: what is left out is as it was never said, what an administrator set stays", async () => {
    const its = await made({
      client_name: "Before",
      client_uri: "https://app.example",
      scope: "openid",
      grant_types: ["authorization_code", "refresh_token"],
    });
    const { id } = await rowOf(its);
    const path = `/v1/tenants/${space.tenantId}/oidc/clients/${id}`;
    const set = { require_membership: false, refresh_reuse_leeway_seconds: 3 };
    ok(await server.call("PATCH", path, { as: space.owner.token, body: set }));
    const { client_id, client_secret } = its;
    const changed = ok(
      await replace(its, {
        client_id,
        client_secret,
        client_name: "After",
        client_uri: null,
        redirect_uris: ["https://app.example/new"],
      }),
    ).body;
    expect(changed).toMatchObject({
      client_id,
      client_name: "After",
      redirect_uris: ["https://app.example/new"],
      grant_types: ["authorization_code"],
      scope: "openid profile email",
      registration_access_token: its.registration_access_token,
    });
    expect(changed).not.toHaveProperty("client_uri");
    expect(changed).not.toHaveProperty("client_secret");
    expect(ok(await read(its)).body).toEqual(changed);
    expect(await rowOf(its)).toMatchObject({
      requireMembership: false,
      refreshReuseLeewaySeconds: 3,
      requirePkce: true,
      logoutRequiresConfirmation: true,
    });
    expect((await auditActions(server, space, id))[0]).toBe("oidc.client_updated");
  });

  test("§2.2: from a key of its own to no proof at all", async () => {
    const { jwk } = await clientKey();
    const its = await made({
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [jwk] },
    });
    const answer = await replace(its, {
      client_id: its.client_id,
      redirect_uris: [CALLBACK],
      token_endpoint_auth_method: "none",
    });
    expect(ok(answer).body.token_endpoint_auth_method).toBe("none");
    expect(await rowOf(its)).toMatchObject({ type: "public", refreshReuseLeewaySeconds: 0 });
  });

  test.each([
    ["no client_id", "invalid_client_metadata", { client_id: undefined }],
    ["another client_id", "invalid_client_metadata", { client_id: "qci_other" }],
    ["another secret", "invalid_client_metadata", { client_secret: "wrong" }],
    ["a bad redirect", "invalid_redirect_uri", { redirect_uris: ["http://evil.example"] }],
    ["no redirect", "invalid_redirect_uri", { redirect_uris: undefined }],
    ["a management scope", "invalid_client_metadata", { scope: "openid user.read" }],
    ["a change to no secret", "invalid_client_metadata", { token_endpoint_auth_method: "none" }],
  ])("§2.2: %s: refused, and nothing changes", async (_, error, change) => {
    const its = await made();
    const before = ok(await read(its)).body;
    const body = { client_id: its.client_id, redirect_uris: [CALLBACK], ...change };
    expectError(await replace(its, body), 400, error);
    expect(ok(await read(its)).body).toEqual(before);
  });

  test("§2.3: the client ends, with its token; once, of eight at a time", async () => {
    const its = await made();
    const answers = await Promise.all(Array.from({ length: 8 }, () => end(its)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, ...Array(7).fill(401)]);
    expectError(await read(its), 401, "invalid_token");
    expect(await findOidcClient(server.deps, its.client_id)).toBeUndefined();
    const { id } = await rowOf(its);
    const [event] = await server.deps.db.read
      .select({ action: auditEvents.action, by: auditEvents.actorType })
      .from(auditEvents)
      .where(eq(auditEvents.resourceId, id))
      .orderBy(desc(auditEvents.seq))
      .limit(1);
    // Its token is nobody's but the client's own.
    expect(event).toEqual({ action: "oidc.client_deleted", by: "service" });
  });

  test("§2: one answer for a wrong token, another client's, none, an unknown client, and one of an administrator", async () => {
    const [its, other] = [await made(), await made()];
    const byAdmin = await server.call("POST", "/v1/oidc/clients", {
      as: space.owner.token,
      body: { name: "By hand" },
    });
    const token = its.registration_access_token;
    const attempts: Its[] = [
      { ...its, registration_access_token: "wrong" },
      { ...other, registration_access_token: token },
      { client_id: "qci_00000000-0000-4000-8000-000000000000", registration_access_token: token },
      { client_id: "nothing", registration_access_token: token },
      { client_id: byAdmin.body.client_id, registration_access_token: token },
      { ...its, registration_access_token: space.owner.token },
      { ...its, registration_access_token: `ApiKey ${token}` },
    ];
    const seen = new Set<string>();
    for (const attempt of attempts) {
      const body = { client_id: attempt.client_id, redirect_uris: [CALLBACK] };
      for (const answer of [
        await read(attempt),
        await replace(attempt, body),
        await end(attempt),
      ]) {
        expectError(answer, 401, "invalid_token");
        expect(answer.headers.get("www-authenticate")).toContain('error="invalid_token"');
        seen.add(answer.body.error_description);
      }
    }
    expectError(await server.call("GET", pathOf(its)), 401, "invalid_token");
    expect(seen.size).toBe(1);
    ok(await read(its));
  });

  test("00 §18: nor does an administrator give such a client a permission", async () => {
    const { id } = await rowOf(await made());
    const path = `/v1/tenants/${space.tenantId}/oidc/clients/${id}`;
    const give = (scopes: string[]) =>
      server.call("PATCH", path, { as: space.owner.token, body: { scopes } });
    expect((await give(["openid", "user.read"])).status).toBe(422);
    ok(await give(["openid", "address"]));
  });
});

describe("where it is not switched on", () => {
  test("every route of it is 404, whoever asks", async () => {
    const off = await startServer();
    try {
      const { owner } = await workspace(off);
      const body = { client_id: "qci_x", redirect_uris: [CALLBACK] };
      const as = owner.token;
      for (const [method, path] of [
        ["POST", "/v1/oauth/register"],
        ["GET", "/v1/oauth/register/qci_x"],
        ["PUT", "/v1/oauth/register/qci_x"],
        ["DELETE", "/v1/oauth/register/qci_x"],
      ] as const) {
        const answer = await off.call(method, path, {
          as,
          ...(method.startsWith("P") && { body }),
        });
        expect(answer.status).toBe(404);
      }
    } finally {
      await off.stop();
    }
  });
});
