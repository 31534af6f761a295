/** RFC 6749 §6, RFC 9700 §4.14, contract 00 §8, §53, 03 §8.3: refresh tokens. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { decodeJwt } from "jose";
import { oidcRefreshTokens } from "../../db/schema/index.ts";
import { endGrantsOfSession, readLiveAccessToken } from "../../src/modules/tokens/service.ts";
import { audited, published, resetToken } from "../auth/support.ts";
import { member, ok, workspace } from "../rbac/support.ts";
import {
  createClient,
  postForm,
  randomText,
  refresh,
  type TestClient,
} from "../support/provider.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";
import {
  expectOAuthError,
  grantRow,
  hostedSession,
  newTokens,
  PUBLIC,
  refreshRow,
  type SignIn,
  signIn,
} from "./support.ts";

const DAY = 86_400_000;

let server: TestServer;
let one: Awaited<ReturnType<typeof signIn>>;
/** At a public client; at a confidential one without leeway; at another one. */
let spa: SignIn;
let strict: SignIn;
let other: TestClient;
beforeAll(async () => {
  server = await startServer();
  one = await signIn(server);
  other = await createClient(server, one.user);
  spa = { ...one, client: await createClient(server, one.user, PUBLIC) };
  const exact = { refresh_reuse_leeway_seconds: 0 };
  strict = { ...one, client: await createClient(server, one.user, exact) };
});
afterAll(() => server.stop());

const isLive = async (accessToken: string) =>
  (await readLiveAccessToken(server.deps, accessToken)) !== undefined;
const grantIdOf = (body: { access_token: string }) => String(decodeJwt(body.access_token).grant_id);
const rows = () => server.deps.db.read.$count(oidcRefreshTokens);

async function expectDead(
  signedIn: SignIn,
  tokens: { access_token: string; refresh_token: string },
) {
  expectOAuthError(await refresh(server, signedIn.client, tokens.refresh_token), "invalid_grant");
  expect(await isLive(tokens.access_token)).toBe(false);
}

describe("a rotation", () => {
  test("OIDC Core §12.2: a new refresh token; the ID token keeps what the sign-in proved", async () => {
    const first = await newTokens(server, one);
    server.clock.advance(20 * 60_000);
    const answer = ok(await refresh(server, one.client, first.refresh_token));
    expect(answer.headers.get("pragma")).toBe("no-cache");
    const { body } = answer;
    expect(Object.keys(body).sort()).toEqual(Object.keys(first).sort());
    expect(body.refresh_token).toMatch(/^[\w-]{43}$/);
    expect(body.refresh_token).not.toBe(first.refresh_token);
    const [before, after] = [decodeJwt(first.id_token), decodeJwt(body.id_token)];
    const { nonce, at_hash: _, iat, exp, ...kept } = before;
    expect(nonce).toBe("n-0S6_WzA2Mj");
    expect(after).toEqual({
      ...kept,
      iat: iat! + 1200,
      exp: exp! + 1200,
      at_hash: expect.any(String),
    });
    expect(decodeJwt(body.access_token)).toMatchObject({ grant_id: grantIdOf(first) });
    expect(await isLive(body.access_token)).toBe(true);
  });

  test("scope narrows this access token alone", async () => {
    const first = await newTokens(server, one);
    const narrow = ok(await refresh(server, one.client, first.refresh_token, { scope: "profile" }));
    expect(narrow.body.scope).toBe("profile");
    expect(narrow.body).not.toHaveProperty("id_token");
    const wide = ok(
      await refresh(server, one.client, narrow.body.refresh_token, { scope: "profile openid" }),
    );
    expect(wide.body).toHaveProperty("id_token");
  });

  test("a scope that was taken from the client since is not given any more", async () => {
    const at = await signIn(server);
    const first = await newTokens(server, at, { scopes: ["openid", "profile", "email"] });
    const { id, tenantId } = at.client;
    ok(
      await server.call("PATCH", `/v1/tenants/${tenantId}/oidc/clients/${id}`, {
        as: at.user.token,
        body: { scopes: ["openid", "profile"] },
      }),
    );
    const { body } = ok(await refresh(server, at.client, first.refresh_token));
    expect(body.scope).toBe("openid profile");
  });

  test("it needs the grant refresh_token, and a refresh token", async () => {
    const { client } = await signIn(server, { grant_types: ["authorization_code"] });
    expectOAuthError(await refresh(server, client, randomText()), "unauthorized_client");
    expectOAuthError(await refresh(server, one.client, ""), "invalid_request");
    expectOAuthError(await refresh(server, one.client, randomText()), "invalid_grant");
  });
});

