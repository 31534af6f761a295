/** Contract 00 §22: what somebody set up on an address that is not theirs, and how it might outlive the first proof. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { logIn, resetToken, WRONG } from "../auth/support.ts";
import { assign, ok, ownerRoleId } from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const prove = async (email: string) => {
  const body = { token: await resetToken(server, email), new_password: WRONG };
  ok(await server.call("POST", "/v1/auth/reset-password", { body }), 204);
};
const switchTo = async (token: string, tenantId: string): Promise<string> =>
  ok(
    await server.call("POST", "/v1/auth/switch-tenant", {
      as: token,
      body: { tenant_id: tenantId },
    }),
  ).body.access_token;
const homeOf = async (userId: string, as: string) =>
  ok(await server.call("GET", `/v1/users/${userId}`, { as })).body.tenant_id;

/** Where the account's own workspace is: the one that sign-up made, or one that the squatter founded with it. */
test.each([{ founds: false }, { founds: true }])(
  "a squatter's accomplice in the account's own workspace does not manage it afterwards ($founds)",
  async ({ founds }) => {
    const squatted = await server.signUp();
    const accomplice = await server.signUp();
    let { token, tenantId } = squatted;
    if (founds) {
      const founded = await server.call("POST", "/v1/tenants", {
        as: token,
        body: { name: "Trap" },
      });
      ({ access_token: token, tenant_id: tenantId } = ok(founded, 201).body);
    }
    const by = { ...squatted, token };
    const roleId = await ownerRoleId(server, { tenantId, owner: by });
    ok(await assign(server, by, { userId: accomplice.userId, tenantId, roleId }), 204);
    const as = await switchTo(accomplice.token, tenantId);

    await prove(squatted.email);
    const set = await server.call("POST", `/v1/users/${squatted.userId}/password`, {
      as,
      body: { password: "eight green herons" },
    });
    expect(set.status).toBe(403);
    const { body: owner } = ok(await logIn(server, squatted.email, { password: WRONG }));
    expect(await homeOf(squatted.userId, owner.access_token)).toBeNull();
    // The workspaces are still theirs to use, and to clear.
    expect([squatted.tenantId, tenantId]).toContain(owner.tenant_id);
  },
);

test("whoever is alone in their workspace keeps it as home", async () => {
  const { email, userId, tenantId } = await server.signUp();
  await prove(email);
  const { access_token: as } = ok(await logIn(server, email, { password: WRONG })).body;
  expect(await homeOf(userId, as)).toBe(tenantId);
});
