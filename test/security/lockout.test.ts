/** Contract 00 §54: what a browser is remembered for must not become a way around the lock. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cookieOf, logIn, MINUTE, resetToken, WRONG } from "../auth/support.ts";
import { ok } from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

test("marks that were collected under a former password give no guesses at the new one", async () => {
  const { email } = await server.signUp();
  const mark = async (password?: string) => {
    const answer = ok(await logIn(server, email, { ...(password && { password }) }));
    return { cookie: `qe_known=${cookieOf(answer, "qe_known")}` };
  };
  const collected = [await mark(), await mark()];
  server.clock.advance(MINUTE);
  const body = { token: await resetToken(server, email), new_password: WRONG };
  ok(await server.call("POST", "/v1/auth/reset-password", { body }), 204);
  const owner = await mark(WRONG);

  for (let n = 0; n < 5; n++)
    expect((await logIn(server, email, { password: "a bad guess" })).status).toBe(401);
  for (const headers of collected)
    expect((await logIn(server, email, { password: "a bad guess", headers })).status).toBe(429);
  const signedIn = ok(await logIn(server, email, { password: WRONG, headers: owner }));
  // One entry for the account, however often it signs in.
  expect(cookieOf(signedIn, "qe_known")).not.toContain("~");
});
