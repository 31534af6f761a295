import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { decodeJwt } from "jose";
import { expectRefusal } from "../rbac/support.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";
import { audited, counts, mailTo, published, timed } from "./support.ts";

const NIL = "00000000-0000-0000-0000-000000000000";

let server: TestServer;
let tenantless: TestServer;
beforeAll(async () => {
  server = await startServer();
  tenantless = await startServer({ signupPersonalTenant: false });
});
afterAll(async () => {
  await server.stop();
  await tenantless.stop();
});

const signUp = (body: object, on = server) => on.call("POST", "/v1/auth/signup", { body });

describe("sign-up", () => {
  test("answers the user, a pair and the workspace, and writes it all down", async () => {
    const answer = await signUp({
      email: " Ada@Example.com ",
      password: PASSWORD,
      display_name: "Ada",
    });
    expect(answer.status).toBe(201);
    const { user, user_id: userId, tenant_id: tenantId, session_id: sessionId } = answer.body;
    expect(answer.body).toEqual({
      user: {
        id: userId,
        tenant_id: tenantId,
        email: "Ada@Example.com",
        email_verified_at: null,
        phone: null,
        phone_verified_at: null,
        display_name: "Ada",
        status: "active",
        metadata: {},
        created_at: "2026-01-01T00:00:00.000Z",
        updated_at: expect.any(String),
      },
      access_token: expect.any(String),
      token_type: "Bearer",
      expires_at: "2026-01-01T00:15:00.000Z",
      refresh_token: expect.stringMatching(/^[\w-]{43}$/),
      session_id: expect.any(String),
      user_id: user.id,
      tenant_id: expect.any(String),
      roles: ["owner"],
    });
    expect(decodeJwt(answer.body.access_token)).toMatchObject({
      tenant_id: tenantId,
      sid: sessionId,
      amr: ["pwd"],
    });
    const [signedUp] = await audited(server, null, "auth.signed_up");
    expect(signedUp).toMatchObject({ resourceId: userId, metadata: { method: "password" } });
    const [created] = await audited(server, null, "user.created");
    expect(created).toMatchObject({
      resourceId: userId,
      metadata: { email: "Ada@Example.com", source: "signup" },
    });
    const [loggedIn] = await audited(server, tenantId, "auth.login_succeeded");
    expect(loggedIn).toMatchObject({
      resourceType: "session",
      resourceId: sessionId,
      actorUserId: userId,
      actorType: "user",
      metadata: { method: "password" },
    });
    expect((await published(server, userId)).map(({ eventType }) => eventType)).toEqual([
      "user.created",
      "user.signed_in",
    ]);
    expect((await published(server, sessionId)).map(({ eventType }) => eventType)).toEqual([
      "session.created",
    ]);
    // Contract 00 §22: the address is to be proved.
    expect(await mailTo(server, "Ada@Example.com")).toEqual(["verify_email"]);
  });

  test("02 §13: signup same e-mail, other case / trailing space; two in parallel", async () => {
    await server.signUp("taken@example.com");
    const before = await counts(server);
    for (const email of ["TAKEN@Example.com", "taken@example.com "]) {
      const again = await timed(() => signUp({ email, password: PASSWORD }));
      expectRefusal(again, 422, "could not create account");
      expect(again.ms).toBeGreaterThanOrEqual(250);
    }
    // Its owner hears of it, and nothing else happened.
    expect(await mailTo(server, "taken@example.com")).toEqual([
      "signup_attempt",
      "signup_attempt",
      "verify_email",
    ]);
    expect(await counts(server)).toEqual({ ...before, mail: before.mail! + 2 });

    const both = await Promise.all(
      ["twice@example.com", "Twice@example.com"].map((email) =>
        timed(() => signUp({ email, password: PASSWORD })),
      ),
    );
    expect(both.map(({ status }) => status).sort()).toEqual([201, 422]);
    for (const { ms } of both) expect(ms).toBeGreaterThanOrEqual(250);
    const after = await counts(server);
    expect(after.users).toBe(before.users! + 1);
    expect(after.sessions).toBe(before.sessions! + 1);
  });

  test("02 §13: signup password 7 / 8 / 256 / 257 code points, 8 emoji, password123 variants on the weak list", async () => {
    const long = "kx7!qv2z".repeat(32);
    const rows: [password: string, status: number][] = [
      ["kx7!qv2", 422],
      ["kx7!qv2z", 201],
      [long, 201],
      [`${long}x`, 422],
      ["🦊🐻🐼🐨🐯🦁🐮🐷", 201],
      ["🦊🐻🐼🐨🐯🦁🐮", 422],
      ["password123", 422],
      ["Password123!", 422],
      ["PASSWORD123", 422],
      ["passw0rd123", 422],
      ["aaaaaaaaaaaa", 422],
      ["abcdefghijkl", 422],
    ];
    const answers = await Promise.all(
      rows.map(([password], index) => signUp({ email: `weak-${index}@example.com`, password })),
    );
    expect(answers.map(({ status }, index) => [rows[index]![0], status])).toEqual(rows);
    for (const { status, body } of answers)
      if (status === 422) expect(body.error.fields[0]).toMatchObject({ field: "password" });
    // Equal to the address, or to what stands before the @.
    for (const password of ["Heron.Keeper@example.com", "heron.keeper"])
      expectRefusal(await signUp({ email: "heron.keeper@example.com", password }), 422);
  });

  test("02 §13: signup display_name 201 chars; tenant_id member", async () => {
    const account = { email: "names@example.com", password: PASSWORD };
    const before = await counts(server);
    expectRefusal(await signUp({ ...account, display_name: "n".repeat(201) }), 422);
    expectRefusal(await signUp({ ...account, tenant_id: crypto.randomUUID() }), 400);
    expect(await counts(server)).toEqual(before);
    expect((await signUp({ ...account, display_name: "n".repeat(200) })).status).toBe(201);
  });

  test("02 §13: signup with personal tenant on: GET /v1/tenants, GET /v1/users", async () => {
    const person = await server.signUp();
    const tenants = await server.call("GET", "/v1/tenants", { as: person.token });
    expect(tenants.body.items.map(({ id }: { id: string }) => id)).toEqual([person.tenantId]);
    const { slug, name, plan, region } = tenants.body.items[0];
    expect(slug).toMatch(/^personal-[0-9a-f]{12}$/);
    expect([name, plan, region]).toEqual([person.email.split("@")[0], "free", "us-east-1"]);
    const users = await server.call("GET", "/v1/users", { as: person.token });
    expect(users.body.items.map(({ id }: { id: string }) => id)).toEqual([person.userId]);
  });

  test("02 §13: personal tenant off: GET /v1/users; GET /v1/users/{self}", async () => {
    const answer = await signUp({ email: "alone@example.com", password: PASSWORD }, tenantless);
    expect(answer.status).toBe(201);
    expect(answer.body).not.toHaveProperty("tenant_id");
    expect(answer.body).not.toHaveProperty("roles");
    const { access_token: token, user_id: id } = answer.body;
    expect(decodeJwt(token)).not.toHaveProperty("tenant_id");
    expectRefusal(
      await tenantless.call("GET", "/v1/users", { as: token }),
      401,
      "tenant scope required",
    );
    const self = await tenantless.call("GET", `/v1/users/${id}`, { as: token });
    expect([self.status, self.body.tenant_id]).toEqual([200, null]);
    const me = await tenantless.call("GET", "/v1/auth/me", { as: token });
    const sessions = await tenantless.call("GET", "/v1/auth/sessions", { as: token });
    expect(sessions.body.items[0].tenant_id).toBeNull();
    for (const { body } of [answer, self, me, sessions])
      expect(JSON.stringify(body)).not.toContain(NIL);
  });

  test("01 §20: tenant-less token on GET /v1/users", async () => {
    const { token } = await tenantless.signUp();
    const answer = await tenantless.call("GET", "/v1/users", { as: token });
    expectRefusal(answer, 401, "tenant scope required");
  });

  test.each([
    ["no address", { email: "nobody", password: PASSWORD }, 422, "email"],
    ["an empty address", { email: "", password: PASSWORD }, 422, "email"],
    [
      "an address of 255 characters",
      {
        email: `${"a".repeat(60)}@${"b".repeat(60)}.${"c".repeat(60)}.${"d".repeat(60)}.example.org`,
        password: PASSWORD,
      },
      422,
      "email",
    ],
    ["no password", { email: "x@example.com" }, 422, "password"],
    ["an empty password", { email: "x@example.com", password: "" }, 422, "password"],
  ])("%s: 422 that names the field", async (_, body, status, field) => {
    const before = await counts(server);
    const answer = await signUp(body);
    expect([answer.status, answer.body.error.fields[0].field]).toEqual([status, field]);
    expect(await counts(server)).toEqual(before);
  });

  test.each(["invite", "closed"] as const)("00 §27: SIGNUP_MODE=%s: 403", async (signupMode) => {
    const closed = await startServer({ signupMode });
    try {
      const before = await counts(closed);
      expectRefusal(await signUp({ email: "x@example.com", password: PASSWORD }, closed), 403);
      expect(await counts(closed)).toEqual(before);
    } finally {
      await closed.stop();
    }
  });

  test("02 §2.1: who signs up with somebody's address sends them at most three mails in ten minutes", async () => {
    const limited = await startServer({
      rateLimits: { ...server.deps.config.rateLimits, mail: { ratePerSecond: 3 / 600, burst: 3 } },
    });
    try {
      await limited.signUp("victim@example.com");
      for (let count = 0; count < 5; count++)
        await signUp({ email: "victim@example.com", password: PASSWORD }, limited);
      expect(await mailTo(limited, "victim@example.com")).toEqual([
        "signup_attempt",
        "signup_attempt",
        "signup_attempt",
        "verify_email",
      ]);
    } finally {
      await limited.stop();
    }
  });
});
