import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { oidcClientSecrets, oidcClients } from "../../db/schema/index.ts";
import { hashToken } from "../../src/platform/crypto/tokens.ts";
import { ok, UNKNOWN_ID, type Workspace, workspace } from "../rbac/support.ts";
import { createClient, type TestClient } from "../support/provider.ts";
import { type Answer, startServer, type TestServer } from "../support/server.ts";
import { ASSERTION_TYPE, basic, post } from "./support.ts";

let server: TestServer;
let space: Workspace;
let machine: TestClient;
let spa: TestClient;
let principal: { id: string; secret: string };
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
  machine = await createClient(server, space.owner, MACHINE);
  spa = await createClient(server, space.owner, {
    type: "public",
    grant_types: ["authorization_code"],
  });
  const made = await server.call("POST", "/v1/service-principals", {
    as: space.owner.token,
    body: { name: "Nightly", scopes: ["reports:read"] },
  });
  principal = { id: ok(made, 201).body.client_id, secret: made.body.client_secret };
});
afterAll(() => server.stop());

const MACHINE = { grant_types: ["client_credentials"], scopes: ["reports:read"] };
const GRANT = { grant_type: "client_credentials" };
const inBody = ({ clientId, secret }: TestClient) => ({
  client_id: clientId,
  client_secret: secret!,
});

function expectError(answer: Answer, status: number, error: string): void {
  expect({ status: answer.status, error: answer.body?.error }).toEqual({ status, error });
}

/** The client was known; it is told what else is wrong. */
const expectKnown = (answer: Answer) => expectError(answer, 400, "unauthorized_client");

const fresh = (body: Record<string, unknown> = {}) =>
  createClient(server, space.owner, { ...MACHINE, ...body });

