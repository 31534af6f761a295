/** What is under way when an owner takes an account back must not undo it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { apiKeys, sessions } from "../../db/schema/index.ts";
import { logIn, resetToken, WRONG } from "../auth/support.ts";
import { assign, expectRefusal, ok, ownerRoleId, permissionId } from "../rbac/support.ts";
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

test("a session that another instance has ended hands out no key and no role, within the five seconds", async () => {
  const { email, userId, token, tenantId, sessionId } = await server.signUp();
  const accomplice = await server.signUp();
  const owner = { email, userId, token };
  const key = (as: string) => server.call("POST", "/v1/api-keys", { as, body: { name: "kept" } });
  const made = ok(await key(token), 201).body;
  const roleId = await ownerRoleId(server, { tenantId, owner });
  const custom = ok(
    await server.call("POST", `/v1/tenants/${tenantId}/roles`, {
      as: token,
      body: { name: "helper" },
    }),
    201,
  ).body;
  const permission = await permissionId(server, owner, "user.write");
  const revokedAt = server.clock.now();
  await server.deps.db.transaction(async (tx) => {
    await tx.update(sessions).set({ revokedAt }).where(eq(sessions.id, sessionId));
    await tx.update(apiKeys).set({ revokedAt }).where(eq(apiKeys.id, made.id));
  });

  const answers = [
    await key(token),
    await server.call("POST", `/v1/api-keys/${made.id}/rotate`, { as: token }),
    await assign(server, owner, { userId: accomplice.userId, tenantId, roleId }),
    await server.call("POST", `/v1/roles/${custom.id}/permissions/${permission}`, { as: token }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
  // Reads go on for as long: that is what the five seconds are.
  ok(await server.call("GET", "/v1/users", { as: token }));
});