describe("03 §17: refresh: reuse after rotation, then the successor; two parallel refreshes; other client; expired; widened scope", () => {
  test("reuse after rotation, then the successor: family dead, audited, announced once", async () => {
    const first = await newTokens(server, spa);
    const second = ok(await refresh(server, spa.client, first.refresh_token)).body;
    const stolen = await refreshRow(server, first.refresh_token);
    expectOAuthError(await refresh(server, spa.client, first.refresh_token), "invalid_grant");
    await expectDead(spa, second);
    expect(await isLive(first.access_token)).toBe(false);
    const grantId = grantIdOf(first);
    expect(await grantRow(server, grantId)).toMatchObject({ revokedReason: "refresh_reuse" });
    const [event] = await audited(server, spa.client.tenantId, "oidc.refresh_reuse_detected");
    expect(event).toMatchObject({
      actorType: "system",
      resourceType: "oidc_refresh_token",
      resourceId: stolen.id,
      metadata: {
        client_id: spa.client.clientId,
        refresh_token_id: stolen.id,
        reason: "refresh_token_reuse",
      },
    });
    expectOAuthError(await refresh(server, spa.client, first.refresh_token), "invalid_grant");
    const events = await published(server, grantId);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      topic: "auth",
      eventType: "oauth.grant.revoked_for_reuse",
      payload: { grant_id: grantId, client_id: spa.client.clientId, user_id: spa.userId },
    });
  });

  test("two parallel refreshes: one winner, then the family is dead", async () => {
    const first = await newTokens(server, spa);
    const answers = await Promise.all(
      Array.from({ length: 2 }, () => refresh(server, spa.client, first.refresh_token)),
    );
    const [winner, loser] = answers.sort((a, b) => a.status - b.status);
    expectOAuthError(loser!, "invalid_grant");
    await expectDead(spa, ok(winner!).body);
  });

  test("twenty at once: never two winners", async () => {
    const first = await newTokens(server, spa);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => refresh(server, spa.client, first.refresh_token)),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test("other client: refused, not consumed, nothing ends", async () => {
    const first = await newTokens(server, one);
    expectOAuthError(await refresh(server, other, first.refresh_token), "invalid_grant");
    const second = ok(await refresh(server, one.client, first.refresh_token)).body;
    server.clock.advance(11_000);
    expectOAuthError(await refresh(server, other, first.refresh_token), "invalid_grant");
    ok(await refresh(server, one.client, second.refresh_token));
  });

  test("widened scope: invalid_scope, not consumed", async () => {
    const first = await newTokens(server, spa);
    const before = await rows();
    const scope = "openid profile email";
    const wide = await refresh(server, spa.client, first.refresh_token, { scope });
    expectOAuthError(wide, "invalid_scope");
    expect(await rows()).toBe(before);
    ok(await refresh(server, spa.client, first.refresh_token));
  });
});

test("03 §17: other device of same user+client after reuse on one family", async () => {
  const [phone, laptop] = [await newTokens(server, spa), await newTokens(server, spa)];
  await refresh(server, spa.client, phone.refresh_token);
  expectOAuthError(await refresh(server, spa.client, phone.refresh_token), "invalid_grant");
  const next = ok(await refresh(server, spa.client, laptop.refresh_token)).body;
  expect(await isLive(next.access_token)).toBe(true);
});

