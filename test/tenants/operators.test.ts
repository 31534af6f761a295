/** Contract 00 §27: TENANT_CREATION=operators, with PLATFORM_ADMINS saying who they are. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { counts } from "../auth/support.ts";
import { apiKey, expectRefusal, ok } from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { codeTo, confirm } from "../verification/support.ts";

const OPERATOR = "ops@example.com";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ tenantCreation: "operators", platformAdmins: [OPERATOR] });
});
afterAll(() => server.stop());

const create = (as: string) =>
  server.call("POST", "/v1/tenants", { as, body: { name: "Founded" } });

async function refused(as: string) {
  const before = await counts(server);
  expectRefusal(await create(as), 403, "only platform operators may create workspaces");
  expect(await counts(server)).toEqual(before);
}

test("sign-up still makes a personal workspace; whoever is no operator founds no other", async () => {
  const person = await server.signUp();
  const { body } = ok(await server.call("GET", "/v1/tenants", { as: person.token }));
  expect(body.items).toMatchObject([{ id: person.tenantId }]);
  await refused(person.token);
  await refused((await apiKey(server, person, { user_id: person.userId })).authorization);
});

test("an operator is named by an address that is proved, and acts by a session, never by a key", async () => {
  const operator = await server.signUp(OPERATOR);
  // Whoever signs up with the address first is not yet who it names.
  await refused(operator.token);
  const code = await codeTo(server, OPERATOR, "verify_email");
  ok(await confirm(server, "email", operator, operator.userId, code), 204);
  const { body } = ok(await create(operator.token), 201);
  ok(await server.call("GET", `/v1/tenants/${body.id}`, { as: body.access_token }));
  const by = { ...operator, token: body.access_token };
  await refused((await apiKey(server, by, { user_id: operator.userId })).authorization);
});

test("an operator who changes to another address is one no more", async () => {
  const moving = await startServer({ tenantCreation: "operators", platformAdmins: [OPERATOR] });
  try {
    const { userId, token } = await moving.signUp(OPERATOR);
    const code = await codeTo(moving, OPERATOR, "verify_email");
    ok(await confirm(moving, "email", { token }, userId, code), 204);
    const send = (path: string, body: object) => moving.call("POST", path, { as: token, body });
    ok(await send("/v1/tenants", { name: "Before" }), 201);
    ok(await send("/v1/me/email/change/start", { email: "was-ops@example.com" }), 202);
    const change = { code: await codeTo(moving, "was-ops@example.com", "email_change") };
    ok(await send("/v1/me/email/change/confirm", change));
    expectRefusal(await send("/v1/tenants", { name: "After" }), 403);
  } finally {
    await moving.stop();
  }
});

test("an operator may be named by user id as well", async () => {
  const first = await startServer({ tenantCreation: "operators" });
  const { databaseUrl, dataDir } = first.deps.config;
  const person = await first.signUp();
  // The same deployment, with the setting: its operator reads the id off the first.
  const second = await startServer({
    tenantCreation: "operators",
    platformAdmins: [person.userId],
    databaseUrl,
    dataDir,
  });
  try {
    const { body } = ok(
      await second.call("POST", "/v1/auth/login", {
        body: { email: person.email, password: person.password },
      }),
    );
    const create = { as: body.access_token, body: { name: "By id" } };
    ok(await second.call("POST", "/v1/tenants", create), 201);
  } finally {
    await second.stop();
    await first.stop();
  }
});
