/** Contract 01 §15: a change and its audit event are one transaction. Here the database refuses every audit event. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { dialect } from "../../db/dialect.ts";
import { connect, type RawConnection, tableNames } from "../../db/raw.ts";
import {
  apiKey,
  assign,
  member,
  ok,
  type Person,
  permissionId,
  role,
  type Workspace,
  workspace,
} from "../rbac/support.ts";
import { basicOf } from "../support/provider.ts";
import { PASSWORD, startServer, type TestServer } from "../support/server.ts";
import { newTokens, signIn } from "../tokens/support.ts";
import { guest } from "../users/support.ts";
import { codeTo } from "../verification/support.ts";

let server: TestServer;
let space: Workspace;
let raw: RawConnection;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
  raw = await connect(server.deps.config.databaseUrl);
  if (dialect === "postgres")
    await raw.values(
      "create function no_audit() returns trigger as $$ begin raise exception 'no audit'; end $$ language plpgsql",
    );
});
afterEach(() => raw.values(ALLOW));
afterAll(async () => {
  await raw.close();
  await server.stop();
});

const REFUSE =
  dialect === "postgres"
    ? "create trigger no_audit before insert on audit_events for each row execute function no_audit()"
    : "create trigger no_audit before insert on audit_events begin select raise(abort, 'no audit'); end";
const ALLOW =
  dialect === "postgres"
    ? "drop trigger if exists no_audit on audit_events"
    : "drop trigger if exists no_audit";

/** Every row of every table but one. */
async function snapshot(except?: string): Promise<Record<string, string[]>> {
  const tables: Record<string, string[]> = {};
  for (const name of (await tableNames(raw)).sort()) {
    if (name === except) continue;
    const rows = await raw.values(`select * from "${name}"`);
    tables[name] = rows.map((row) => JSON.stringify(row)).sort();
  }
  return tables;
}

interface Change {
  readonly path: string;
  readonly body?: unknown;
  /** Who asks; the owner, if nobody is named. */
  readonly as?: string | undefined;
  readonly headers?: Record<string, string>;
  /** A table that counts the try, whatever becomes of it. */
  readonly countedIn?: string;
}

const newUser = async () => (await member(server, space)).userId;
const signedIn = () => member(server, space);
const newGuest = async () =>
  (await guest(server, { home: await workspace(server), host: space })).userId;
const deletedUser = async () => {
  const id = await newUser();
  ok(await server.call("DELETE", `/v1/users/${id}`, { as: space.owner.token }), 204);
  return id;
};
const rolesPath = () => `/v1/tenants/${space.tenantId}/roles`;
const freshRole = () => role(server, space, ["user.read"]);
const grantPath = async (roleId: string) =>
  `/v1/roles/${roleId}/permissions/${await permissionId(server, space.owner, "user.read")}`;
const rolePath = (userId: string, roleId: string) =>
  `/v1/users/${userId}/tenants/${space.tenantId}/roles/${roleId}`;
const address = (word: string) => `${word}-${server.port}@example.com`;
const credentials = () => ({ email: space.owner.email, password: PASSWORD });

async function confirmation(
  { userId, email, token: as }: Person,
  what: "email" | "phone",
  asked: { phone?: string },
): Promise<Change> {
  const path = `/v1/users/${userId}/verify/${what}`;
  ok(await server.call("POST", `${path}/start`, { as, body: asked }), 202);
  const template = what === "email" ? "verify_email" : "sms_code";
  const body = { code: await codeTo(server, asked.phone ?? email, template) };
  return { path: `${path}/confirm`, body, as, countedIn: "verifications" };
}