describe("00 §8, §53: the leeway of confidential clients", () => {
  const children = async (token: string) =>
    (await server.deps.db.read.select().from(oidcRefreshTokens)).filter(
      ({ parentId }) => parentId === token,
    );

  test("requests in parallel each get a token; whichever is used next, the others die after 10 s", async () => {
    const first = await newTokens(server, one);
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => refresh(server, one.client, first.refresh_token)),
    );
    const tokens = answers.map((answer) => ok(answer).body.refresh_token as string);
    expect(new Set(tokens).size).toBe(5);
    server.clock.advance(15 * 60_000);
    const next = ok(await refresh(server, one.client, tokens[3]!)).body;
    server.clock.advance(10_000);
    // Still within the leeway of the next generation: it joins that one.
    const joined = ok(await refresh(server, one.client, tokens[1]!)).body;
    const parent = await refreshRow(server, tokens[3]!);
    expect((await children(parent.id)).length).toBe(2);
    expect((await refreshRow(server, joined.refresh_token)).parentId).toBe(parent.id);
    const last = ok(await refresh(server, one.client, joined.refresh_token)).body;
    server.clock.advance(1);
    ok(await refresh(server, one.client, next.refresh_token)); // superseded a millisecond ago
    expect(await isLive(last.access_token)).toBe(true);
    expectOAuthError(await refresh(server, one.client, tokens[0]!), "invalid_grant");
    await expectDead(one, last);
  });

  test("siblings that are used in parallel come together in one generation", async () => {
    const first = await newTokens(server, one);
    const all = (tokens: readonly string[]) =>
      Promise.all(
        tokens.map(
          async (token) => ok(await refresh(server, one.client, token)).body.refresh_token,
        ),
      );
    const siblings = await all(Array.from({ length: 5 }, () => first.refresh_token));
    const next = await all(siblings);
    const parents = await Promise.all(next.map((token) => refreshRow(server, token)));
    expect(new Set(parents.map(({ parentId }) => parentId)).size).toBe(1);
    expect(new Set(next).size).toBe(5);
  });

  test("a used token within it, not after it; a sibling is as old as its generation", async () => {
    const first = await newTokens(server, one);
    const second = ok(await refresh(server, one.client, first.refresh_token)).body;
    server.clock.advance(4_000);
    const third = ok(await refresh(server, one.client, second.refresh_token)).body;
    server.clock.advance(6_000);
    const sibling = ok(await refresh(server, one.client, first.refresh_token)).body;
    const { supersededAt } = await refreshRow(server, sibling.refresh_token);
    expect(supersededAt).toEqual((await refreshRow(server, second.refresh_token)).usedAt);
    const again = ok(await refresh(server, one.client, sibling.refresh_token)).body;
    expect((await refreshRow(server, again.refresh_token)).parentId).toBe(
      (await refreshRow(server, second.refresh_token)).id,
    );
    server.clock.advance(1);
    expectOAuthError(await refresh(server, one.client, first.refresh_token), "invalid_grant");
    await expectDead(one, third);
  });

  test("at most 10 siblings", async () => {
    const first = await newTokens(server, one);
    for (let i = 0; i < 11; i += 1) ok(await refresh(server, one.client, first.refresh_token));
    const before = await rows();
    expectOAuthError(await refresh(server, one.client, first.refresh_token), "invalid_grant");
    expect(await rows()).toBe(before);
  });

  test("leeway 0: none", async () => {
    const first = await newTokens(server, strict);
    const second = ok(await refresh(server, strict.client, first.refresh_token)).body;
    expectOAuthError(await refresh(server, strict.client, first.refresh_token), "invalid_grant");
    await expectDead(strict, second);
  });
});

describe("03 §17: refresh after user suspended/deleted, password reset, grant revoked, client deleted", () => {
  async function inSpace() {
    const space = await workspace(server);
    const person = { ...(await member(server, space)), password: PASSWORD };
    const client = await createClient(server, space.owner);
    const sessionId = await hostedSession(server, person);
    const at = { client, userId: person.userId, sessionId };
    return { space, person, at, tokens: await newTokens(server, at) };
  }
  type There = Awaited<ReturnType<typeof inSpace>>;

  test.each<{ name: string; change: (there: There) => Promise<unknown> }>([
    {
      name: "user suspended",
      change: ({ space, person }) =>
        server.call("PATCH", `/v1/users/${person.userId}`, {
          as: space.owner.token,
          body: { status: "suspended" },
        }),
    },
    {
      name: "user deleted",
      change: ({ space, person }) =>
        server.call("DELETE", `/v1/users/${person.userId}`, { as: space.owner.token }),
    },
    {
      name: "password reset",
      change: async ({ person }) =>
        server.call("POST", "/v1/auth/reset-password", {
          body: { token: await resetToken(server, person.email), password: "nine green newts" },
        }),
    },
    {
      name: "own password changed",
      change: ({ person }) =>
        server.call("POST", "/v1/auth/password", {
          as: person.token,
          body: { current_password: PASSWORD, new_password: "nine green newts" },
        }),
    },
    {
      name: "grant revoked",
      change: async ({ space, tokens }) =>
        server.call("DELETE", `/v1/tenants/${space.tenantId}/oauth/grants/${grantIdOf(tokens)}`, {
          as: space.owner.token,
        }),
    },
    {
      name: "tenant deleted",
      change: async ({ space, at }) => {
        const answer = await server.call("DELETE", `/v1/tenants/${space.tenantId}`, {
          as: space.owner.token,
        });
        // The client has gone with it, so it can't even say who it is.
        expectOAuthError(await refresh(server, at.client, randomText()), "invalid_client", 401);
        return answer;
      },
    },
  ])("$name", async ({ name, change }) => {
    const there = await inSpace();
    const answer = (await change(there)) as { status: number };
    expect(answer.status).toBeLessThan(300);
    expect(await isLive(there.tokens.access_token)).toBe(false);
    if (name === "tenant deleted") return;
    expectOAuthError(
      await refresh(server, there.at.client, there.tokens.refresh_token),
      "invalid_grant",
    );
  });

  test("client deleted: invalid_client", async () => {
    const { space, at, tokens } = await inSpace();
    ok(
      await server.call("DELETE", `/v1/oidc/clients/${at.client.id}`, { as: space.owner.token }),
      204,
    );
    expectOAuthError(await refresh(server, at.client, tokens.refresh_token), "invalid_client", 401);
    expect(await isLive(tokens.access_token)).toBe(false);
  });

  test("a user who comes back finds the grant ended", async () => {
    const { space, person, at, tokens } = await inSpace();
    const set = (status: string) =>
      server.call("PATCH", `/v1/users/${person.userId}`, {
        as: space.owner.token,
        body: { status },
      });
    ok(await set("suspended"));
    ok(await set("active"));
    await expectDead(at, tokens);
  });
});

