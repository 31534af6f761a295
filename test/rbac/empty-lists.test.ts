import { expect, test } from "bun:test";
import { startServer } from "../support/server.ts";
import { ok, role, workspace } from "./support.ts";

test("07 §12: any empty list is [], not null", async () => {
  const server = await startServer();
  try {
    const space = await workspace(server);
    const as = space.owner.token;
    const roleId = await role(server, space, []);
    const tenant = `/v1/tenants/${space.tenantId}`;
    for (const path of [
      "/v1/users/deleted",
      "/v1/api-keys",
      `${tenant}/api-keys`,
      `${tenant}/audit?action=no.such`,
      `/v1/roles/${roleId}/permissions`,
      "/v1/admin/outbox/dlq",
    ]) {
      const { body } = ok(await server.call("GET", path, { as }));
      expect([path, body.items]).toEqual([path, []]);
    }
    const stranger = await workspace(server);
    const path = `/v1/users/${stranger.owner.userId}/tenants/${space.tenantId}/permissions`;
    const { body } = ok(await server.call("GET", path, { as }));
    expect(body).toEqual({ permissions: [], items: [] });
  } finally {
    await server.stop();
  }
});
