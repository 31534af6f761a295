/** Contract 02 §12: `POST /v1/users/bulk`. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { audited, counts, logIn, published } from "../auth/support.ts";
import { apiKey, expectRefusal, member, ok, type Workspace, workspace } from "../rbac/support.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let space: Workspace;
let other: Workspace;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
  other = await workspace(server);
});
afterAll(() => server.stop());

const fresh = () => `bulk-${crypto.randomUUID()}@example.com`;
const bulk = (as: string, users: object[], more: object = {}) =>
  server.call("POST", "/v1/users/bulk", { as, body: { users, ...more } });

describe("POST /v1/users/bulk", () => {
  test("02 §12: one that fails stops no other, and is named by its line", async () => {
    const [first, last] = [fresh(), fresh()];
    const users = [
      { email: first, password: PASSWORD, display_name: "First", phone: "+41791234567" },
      { email: space.owner.email.toUpperCase() },
      { email: "no address" },
      { email: fresh(), password: "password123" },
      { email: first },
      { email: last, password: "", phone: "" },
    ];
    const { body } = ok(await bulk(space.owner.token, users));
    expect(body).toMatchObject({ succeeded: 2, failed: 4 });
    const named = body.errors.map(({ line, email }: { line: number; email: string }) => [
      line,
      email,
    ]);
    expect(named).toEqual([2, 3, 4, 5].map((line) => [line, users[line - 1]!.email]));
    const [taken, , weak, twice] = body.errors.map(({ message }: { message: string }) => message);
    expect([taken, twice]).toEqual(["email already in use", "email already in use"]);
    expect(weak).toMatch(/password/);
    for (const { message } of body.errors) expect(message).not.toMatch(/\n|internal/);

    const list = await server.call("GET", "/v1/users?limit=200", { as: space.owner.token });
    const members = ok(list).body.items;
    expect(members).toContainEqual(
      expect.objectContaining({
        email: first,
        display_name: "First",
        phone: "+41791234567",
        phone_verified_at: null,
        tenant_id: space.tenantId,
        status: "active",
      }),
    );
    expect(members).toContainEqual(expect.objectContaining({ email: last, phone: null }));
    ok(await logIn(server, first));
    expectRefusal(await logIn(server, last), 401, "invalid credentials");
  });

  test("each is a user.created of its own, in the log and in the outbox", async () => {
    const emails = [fresh(), fresh()];
    const { body } = ok(
      await bulk(
        space.owner.token,
        emails.map((email) => ({ email })),
      ),
    );
    expect(body).toEqual({ succeeded: 2, failed: 0 });
    const [newer, older] = await audited(server, space.tenantId, "user.created");
    expect([older, newer].map((event) => event?.metadata)).toEqual(
      emails.map((email) => ({ email, source: "bulk" })),
    );
    for (const event of [older, newer])
      expect(await published(server, event!.resourceId!)).toMatchObject([
        { eventType: "user.created", tenantId: space.tenantId },
      ]);
  });

  test("into the credential's tenant alone, with user.write", async () => {
    const users = [{ email: fresh() }];
    const before = await counts(server);
    const foreign = { tenant_id: other.tenantId };
    expectRefusal(await bulk(space.owner.token, users, foreign), 403, "tenant mismatch");
    const reader = await member(server, space, ["user.read"]);
    expectRefusal(await bulk(reader.token, users), 403, "missing permission: user.write");
    expect((await counts(server)).users).toBe(before.users! + 1); // the reader
    const { authorization } = await apiKey(server, space.owner, { scopes: ["user.write"] });
    const own = { tenant_id: space.tenantId };
    expect(ok(await bulk(authorization, users, own)).body.succeeded).toBe(1);
  });

  test("at most 1000 at once; what is no account at all refuses the whole", async () => {
    const before = await counts(server);
    const as = space.owner.token;
    const many = Array.from({ length: 1001 }, () => ({ email: "x" }));
    expectRefusal(await bulk(as, many), 422);
    expectRefusal(await bulk(as, [{ email: fresh() }, {}]), 422);
    expectRefusal(await bulk(as, [{ email: fresh() }, { email: 1 }]), 400);
    expectRefusal(await bulk(as, [{ email: fresh() }, { email: fresh(), status: "active" }]), 400);
    expect(await counts(server)).toEqual(before);
    expect(ok(await bulk(as, [])).body).toEqual({ succeeded: 0, failed: 0 });
    const { body } = ok(await bulk(as, many.slice(1)));
    expect([body.succeeded, body.failed, body.errors.at(-1).line]).toEqual([0, 1000, 1000]);
  });

  test("a tenant imports once at a time; another one meanwhile; and again once it is done", async () => {
    const people = () => Array.from({ length: 20 }, () => ({ email: fresh(), password: PASSWORD }));
    const answers = await Promise.all([
      bulk(space.owner.token, people()),
      bulk(space.owner.token, people()),
      bulk(other.owner.token, people()),
    ]);
    const [done, refused] = answers.slice(0, 2).sort((a, b) => a.status - b.status);
    expect(ok(done!).body.succeeded).toBe(20);
    expectRefusal(refused!, 429, "another import of this tenant is under way");
    expect(Number(refused!.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(ok(answers[2]!).body.succeeded).toBe(20);
    expect(ok(await bulk(space.owner.token, people())).body.succeeded).toBe(20);
  });
});
