/** Contract 02 §11.3, §11.4: a number proved by the code that was texted to it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { counts, published } from "../auth/support.ts";
import { expectRefusal, member, ok, signIn, type Workspace, workspace } from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { codeTo, confirm, DAY, MINUTE, readSelf, start, TTL, textsTo, wrong } from "./support.ts";

let server: TestServer;
let space: Workspace;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
});
afterAll(() => server.stop());

let last = 0;
const newNumber = () => `+49160${String(++last).padStart(8, "0")}`;

const setPhone = (userId: string, phone: string | null) =>
  server.call("PATCH", `/v1/users/${userId}`, { as: space.owner.token, body: { phone } });

describe("one's own number", () => {
  test("absent and empty mean the one on file; none on file is 422", async () => {
    const person = await member(server, space);
    for (const body of [undefined, {}, { phone: "" }]) {
      const refusal = await start(server, "phone", person, person.userId, body);
      expectRefusal(refusal, 422);
      expect(refusal.body.error.fields).toMatchObject([{ field: "phone", code: "required" }]);
    }
    const number = newNumber();
    ok(await setPhone(person.userId, number));
    for (const body of [undefined, {}, { phone: "" }])
      ok(await start(server, "phone", person, person.userId, body), 202);
    expect(await textsTo(server, number, "sms_code")).toHaveLength(3);
  });

  test("is stored once it is proved; another one replaces it and is stamped anew", async () => {
    const person = await member(server, space);
    const { userId } = person;
    const [first, second] = [newNumber(), newNumber()];
    const proves = async (phone: string) => {
      ok(await start(server, "phone", person, userId, { phone }), 202);
      return confirm(server, "phone", person, userId, await codeTo(server, phone, "sms_code"));
    };
    ok(await proves(first), 204);
    const proved = await readSelf(server, person);
    expect(proved).toMatchObject({
      phone: first,
      phone_verified_at: server.clock.now().toISOString(),
    });
    server.clock.advance(MINUTE);
    // The same again changes nothing and tells nobody.
    ok(await proves(first), 204);
    expect(await readSelf(server, person)).toEqual(proved);
    ok(await proves(second), 204);
    expect(await readSelf(server, person)).toMatchObject({
      phone: second,
      phone_verified_at: server.clock.now().toISOString(),
    });
    const told = (await published(server, userId)).filter(
      ({ eventType }) => eventType === "user.phone_verified",
    );
    expect(told.map(({ payload }) => payload)).toMatchObject([
      { user_id: userId, phone: first },
      { user_id: userId, phone: second },
    ]);
  });

  test("wrong ×5 then right; expired; reused: 400, and the number on file stays", async () => {
    const person = await member(server, space);
    const phone = newNumber();
    const asks = (code: string) => confirm(server, "phone", person, person.userId, code);
    const sent = async () => {
      ok(await start(server, "phone", person, person.userId, { phone }), 202);
      return codeTo(server, phone, "sms_code");
    };
    expectRefusal(await asks("123456"), 400, "invalid code");
    const spent = await sent();
    for (let n = 0; n < 5; n += 1) expectRefusal(await asks(wrong(spent)), 400, "invalid code");
    expectRefusal(await asks(spent), 400, "code expired");
    const late = await sent();
    server.clock.advance(TTL);
    expectRefusal(await asks(late), 400, "code expired");
    expect((await readSelf(server, person)).phone).toBeNull();
    const good = await sent();
    ok(await asks(good), 204);
    expectRefusal(await asks(good), 400, "code already used");
  });

  test("a code of one purpose is none of another", async () => {
    const person = await server.signUp();
    const { userId, email } = person;
    const mailed = await codeTo(server, email, "verify_email");
    expectRefusal(await confirm(server, "phone", person, userId, mailed), 400, "invalid code");
    const phone = newNumber();
    ok(await start(server, "phone", person, userId, { phone }), 202);
    const texted = await codeTo(server, phone, "sms_code");
    if (texted !== mailed)
      expectRefusal(await confirm(server, "email", person, userId, texted), 400, "invalid code");
    ok(await confirm(server, "phone", person, userId, texted), 204);
  });

  test("the sixth message to a number that day is refused to everybody, and sends nothing", async () => {
    const phone = newNumber();
    const people = await Promise.all([1, 2, 3, 4, 5].map(() => member(server, space)));
    for (const one of people) ok(await start(server, "phone", one, one.userId, { phone }), 202);
    const stranger = await server.signUp();
    const before = await counts(server);
    const refusal = await start(server, "phone", stranger, stranger.userId, { phone });
    expectRefusal(refusal, 429);
    expect(refusal.headers.get("retry-after")).toBe("3600");
    expect(await counts(server)).toEqual(before);
    // Another number is another matter; and the codes that went out are good.
    ok(await start(server, "phone", stranger, stranger.userId, { phone: newNumber() }), 202);
    const newest = people.at(-1)!;
    const code = await codeTo(server, phone, "sms_code");
    ok(await confirm(server, "phone", newest, newest.userId, code), 204);
    server.clock.advance(DAY);
    const token = await signIn(server, newest.email);
    ok(await start(server, "phone", { token }, newest.userId), 202);
  });
});

describe("by an administrator", () => {
  test("the number on file, named or not; a code of another number is not theirs to confirm", async () => {
    space = await workspace(server); // tokens of the first are a day old
    const { owner } = space;
    const person = await member(server, space);
    const { userId } = person;
    const [number, other] = [newNumber(), newNumber()];
    ok(await setPhone(userId, number));
    const refusal = await start(server, "phone", owner, userId, { phone: other });
    expectRefusal(refusal, 422);
    expect(refusal.body.error.fields).toMatchObject([{ field: "phone", code: "not_allowed" }]);
    for (const body of [undefined, { phone: number }])
      ok(await start(server, "phone", owner, userId, body), 202);
    const stale = await codeTo(server, number, "sms_code");
    ok(await setPhone(userId, newNumber()));
    expectRefusal(await confirm(server, "phone", owner, userId, stale), 400, "code expired");

    ok(await start(server, "phone", person, userId, { phone: other }), 202);
    const code = await codeTo(server, other, "sms_code");
    expectRefusal(await confirm(server, "phone", owner, userId, code), 400, "code expired");
    expect((await readSelf(server, person)).phone_verified_at).toBeNull();
    ok(await confirm(server, "phone", person, userId, code), 204);
    expect((await readSelf(server, person)).phone).toBe(other);
  });
});
