/** Everybody who may knock at a route, and real rows for its path to name. */
import { satisfiedBy } from "../../src/platform/permissions.ts";
import {
  apiKey,
  assign,
  member,
  ok,
  type Person,
  permissionId,
  role,
  UNKNOWN_ID,
  type Workspace,
  workspace,
} from "../rbac/support.ts";
import { serviceToken, userToken } from "../support/oauth.ts";
import { PASSWORD, type TestServer } from "../support/server.ts";
import type { AccessRow } from "./rows.ts";

export const ACTORS = [
  "anonymous",
  "member without roles",
  "role with just the key",
  "role with only the implied coarse key",
  "owner",
  "owner of another tenant",
  "key with an unrelated scope",
  "unscoped key",
  "key with the scope",
  "key bound to a member without roles",
  "user without a tenant",
  "suspended member",
  "service without scopes",
  "service with the scope",
  "owner's token with openid only",
  "owner's token with the scope",
  "token with the scope of a member without roles",
] as const;
export type ActorName = (typeof ACTORS)[number];

export interface Knocker {
  /** The `Authorization` header; undefined for nobody. */
  readonly as: string | undefined;
  readonly userId: string | undefined;
}

const NOBODY: Knocker = { as: undefined, userId: undefined };
const knocker = ({ token, userId }: Person): Knocker => ({ as: token, userId });

/** The coarser key of the catalogue that stands for a fine one; undefined where there is none. */
export const coarseOf = (key: string): string | undefined => {
  const [area, verb] = key.split(".") as [string, string];
  return satisfiedBy(key).find((one) => one.endsWith(`.${verb}`) && !one.startsWith(`${area}.`));
};

/** One workspace, whose people and keys are made when first asked for. */
export class World {
  readonly #people = new Map<string, Promise<Knocker>>();
  #count = 0;

  private constructor(
    readonly server: TestServer,
    readonly space: Workspace,
    private readonly stranger: Workspace,
  ) {}

  static async create(server: TestServer, stranger?: Workspace): Promise<World> {
    const space = await workspace(server);
    return new World(server, space, stranger ?? (await workspace(server)));
  }

  /** A second workspace with the same stranger, for what destroys the first one. */
  another(): Promise<World> {
    return World.create(this.server, this.stranger);
  }

  unique(word: string): string {
    this.#count += 1;
    return `${word}-${this.#count}-${this.space.tenantId.slice(-12)}`;
  }

  actor(name: ActorName, row: AccessRow): Promise<Knocker> {
    const keys = row.keys ?? row.machineKeys ?? [];
    // Rows that no machine may call end the caller's sessions, or change the password.
    if (row.machine === "no") return this.make(name, keys);
    const key = `${name} ${keys.join()}`;
    const person = this.#people.get(key) ?? this.make(name, keys);
    this.#people.set(key, person);
    return person;
  }

  /** Somebody new of this sort. */
  async make(name: ActorName, keys: readonly string[]): Promise<Knocker> {
    const { server, space } = this;
    const withRole = async (held: readonly string[]) => knocker(await member(server, space, held));
    const withKey = async (body: object, userId?: string) => {
      const { authorization } = await apiKey(server, space.owner, { ...body });
      return { as: authorization, userId };
    };
    switch (name) {
      case "anonymous":
        return NOBODY;
      case "member without roles":
        return knocker(await member(server, space));
      case "role with just the key":
        return withRole(keys);
      case "role with only the implied coarse key":
        return withRole(keys.map((key) => coarseOf(key) ?? key));
      case "owner":
        return this.#owner(space);
      case "owner of another tenant":
        return this.#owner(this.stranger);
      case "key with an unrelated scope":
        return withKey({ scopes: ["analytics.read"] });
      case "unscoped key":
        return withKey({});
      case "key with the scope":
        return withKey({ scopes: keys.length > 0 ? keys : ["analytics.read"] });
      case "key bound to a member without roles": {
        const { userId } = await member(server, space);
        return withKey({ user_id: userId }, userId);
      }
      case "user without a tenant": {
        const { token, userId } = await server.signUp();
        return { as: token, userId };
      }
      case "suspended member":
        return this.#suspended(keys);
      case "service without scopes":
        return this.#service([]);
      case "service with the scope":
        return this.#service(keys);
      case "owner's token with openid only":
        return this.#client((await this.#owner(space)).userId!, ["openid"]);
      case "owner's token with the scope":
        return this.#client((await this.#owner(space)).userId!, ["openid", ...keys]);
      case "token with the scope of a member without roles":
        return this.#client((await member(server, space)).userId, ["openid", ...keys]);
    }
  }

