/** Contract 00 §22: the link of the mail proves a mailbox and nobody's session, so it is a first proof. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { findUser } from "../../src/modules/users/service.ts";
import { audited, browser, counts, logIn, published, refresh } from "../auth/support.ts";
import { apiKey, expectRefusal, member, ok, workspace } from "../rbac/support.ts";
import { type Answer, startServer, type TestServer } from "../support/server.ts";
import { confirm, readSelf, start, TTL, textsTo, wrong } from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

/** What the newest link to an address says. */
async function linkTo(email: string): Promise<{ id: string; code: string }> {
  const [text = ""] = await textsTo(server, email, "verify_email");
  const found = /\/verify\?id=([\w-]+)&code=(\d{6})/.exec(text);
  if (!found) throw new Error(`no link in: ${text}`);
  return { id: found[1]!, code: found[2]! };
}

/** Opens the page of a link in a browser that is signed in nowhere, and presses its button. */
async function press({ id, code }: { id: string; code: string }): Promise<Answer> {
  const { jar } = await browser(server);
  const form = new URLSearchParams({ id, code, csrf_token: jar.get("qe_csrf") ?? "" });
  return server.call("POST", "/verify", {
    headers: {
      origin: server.deps.config.publicUrl,
      cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; "),
      "content-type": "application/x-www-form-urlencoded",
    },
    body: form.toString(),
  });
}

describe("by link", () => {
  test("the first proof: session, key and password of whoever signed up with the address are gone", async () => {
    const person = await server.signUp();
    const { userId, email, token, refreshToken, tenantId } = person;
    const { authorization: key } = await apiKey(server, person, { user_id: userId });
    const phone = "+4915100000001";
    ok(await start(server, "phone", person, userId, { phone }), 202);
    const [sms = ""] = await textsTo(server, phone, "sms_code");
    ok(await confirm(server, "phone", person, userId, /\d{6}/.exec(sms)![0]), 204);

    const pressed = await press(await linkTo(email));
    expect([pressed.status, pressed.headers.get("location")]).toEqual([303, "/verify/done"]);
    for (const as of [token, key])
      expectRefusal(await server.call("GET", "/v1/auth/me", { as }), 401);
    expectRefusal(await refresh(server, refreshToken), 401, "session revoked");
    expectRefusal(await logIn(server, email), 401);
    expect(await findUser(server.deps.db.read, userId)).toMatchObject({
      emailVerifiedAt: server.clock.now(),
      phone: null,
      phoneVerifiedAt: null,
    });
    // Whoever pressed the button is nobody that the log could name.
    const [event] = await audited(server, tenantId, "user.email_verified");
    expect(event).toMatchObject({ actorUserId: null, resourceId: userId });
    const types = (await published(server, userId)).map(({ eventType }) => eventType);
    expect(types.filter((type) => type === "user.email_verified")).toHaveLength(1);
  });

  test("on an account whose address was proved before it removes nothing", async () => {
    const person = await server.signUp();
    const link = await linkTo(person.email);
    ok(await confirm(server, "email", person, person.userId, link.code), 204);
    const before = await counts(server);
    expect((await press(link)).status).toBe(400);
    expect(await counts(server)).toEqual(before);
    ok(await server.call("GET", "/v1/auth/me", { as: person.token }));
    ok(await logIn(server, person.email));
  });

  test("five wrong codes, ten minutes, a newer mail or another's id: the link is void, the account untouched", async () => {
    const people = await Promise.all([1, 2, 3, 4].map(() => server.signUp()));
    const links = await Promise.all(people.map(({ email }) => linkTo(email)));
    const [guessed, renewed, crossed, late] = links as [Link, Link, Link, Link];
    for (let n = 0; n < 5; n += 1)
      expect((await press({ ...guessed, code: wrong(guessed.code) })).status).toBe(400);
    expect((await press(guessed)).status).toBe(400);
    ok(await start(server, "email", people[1]!, people[1]!.userId), 202);
    expect((await press(renewed)).status).toBe(400);
    if (crossed.code !== late.code)
      expect((await press({ id: crossed.id, code: late.code })).status).toBe(400);
    server.clock.advance(TTL);
    expect((await press(late)).status).toBe(400);
    for (const person of people) {
      const { access_token: token } = ok(await logIn(server, person.email)).body;
      expect((await readSelf(server, { ...person, token })).email_verified_at).toBeNull();
    }
  });

  test("of an account that was deleted meanwhile: 400", async () => {
    const space = await workspace(server);
    const { userId, email } = await member(server, space);
    ok(await start(server, "email", space.owner, userId), 202);
    const link = await linkTo(email);
    ok(await server.call("DELETE", `/v1/users/${userId}`, { as: space.owner.token }), 204);
    expect((await press(link)).status).toBe(400);
  });
});

type Link = Awaited<ReturnType<typeof linkTo>>;
