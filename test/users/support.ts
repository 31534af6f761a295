/** People of two tenants, and what a tenant does to them. */
import { findUser, markEmailVerifiedBySession } from "../../src/modules/users/service.ts";
import { assign, member, ok, type Person, role, signIn, type Workspace } from "../rbac/support.ts";
import type { TestServer } from "../support/server.ts";

export const setPassword = (server: TestServer, as: string, id: string, body: object) =>
  server.call("POST", `/v1/users/${id}/password`, { as, body });

export const patchUser = (server: TestServer, as: string, id: string, body: object) =>
  server.call("PATCH", `/v1/users/${id}`, { as, body });

export const getUser = (server: TestServer, as: string, id: string) =>
  server.call("GET", `/v1/users/${id}`, { as });

/** Without what a first proof removes: the account keeps the password that the tests know. */
export async function verify(server: TestServer, userId: string): Promise<void> {
  await server.deps.db.transaction(async (tx) => {
    const user = (await findUser(tx, userId))!;
    await markEmailVerifiedBySession(server.deps, tx, user);
  });
}

export interface Guest extends Person {
  /** A token of the same person for the workspace that they are a guest in. */
  readonly guestToken: string;
  readonly roleId: string;
}

/** A user at home in `home`, who has a role of `host` and is signed in to both. */
export async function guest(
  server: TestServer,
  { home, host }: { home: Workspace; host: Workspace },
  permissions: readonly string[] = ["user.read"],
): Promise<Guest> {
  const person = await member(server, home);
  await verify(server, person.userId);
  const roleId = await role(server, host, permissions);
  ok(
    await assign(server, host.owner, { userId: person.userId, tenantId: host.tenantId, roleId }),
    204,
  );
  const token = await signIn(server, person.email);
  return { ...person, token, roleId, guestToken: await switchTo(server, token, host.tenantId) };
}

export async function switchTo(server: TestServer, as: string, tenantId: string): Promise<string> {
  const answer = await server.call("POST", "/v1/auth/switch-tenant", {
    as,
    body: { tenant_id: tenantId },
  });
  return ok(answer).body.access_token;
}
