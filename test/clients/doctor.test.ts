import { afterAll, beforeAll, expect, test } from "bun:test";
import { databaseChecks } from "../../src/cli/doctor/database.ts";
import { ok, type Workspace, workspace } from "../rbac/support.ts";
import { createClient } from "../support/provider.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let space: Workspace;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
});
afterAll(() => server.stop());

const check = (signupMode: "open" | "invite" = "open") =>
  databaseChecks
    .find(({ name }) => name === "open clients")!
    .run({ ...server.deps.config, signupMode });

test("doctor names clients that anybody may sign in to, though they offer no sign-up", async () => {
  const open = { require_membership: false };
  await createClient(server, space.owner);
  await createClient(server, space.owner, { self_registration: true });
  expect(await check()).toBe("each is for the members of its workspace, or offers to join it");
  const { id, clientId } = await createClient(server, space.owner, { ...open, name: "Ajar" });
  await expect(check()).rejects.toThrow(
    `anybody, since sign-up is open, may sign in to ${clientId} (Ajar): set require_membership`,
  );
  await expect(check("invite")).rejects.toThrow(
    `any account may sign in to ${clientId} (Ajar): set`,
  );
  const path = `/v1/oidc/clients/${id}`;
  ok(await server.call("DELETE", path, { as: space.owner.token }), 204);
  expect(await check()).toContain("each is for the members");
  for (let n = 0; n < 7; n += 1) await createClient(server, space.owner, open);
  await expect(check()).rejects.toThrow(/may sign in to (qci_\S+ \(Suite\),? ){5}and others: set/);
});
