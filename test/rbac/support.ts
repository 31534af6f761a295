import { expect } from "bun:test";
import { type Answer, PASSWORD, type TestServer } from "../support/server.ts";

export interface Person {
  readonly userId: string;
  readonly email: string;
  readonly token: string;
}

export interface Workspace {
  readonly tenantId: string;
  readonly owner: Person;
}

/** An answer that must be of this status; else the test says what came instead. */
export function ok(answer: Answer, status = 200): Answer {
  if (answer.status !== status)
    throw new Error(`expected ${status}, got ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer;
}

let count = 0;
const unique = (word: string) => `${word}-${++count}`;

/** Somebody with a workspace of their own, signed in to it. */
export async function workspace(server: TestServer): Promise<Workspace> {
  const person = await server.signUp();
  const { body } = ok(
    await server.call("POST", "/v1/tenants", {
      as: person.token,
      body: { name: unique("Workspace") },
    }),
    201,
  );
  return {
    tenantId: body.tenant.id,
    owner: { userId: person.userId, email: person.email, token: body.access_token },
  };
}

/** A role of the workspace with exactly these keys. */
export async function role(
  server: TestServer,
  { tenantId, owner }: Workspace,
  permissions: readonly string[],
): Promise<string> {
  const { body } = ok(
    await server.call("POST", `/v1/tenants/${tenantId}/roles`, {
      as: owner.token,
      body: { name: unique("role"), permissions },
    }),
    201,
  );
  return body.id;
}

/** A user whose home the workspace is, signed in; with a role of these keys, or with none at all. */
export async function member(
  server: TestServer,
  space: Workspace,
  permissions?: readonly string[],
): Promise<Person & { readonly roleId: string | undefined }> {
  const email = `${unique("member")}-${server.port}@example.com`;
  const created = await server.call("POST", "/v1/users", {
    as: space.owner.token,
    body: { email, password: PASSWORD },
  });
  const userId: string = ok(created, 201).body.id;
  const roleId = permissions && (await role(server, space, permissions));
  if (roleId) ok(await assign(server, space.owner, { userId, ...space, roleId }), 204);
  return { userId, email, roleId, token: await signIn(server, email) };
}

export async function signIn(server: TestServer, email: string): Promise<string> {
  const answer = await server.call("POST", "/v1/auth/login", {
    body: { email, password: PASSWORD },
  });
  return ok(answer).body.access_token;
}

/** The same workspace, whose owner has signed in anew: for tests that move the clock past the end of tokens. */
export async function signedIn(server: TestServer, one: Workspace): Promise<Workspace> {
  return { ...one, owner: { ...one.owner, token: await signIn(server, one.owner.email) } };
}

interface Assignment {
  readonly userId: string;
  readonly tenantId: string;
  readonly roleId: string;
}

const rolePath = ({ userId, tenantId, roleId }: Assignment) =>
  `/v1/users/${userId}/tenants/${tenantId}/roles/${roleId}`;

export const assign = (server: TestServer, by: Person, assignment: Assignment) =>
  server.call("POST", rolePath(assignment), { as: by.token });

export const unassign = (server: TestServer, by: Person, assignment: Assignment) =>
  server.call("DELETE", rolePath(assignment), { as: by.token });

export async function ownerRoleId(server: TestServer, space: Workspace): Promise<string> {
  const { body } = ok(
    await server.call("GET", `/v1/tenants/${space.tenantId}/roles`, { as: space.owner.token }),
  );
  return body.items.find((one: { is_system: boolean }) => one.is_system).id;
}

export async function permissionId(server: TestServer, by: Person, key: string): Promise<string> {
  const { body } = ok(await server.call("GET", "/v1/permissions", { as: by.token }));
  return body.items.find((one: { key: string }) => one.key === key).id;
}

/** The whole key, as its `Authorization` header. */
export async function apiKey(
  server: TestServer,
  by: Person,
  body: Record<string, unknown> = {},
): Promise<{ readonly id: string; readonly authorization: string }> {
  const created = await server.call("POST", "/v1/api-keys", {
    as: by.token,
    body: { name: unique("key"), ...body },
  });
  ok(created, 201);
  return { id: created.body.id, authorization: `ApiKey ${created.body.secret}` };
}

/** Actions of the tenant's audit log about one resource, newest first. */
export async function auditActions(
  server: TestServer,
  { tenantId, owner }: Workspace,
  resourceId: string,
): Promise<string[]> {
  const { body } = ok(
    await server.call("GET", `/v1/tenants/${tenantId}/audit?limit=200&resource_id=${resourceId}`, {
      as: owner.token,
    }),
  );
  return body.items.map(({ action }: { action: string }) => action);
}

/** The refusal of contract 01 §2: its status, and its detail where one is promised. */
export function expectRefusal(answer: Answer, status: number, detail?: string): void {
  expect({ status: answer.status, body: answer.body }).toMatchObject({
    status,
    body: { error: detail === undefined ? {} : { detail } },
  });
}

export const UNKNOWN_ID = "01890000-0000-7000-8000-000000000000";
