/** Contract 02 §11: proving an e-mail address and a number; 02 §12: another address. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { listMessages } from "../../src/platform/mail/service.ts";
import { audited, counts, logIn, MINUTE, mailTo, published } from "../auth/support.ts";
import {
  expectRefusal,
  member,
  ok,
  type Person,
  type Workspace,
  workspace,
} from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";

const DAY = 24 * 60 * MINUTE;

let server: TestServer;
let space: Workspace;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
});
afterAll(() => server.stop());

const start = (kind: "email" | "phone", { userId }: Person, as: string, body?: object) =>
  server.call("POST", `/v1/users/${userId}/verify/${kind}/start`, { as, body });
const confirm = (kind: "email" | "phone", { userId }: Person, as: string, code: string) =>
  server.call("POST", `/v1/users/${userId}/verify/${kind}/confirm`, { as, body: { code } });
const read = async ({ userId }: Person, as: string) =>
  ok(await server.call("GET", `/v1/users/${userId}`, { as })).body;

/** The newest code that went to an address or a number. */
async function codeTo(to: string): Promise<string> {
  for (const { recipient, content } of await listMessages(server.deps, 200)) {
    const code = recipient === to && content?.text.match(/\b\d{6}\b/)?.[0];
    if (code) return code;
  }
  throw new Error(`no code went to ${to}`);
}
/** Another code than this one. */
const wrong = (code: string) => (code === "000000" ? "000001" : "000000");

let numbers = 0;
const newNumber = () => `+4917012345${String(++numbers).padStart(2, "0")}`;

describe("e-mail", () => {
  test("02 §13: verify email: other address in body; wrong ×5 then right; code of a changed address; expired; reused", async () => {
    const person = await server.signUp();
    const { email, token } = person;
    const before = await counts(server);
    const other = { email: "somebody-else@example.com" };
    expectRefusal(await start("email", person, token, other), 422);
    expect(await counts(server)).toEqual(before);
    expect(await mailTo(server, other.email)).toEqual([]);

    ok(await start("email", person, token), 202);
    const spent = await codeTo(email);
    for (let n = 0; n < 5; n += 1)
      expectRefusal(await confirm("email", person, token, wrong(spent)), 400, "invalid code");
    expectRefusal(await confirm("email", person, token, spent), 400, "code expired");

    ok(await start("email", person, token, { email: email.toUpperCase() }), 202);
    const late = await codeTo(email);
    server.clock.advance(10 * MINUTE + 1);
    const again = ok(await logIn(server, email)).body.access_token;
    expectRefusal(await confirm("email", person, again, late), 400, "code expired");

    ok(await start("email", person, again, {}), 202);
    const stale = await codeTo(email);
    const changed = `changed-${email}`;
    ok(
      await server.call("POST", "/v1/me/email/change/start", {
        as: again,
        body: { email: changed },
      }),
      202,
    );
    const body = { code: await codeTo(changed) };
    ok(await server.call("POST", "/v1/me/email/change/confirm", { as: again, body }));
    expectRefusal(await confirm("email", person, again, stale), 400, "code expired");

    const fresh = await server.signUp();
    ok(await start("email", fresh, fresh.token), 202);
    const code = await codeTo(fresh.email);
    ok(await confirm("email", fresh, fresh.token, ` ${code} `), 204);
    expectRefusal(await confirm("email", fresh, fresh.token, code), 400, "code already used");
    expect((await read(fresh, fresh.token)).email_verified_at).toBeString();
    expect(await audited(server, fresh.tenantId, "user.email_verified")).toHaveLength(1);
    expect((await published(server, fresh.userId)).at(-1)).toMatchObject({
      eventType: "user.email_verified",
      payload: { user_id: fresh.userId, email: fresh.email },
    });
    const mails = (await mailTo(server, fresh.email)).length;
    ok(await start("email", fresh, fresh.token), 202);
    expect(await mailTo(server, fresh.email)).toHaveLength(mails);
  });

  test("02 §11.2: only the newest code counts; two at once: one 204", async () => {
    const person = await server.signUp();
    ok(await start("email", person, person.token), 202);
    const older = await codeTo(person.email);
    ok(await start("email", person, person.token), 202);
    const newest = await codeTo(person.email);
    if (older !== newest)
      expectRefusal(await confirm("email", person, person.token, older), 400, "invalid code");
    const answers = await Promise.all(
      [1, 2, 3].map(() => confirm("email", person, person.token, newest)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 400, 400]);
    expect(await audited(server, person.tenantId, "user.email_verified")).toHaveLength(1);
  });
});

