/** Contract 08 §4, 00 §22: what the hooks of `deps.subjectData` leave of a person. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { and, eq, isNull } from "drizzle-orm";
import { connect, tableNames } from "../../db/raw.ts";
import * as schema from "../../db/schema/index.ts";
import { audited, browser, logIn, refresh, WRONG } from "../auth/support.ts";
import {
  apiKey,
  assign,
  expectRefusal,
  member,
  ok,
  ownerRoleId,
  type Workspace,
  workspace,
} from "../rbac/support.ts";
import { type Answer, PASSWORD, startServer, type TestServer } from "../support/server.ts";
import { patchUser } from "./support.ts";

let server: TestServer;
let space: Workspace;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
});
afterAll(() => server.stop());

const AGENT = "Lovelace-Browser/1.0";
const PHONE = "+41799876543";
const NEXT_PHONE = "+41799876544";

/** All that the database holds, as text by table. */
async function contents(): Promise<[name: string, rows: string][]> {
  const raw = await connect(server.deps.config.databaseUrl);
  const found: [string, string][] = [];
  for (const name of (await tableNames(raw)).sort()) {
    const rows = await raw.values(`select * from "${name}"`);
    const texts = rows.map((row) => row.map((value) => (isBytes(value) ? "" : inText(value))));
    found.push([name, JSON.stringify(texts).toLowerCase()]);
  }
  await raw.close();
  return found;
}

const isBytes = (value: unknown) => value instanceof Uint8Array;
const inText = (value: unknown) => (typeof value === "object" ? JSON.stringify(value) : value);

/** Tables that hold one of these texts, in whatever case. */
async function tablesWith(...texts: string[]): Promise<string[]> {
  const tables = await contents();
  const holds = (rows: string) => texts.some((text) => rows.includes(text.toLowerCase()));
  return tables.filter(([, rows]) => holds(rows)).map(([name]) => name);
}

/** Somebody who left traces everywhere that the API lets one leave them. */
async function lovelace() {
  const word = `lovelace-${crypto.randomUUID().slice(0, 8)}`;
  const email = `${word}@example.com`;
  const headers = { "user-agent": AGENT };
  const as = space.owner.token;
  const account = { email, password: PASSWORD, phone: PHONE, metadata: { note: word } };
  const { id } = ok(await server.call("POST", "/v1/users", { as, body: account }), 201).body;
  ok(await patchUser(server, as, id, { display_name: `Ada ${word}` }));
  const roleId = await ownerRoleId(server, space);
  ok(await assign(server, space.owner, { userId: id, tenantId: space.tenantId, roleId }), 204);
  expectRefusal(await logIn(server, email, { password: WRONG, headers }), 401);
  const session = ok(await logIn(server, email, { headers })).body;
  const post = (path: string, body: object, token?: string): Promise<Answer> =>
    server.call("POST", path, { as: token, body, headers });
  for (const [what, body] of [
    ["email", {}],
    ["phone", { phone: NEXT_PHONE }],
  ] as const)
    ok(await post(`/v1/users/${id}/verify/${what}/start`, body, session.access_token), 202);
  for (const path of ["forgot-password", "magic-link/start"])
    ok(await post(`/v1/auth/${path}`, { email }), 202);
  // Somebody else tries to sign up with the address: a message to it, from nobody's session.
  expect((await post("/v1/auth/signup", { email, password: WRONG })).status).toBe(422);
  const { send } = await browser(server);
  ok(await send("POST", "/v1/auth/session", { email, password: PASSWORD }));
  const by = { userId: id, email, token: session.access_token };
  const bound = await apiKey(server, by, { user_id: id });
  ok(
    await post("/v1/auth/logout", {}, (await logIn(server, email, { headers })).body.access_token),
    204,
  );
  return { id, email, word, session, bound };
}

async function erase(userId: string): Promise<void> {
  const at = server.clock.now();
  await server.deps.db.transaction(async (tx) => {
    for (const { erase } of server.deps.subjectData)
      if (typeof erase === "function") await erase(tx, userId, at);
  });
  server.deps.principals.forget(`user:${userId}`);
}

const NONE = { passwords: 0, hosted: 0, memberships: 0, roles: 0, sessions: 0, keys: 0 };

