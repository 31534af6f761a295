/** RFC 7009, contract 03 §11. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { asc, eq } from "drizzle-orm";
import { auditEvents } from "../../db/schema/index.ts";
import { createClient, postForm, randomText, refresh } from "../support/provider.ts";
import { type Answer, startServer, type TestServer } from "../support/server.ts";
import { expectOAuthError, newTokens, PUBLIC, signIn } from "../tokens/support.ts";
import { introspect, machineToken, principal, revoke } from "./support.ts";

let server: TestServer;
let one: Awaited<ReturnType<typeof signIn>>;
beforeAll(async () => {
  server = await startServer();
  one = await signIn(server);
});
afterAll(() => server.stop());

function expectEmpty({ status, body, headers }: Answer): void {
  expect([status, body]).toEqual([200, undefined]);
  expect(headers.get("cache-control")).toBe("no-store");
}
const userinfo = async (as: string) =>
  (await server.call("GET", "/v1/oauth/userinfo", { as })).status;
const events = () =>
  server.deps.db.read
    .select()
    .from(auditEvents)
    .where(eq(auditEvents.action, "oauth.token_revoked"))
    .orderBy(asc(auditEvents.seq));

test("03 §17: revoke: refresh → its access token; foreign token; unknown; twice", async () => {
  const { access_token, refresh_token } = await newTokens(server, one);
  expect(await userinfo(access_token)).toBe(200);
  const before = (await events()).length;

  const foreign = await createClient(server, one.user);
  for (const token of [access_token, refresh_token])
    expectEmpty(await revoke(server, foreign, token));
  for (const token of ["x", "a.b.c", randomText(), one.user.token, one.user.refreshToken])
    expectEmpty(await revoke(server, one.client, token));
  expect(await userinfo(access_token)).toBe(200);
  expect(await userinfo(one.user.token)).toBe(200);
  expect((await introspect(server, one.client, refresh_token)).body.active).toBe(true);
  expect((await events()).length).toBe(before);

  expectEmpty(await revoke(server, one.client, refresh_token));
  expect(await userinfo(access_token)).toBe(401);
  expectOAuthError(await refresh(server, one.client, refresh_token), "invalid_grant");
  expectEmpty(await revoke(server, one.client, refresh_token));
  expectEmpty(await revoke(server, one.client, access_token));

  const written = (await events()).slice(before);
  expect(written.map(({ metadata }) => JSON.parse(metadata))).toMatchObject([
    { client_id: one.client.clientId, token_type: "refresh_token" },
    { client_id: one.client.clientId, token_type: "access_token" },
  ]);
  // Contract 08 §9.1: by the client, about the client.
  const { tenantId, id: resourceId } = one.client;
  for (const event of written)
    expect(event).toMatchObject({
      tenantId,
      actorType: "service",
      actorUserId: one.user.userId,
      resourceType: "oidc_client",
      resourceId,
    });
});

test("an access token alone: its grant goes on", async () => {
  const { access_token, refresh_token } = await newTokens(server, one);
  expect(await userinfo(access_token)).toBe(200);
  expectEmpty(await revoke(server, one.client, access_token, "access_token"));
  expect(await userinfo(access_token)).toBe(401);
  const next = await refresh(server, one.client, refresh_token);
  expect(next.status).toBe(200);
  expect(await userinfo(next.body.access_token)).toBe(200);
});

test.each(["access_token", "refresh_token", "pta", ""])(
  "§2.1: hint %s hides nothing",
  async (hint) => {
    const { access_token, refresh_token } = await newTokens(server, one);
    expectEmpty(await revoke(server, one.client, access_token, hint));
    expect(await userinfo(access_token)).toBe(401);
    expectEmpty(await revoke(server, one.client, refresh_token, hint));
    expectOAuthError(await refresh(server, one.client, refresh_token), "invalid_grant");
  },
);

test("an access token for another audience", async () => {
  const { access_token } = await newTokens(server, one, { resources: ["https://api.example"] });
  expect((await introspect(server, one.client, access_token)).body.active).toBe(true);
  expectEmpty(await revoke(server, one.client, access_token));
  expect((await introspect(server, one.client, access_token)).body.active).toBe(false);
});

test("ten at once write one event", async () => {
  for (const kind of ["access_token", "refresh_token"]) {
    const token = (await newTokens(server, one))[kind];
    const before = (await events()).length;
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => revoke(server, one.client, token)),
    );
    for (const answer of answers) expectEmpty(answer);
    expect((await events()).length).toBe(before + 1);
  }
});

test("a machine ends its own tokens, and nobody else's", async () => {
  const [machine, other] = [await principal(server, one.user), await principal(server, one.user)];
  const token = await machineToken(server, machine);
  expectEmpty(await revoke(server, other, token));
  expect((await introspect(server, machine, token)).body.active).toBe(true);
  expectEmpty(await revoke(server, machine, token));
  expect((await introspect(server, machine, token)).body.active).toBe(false);
  const { refresh_token } = await newTokens(server, one);
  expectEmpty(await revoke(server, machine, refresh_token));
  expect((await introspect(server, one.client, refresh_token)).body.active).toBe(true);
});

describe("who may ask", () => {
  test("a public client, by its name", async () => {
    const client = await createClient(server, one.user, PUBLIC);
    const { access_token, refresh_token } = await newTokens(server, { ...one, client });
    expectEmpty(await revoke(server, client, refresh_token));
    expect(await userinfo(access_token)).toBe(401);
  });

  test("a confidential one not without its proof: nothing happens", async () => {
    const { access_token, refresh_token } = await newTokens(server, one);
    for (const answer of [
      await revoke(server, one.client, refresh_token, undefined, "none"),
      await revoke(server, { ...one.client, secret: randomText() }, refresh_token),
    ])
      expectOAuthError(answer, "invalid_client", 401);
    expect(await userinfo(access_token)).toBe(200);
  });

  test.each([undefined, ""])("without a token (%p): 400", async (token) => {
    expectOAuthError(await revoke(server, one.client, token), "invalid_request");
  });

  test("03 §2: a page of any origin may, without credentials", async () => {
    const origin = "https://spa.example";
    const fields = { token: "x" };
    const { headers } = await postForm(server, "/oauth/revoke", one.client, fields, "basic", {
      origin,
    });
    expect(headers.get("access-control-allow-origin")).toBe("*");
    expect(headers.get("access-control-allow-credentials")).toBeNull();
  });
});