describe("a client's secret", () => {
  test("03 §17: Basic with %2B in secret; Basic + body secret; creds in query; public client with a dummy secret; unknown client", async () => {
    // Secrets of ours never need an escape; those of an imported client may.
    const client = await fresh();
    await server.deps.db.transaction(async (tx) => {
      await tx
        .update(oidcClientSecrets)
        .set({ secretHash: hashToken("a+b c:ü%") })
        .where(eq(oidcClientSecrets.clientRowId, client.id));
    });
    ok(await post(server, GRANT, basic(client.clientId, "a%2Bb+c%3A%C3%BC%25")));
    expectError(
      await post(server, GRANT, basic(client.clientId, "a+b c:ü%")),
      400,
      "invalid_request",
    );

    const { clientId, secret } = machine;
    expectError(
      await post(server, { ...GRANT, client_secret: secret! }, basic(clientId, secret!)),
      400,
      "invalid_request",
    );
    const query = new URLSearchParams(inBody(machine));
    expectError(
      await post(server, GRANT, {}, `/v1/oauth/token-code?${query}`),
      400,
      "invalid_request",
    );

    const dummy = { ...GRANT, client_id: spa.clientId, client_secret: "made up" };
    expectKnown(await post(server, dummy));
    expectKnown(await post(server, GRANT, basic(spa.clientId, "made up")));
    expectKnown(await post(server, { ...GRANT, client_id: spa.clientId }));
    const revoke = { token: "any", client_id: spa.clientId, client_secret: "made up" };
    ok(await post(server, revoke, {}, "/oauth/revoke"));

    const unknown = await post(server, GRANT, basic(`qci_${UNKNOWN_ID}`, secret!));
    const wrong = await post(server, GRANT, basic(clientId, "wrong"));
    expectError(unknown, 401, "invalid_client");
    expect({ ...unknown.body, request_id: "" }).toEqual({ ...wrong.body, request_id: "" });
    expect(wrong.headers.get("www-authenticate")).toBe('Basic realm="qeet"');
    expect(unknown.headers.get("www-authenticate")).toBe('Basic realm="qeet"');
  });

  test("03 §17: JSON body or repeated grant_type at token", async () => {
    const json = await server.call("POST", "/v1/oauth/token", {
      body: { ...GRANT, ...inBody(machine) },
    });
    expectError(json, 400, "invalid_request");
    const twice = `grant_type=client_credentials&${new URLSearchParams({ ...GRANT, ...inBody(machine) })}`;
    expectError(await post(server, twice), 400, "invalid_request");
  });

  test("works in header and body, and a parameter without a value is none", async () => {
    ok(await post(server, GRANT, basic(machine.clientId, machine.secret!)));
    ok(await post(server, { ...GRANT, ...inBody(machine) }));
    ok(
      await post(
        server,
        { ...GRANT, client_id: machine.clientId, client_secret: "" },
        basic(machine.clientId, machine.secret!),
      ),
    );
  });

  test("RFC 6749 §2.3: two methods at once, or two clients, are refused", async () => {
    const right = basic(machine.clientId, machine.secret!);
    const assertion = { client_assertion_type: ASSERTION_TYPE, client_assertion: "a.b.c" };
    const cases = [
      await post(server, { ...GRANT, ...assertion }, right),
      await post(server, { ...GRANT, ...assertion, ...inBody(machine) }),
      await post(server, { ...GRANT, client_id: spa.clientId }, right),
      await post(server, { ...GRANT, client_assertion: "a.b.c" }),
      await post(server, { ...GRANT, client_assertion_type: ASSERTION_TYPE }),
      await post(server, GRANT, {
        authorization: `Basic ${Buffer.from("none").toString("base64")}`,
      }),
    ];
    for (const answer of cases) expectError(answer, 400, "invalid_request");
  });

  test.each([
    ["no credentials", {}, {}],
    ["a confidential client that only says who it is", { client_id: "machine" }, {}],
    ["a principal that only says who it is", { client_id: "principal" }, {}],
    ["another scheme", {}, { authorization: "Bearer abc" }],
    ["an id that is none", { client_id: "../../etc", client_secret: "x" }, {}],
    ["an unknown type of assertion", { client_assertion_type: "urn:x", client_assertion: "a" }, {}],
  ])("RFC 6749 §5.2: %s: invalid_client", async (_, form: Record<string, string>, headers) => {
    const ids: Record<string, string> = { machine: machine.clientId, principal: principal.id };
    const sent: Record<string, string> = { ...GRANT, ...form };
    if (form.client_id) sent.client_id = ids[form.client_id] ?? form.client_id;
    expectError(await post(server, sent, headers), 401, "invalid_client");
  });

  test("a registered method is the only one", async () => {
    const byHeader = await fresh({ token_endpoint_auth_method: "client_secret_basic" });
    ok(await post(server, GRANT, basic(byHeader.clientId, byHeader.secret!)));
    expectError(await post(server, { ...GRANT, ...inBody(byHeader) }), 401, "invalid_client");
    const byForm = await fresh({ token_endpoint_auth_method: "client_secret_post" });
    ok(await post(server, { ...GRANT, ...inBody(byForm) }));
    expectError(
      await post(server, GRANT, basic(byForm.clientId, byForm.secret!)),
      401,
      "invalid_client",
    );
  });

  test("is stored as its hash alone", async () => {
    const rows = await server.deps.db.read
      .select()
      .from(oidcClientSecrets)
      .where(eq(oidcClientSecrets.clientRowId, machine.id));
    expect(rows.map(({ secretHash }) => secretHash)).toEqual([hashToken(machine.secret!)]);
    const [client] = await server.deps.db.read
      .select()
      .from(oidcClients)
      .where(eq(oidcClients.id, machine.id));
    expect(JSON.stringify({ rows, client })).not.toContain(machine.secret!);
  });
});

