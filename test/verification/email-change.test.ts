/** Contract 02 §12: another address for one's account. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { counts, mailTo, published } from "../auth/support.ts";
import { apiKey, expectRefusal, member, ok, signIn, workspace } from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { codeTo, MINUTE, readSelf, TTL, textsTo, wrong } from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const start = (as: string, email: string) =>
  server.call("POST", "/v1/me/email/change/start", { as, body: { email } });
const confirm = (as: string, code: string) =>
  server.call("POST", "/v1/me/email/change/confirm", { as, body: { code } });

/** The code of a change that was asked for. */
async function asked(as: string, email: string): Promise<string> {
  ok(await start(as, email), 202);
  return codeTo(server, email, "email_change");
}

describe("a fresh session", () => {
  test("is one that proved a credential within 15 minutes: not one renewed, switched or opened by founding", async () => {
    const person = await server.signUp();
    const target = `fresh-${person.email}`;
    server.clock.advance(15 * MINUTE);
    const renew = async (token: string) =>
      ok(await server.call("POST", "/v1/auth/refresh", { body: { refresh_token: token } })).body;
    const { access_token: renewed, refresh_token: next } = await renew(person.refreshToken);
    ok(await start(renewed, target), 202);
    server.clock.advance(1);
    const stale: string[] = [renewed, (await renew(next)).access_token];
    const founded = { as: renewed, body: { name: "Founded" } };
    const { body: made } = ok(await server.call("POST", "/v1/tenants", founded), 201);
    const switched = { as: renewed, body: { tenant_id: made.tenant_id } };
    const { body: there } = ok(await server.call("POST", "/v1/auth/switch-tenant", switched));
    stale.push(made.access_token, there.access_token);
    const before = await counts(server);
    for (const as of stale) {
      const refusal = await start(as, target);
      expectRefusal(refusal, 403);
      expect(refusal.body.error.code).toBe("step_up_required");
    }
    expect(await counts(server)).toEqual(before);
    ok(await start(await signIn(server, person.email), target), 202);
  });

  test("a key changes nobody's address, not even its own user's; no credential is 401", async () => {
    const { owner } = await workspace(server);
    const bound = await apiKey(server, owner, { user_id: owner.userId });
    const free = await apiKey(server, owner);
    for (const { authorization } of [bound, free]) {
      expectRefusal(await start(authorization, `key-${owner.email}`), 403);
      expectRefusal(await confirm(authorization, "123456"), 403);
    }
    const body = { email: `none-${owner.email}` };
    expectRefusal(await server.call("POST", "/v1/me/email/change/start", { body }), 401);
  });
});

describe("the code", () => {
  test("bad addresses are 422; without a code out nothing is confirmed", async () => {
    const { token } = await server.signUp();
    for (const bad of [
      "nobody",
      "a@",
      "@b.example",
      "a b@c.example",
      `${"a".repeat(320)}@x.example`,
    ])
      expectRefusal(await start(token, bad), 422);
    expectRefusal(await confirm(token, "123456"), 400, "invalid code");
  });

  test("of the newest address alone; five wrong ones or ten minutes end it", async () => {
    const person = await server.signUp();
    const { token, email } = person;
    const [first, second] = [`first-${email}`, `second-${email}`];
    const older = await asked(token, first);
    const newer = await asked(token, second);
    if (older !== newer) expectRefusal(await confirm(token, older), 400, "invalid code");
    for (let n = older === newer ? 0 : 1; n < 5; n += 1)
      expectRefusal(await confirm(token, wrong(newer)), 400, "invalid code");
    expectRefusal(await confirm(token, newer), 400, "code expired");
    const late = await asked(token, second);
    server.clock.advance(TTL);
    expectRefusal(await confirm(token, late), 400, "code expired");
    expect((await readSelf(server, person)).email).toBe(email);
    const { body } = ok(await confirm(token, await asked(token, second)));
    expect(body.email).toBe(second);
  });

  test("is nobody else's, and that of the address on file is not it", async () => {
    const [one, two] = [await server.signUp(), await server.signUp()];
    const code = await asked(one.token, `mine-${one.email}`);
    expectRefusal(await confirm(two.token, code), 400, "invalid code");
    const onFile = await codeTo(server, one.email, "verify_email");
    if (onFile !== code) expectRefusal(await confirm(one.token, onFile), 400, "invalid code");
    ok(await confirm(one.token, code));
  });
});

describe("the change", () => {
  test("frees the old address, tells it, publishes what changed, and keeps session and password", async () => {
    const person = await server.signUp();
    const { userId, tenantId, email, token } = person;
    const next = `next-${email}`;
    ok(await confirm(token, await asked(token, next)));
    const account = await readSelf(server, person);
    expect(account).toMatchObject({
      email: next,
      email_verified_at: server.clock.now().toISOString(),
    });
    const [notice = ""] = await textsTo(server, email, "security_alert");
    expect(notice).toContain("e-mail address of your account was changed");
    // The notice does not lead whoever reads the old mailbox to the new one.
    expect(notice).not.toContain(next);
    expect((await published(server, userId)).at(-1)).toMatchObject({
      eventType: "user.updated",
      tenantId,
      payload: { id: userId, email: account.email, changed: ["email"] },
    });
    await signIn(server, account.email);
    const successor = await server.signUp(email);
    expect(successor.userId).not.toBe(userId);
  });

  test("02 §12: an address in use is not told of: same answer, same mail as for a free one", async () => {
    const [one, two] = [await server.signUp(), await server.signUp()];
    const free = `free-${two.email}`;
    const answers = [await start(one.token, two.email), await start(one.token, free)];
    expect(answers.map(({ status, body }) => [status, body])).toEqual([
      [202, undefined],
      [202, undefined],
    ]);
    for (const address of [two.email, free])
      expect((await mailTo(server, address))[0]).toBe("email_change");
  });

  test("two accounts prove one address at once: one gets it, the other 409 and stays as it was", async () => {
    const people = await Promise.all([server.signUp(), server.signUp()]);
    const wanted = `wanted-${server.port}@example.com`;
    const codes: string[] = [];
    for (const { token } of people) codes.push(await asked(token, wanted));
    const answers = await Promise.all(people.map(({ token }, n) => confirm(token, codes[n]!)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    const loser = people[answers.findIndex(({ status }) => status === 409)]!;
    expectRefusal(answers.find(({ status }) => status === 409)!, 409, "email already in use");
    const account = await readSelf(server, loser);
    expect([account.email, account.email_verified_at]).toEqual([loser.email, null]);
    expect(await mailTo(server, loser.email)).not.toContain("security_alert");
  });

  test("of a deleted account comes to nothing: its sessions are gone", async () => {
    const space = await workspace(server);
    const person = await member(server, space);
    const code = await asked(person.token, `gone-${person.email}`);
    ok(await server.call("DELETE", `/v1/users/${person.userId}`, { as: space.owner.token }), 204);
    expectRefusal(await confirm(person.token, code), 401);
  });
});
