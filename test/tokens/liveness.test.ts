/** Contract 03 §9: whatever ends a token ends it at once. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { decodeJwt } from "jose";
import { backchannelLogouts, oauthGrants, oidcConsents } from "../../db/schema/index.ts";
import {
  endGrantsOfSession,
  readLiveAccessToken,
  rememberConsent,
  revokeAccessToken,
  revokeByRefreshToken,
} from "../../src/modules/tokens/service.ts";
import { audited } from "../auth/support.ts";
import { assign, member, ok, role, unassign, type Workspace, workspace } from "../rbac/support.ts";
import { createClient, exchange, refresh, type TestClient } from "../support/provider.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";
import { expectOAuthError, hostedSession, newCode, newTokens } from "./support.ts";

let server: TestServer;
let space: Workspace;
let client: TestClient;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
  client = await createClient(server, space.owner, {
    backchannel_logout_uri: "https://app.example/logout",
  });
});
afterAll(() => server.stop());

async function person() {
  const somebody = { ...(await member(server, space)), password: PASSWORD };
  const sessionId = await hostedSession(server, somebody);
  return { ...somebody, client, sessionId };
}

const read = (token: string) => readLiveAccessToken(server.deps, token);
const isLive = async (token: string) => (await read(token)) !== undefined;
const caller = { requestId: "req_test", ip: null, userAgent: null };
const logouts = (userId: string) =>
  server.deps.db.read
    .select()
    .from(backchannelLogouts)
    .where(eq(backchannelLogouts.userId, userId));

describe("readLiveAccessToken", () => {
  test("a client's token tells of its grant; a first-party one of its session", async () => {
    const ada = await person();
    const tokens = await newTokens(server, ada);
    expect(await read(tokens.access_token)).toMatchObject({
      userId: ada.userId,
      email: ada.email,
      clientId: client.clientId,
      grant: { clientRowId: client.id, sid: decodeJwt(tokens.id_token).sid, isMember: true },
    });
    expect(await read(ada.token)).toMatchObject({
      userId: ada.userId,
      clientId: null,
      grant: null,
    });
    ok(await server.call("POST", "/v1/auth/logout", { as: ada.token }), 204);
    expect(await isLive(ada.token)).toBe(false);
    expect(await isLive(tokens.access_token)).toBe(true);
  });

  test("anything else is none: an ID token, a refresh token, nonsense, a foreign signature", async () => {
    const tokens = await newTokens(server, await person());
    const [head, body] = tokens.access_token.split(".");
    for (const token of [
      tokens.id_token,
      tokens.refresh_token,
      "",
      "a.b.c",
      `${head}.${body}.${"A".repeat(86)}`,
      `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url")}.${body}.`,
    ])
      expect(await isLive(token)).toBe(false);
  });

  test("expired by a second", async () => {
    const other = await startServer();
    const there = await workspace(other);
    const session = await hostedSession(other, { ...there.owner, password: PASSWORD });
    const at = { userId: there.owner.userId, sessionId: session };
    const tokens = await newTokens(other, {
      ...at,
      client: await createClient(other, there.owner),
    });
    other.clock.advance(899_000);
    expect(await readLiveAccessToken(other.deps, tokens.access_token)).toBeDefined();
    other.clock.advance(1_000);
    expect(await readLiveAccessToken(other.deps, tokens.access_token)).toBeUndefined();
    await other.stop();
  });
});

describe("revocation", () => {
  test("of one access token: it alone, at once, written down once", async () => {
    const ada = await person();
    const [one, two] = [await newTokens(server, ada), await newTokens(server, ada)];
    const live = (await read(one.access_token))!;
    ok(await server.call("GET", "/v1/oauth/userinfo", { as: one.access_token }));
    const by = { caller, client };
    await revokeAccessToken(server.deps, live, by);
    await revokeAccessToken(server.deps, live, by);
    expect(await isLive(one.access_token)).toBe(false);
    expect((await server.call("GET", "/v1/oauth/userinfo", { as: one.access_token })).status).toBe(
      401,
    );
    expect(await isLive(two.access_token)).toBe(true);
    ok(await refresh(server, client, one.refresh_token));
    const events = await audited(server, space.tenantId, "oauth.token_revoked");
    expect(events.filter(({ actorUserId }) => actorUserId === ada.userId)).toHaveLength(1);
    expect(events[0]).toMatchObject({
      metadata: { client_id: client.clientId, token_type: "access_token" },
    });
  });

  test("by a refresh token: the whole grant; another client's ends nothing", async () => {
    const tokens = await newTokens(server, await person());
    const other = await createClient(server, space.owner);
    const revoke = (by: TestClient, token: string) =>
      revokeByRefreshToken(server.deps, caller, by, token);
    expect(await revoke(other, tokens.refresh_token)).toBe(false);
    expect(await revoke(client, "unknown")).toBe(false);
    expect(await isLive(tokens.access_token)).toBe(true);
    expect(await revoke(client, tokens.refresh_token)).toBe(true);
    expect(await revoke(client, tokens.refresh_token)).toBe(true);
    expect(await isLive(tokens.access_token)).toBe(false);
    expectOAuthError(await refresh(server, client, tokens.refresh_token), "invalid_grant");
  });
});

describe("what ends around a grant", () => {
  test("the hosted session: online grants, access tokens of the others, and every client is told once", async () => {
    const ada = await person();
    const tokens = [await newTokens(server, ada), await newTokens(server, ada)];
    const offline = await newTokens(server, ada, { scopes: ["openid", "offline_access"] });
    await server.deps.db.transaction((tx) => endGrantsOfSession(server.deps, tx, ada.sessionId));
    for (const { access_token: token } of [...tokens, offline])
      expect(await isLive(token)).toBe(false);
    for (const { refresh_token: token } of tokens)
      expectOAuthError(await refresh(server, client, token), "invalid_grant");
    const { body: next } = ok(await refresh(server, client, offline.refresh_token));
    expect(await isLive(next.access_token)).toBe(true);
    expect(decodeJwt(next.id_token).sid).not.toBe(decodeJwt(offline.id_token).sid);
    const told = await logouts(ada.userId);
    expect(told.map(({ sid }) => sid)).toEqual([String(decodeJwt(offline.id_token).sid)]);
  });

  test("the membership, where the client asks for one", async () => {
    const roleId = await role(server, space, []);
    const guest = await server.signUp();
    const strict = await createClient(server, space.owner, { require_membership: true });
    ok(await assign(server, space.owner, { userId: guest.userId, roleId, ...space }), 204);
    const sessionId = await hostedSession(server, guest);
    const at = { client: strict, userId: guest.userId, sessionId };
    const tokens = await newTokens(server, at);
    ok(await unassign(server, space.owner, { userId: guest.userId, roleId, ...space }), 204);
    expect(await isLive(tokens.access_token)).toBe(false);
    expectOAuthError(await refresh(server, strict, tokens.refresh_token), "invalid_grant");
  });

  test("a suspended user: grants end in this tenant, clients are told", async () => {
    const ada = await person();
    const tokens = await newTokens(server, ada);
    ok(
      await server.call("PATCH", `/v1/users/${ada.userId}`, {
        as: space.owner.token,
        body: { status: "suspended" },
      }),
    );
    expect(await isLive(tokens.access_token)).toBe(false);
    expect(await logouts(ada.userId)).toHaveLength(1);
  });
});

describe("what is kept of a person", () => {
  const consents = (userId: string) =>
    server.deps.db.read.select().from(oidcConsents).where(eq(oidcConsents.userId, userId));
  const grants = (userId: string) =>
    server.deps.db.read.select().from(oauthGrants).where(eq(oauthGrants.userId, userId));

  async function withGrant() {
    const ada = await person();
    const tokens = await newTokens(server, ada);
    await server.deps.db.transaction(async (tx) => {
      const { userId } = ada;
      const clientRowId = client.id;
      await rememberConsent(server.deps, tx, {
        userId,
        clientRowId,
        scopes: ["openid"],
        claims: [],
      });
    });
    return { ada, tokens, pending: await newCode(server, ada) };
  }

  test("export: grants and consents, no token of them", async () => {
    const { ada, tokens } = await withGrant();
    const exported: Record<string, object[]> = {};
    for (const { table, exportUser } of server.deps.subjectData)
      if (exportUser) exported[table] = await exportUser(server.deps.db.read, ada.userId);
    expect(exported.oauth_grants).toEqual([
      expect.objectContaining({ client_id: client.clientId, scopes: ["openid", "profile"] }),
    ]);
    expect(exported.oidc_consents).toEqual([
      expect.objectContaining({ client_id: client.clientId, scopes: ["openid"] }),
    ]);
    expect(JSON.stringify(exported)).not.toContain(tokens.refresh_token);
    expect(JSON.stringify(exported)).not.toMatch(/[Hh]ash/);
  });

  test("00 §22: first proof of an address: grants, codes and consents made before it are gone", async () => {
    const { ada, tokens, pending } = await withGrant();
    await server.deps.db.transaction(async (tx) => {
      for (const { firstProof } of server.deps.subjectData)
        await firstProof?.(server.deps, tx, ada.userId, server.clock.now());
    });
    expect(await isLive(tokens.access_token)).toBe(false);
    expect(await consents(ada.userId)).toEqual([]);
    expectOAuthError(await exchange(server, client, pending), "invalid_grant");
  });

  test("erased: nothing is left of grants, codes and consents", async () => {
    const { ada, tokens, pending } = await withGrant();
    await server.deps.db.transaction(async (tx) => {
      for (const { erase } of server.deps.subjectData)
        if (typeof erase === "function") await erase(tx, ada.userId, server.clock.now());
    });
    expect([await grants(ada.userId), await consents(ada.userId)]).toEqual([[], []]);
    expect(await isLive(tokens.access_token)).toBe(false);
    expectOAuthError(await exchange(server, client, pending), "invalid_grant");
    expectOAuthError(await refresh(server, client, tokens.refresh_token), "invalid_grant");
  });
});