/** How many rows would let somebody in, or give them power, were the tombstone read as a user again. */
async function credentials(userId: string): Promise<Record<string, number>> {
  const { passwordCredentials, loginSessions, memberships, userRoles, sessions, apiKeys } = schema;
  const { read } = server.deps.db;
  return {
    passwords: await read.$count(passwordCredentials, eq(passwordCredentials.userId, userId)),
    hosted: await read.$count(loginSessions, eq(loginSessions.userId, userId)),
    memberships: await read.$count(memberships, eq(memberships.userId, userId)),
    roles: await read.$count(userRoles, eq(userRoles.userId, userId)),
    sessions: await read.$count(
      sessions,
      and(eq(sessions.userId, userId), isNull(sessions.revokedAt)),
    ),
    keys: await read.$count(apiKeys, and(eq(apiKeys.userId, userId), isNull(apiKeys.revokedAt))),
  };
}

describe("erasure", () => {
  test("08 §4: nothing of the person stays: address, numbers, name, metadata, browser", async () => {
    const person = await lovelace();
    const traces = [person.word, PHONE, NEXT_PHONE, AGENT];
    // What the rows held, so that their absence says something.
    const before = await tablesWith(...traces);
    for (const name of ["users", "audit_events", "outbox_events", "mail_messages", "sessions"])
      expect(before).toContain(name);
    for (const name of ["verifications", "magic_links"]) expect(before).toContain(name);

    await erase(person.id);
    expect(await tablesWith(...traces)).toEqual([]);

    const [row] = await server.deps.db.read
      .select()
      .from(schema.users)
      .where(eq(schema.users.id, person.id));
    expect(row).toMatchObject({
      email: `redacted-${person.id}@gdpr.invalid`,
      emailVerifiedAt: null,
      phone: null,
      phoneVerifiedAt: null,
      displayName: null,
      metadata: {},
      status: "deleted",
      deletedAt: server.clock.now(),
      erasedAt: server.clock.now(),
    });
  });

  test("08 §4: nothing of theirs works any more, and the log still verifies", async () => {
    const person = await lovelace();
    const { access_token: token, refresh_token } = person.session;
    for (const rows of Object.values(await credentials(person.id))) expect(rows).toBeGreaterThan(0);
    await erase(person.id);
    for (const as of [token, person.bound.authorization])
      expectRefusal(await server.call("GET", "/v1/auth/me", { as }), 401);
    expect((await refresh(server, refresh_token)).status).toBe(401);
    expectRefusal(await logIn(server, person.email), 401);
    expect(await credentials(person.id)).toEqual(NONE);
    const as = space.owner.token;
    const path = `/v1/tenants/${space.tenantId}/audit`;
    expect(ok(await server.call("GET", `${path}/verify`, { as })).body.ok).toBe(true);
    const created = await audited(server, space.tenantId, "user.created");
    const theirs = created.find(({ resourceId }) => resourceId === person.id);
    expect(theirs).toMatchObject({ ip: null, userAgent: null, metadata: { email: null } });
  });

  test("08 §4: who was erased does not come back; the address is free again", async () => {
    const person = await lovelace();
    await erase(person.id);
    const as = space.owner.token;
    const path = `/v1/users/${person.id}`;
    expectRefusal(await server.call("GET", path, { as }), 404);
    expectRefusal(await server.call("POST", `${path}/restore`, { as }), 409);
    const list = ok(await server.call("GET", "/v1/users?limit=200", { as })).body.items;
    expect(list.map(({ id }: { id: string }) => id)).not.toContain(person.id);
    const again = await server.signUp(person.email);
    expect(again.userId).not.toBe(person.id);
  });

  test("touches nobody else", async () => {
    const person = await lovelace();
    const other = await member(server, space);
    await erase(person.id);
    ok(await server.call("GET", "/v1/auth/me", { as: other.token }));
    ok(await server.call("GET", "/v1/auth/me", { as: space.owner.token }));
    const of = `/v1/users/${other.userId}`;
    const { body } = ok(await server.call("GET", of, { as: space.owner.token }));
    expect(body).toMatchObject({ email: other.email, status: "active" });
    const created = await audited(server, space.tenantId, "user.created");
    const theirs = created.find(({ resourceId }) => resourceId === other.userId);
    expect(theirs).toMatchObject({ erasedAt: null, metadata: { email: other.email } });
  });
});