describe("phone", () => {
  test("02 §13: verify phone: new number by self / by admin; 6th SMS to a number that day", async () => {
    const person = await member(server, space);
    const [own, number] = [newNumber(), newNumber()];
    ok(await start("phone", person, person.token, { phone: own }), 202);
    expect((await read(person, person.token)).phone).toBeNull();
    ok(await confirm("phone", person, person.token, await codeTo(own)), 204);
    const verified = await read(person, person.token);
    expect([verified.phone, verified.phone_verified_at !== null]).toEqual([own, true]);
    expect(await audited(server, space.tenantId, "user.phone_verified")).toMatchObject([
      { actorUserId: person.userId, resourceId: person.userId },
    ]);
    expect((await published(server, person.userId)).at(-1)?.eventType).toBe("user.phone_verified");

    const before = await counts(server);
    expectRefusal(await start("phone", person, space.owner.token, { phone: number }), 422);
    expect(await counts(server)).toEqual(before);
    expectRefusal(await start("phone", await member(server, space), space.owner.token), 422);
    for (const bad of ["0170", "+0170123456", "+49 170 1234567"])
      expectRefusal(await start("phone", person, person.token, { phone: bad }), 422);

    // From two accounts together: the number's owner pays, whoever asks.
    const second = await member(server, space);
    for (const one of [person, second, person, second, person])
      ok(await start("phone", one, one.token, { phone: number }), 202);
    const sent = await mailTo(server, number);
    expect(sent).toHaveLength(5);
    for (const one of [person, second])
      expectRefusal(await start("phone", one, one.token, { phone: number }), 429);
    expect(await mailTo(server, number)).toEqual(sent);
    server.clock.advance(DAY);
    const token = ok(await logIn(server, person.email)).body.access_token;
    ok(await start("phone", person, token, { phone: number }), 202);
    space = await workspace(server); // the day ended the owner's token
  });
});

describe("who verifies whom", () => {
  test("02 §13: verify for another user without user.write", async () => {
    const person = await member(server, space);
    const stranger = await server.signUp();
    const before = await counts(server);
    for (const kind of ["email", "phone"] as const) {
      expectRefusal(await start(kind, person, stranger.token), 404);
      expectRefusal(await confirm(kind, person, stranger.token, "000000"), 404);
    }
    expect(await counts(server)).toEqual(before);
    const colleague = await member(server, space, ["user.read"]);
    const asked = await counts(server);
    // Inside the tenant the gate comes before the row (00 §33), and 09 rules over 02 §13's 404 there.
    const missing = "missing permission: user.write";
    for (const kind of ["email", "phone"] as const) {
      expectRefusal(await start(kind, person, colleague.token), 403, missing);
      expectRefusal(await confirm(kind, person, colleague.token, "000000"), 403, missing);
    }
    expect(await counts(server)).toEqual(asked);
  });
});

describe("another address", () => {
  const change = (as: string, email: string) =>
    server.call("POST", "/v1/me/email/change/start", { as, body: { email } });
  const confirmChange = (as: string, code: string) =>
    server.call("POST", "/v1/me/email/change/confirm", { as, body: { code } });

  test("02 §12: the code goes to the new address, a notice to the old; sign-in follows", async () => {
    const { email, token, userId, tenantId } = await server.signUp();
    const next = `next-${email}`;
    ok(await change(token, next), 202);
    const code = await codeTo(next);
    expectRefusal(await confirmChange(token, wrong(code)), 400, "invalid code");
    const { body } = ok(await confirmChange(token, code));
    expect([body.id, body.email, body.email_verified_at !== null]).toEqual([userId, next, true]);
    expect((await mailTo(server, email))[0]).toBe("security_alert");
    expectRefusal(await logIn(server, email), 401);
    ok(await logIn(server, next));
    const [event] = await audited(server, tenantId, "user.email_changed");
    expect(event?.actorUserId).toBe(userId);
    expectRefusal(await confirmChange(token, code), 400, "code already used");
  });

  test("02 §12: an address in use is told to nobody at the start, and is 409 to who proves it", async () => {
    const [one, two] = [await server.signUp(), await server.signUp()];
    ok(await change(one.token, two.email), 202);
    expectRefusal(await confirmChange(one.token, await codeTo(two.email)), 409);
    expect((await read(one, one.token)).email).toBe(one.email);
  });

  test("02 §12: a session older than 15 minutes is asked to sign in again", async () => {
    const { email, token, refreshToken } = await server.signUp();
    server.clock.advance(15 * MINUTE + 1_000);
    const renewed = ok(
      await server.call("POST", "/v1/auth/refresh", { body: { refresh_token: refreshToken } }),
    ).body.access_token;
    const before = await counts(server);
    const refusal = await change(renewed, `late-${email}`);
    expectRefusal(refusal, 403);
    expect(refusal.body.error.code).toBe("step_up_required");
    expect(await counts(server)).toEqual(before);
    expect(token).not.toBe(renewed);
  });
});
