/** Nobody keeps an owner from taking their account back. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { testConfig } from "../../src/config.ts";
import { mailTo } from "../auth/support.ts";
import { ok } from "../rbac/support.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  const mail = { ratePerSecond: 3 / 600, burst: 3 };
  server = await startServer({ rateLimits: { ...testConfig().rateLimits, mail } });
});
afterAll(() => server.stop());

test("sign-ups with somebody's address do not use up their reset mails", async () => {
  const { email } = await server.signUp();
  const body = { email, password: PASSWORD };
  for (let n = 0; n < 4; n++)
    expect((await server.call("POST", "/v1/auth/signup", { body })).status).toBe(422);
  const forget = () => server.call("POST", "/v1/auth/forgot-password", { body: { email } });
  for (let n = 0; n < 4; n++) ok(await forget(), 202);
  const mails = await mailTo(server, email);
  const count = (template: string) => mails.filter((one) => one === template).length;
  expect([count("signup_attempt"), count("password_reset")]).toEqual([3, 3]);
});
