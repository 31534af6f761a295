/** Contract 04 §10, rows that need a clock to move: what the SDKs and the hosted pages must survive. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { callbackOf, REDIRECT_URI } from "../support/provider.ts";
import { expectErrorPage, type Suite, startSuite } from "./support.ts";

let suite: Suite;
beforeAll(async () => {
  suite = await startSuite();
});
afterAll(() => suite.server.stop());

test("04 §10: Consent with unknown client or unregistered `redirect_uri` → error page, no redirect, also on deny", async () => {
  const { server, user, client } = suite;
  const browser = server.browser();
  await server.codeFlow(browser, client, {}, { user });
  for (const page of [
    `/consent?client_id=qci_unknown&redirect_uri=${encodeURIComponent(REDIRECT_URI)}&scope=openid`,
    `/consent?client_id=${client.clientId}&redirect_uri=https%3A%2F%2Fevil.example%2F&scope=openid`,
    "/consent?request_id=unknown",
  ])
    expectErrorPage({ screen: await browser.visit(page) });

  await browser.visit("/healthz");
  for (const approve of [true, false]) {
    const { status, body } = await browser.call("POST", "/v1/oauth/authorize/decision", {
      body: {
        approve,
        client_id: client.clientId,
        redirect_uri: "https://evil.example/",
        scope: "openid",
        state: "",
        nonce: "",
        code_challenge: "",
        code_challenge_method: "",
      },
    });
    expect(status).toBe(400);
    expect(JSON.stringify(body)).not.toContain("evil.example");
  }
});

test("04 §10: Session expired between page and decision → back to `/login`, then consent again", async () => {
  const { server, user, client2 } = suite;
  const browser = server.browser();
  let screen = await browser.open(
    `/v1/oauth/authorize?${new URLSearchParams({
      client_id: client2.clientId,
      redirect_uri: REDIRECT_URI,
      response_type: "code",
      scope: "openid email",
      state: "kept",
    })}`,
  );
  screen = await browser.signIn(screen, user);
  // Half an hour without use ends a hosted session (contract 03 §7.1); the request lives as long.
  browser.cookies.delete("qe_ls");
  screen = await browser.allow(screen);
  expect(screen.location).toBeUndefined();
  expect(new URL(screen.url).pathname).toBe("/login");
  screen = await browser.signIn(screen, user);
  expect(new URL(screen.url).pathname).toBe("/consent");
  screen = await browser.allow(screen);
  expect(callbackOf(screen)).toMatchObject({ code: expect.any(String), state: "kept" });
});

test("04 §10: ten parallel refreshes; reuse after 10 s → all revoked", async () => {
  const { server, user, client } = suite;
  const flow = await server.codeFlow(server.browser(), client, {}, { user });
  const { body } = await server.exchange(client, flow);
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => server.refresh(client, body.refresh_token)),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
  const last = answers.at(-1)!.body;
  expect(new Set(answers.map((one) => one.body.refresh_token)).size).toBe(10);
  expect((await server.call("GET", "/v1/oauth/userinfo", { as: last.access_token })).status).toBe(
    200,
  );

  server.clock.advance(10_001);
  const replayed = await server.refresh(client, body.refresh_token);
  expect({ status: replayed.status, error: replayed.body.error }).toEqual({
    status: 400,
    error: "invalid_grant",
  });
  for (const one of answers) {
    expect((await server.refresh(client, one.body.refresh_token)).status).toBe(400);
    const { status } = await server.call("GET", "/v1/oauth/userinfo", {
      as: one.body.access_token,
    });
    expect(status).toBe(401);
  }
});
