import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { servicePrincipals } from "../../db/schema/index.ts";
import { findClient } from "../../src/modules/clients/service.ts";
import { hashToken } from "../../src/platform/crypto/tokens.ts";
import { post } from "../clients/support.ts";
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

let count = 0;
const create = (body: Record<string, unknown> = {}, as = space.owner.token) =>
  server.call("POST", "/v1/service-principals", {
    as,
    body: { name: `Machine ${++count}`, ...body },
  });
const made = async (body: Record<string, unknown> = {}, as?: string) =>
  ok(await create(body, as), 201).body;
const listPath = (tenantId = space.tenantId) => `/v1/tenants/${tenantId}/service-principals`;
const get = (id: string, as = space.owner.token) =>
  server.call("GET", `${listPath()}/${id}`, { as });
const rotate = (id: string, as = space.owner.token) =>
  server.call("POST", `${listPath()}/${id}/rotate-secret`, { as });
const disable = (id: string, as = space.owner.token) =>
  server.call("DELETE", `/v1/service-principals/${id}`, { as });
const tokenFor = (client_id: string, client_secret: string) =>
  post(server, { grant_type: "client_credentials", client_id, client_secret });

describe("POST /v1/service-principals", () => {
  test("03 §6: answers the secret once, and what the admin UI reads at the root", async () => {
    const body = await made({ name: "Nightly", description: "Exports", scopes: ["reports:read"] });
    expect(body).toEqual({
      service_principal: {
        id: body.id,
        tenant_id: space.tenantId,
        name: "Nightly",
        description: "Exports",
        scopes: ["reports:read"],
        disabled_at: null,
        last_used_at: null,
        created_at: server.clock.now().toISOString(),
      },
      client_id: body.id,
      client_secret: expect.stringMatching(/^[\w-]{43}$/),
      warning: "secret shown once",
      id: body.id,
      name: "Nightly",
    });
    expect(ok(await get(body.id)).body).toEqual(body.service_principal);
    const [row] = await server.deps.db.read
      .select()
      .from(servicePrincipals)
      .where(eq(servicePrincipals.id, body.id));
    expect(row?.secretHash).toBe(hashToken(body.client_secret));
    expect(await auditActions(server, space, body.id)).toEqual(["service_principal.created"]);
  });

  test("03 §17: clients/principals: other tenant; scopes omitted; duplicate name; unknown JSON field", async () => {
    expectRefusal(await create({ tenant_id: other.tenantId }), 403, "tenant mismatch");
    expect(
      (await made({ name: "Straße", tenant_id: space.tenantId })).service_principal.scopes,
    ).toEqual([]);
    for (const name of ["Straße", "STRAßE", " straße "])
      expectRefusal(await create({ name }), 409, "a service principal of this name exists");
    ok(await create({ name: "Straße" }, other.owner.token), 201);
    expectRefusal(await create({ extra: 1 }), 400, "unknown member extra");
    expectRefusal(await create({ tenant_id: "x" }), 400);
  });

  test.each([
    ["name", { name: "" }],
    ["name", { name: "  " }],
    ["name", { name: "n".repeat(201) }],
    ["description", { description: "d".repeat(1001) }],
    ["scopes", { scopes: ["two words"] }],
    ["scopes", { scopes: [""] }],
    ["scopes", { scopes: Array.from({ length: 101 }, (_, n) => `s${n}`) }],
  ])("422 that names %s: %j", async (field, body) => {
    const answer = await create(body);
    expect(answer.status).toBe(422);
    expect(answer.body.error.fields[0].field.split(".")[0]).toBe(field);
  });

  test("03 §17: concurrent registration of the same service-principal name", async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => create({ name: "Wanted by all" })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
  });

  test("00 §18: a permission among the scopes is given by who holds it", async () => {
    const admin = await member(server, space, ["apikey.write", "user.read"]);
    ok(await create({ scopes: ["user:read", "reports:read"] }, admin.token), 201);
    expectRefusal(
      await create({ scopes: ["user.write"] }, admin.token),
      403,
      "missing permission: user.write",
    );
    expectRefusal(await create({ scopes: ["*"] }, admin.token), 403);
    expectRefusal(await create({ scopes: ["platform:admin"] }), 403);
  });

  test("who may: apikey.write, or tenant.write; a key with that scope; nobody without a credential", async () => {
    const [plain, coarse] = await Promise.all([
      member(server, space),
      member(server, space, ["tenant.write"]),
    ]);
    expectRefusal(
      await server.call("POST", "/v1/service-principals", { body: { name: "x" } }),
      401,
    );
    expectRefusal(await create({}, plain.token), 403, "missing permission: apikey.write");
    ok(await create({}, coarse.token), 201);
    const key = await apiKey(server, space.owner, { scopes: ["apikey.write"] });
    ok(await create({}, key.authorization), 201);
  });

  test("beyond 1000 active ones 409, until one is disabled", async () => {
    const full = await workspace(server);
    const { id } = await made({}, full.owner.token);
    const { db, random } = server.deps;
    const [row] = await db.read
      .select()
      .from(servicePrincipals)
      .where(eq(servicePrincipals.id, id));
    await db.transaction(async (tx) => {
      for (let n = 1; n < 1000; n += 1)
        await tx
          .insert(servicePrincipals)
          .values({ ...row!, id: random.uuid(), nameKey: `copy ${n}` });
    });
    expectRefusal(await create({}, full.owner.token), 409);
    ok(await disable(id, full.owner.token), 204);
    ok(await create({}, full.owner.token), 201);
  });
});

