/** Ways from a narrow or a squatter's key to more than it was given. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { logIn, resetToken, WRONG } from "../auth/support.ts";
import { apiKey, member, ok, workspace } from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

test("contract 07 §1.7: a narrow key that is bound to an owner is not that owner", async () => {
  const space = await workspace(server);
  const { userId, email } = space.owner;
  const key = await apiKey(server, space.owner, { user_id: userId, scopes: ["user.write"] });
  const as = key.authorization;
  const set = await server.call("POST", `/v1/users/${userId}/password`, {
    as,
    body: { password: WRONG },
  });
  expect(set.status).toBe(403);
  ok(await logIn(server, email));
  const body = { metadata: { role: "x" } };
  expect((await server.call("PATCH", `/v1/users/${userId}`, { as, body })).status).toBe(403);
  // What it was made for still works: somebody who holds nothing that it lacks.
  const other = await member(server, space);
  const path = `/v1/users/${other.userId}/password`;
  ok(await server.call("POST", path, { as, body: { password: WRONG } }), 204);
  ok(await logIn(server, other.email, { password: WRONG }));
});

test("contract 00 §22: a key that was made by a key ends with the first proof, as its maker does", async () => {
  const { email, token, userId } = await server.signUp();
  const person = { email, token, userId };
  const first = await apiKey(server, person);
  const second = await apiKey(server, { ...person, token: first.authorization });
  const third = await apiKey(server, { ...person, token: second.authorization });
  const opens = async (as: string) => (await server.call("GET", "/v1/users", { as })).status;
  expect(await opens(third.authorization)).toBe(200);
  const body = { token: await resetToken(server, email), new_password: WRONG };
  ok(await server.call("POST", "/v1/auth/reset-password", { body }), 204);
  for (const { authorization } of [first, second, third])
    expect(await opens(authorization)).toBe(401);
});
