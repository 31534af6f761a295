/** Contract 03 §13: what administrators see and end of their clients' grants. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { decodeJwt } from "jose";
import {
  consentOf,
  readLiveAccessToken,
  rememberConsent,
} from "../../src/modules/tokens/service.ts";
import { audited, counts } from "../auth/support.ts";
import {
  apiKey,
  expectRefusal,
  member,
  ok,
  UNKNOWN_ID,
  type Workspace,
  workspace,
} from "../rbac/support.ts";
import { createClient, exchange, refresh, type TestClient } from "../support/provider.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";
import { expectOAuthError, hostedSession, newCode, newTokens, type SignIn } from "./support.ts";

let server: TestServer;
let space: Workspace;
let client: TestClient;
let ada: SignIn & { email: string };
let bob: SignIn & { email: string };
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
  client = await createClient(server, space.owner, { name: "Portal" });
  ada = await person();
  bob = await person();
});
afterAll(() => server.stop());

async function person(at = client) {
  const somebody = { ...(await member(server, space)), password: PASSWORD };
  const sessionId = await hostedSession(server, somebody);
  return { client: at, userId: somebody.userId, email: somebody.email, sessionId };
}

const path = (tenantId = space.tenantId) => `/v1/tenants/${tenantId}/oauth/grants`;
const list = async (query = "", as = space.owner.token) =>
  ok(await server.call("GET", `${path()}${query}`, { as })).body;
const end = (id: string, as = space.owner.token, tenantId = space.tenantId) =>
  server.call("DELETE", `${path(tenantId)}/${id}`, { as });
const grantIdOf = (body: { access_token: string }) => String(decodeJwt(body.access_token).grant_id);
const consent = () => consentOf(server.deps.db.read, ada.userId, client.id);

describe("the list", () => {
  test("live grants, newest first; filters; pages", async () => {
    const first = await newTokens(server, ada);
    server.clock.advance(1000);
    const second = await newTokens(server, bob, { scopes: ["openid", "offline_access"] });
    const { items, next_cursor } = await list();
    expect(next_cursor).toBe("");
    const issued = server.clock.now();
    expect(items).toEqual([
      {
        id: grantIdOf(second),
        client_id: client.clientId,
        client_name: "Portal",
        user_id: bob.userId,
        user_email: bob.email,
        scopes: ["openid", "offline_access"],
        offline: true,
        issued_at: issued.toISOString(),
        expires_at: new Date(issued.getTime() + 720 * 3_600_000).toISOString(),
      },
      expect.objectContaining({ id: grantIdOf(first), user_email: ada.email, offline: false }),
    ]);
    expect((await list(`?user_id=${ada.userId}`)).items).toHaveLength(1);
    expect((await list(`?client_id=${client.clientId}`)).items).toHaveLength(2);
    expect((await list("?client_id=qci_unknown")).items).toEqual([]);
    const page = await list("?limit=1");
    expect(page.items).toEqual([items[0]]);
    expect(await list(`?limit=1&cursor=${page.next_cursor}`)).toEqual({
      items: [items[1]],
      next_cursor: "",
    });
    // A refresh moves the end, and makes no second row.
    server.clock.advance(60_000);
    ok(await refresh(server, client, first.refresh_token));
    const after = (await list(`?user_id=${ada.userId}`)).items;
    expect(after).toHaveLength(1);
    expect(Date.parse(after[0].expires_at) - Date.parse(items[1].expires_at)).toBe(61_000);
  });

  test("other tenant, no permission, no tenant, malformed ids and cursor", async () => {
    const stranger = await workspace(server);
    const get = (as: string, at = path()) => server.call("GET", at, { as });
    expectRefusal(await get(stranger.owner.token), 403, "tenant mismatch");
    expect((await get((await member(server, space)).token)).status).toBe(403);
    expect((await get(space.owner.token, "/v1/tenants/x/oauth/grants")).status).toBe(400);
    expect((await get(space.owner.token, `${path()}?cursor=x`)).status).toBe(400);
    expect((await get(space.owner.token, `${path()}?user_id=x`)).status).toBe(400);
    const reader = await apiKey(server, space.owner, { scopes: ["connection.read"] });
    ok(await get(reader.authorization));
    expect((await end(UNKNOWN_ID, reader.authorization)).status).toBe(403);
    const { body } = ok(await get(stranger.owner.token, path(stranger.tenantId)));
    expect(body.items).toEqual([]);
  });
});

describe("03 §17: grants: other tenant's id; revoke, then refresh, userinfo, authorize", () => {
  test("all that the user authorised the client to do ends, and the consent is forgotten", async () => {
    const [phone, laptop] = [await newTokens(server, ada), await newTokens(server, ada)];
    const elsewhere = await newTokens(server, bob);
    await server.deps.db.transaction(async (tx) => {
      const { userId } = ada;
      const scopes = ["openid", "profile"];
      const input = { userId, clientRowId: client.id, scopes, claims: [] };
      await rememberConsent(server.deps, tx, input);
    });
    const pending = await newCode(server, ada);
    const me = (as: string) => server.call("GET", "/v1/oauth/userinfo", { as });
    ok(await me(phone.access_token));
    ok(await end(grantIdOf(phone)), 204);
    for (const tokens of [phone, laptop]) {
      expectOAuthError(await refresh(server, client, tokens.refresh_token), "invalid_grant");
      expect((await me(tokens.access_token)).status).toBe(401);
      expect(await readLiveAccessToken(server.deps, tokens.access_token)).toBeUndefined();
    }
    expectOAuthError(await exchange(server, client, pending), "invalid_grant");
    expect(await consent()).toBeUndefined();
    ok(await me(elsewhere.access_token));
    const [event] = await audited(server, space.tenantId, "oauth.grant_revoked");
    expect(event).toMatchObject({
      resourceType: "oidc_grant",
      resourceId: ada.userId,
      actorUserId: space.owner.userId,
      metadata: {
        client_id: client.clientId,
        grant_id: grantIdOf(phone),
        user_id: ada.userId,
      },
    });
    expect((await end(grantIdOf(phone))).status).toBe(404);
    expect((await end(grantIdOf(laptop))).status).toBe(404);
  });

  test("other tenant's id, an unknown one: 404, and nothing changes", async () => {
    const stranger = await workspace(server);
    const tokens = await newTokens(server, ada);
    const before = await counts(server);
    const { owner, tenantId } = stranger;
    expect((await end(grantIdOf(tokens), owner.token, tenantId)).status).toBe(404);
    expect((await end(UNKNOWN_ID)).status).toBe(404);
    expect((await end("x")).status).toBe(400);
    expect(await counts(server)).toEqual(before);
    ok(await refresh(server, client, tokens.refresh_token));
  });
});

test("03 §7.4: consent merges, and never shrinks", async () => {
  const remember = (scopes: string[], claims: string[] = []) =>
    server.deps.db.transaction((tx) =>
      rememberConsent(server.deps, tx, {
        userId: ada.userId,
        clientRowId: client.id,
        scopes,
        claims,
      }),
    );
  await remember(["openid", "email"]);
  await remember(["openid", "profile"], ["userinfo.name"]);
  await remember(["openid"]);
  expect(await consent()).toEqual({
    scopes: ["openid", "email", "profile"],
    claims: ["userinfo.name"],
  });
});