/** All that changes something and is audited. */
const CHANGES: Record<string, () => Promise<Change>> = {
  "POST sign-up": async () => ({
    path: "/v1/auth/signup",
    body: { email: address("new"), password: PASSWORD },
    as: "",
  }),
  "POST login": async () => ({ path: "/v1/auth/login", body: credentials(), as: "" }),
  "POST hosted session": async () => ({ path: "/v1/auth/session", body: credentials(), as: "" }),
  "POST logout": async () => ({ path: "/v1/auth/logout", as: (await signedIn()).token }),
  "POST a tenant": async () => ({ path: "/v1/tenants", body: { name: "Second" } }),
  "PATCH a tenant": async () => ({
    path: `/v1/tenants/${space.tenantId}`,
    body: { name: "Renamed" },
  }),
  "DELETE a tenant": async () => ({ path: `/v1/tenants/${space.tenantId}` }),
  "POST a user": async () => ({ path: "/v1/users", body: { email: address("made") } }),
  "PATCH a user": async () => ({
    path: `/v1/users/${await newUser()}`,
    body: { display_name: "Renamed" },
  }),
  "PATCH a user's status": async () => ({
    path: `/v1/users/${await newUser()}`,
    body: { status: "suspended" },
  }),
  "POST a user's password": async () => ({
    path: `/v1/users/${await newUser()}/password`,
    body: { password: "seven grey geese" },
  }),
  "DELETE a user": async () => ({ path: `/v1/users/${await newUser()}` }),
  "POST restore": async () => ({ path: `/v1/users/${await deletedUser()}/restore` }),
  "DELETE purge": async () => ({ path: `/v1/users/${await deletedUser()}/purge` }),
  "POST an import": async () => ({
    path: "/v1/users/bulk",
    body: { users: [{ email: address("imported") }] },
  }),
  "PATCH a guest's status": async () => ({
    path: `/v1/users/${await newGuest()}`,
    body: { status: "suspended" },
  }),
  "DELETE a guest": async () => ({ path: `/v1/users/${await newGuest()}` }),
  "POST confirm of an address": async () => confirmation(await signedIn(), "email", {}),
  "POST confirm of a number": async () =>
    confirmation(await signedIn(), "phone", { phone: "+41791234567" }),
  "POST confirm of a new address": async () => {
    const { token: as, email } = await signedIn();
    const next = `new-${email}`;
    const asked = { as, body: { email: next } };
    ok(await server.call("POST", "/v1/me/email/change/start", asked), 202);
    const body = { code: await codeTo(server, next, "email_change") };
    return { path: "/v1/me/email/change/confirm", body, as, countedIn: "verifications" };
  },
  "POST one's own password": async () => ({
    path: "/v1/auth/password",
    body: { current_password: PASSWORD, new_password: "seven grey geese" },
    as: (await signedIn()).token,
  }),
  "POST a role": async () => ({ path: rolesPath(), body: { name: "Editor" } }),
  "PATCH a role": async () => ({
    path: `${rolesPath()}/${await freshRole()}`,
    body: { name: "Renamed" },
  }),
  "DELETE a role": async () => ({ path: `${rolesPath()}/${await freshRole()}` }),
  "POST a grant": async () => ({ path: await grantPath(await role(server, space, [])) }),
  "DELETE a grant": async () => ({ path: await grantPath(await freshRole()) }),
  "POST an assignment": async () => ({ path: rolePath(await newUser(), await freshRole()) }),
  "DELETE an assignment": async () => {
    const [userId, roleId] = [await newUser(), await freshRole()];
    ok(await assign(server, space.owner, { userId, roleId, ...space }), 204);
    return { path: rolePath(userId, roleId) };
  },
  "POST a key": async () => ({ path: "/v1/api-keys", body: { name: "key" } }),
  "POST a key's rotation": async () => ({
    path: `/v1/api-keys/${(await apiKey(server, space.owner)).id}/rotate`,
  }),
  "DELETE a key": async () => ({
    path: `/v1/api-keys/${(await apiKey(server, space.owner)).id}`,
  }),
  "POST revoke of a client's access token": async () => revocation("access_token"),
  "POST revoke of a client's refresh token": async () => revocation("refresh_token"),
  "GET logout at a client": async () => {
    const { id_token } = await newTokens(server, await signIn(server));
    return { path: `/v1/oauth/logout?id_token_hint=${id_token}`, as: "" };
  },
};

async function revocation(kind: "access_token" | "refresh_token"): Promise<Change> {
  const signedIn = await signIn(server);
  const body = new URLSearchParams({ token: (await newTokens(server, signedIn))[kind] });
  const headers = {
    authorization: basicOf(signedIn.client),
    "content-type": "application/x-www-form-urlencoded",
  };
  return { path: "/oauth/revoke", body: body.toString(), headers, as: "" };
}

test.each(Object.entries(CHANGES))(
  "02 §13: every mutation: database fails at the audit insert: %s",
  async (name, prepare) => {
    const { path, body, headers, as = space.owner.token, countedIn } = await prepare();
    const before = await snapshot(countedIn);
    await raw.values(REFUSE);
    const answer = await server.call(name.split(" ", 1)[0]!, path, {
      as: as === "" ? undefined : as,
      body,
      ...(headers && { headers }),
    });
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer.body)).not.toContain("no audit");
    expect(await snapshot(countedIn)).toEqual(before);

    // The same again, allowed: it was the audit event alone that stood in the way.
    await raw.values(ALLOW);
    if (name === "DELETE a tenant") return;
    const again = await server.call(name.split(" ", 1)[0]!, path, {
      as: as === "" ? undefined : as,
      body,
      ...(headers && { headers }),
    });
    expect(again.status).toBeLessThan(400);
    expect(await snapshot(countedIn)).not.toEqual(before);
  },
);
