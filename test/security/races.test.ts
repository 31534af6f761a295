/** What is under way when an owner takes an account back must not undo it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { logIn, resetToken, WRONG } from "../auth/support.ts";
import { expectRefusal, ok } from "../rbac/support.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const THIEF = "nine black herons";

/** Holds the hash of one password until `release`; `reached` says that somebody waits for it. */
function holdHashOf(password: string) {
  const { hash } = server.deps.passwords;
  const reached = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  server.deps.passwords.hash = async (text) => {
    const hashed = await hash(text);
    if (text === password) {
      reached.resolve();
      await gate.promise;
    }
    return hashed;
  };
  return {
    reached: reached.promise,
    release() {
      gate.resolve();
      server.deps.passwords.hash = hash;
    },
  };
}

test.each([
  {
    name: "POST /v1/auth/password",
    change: (_userId: string) => ({
      path: "/v1/auth/password",
      body: { current_password: PASSWORD, new_password: THIEF },
    }),
  },
  {
    name: "POST /v1/users/{id}/password as one's own administrator",
    change: (userId: string) => ({
      path: `/v1/users/${userId}/password`,
      body: { password: THIEF },
    }),
  },
])("a reset wins over a change that was under way: $name", async ({ change }) => {
  const { email, token, userId } = await server.signUp();
  const resetting = await resetToken(server, email);
  const hold = holdHashOf(THIEF);
  const { path, body } = change(userId);
  const changing = server.call("POST", path, { as: token, body });
  await hold.reached;
  const reset = { token: resetting, new_password: WRONG };
  ok(await server.call("POST", "/v1/auth/reset-password", { body: reset }), 204);
  hold.release();
  expect((await changing).status).toBe(401);
  ok(await logIn(server, email, { password: WRONG }));
  expectRefusal(await logIn(server, email, { password: THIEF }), 401);
});