describe("GET /v1/tenants/{tenantID}/service-principals", () => {
  test("newest first, disabled ones too, whole or in pages; an empty list is one", async () => {
    const mine = await workspace(server);
    const as = mine.owner.token;
    const list = (query = "") => server.call("GET", `${listPath(mine.tenantId)}${query}`, { as });
    expect(ok(await list()).body).toEqual({ items: [], next_cursor: "" });
    const ids: string[] = [];
    for (let n = 0; n < 4; n += 1) ids.unshift((await made({}, as)).id);
    ok(await disable(ids[1]!, as), 204);
    const whole = ok(await list()).body.items;
    expect(whole.map(({ id }: { id: string }) => id)).toEqual(ids);
    expect(whole[1].disabled_at).toBe(server.clock.now().toISOString());
    const first = ok(await list("?limit=3")).body;
    const second = ok(await list(`?limit=3&cursor=${first.next_cursor}`)).body;
    expect([...first.items, ...second.items]).toEqual(whole);
    expect(second.next_cursor).toBe("");
    expectRefusal(await list("?cursor=made-up"), 400);
    expect(JSON.stringify(whole)).not.toContain("secret");
  });

  test("403 for another tenant, 400 for what is no id, 401 without a tenant", async () => {
    const as = space.owner.token;
    expectRefusal(
      await server.call("GET", listPath(other.tenantId), { as }),
      403,
      "tenant mismatch",
    );
    expectRefusal(await server.call("GET", listPath("x"), { as }), 400);
    expectRefusal(await server.call("GET", listPath()), 401);
  });
});

describe("the end of a principal", () => {
  test("03 §17: disable twice; disable other tenant's id; malformed id", async () => {
    const { id, client_secret } = await made();
    const token = ok(await tokenFor(id, client_secret)).body.access_token;
    ok(await disable(id), 204);
    expectRefusal(await disable(id), 404);
    const theirs = (await made({}, other.owner.token)).id;
    for (const unknown of [theirs, UNKNOWN_ID]) expectRefusal(await disable(unknown), 404);
    expectRefusal(await disable("x"), 400, "invalid id");
    expect((await tokenFor(id, client_secret)).status).toBe(401);
    expectRefusal(await server.call("GET", "/v1/users", { as: token }), 401);
    expect(await auditActions(server, space, id)).toEqual([
      "service_principal.disabled",
      "service_principal.created",
    ]);
    expect(await auditActions(server, other, theirs)).toEqual(["service_principal.created"]);
  });

  test("eight at once: one 204", async () => {
    const { id } = await made();
    const answers = await Promise.all(Array.from({ length: 8 }, () => disable(id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, ...Array(7).fill(404)]);
  });

  test("with its tenant", async () => {
    const gone = await workspace(server);
    const { id } = await made({}, gone.owner.token);
    expect(await findClient(server.deps, id)).toBeDefined();
    ok(await server.call("DELETE", `/v1/tenants/${gone.tenantId}`, { as: gone.owner.token }), 204);
    expect(await findClient(server.deps, id)).toBeUndefined();
    const [row] = await server.deps.db.read
      .select()
      .from(servicePrincipals)
      .where(eq(servicePrincipals.id, id));
    expect(row?.disabledAt).toEqual(server.clock.now());
  });
});

describe("rotate-secret", () => {
  test("the old secret ends at once", async () => {
    const { id, client_secret } = await made();
    ok(await tokenFor(id, client_secret));
    const { body } = ok(await rotate(id));
    expect(body).toEqual({ client_secret: expect.any(String), warning: "secret shown once" });
    expect((await tokenFor(id, client_secret)).status).toBe(401);
    ok(await tokenFor(id, body.client_secret));
    expect((await auditActions(server, space, id))[0]).toBe("service_principal.secret_rotated");
  });

  test("404 for one unknown, another tenant's, disabled; 403 for who lacks what it may do", async () => {
    const { id } = await made({ scopes: ["user.write"] });
    const admin = await member(server, space, ["apikey.write"]);
    expectRefusal(await rotate(id, admin.token), 403, "missing permission: user.write");
    const theirs = (await made({}, other.owner.token)).id;
    ok(await disable(id), 204);
    for (const unknown of [id, theirs, UNKNOWN_ID]) {
      expectRefusal(await rotate(unknown), 404);
      if (unknown !== id) expectRefusal(await get(unknown), 404);
    }
    expectRefusal(await rotate("x"), 400);
    expectRefusal(await get("x"), 400);
  });
});
