/** Contract 00 §22: the first proof of an address removes what was set up before anybody proved to own it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { logIn, magicToken, published, refresh, resetToken, WRONG } from "../auth/support.ts";
import { apiKey, expectRefusal, ok } from "../rbac/support.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const reset = async (email: string, password: string) => {
  const body = { token: await resetToken(server, email), new_password: password };
  ok(await server.call("POST", "/v1/auth/reset-password", { body }), 204);
};
const magic = async (email: string) => {
  const body = { token: await magicToken(server, email) };
  return ok(await server.call("POST", "/v1/auth/magic-link/consume", { body })).body;
};

/** Somebody signs up with an address that is not theirs, and makes a session and a key to keep. */
async function squatter() {
  const person = await server.signUp();
  const key = await apiKey(server, person, { user_id: person.userId });
  const hosted = await server.call("POST", "/v1/auth/session", {
    body: { email: person.email, password: PASSWORD },
  });
  ok(hosted);
  return { ...person, key: key.authorization };
}

const opens = async (as: string) => (await server.call("GET", "/v1/auth/me", { as })).status;

describe("the first proof", () => {
  test("a reset: the squatter's session, key and password are gone; the new password is the owner's", async () => {
    const { email, token, refreshToken, key, userId, sessionId } = await squatter();
    expect([await opens(token), await opens(key)]).toEqual([200, 200]);
    await reset(email, WRONG);
    expect([await opens(token), await opens(key)]).toEqual([401, 401]);
    expectRefusal(await refresh(server, refreshToken), 401, "session revoked");
    expect((await published(server, sessionId)).at(-1)).toMatchObject({
      eventType: "session.revoked",
      payload: { user_id: userId, reason: "first_proof" },
    });
    expectRefusal(await logIn(server, email), 401);
    const { access_token: as } = ok(await logIn(server, email, { password: WRONG })).body;
    const self = await server.call("GET", `/v1/users/${userId}`, { as });
    expect(self.body.email_verified_at).toBeString();
    const hosted = await server.call("GET", "/v1/auth/sso-sessions", { as });
    expect(hosted.body.items).toEqual([]);
  });

  test("a magic link: the same, and the account has no password", async () => {
    const { email, token, refreshToken, key } = await squatter();
    const { access_token: as } = await magic(email);
    expect([await opens(token), await opens(key), await opens(as)]).toEqual([401, 401, 200]);
    expectRefusal(await refresh(server, refreshToken), 401, "session revoked");
    expectRefusal(await logIn(server, email), 401);
    const { body } = await server.call("GET", "/v1/auth/password", { as });
    expect(body).toEqual({ has_password: false });
    const sessions = await server.call("GET", "/v1/auth/sessions?active=true", { as });
    expect(sessions.body.items).toHaveLength(1);
  });

  test("a later proof removes nothing", async () => {
    const { email } = await server.signUp();
    await reset(email, WRONG);
    const session = ok(await logIn(server, email, { password: WRONG })).body;
    const { access_token: as } = await magic(email);
    expect([await opens(session.access_token), await opens(as)]).toEqual([200, 200]);
    ok(await logIn(server, email, { password: WRONG }));
    // A reset still ends sessions, as ever.
    await reset(email, PASSWORD);
    expect([await opens(session.access_token), await opens(as)]).toEqual([401, 401]);
  });
});