  /** A second owner, so that the first one's session outlives whatever a row does to this one's. */
  async #owner(space: Workspace): Promise<Knocker> {
    const { server } = this;
    const person = await member(server, space);
    const as = space.owner.token;
    const { body } = ok(await server.call("GET", `/v1/tenants/${space.tenantId}/roles`, { as }));
    const { id } = body.items.find((one: { is_system: boolean }) => one.is_system);
    ok(await assign(server, space.owner, { userId: person.userId, roleId: id, ...space }), 204);
    return knocker(person);
  }

  async #service(scopes: readonly string[]): Promise<Knocker> {
    return { as: (await serviceToken(this.server, this.space, scopes)).token, userId: undefined };
  }

  async #client(userId: string, scopes: readonly string[]): Promise<Knocker> {
    const { token } = await userToken(this.server, this.space, userId, { scopes });
    return { as: token, userId };
  }

  async #suspended(keys: readonly string[]): Promise<Knocker> {
    const { server, space } = this;
    const person = await member(server, space, keys);
    const answer = await server.call("PATCH", `/v1/users/${person.userId}`, {
      as: space.owner.token,
      body: { status: "suspended" },
    });
    ok(answer);
    return knocker(person);
  }
}

/** Path and body of a request that fails for nothing but the right of whoever sends it. */
export async function requestOf(
  world: World,
  route: string,
  { own }: { readonly own?: Knocker } = {},
): Promise<{ method: string; path: string; body: object | undefined }> {
  const [method, template] = route.split(" ") as [string, string];
  const parts = await Promise.all(
    template
      .split("/")
      .map((part, index, all) =>
        part.startsWith("{") ? idFor(world, route, part, all[index - 1]!, own) : part,
      ),
  );
  const path = parts.join("/");
  const body = await BODIES[route]?.(world);
  if (route === "GET /v1/check") {
    const user_id = own?.userId ?? world.space.owner.userId;
    const query = { user_id, tenant_id: world.space.tenantId, permission: "user.read" };
    return { method, path: `${path}?${new URLSearchParams(query)}`, body };
  }
  return { method, path, body: body ?? (method === "GET" || method === "DELETE" ? undefined : {}) };
}

async function idFor(
  world: World,
  route: string,
  part: string,
  parent: string,
  own: Knocker | undefined,
): Promise<string> {
  const { server, space } = world;
  if (parent === "tenants") return space.tenantId;
  if (parent === "users" && own?.userId !== undefined) return own.userId;
  if (parent === "users") return freshUser(world, /purge|restore/.test(route));
  if (parent === "roles") return role(server, space, []);
  if (parent === "permissions" && part === "{permID}")
    return permissionId(server, space.owner, "role.write");
  if (parent === "api-keys")
    return (await apiKey(server, space.owner, { scopes: ["apikey.write"] })).id;
  if (parent === "sessions") return freshSession(world);
  return UNKNOWN_ID;
}

async function freshUser({ server, space }: World, deleted: boolean): Promise<string> {
  const { userId } = await member(server, space);
  const as = space.owner.token;
  if (deleted) ok(await server.call("DELETE", `/v1/users/${userId}`, { as }), 204);
  return userId;
}

async function freshSession({ server, space }: World): Promise<string> {
  const { email } = await member(server, space);
  const body = { email, password: PASSWORD };
  return ok(await server.call("POST", "/v1/auth/login", { body })).body.session_id;
}

/** Bodies that pass; where none stands here, an empty one says "let through" with 400 or 422. */
const BODIES: Record<string, (world: World) => object> = {
  "POST /v1/api-keys": (world) => ({
    name: "key",
    scopes: ["apikey.write"],
    tenant_id: world.space.tenantId,
  }),
  "POST /v1/oidc/clients": (world) => ({ name: "client", tenant_id: world.space.tenantId }),
  "POST /v1/tenants/{tenantID}/oidc/clients": () => ({ name: "client" }),
  "POST /v1/service-principals": (world) => ({
    name: world.unique("machine"),
    tenant_id: world.space.tenantId,
  }),
  "POST /v1/tenants/{tenantID}/roles": (world) => ({ name: world.unique("role") }),
  "POST /v1/users": (world) => ({
    email: `${world.unique("made")}@example.com`,
    tenant_id: world.space.tenantId,
  }),
  "POST /v1/users/bulk": (world) => ({
    users: [{ email: `${world.unique("bulk")}@example.com` }],
    tenant_id: world.space.tenantId,
  }),
  "POST /v1/users/{id}/verify/email/confirm": () => ({ code: "000000" }),
  "POST /v1/users/{id}/verify/phone/confirm": () => ({ code: "000000" }),
  "POST /v1/users/{id}/verify/phone/start": () => ({ phone: "+4915112345678" }),
  "PATCH /v1/users/{id}": () => ({ display_name: "Renamed" }),
  "POST /v1/users/{id}/password": () => ({
    password: "seven grey geese",
    current_password: PASSWORD,
  }),
};