describe("a service principal", () => {
  test("03 §17: client_credentials: disabled principal, non-UUID id, excess scope, through token-code, without Origin/CSRF outside dev", async () => {
    const as = { ...GRANT, client_id: principal.id, client_secret: principal.secret };
    ok(await post(server, as, {}, "/v1/oauth/token"));
    ok(await post(server, as, {}, "/v1/oauth/token-code"));
    ok(await post(server, GRANT, basic(principal.id, principal.secret)));
    expectError(
      await post(server, { ...as, client_id: "not-a-uuid" }, {}, "/v1/oauth/token"),
      401,
      "invalid_client",
    );
    expectError(await post(server, { ...as, scope: "reports:write" }), 400, "invalid_scope");

    const made = await server.call("POST", "/v1/service-principals", {
      as: space.owner.token,
      body: { name: "Short-lived" },
    });
    const { client_id, client_secret } = ok(made, 201).body;
    ok(await post(server, { ...GRANT, client_id, client_secret }));
    ok(
      await server.call("DELETE", `/v1/service-principals/${client_id}`, { as: space.owner.token }),
      204,
    );
    expectError(await post(server, { ...GRANT, client_id, client_secret }), 401, "invalid_client");

    const production = await startServer({ env: "production" });
    try {
      const owner = await production.signUp();
      const other = await production.call("POST", "/v1/service-principals", {
        as: owner.token,
        body: { name: "Nightly" },
      });
      const { client_id, client_secret } = ok(other, 201).body;
      const form = { ...GRANT, client_id, client_secret };
      ok(await post(production, form, {}, "/v1/oauth/token"));
    } finally {
      await production.stop();
    }
  });

  test("its use is noted, at most once a minute", async () => {
    const as = { ...GRANT, client_id: principal.id, client_secret: principal.secret };
    const lastUsed = async () => {
      await server.deps.touches.flush();
      const path = `/v1/tenants/${space.tenantId}/service-principals/${principal.id}`;
      return ok(await server.call("GET", path, { as: space.owner.token })).body.last_used_at;
    };
    ok(await post(server, as));
    const first = await lastUsed();
    expect(first).toBe(server.clock.now().toISOString());
    server.clock.advance(30_000);
    ok(await post(server, as));
    expect(await lastUsed()).toBe(first);
    server.clock.advance(31_000);
    await post(server, { ...as, client_secret: "wrong" });
    expect(await lastUsed()).toBe(first);
    ok(await post(server, as));
    expect(await lastUsed()).toBe(server.clock.now().toISOString());
  });
});

describe("whose client is not active any more", () => {
  test("a deleted client, and those of a suspended tenant, at once", async () => {
    const gone = await fresh();
    ok(await post(server, { ...GRANT, ...inBody(gone) }));
    ok(await server.call("DELETE", `/v1/oidc/clients/${gone.id}`, { as: space.owner.token }), 204);
    expectError(await post(server, { ...GRANT, ...inBody(gone) }), 401, "invalid_client");

    const other = await workspace(server);
    const theirs = await createClient(server, other.owner, MACHINE);
    ok(await post(server, { ...GRANT, ...inBody(theirs) }));
    const suspended = await server.call("PATCH", `/v1/tenants/${other.tenantId}`, {
      as: other.owner.token,
      body: { status: "suspended" },
    });
    ok(suspended);
    expectError(await post(server, { ...GRANT, ...inBody(theirs) }), 401, "invalid_client");
  });
});

describe("03 §1: the client's own bucket", () => {
  const limit = (burst: number) => ({ ratePerSecond: 0.001, burst });
  let strict: TestServer;
  let client: TestClient;
  let other: TestClient;
  beforeAll(async () => {
    const { rateLimits } = server.deps.config;
    strict = await startServer({ rateLimits: { ...rateLimits, client: limit(12), ip: limit(10) } });
    const { owner } = await workspace(strict);
    client = await createClient(strict, owner, MACHINE);
    other = await createClient(strict, owner, MACHINE);
  });
  afterAll(() => strict.stop());

  test("a failed proof counts five, for that client alone", async () => {
    const wrong = () => post(strict, GRANT, basic(client.clientId, "wrong"));
    const right = (one = client) => post(strict, GRANT, basic(one.clientId, one.secret!));
    expectError(await wrong(), 401, "invalid_client");
    expectError(await wrong(), 401, "invalid_client");
    ok(await right());
    ok(await right());
    const late = await right();
    expectError(late, 429, "temporarily_unavailable");
    expect(Number(late.headers.get("retry-after"))).toBeGreaterThan(0);
    ok(await right(other));
  });

  test("who tries one client after the other spends the address's bucket", async () => {
    const statuses: number[] = [];
    for (let n = 0; n < 12; n += 1) {
      const id = `qci_${UNKNOWN_ID.slice(0, -2)}${String(n).padStart(2, "0")}`;
      statuses.push((await post(strict, GRANT, basic(id, "guess"))).status);
    }
    expect(statuses[0]).toBe(401);
    expect(statuses.at(-1)).toBe(429);
    // Whoever has the right secret is not kept out by that.
    ok(await post(strict, GRANT, basic(other.clientId, other.secret!)));
  });
});
