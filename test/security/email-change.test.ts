/** Who reads only the old mailbox has lost the account once its address was changed. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { listMessages } from "../../src/platform/mail/service.ts";
import { logIn, magicToken, resetToken, WRONG } from "../auth/support.ts";
import { expectRefusal, ok } from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

test("links that were mailed to the old address open nothing after the change", async () => {
  const { email, token: as } = await server.signUp();
  const old = { reset: await resetToken(server, email), magic: await magicToken(server, email) };
  const next = `next-${server.port}@example.com`;
  const start = { as, body: { email: next } };
  ok(await server.call("POST", "/v1/me/email/change/start", start), 202);
  const mail = (await listMessages(server.deps, 50)).find(({ recipient }) => recipient === next);
  const code = /\b\d{6}\b/.exec(mail?.content?.text ?? "")?.[0];
  ok(await server.call("POST", "/v1/me/email/change/confirm", { as, body: { code } }));

  const body = { token: old.reset, new_password: WRONG };
  const reset = await server.call("POST", "/v1/auth/reset-password", { body });
  expectRefusal(reset, 400, "token expired");
  const magic = await server.call("POST", "/v1/auth/magic-link/consume", {
    body: { token: old.magic },
  });
  expect(magic.status).toBe(400);
  ok(await logIn(server, next));
});
