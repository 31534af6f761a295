/** Contract 02 §11.1, §11.2: an address proved by the code that was mailed to it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { verifications } from "../../db/schema/index.ts";
import { audited, mailTo, published } from "../auth/support.ts";
import {
  apiKey,
  assign,
  expectRefusal,
  member,
  ok,
  role,
  signIn,
  UNKNOWN_ID,
  workspace,
} from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { codeTo, confirm, DAY, readSelf, start, textsTo } from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const EMPTY = { status: 202, body: undefined };

/** Somebody just signed up, and the code that came with it. */
async function signedUp() {
  const person = await server.signUp();
  return { ...person, code: await codeTo(server, person.email, "verify_email") };
}

describe("an address of one's own", () => {
  test("is verified at the time, audited and published; what the session holder has stays", async () => {
    const person = await signedUp();
    const { userId, tenantId, email } = person;
    server.clock.advance(1_000);
    ok(await confirm(server, "email", person, userId, ` ${person.code} `), 204);
    expect((await readSelf(server, person)).email_verified_at).toBe(
      server.clock.now().toISOString(),
    );
    const [event] = await audited(server, tenantId, "user.email_verified");
    expect(event).toMatchObject({ actorUserId: userId, resourceId: userId });
    expect((await published(server, userId)).at(-1)).toMatchObject({
      eventType: "user.email_verified",
      tenantId,
      payload: { user_id: userId, email },
    });
    await signIn(server, email);

    const before = await mailTo(server, email);
    expect(await start(server, "email", person, userId)).toMatchObject(EMPTY);
    expect(await mailTo(server, email)).toEqual(before);
  });

  test("absent, empty and same in other case all mean the one on file; only the newest code counts", async () => {
    const person = await signedUp();
    const { userId, email } = person;
    const codes = [person.code];
    for (const body of [undefined, {}, { email: "" }, { email: ` ${email.toUpperCase()} ` }]) {
      expect(await start(server, "email", person, userId, body)).toMatchObject(EMPTY);
      codes.push(await codeTo(server, email, "verify_email"));
    }
    expect(await textsTo(server, email, "verify_email")).toHaveLength(5);
    const newest = codes.at(-1)!;
    for (const code of codes.slice(0, -1))
      if (code !== newest)
        expectRefusal(await confirm(server, "email", person, userId, code), 400, "invalid code");
    ok(await confirm(server, "email", person, userId, newest), 204);
  });

  test("a code is stored under a key, never as it is", async () => {
    const { userId, code } = await signedUp();
    const [row] = await server.deps.db.read
      .select()
      .from(verifications)
      .where(eq(verifications.userId, userId));
    expect(row?.codeHash).toMatch(/^[\w-]{43}$/);
    const plain = new Bun.CryptoHasher("sha256").update(code).digest("base64url");
    expect(row?.codeHash).not.toBe(plain);
  });

  test("ten codes a day for one user, whoever asks; the next day more", async () => {
    const person = await signedUp();
    const { userId, email } = person;
    for (let n = 1; n < 10; n += 1) ok(await start(server, "email", person, userId), 202);
    const refusal = await start(server, "email", person, userId);
    expectRefusal(refusal, 429);
    expect(refusal.headers.get("retry-after")).toBe("3600");
    expect(await textsTo(server, email, "verify_email")).toHaveLength(10);
    server.clock.advance(DAY);
    const token = await signIn(server, email);
    ok(await start(server, "email", { token }, userId), 202);
  });
});

describe("another's", () => {
  test("without user.write: the gate tells nothing of who there is (00 §33)", async () => {
    const space = await workspace(server);
    const plain = await member(server, space);
    const reader = await member(server, space, ["user.read", "tenant.write"]);
    const { userId } = await member(server, space);
    const before = await server.deps.db.read.$count(verifications);
    for (const { token } of [plain, reader])
      for (const id of [userId, UNKNOWN_ID, space.owner.userId])
        for (const channel of ["email", "phone"] as const) {
          const denied = "missing permission: user.write";
          expectRefusal(await start(server, channel, { token }, id), 403, denied);
          expectRefusal(await confirm(server, channel, { token }, id, "000000"), 403, denied);
        }
    expect(await server.deps.db.read.$count(verifications)).toBe(before);
  });

  test("with user.write: of the own tenant yes; outside it 404; homed elsewhere 403; above oneself 403", async () => {
    const space = await workspace(server);
    const manager = await member(server, space, ["user.write"]);
    const person = await member(server, space);
    const stranger = await workspace(server);
    for (const id of [stranger.owner.userId, UNKNOWN_ID]) {
      expectRefusal(await start(server, "email", manager, id), 404);
      expectRefusal(await confirm(server, "email", manager, id, "000000"), 404);
    }
    expectRefusal(await start(server, "email", manager, "x"), 400);
    expectRefusal(await start(server, "email", manager, space.owner.userId), 403);

    const guest = await signedUp();
    ok(await confirm(server, "email", guest, guest.userId, guest.code), 204);
    const roleId = await role(server, space, []);
    ok(await assign(server, space.owner, { userId: guest.userId, roleId, ...space }), 204);
    expectRefusal(
      await start(server, "email", manager, guest.userId),
      403,
      "user is managed by another tenant",
    );

    ok(await start(server, "email", manager, person.userId), 202);
    const code = await codeTo(server, person.email, "verify_email");
    ok(await confirm(server, "email", manager, person.userId, code), 204);
    const [event] = await audited(server, space.tenantId, "user.email_verified");
    expect(event).toMatchObject({ actorUserId: manager.userId, resourceId: person.userId });
    // Not by a session of the account: it is the first proof of the address (00 settled 22).
    expectRefusal(await server.call("GET", "/v1/auth/me", { as: person.token }), 401);
  });

  test("by an API key of the tenant; a deleted user is 404", async () => {
    const space = await workspace(server);
    const key = {
      token: (await apiKey(server, space.owner, { scopes: ["user.write"] })).authorization,
    };
    const person = await member(server, space);
    ok(await start(server, "email", key, person.userId), 202);
    ok(await server.call("DELETE", `/v1/users/${person.userId}`, { as: space.owner.token }), 204);
    expectRefusal(await start(server, "email", key, person.userId), 404);
    const code = await codeTo(server, person.email, "verify_email");
    expectRefusal(await confirm(server, "email", key, person.userId, code), 404);
  });
});
