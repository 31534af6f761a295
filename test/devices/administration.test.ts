/** Contract 03 §16.2: what administrators see of devices, and how they end them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { deviceAuthorizations } from "../../db/schema/index.ts";
import { hashToken } from "../../src/platform/crypto/tokens.ts";
import { audited } from "../auth/support.ts";
import {
  expectRefusal,
  member,
  ok,
  UNKNOWN_ID,
  type Workspace,
  workspace,
} from "../rbac/support.ts";
import { startProvider, type TestClient, type TestProvider } from "../support/provider.ts";
import { expectOAuthError } from "../tokens/support.ts";
import {
  type Codes,
  codes,
  DAY_SECONDS,
  deviceClient,
  poll,
  pollLater,
  SECOND,
  signedIn,
} from "./support.ts";

let server: TestProvider;
let space: Workspace;
let client: TestClient;
beforeAll(async () => {
  // The owner stays signed in while the clock runs.
  server = await startProvider({ accessTokenTtlSeconds: DAY_SECONDS });
  space = await workspace(server);
  client = await deviceClient(server, space.owner);
});
afterAll(() => server.stop());

const listPath = ({ tenantId }: Workspace) => `/v1/tenants/${tenantId}/oauth/devices`;
const idOf = async ({ device_code }: Codes): Promise<string> => {
  const [row] = await server.deps.db.read
    .select()
    .from(deviceAuthorizations)
    .where(eq(deviceAuthorizations.deviceCodeHash, hashToken(device_code)));
  return row!.id;
};

describe("GET …/oauth/devices", () => {
  test("newest first, page by page; none of other tenants", async () => {
    const own = await workspace(server);
    const device = await deviceClient(server, own.owner);
    expect(ok(await server.call("GET", listPath(own), { as: own.owner.token })).body).toEqual({
      items: [],
      next_cursor: "",
    });
    const given: Codes[] = [];
    for (let n = 0; n < 5; n += 1) {
      given.push(await codes(server, device));
      server.clock.advance(SECOND);
    }
    const [first, second] = [given[4]!, given[3]!];
    await poll(server, device, first);
    ok(await (await signedIn(server, own.owner)).decide(second.user_code));

    const seen: string[] = [];
    let cursor = "";
    do {
      const path = `${listPath(own)}?limit=2&cursor=${cursor}`;
      const { body } = ok(await server.call("GET", path, { as: own.owner.token }));
      expect(body.items.length).toBeLessThanOrEqual(2);
      seen.push(...body.items.map((one: { user_code: string }) => one.user_code));
      cursor = body.next_cursor;
    } while (cursor !== "");
    expect(seen).toEqual(given.map(({ user_code }) => user_code).reverse());

    const { body } = ok(await server.call("GET", listPath(own), { as: own.owner.token }));
    const common = { client_id: device.clientId, scopes: ["openid", "profile"] };
    expect(body.items[0]).toEqual({
      ...common,
      id: await idOf(first),
      user_code: first.user_code,
      status: "pending",
      user_id: null,
      user_email: "",
      created_at: expect.any(String),
      expires_at: expect.any(String),
      last_polled_at: server.clock.now().toISOString(),
    });
    expect(body.items[1]).toMatchObject({
      ...common,
      status: "authorized",
      user_id: own.owner.userId,
      user_email: own.owner.email,
      last_polled_at: null,
    });
  });
});

describe("GET and DELETE …/oauth/devices/{id}", () => {
  test("one device; unknown and other tenants' are 404", async () => {
    const given = await codes(server, client);
    const id = await idOf(given);
    const path = `${listPath(space)}/${id}`;
    const { body } = ok(await server.call("GET", path, { as: space.owner.token }));
    expect(body).toMatchObject({ id, user_code: given.user_code, status: "pending" });
    const other = await workspace(server);
    const foreign = `${listPath(other)}/${id}`;
    for (const method of ["GET", "DELETE"]) {
      expectRefusal(
        await server.call(method, `${listPath(space)}/${UNKNOWN_ID}`, { as: space.owner.token }),
        404,
        "oidc.device_not_found: no such device",
      );
      expectRefusal(await server.call(method, foreign, { as: other.owner.token }), 404);
      expectRefusal(await server.call(method, path, { as: other.owner.token }), 403);
      expectRefusal(await server.call(method, path), 401);
      const malformed = `${listPath(space)}/x`;
      expectRefusal(await server.call(method, malformed, { as: space.owner.token }), 400);
    }
    ok(await server.call("GET", path, { as: space.owner.token }));
  });

  test("connection.read sees, connection.write ends, nothing else does", async () => {
    const id = await idOf(await codes(server, client));
    const path = `${listPath(space)}/${id}`;
    const reader = await member(server, space, ["connection.read"]);
    const writer = await member(server, space, ["connection.write"]);
    const nobody = await member(server, space, ["user.write"]);
    for (const one of [listPath(space), path])
      expectRefusal(await server.call("GET", one, { as: nobody.token }), 403);
    ok(await server.call("GET", listPath(space), { as: reader.token }));
    ok(await server.call("GET", path, { as: reader.token }));
    expectRefusal(await server.call("DELETE", path, { as: reader.token }), 403);
    expectRefusal(await server.call("DELETE", path, { as: nobody.token }), 403);
    ok(await server.call("DELETE", path, { as: writer.token }), 204);
    expectRefusal(await server.call("DELETE", path, { as: writer.token }), 404);
  });

  test("one that waits: its codes are nobody's any more", async () => {
    const given = await codes(server, client);
    const id = await idOf(given);
    ok(await server.call("DELETE", `${listPath(space)}/${id}`, { as: space.owner.token }), 204);
    expectOAuthError(await poll(server, client, given), "invalid_grant");
    const person = await signedIn(server, space.owner);
    expect((await person.find(given.user_code)).status).toBe(404);
    const [event] = await audited(server, space.tenantId, "oauth.device_revoked");
    expect(event).toMatchObject({
      actorUserId: space.owner.userId,
      resourceId: id,
      metadata: { client_id: client.clientId, user_code: given.user_code },
    });
  });

  test("one that has its tokens: they end with it, those of other devices do not", async () => {
    const person = await signedIn(server, space.owner);
    const [one, other] = [await codes(server, client), await codes(server, client)];
    ok(await person.decide(one.user_code));
    ok(await person.decide(other.user_code));
    const { body: tokens } = ok(await poll(server, client, one));
    const { body: kept } = ok(await poll(server, client, other));
    const me = (as: string) => server.call("GET", "/v1/auth/me", { as });
    ok(await me(tokens.access_token));
    const id = await idOf(one);
    ok(await server.call("DELETE", `${listPath(space)}/${id}`, { as: space.owner.token }), 204);
    expect((await me(tokens.access_token)).status).toBe(401);
    expectOAuthError(await server.refresh(client, tokens.refresh_token), "invalid_grant");
    ok(await me(kept.access_token));
    ok(await server.refresh(client, kept.refresh_token));
  });
});

describe("a person's data", () => {
  test("what the export says; erasure removes it", async () => {
    const user = await member(server, space);
    const given = await codes(server, client);
    ok(await (await signedIn(server, user)).decide(given.user_code));
    const { db, subjectData, clock } = server.deps;
    const table = subjectData.find((one) => one.table === "device_authorizations")!;
    const rows = await table.exportUser!(db.read, user.userId);
    expect(rows).toMatchObject([
      { client_id: client.clientId, user_code: given.user_code, status: "authorized" },
    ]);
    expect(JSON.stringify(rows)).not.toContain(hashToken(given.device_code));
    const { erase } = table;
    if (typeof erase === "string") throw new Error("erasure is no function");
    await db.transaction((tx) => erase(tx, user.userId, clock.now()));
    expect(await table.exportUser!(db.read, user.userId)).toEqual([]);
    expectOAuthError(await pollLater(server, client, given), "invalid_grant");
  });

  test.each(["refuseAccess", "removeTenant", "firstProof"] as const)(
    "%s: a device that has not fetched its tokens gets none",
    async (hook) => {
      const own = await workspace(server);
      const device = await deviceClient(server, own.owner);
      const given = await codes(server, device);
      ok(await (await signedIn(server, own.owner)).decide(given.user_code));
      const { deps } = server;
      const table = deps.subjectData.find((one) => one.table === "device_authorizations")!;
      const { tenantId, owner } = own;
      const at = deps.clock.now();
      await deps.db.transaction(async (tx) => {
        if (hook === "refuseAccess")
          await table.refuseAccess!(deps, tx, {
            userId: owner.userId,
            reason: "password_reset",
            at,
            revokesKeys: false,
          });
        else if (hook === "removeTenant") await table.removeTenant!(tx, tenantId, at);
        else await table.firstProof!(deps, tx, owner.userId, at);
      });
      expectOAuthError(await pollLater(server, device, given), "access_denied");
    },
  );
});

test("the janitor removes the decided a day after they expired", async () => {
  const given = await codes(server, client);
  ok(await (await signedIn(server, space.owner)).decide(given.user_code));
  const id = await idOf(given);
  const isThere = async () =>
    (await server.deps.db.read.$count(deviceAuthorizations, eq(deviceAuthorizations.id, id))) === 1;
  server.clock.advance((600 + DAY_SECONDS) * SECOND);
  await server.runJob("janitor");
  expect(await isThere()).toBe(true);
  server.clock.advance(1);
  await server.runJob("janitor");
  expect(await isThere()).toBe(false);
});