describe("weeks later", () => {
  let late: TestServer;
  let at: SignIn;
  beforeAll(async () => {
    late = await startServer();
    const first = await signIn(late);
    at = { ...first, client: await createClient(late, first.user, PUBLIC) };
  });
  afterAll(() => late.stop());

  test("an old token that is replayed ends the family, expired or not", async () => {
    const first = await newTokens(late, at);
    late.clock.advance(29 * DAY);
    const second = ok(await refresh(late, at.client, first.refresh_token)).body;
    late.clock.advance(2 * DAY);
    expectOAuthError(await refresh(late, at.client, first.refresh_token), "invalid_grant");
    expectOAuthError(await refresh(late, at.client, second.refresh_token), "invalid_grant");
    expect(await audited(late, at.client.tenantId, "oidc.refresh_reuse_detected")).toHaveLength(1);
  });

  test("30 days idle, 90 days in all", async () => {
    const { refresh_token: idle } = await newTokens(late, at);
    let { refresh_token: token } = await newTokens(late, at);
    late.clock.advance(30 * DAY - 1);
    token = ok(await refresh(late, at.client, token)).body.refresh_token;
    late.clock.advance(1);
    expectOAuthError(await refresh(late, at.client, idle), "invalid_grant");
    for (const days of [20, 20, 19]) {
      late.clock.advance(days * DAY);
      token = ok(await refresh(late, at.client, token)).body.refresh_token;
    }
    const { grantId, expiresAt } = await refreshRow(late, token);
    const grant = await grantRow(late, grantId);
    expect(grant.endsAt.getTime() - grant.createdAt.getTime()).toBe(90 * DAY);
    expect(expiresAt).toEqual(grant.endsAt);
    expect(grant.expiresAt).toEqual(grant.endsAt);
    late.clock.advance(grant.endsAt.getTime() - late.clock.now().getTime() - 1);
    const last = ok(await refresh(late, at.client, token)).body;
    late.clock.advance(1);
    expectOAuthError(await refresh(late, at.client, last.refresh_token), "invalid_grant");
    // The access token that was given last lives on, and the grant is kept as long.
    expect(await readLiveAccessToken(late.deps, last.access_token)).toBeDefined();
    const kept = await grantRow(late, grantId);
    expect(kept.expiresAt.getTime()).toBe(grant.endsAt.getTime() - 1 + 15 * 60_000);
  });
});

describe("sign-out", () => {
  test("ends what was given in the session, but not what outlives it", async () => {
    const at = await signIn(server, { scopes: ["openid", "offline_access"] });
    const { client, sessionId } = at;
    const online = await newTokens(server, at, { scopes: ["openid"] });
    const offline = await newTokens(server, at, { scopes: ["openid", "offline_access"] });
    await server.deps.db.transaction((tx) => endGrantsOfSession(server.deps, tx, sessionId));
    await expectDead(at, online);
    const next = ok(await refresh(server, client, offline.refresh_token)).body;
    expect(await isLive(next.access_token)).toBe(true);
  });
});

test("both ways of a client to say who it is; a confidential one without its secret is refused", async () => {
  const first = await newTokens(server, one);
  const fields = { grant_type: "refresh_token", refresh_token: first.refresh_token };
  const without = await postForm(server, "/v1/oauth/token", one.client, fields, "none");
  expectOAuthError(without, "invalid_client", 401);
  ok(await postForm(server, "/v1/oauth/token", one.client, fields, "post"));
});
