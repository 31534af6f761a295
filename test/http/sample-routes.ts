import { t } from "elysia";
import type { Deps } from "../../src/deps.ts";
import { AppError } from "../../src/platform/errors.ts";
import { routeGroup } from "../../src/platform/http/access.ts";
import { ErrorBody } from "../../src/platform/http/errors.ts";
import { ListQuery, readPage } from "../../src/platform/http/page.ts";

/** A small API that has one of everything that the kernel treats differently. */
export const Group = t.Object({
  id: t.String({ format: "uuid" }),
  name: t.String(),
  size: t.Integer(),
  kind: t.Union([t.Literal("team"), t.Literal("role")]),
  owner: t.Object({ email: t.String() }),
});

export const CreateGroup = t.Object({
  name: t.String({ minLength: 1, maxLength: 40 }),
  size: t.Integer({ minimum: 1, maximum: 100 }),
  kind: t.Union([t.Literal("team"), t.Literal("role")]),
  owner: t.Object({ email: t.String({ format: "email", maxLength: 254 }) }),
  parent_id: t.Optional(t.String({ format: "uuid" })),
});

const GroupQuery = t.Object({
  limit: t.Integer({ minimum: 1, maximum: 200, default: 50 }),
  deep: t.Optional(t.Boolean()),
  kind: t.Optional(t.Array(t.String({ maxLength: 10 }), { maxItems: 5 })),
});

const Ok = t.Object({ ok: t.Boolean() });
// Holds more than its schema says, as a row does.
const stored: typeof Group.static & { secret: string } = {
  id: "0199aaaa-0000-7000-8000-000000000001",
  name: "ops",
  size: 3,
  kind: "team",
  owner: Object.assign({ email: "a@b.example" }, { password_hash: "x" }),
  secret: "y",
};
const present = (group: typeof Group.static): typeof Group.static => group;

const groupRoutes = (_deps: Deps) =>
  routeGroup({ name: "groups", prefix: "/v1", tag: "Groups" })
    .post(
      "/groups",
      ({ body, status }) => {
        if (body.name === "taken") throw new AppError("conflict", "a group of this name exists");
        const { parent_id: _, ...fields } = body;
        return status(201, present({ ...stored, ...fields }));
      },
      {
        permission: "group.write",
        http: { bodyLimit: 2000, documented: { 202: Group } },
        body: CreateGroup,
        response: { 201: Group, 409: ErrorBody },
        detail: { operationId: "createGroup", summary: "Create a group" },
      },
    )
    .get(
      "/tenants/:tenantID/groups",
      ({ query }) => ({ items: [stored].slice(0, query.limit), next_cursor: "" }),
      {
        permission: "group.read",
        query: GroupQuery,
        response: t.Object({ items: t.Array(Group), next_cursor: t.String() }),
        detail: { operationId: "listGroups", summary: "List a tenant's groups, newest first" },
      },
    )
    .get("/tenants/:tenantID", ({ params }) => ({ id: params.tenantID }), {
      self: "any",
      http: { tenant: "member", names: { tenantID: "id" }, whileSuspended: true },
      response: t.Object({ id: t.String() }),
      detail: { operationId: "getTenant", summary: "A tenant that the caller belongs to" },
    })
    .delete("/groups/:id", ({ status }) => status(204, undefined), {
      permission: "group.write",
      response: { 204: t.Void(), 404: ErrorBody },
      detail: { operationId: "deleteGroup", summary: "Delete a group" },
    });

const Caller = t.Object({
  ip: t.Nullable(t.String()),
  user_agent: t.Nullable(t.String()),
  request_id: t.String(),
});
const Subject = t.Object({ subject: t.String() });

const callerRoutes = (deps: Deps) =>
  routeGroup({ name: "callers", prefix: "/v1", tag: "Callers" })
    .get("/me", ({ actor }) => ({ subject: actor.subject }), {
      self: "any",
      http: { oauth: true },
      response: Subject,
      detail: { operationId: "getMe", summary: "The caller" },
    })
    .get("/any", ({ actor }) => ({ subject: actor.subject }), {
      self: "any",
      response: Subject,
      detail: { operationId: "getAny", summary: "Any principal" },
    })
    .get("/person", ({ actor }) => ({ subject: actor.subject }), {
      self: "user",
      response: Subject,
      detail: { operationId: "getPerson", summary: "A user" },
    })
    .get("/session", ({ actor }) => ({ subject: actor.subject }), {
      self: "session",
      response: Subject,
      detail: { operationId: "getSession", summary: "A session" },
    })
    .get("/users/:id", ({ params }) => ({ id: params.id }), {
      own: { permission: "user.read", param: "id" },
      response: t.Object({ id: t.String() }),
      detail: { operationId: "getUser", summary: "A user" },
    })
    .get("/users/:id/tenants/:tenantID", ({ params }) => ({ id: params.tenantID }), {
      own: { permission: "role.read", param: "id" },
      response: t.Object({ id: t.String() }),
      detail: { operationId: "getGrants", summary: "Permissions of a user" },
    })
    .get(
      "/whoami",
      ({ caller }) => ({
        ip: caller.ip,
        user_agent: caller.userAgent,
        request_id: caller.requestId,
      }),
      {
        public: true,
        response: Caller,
        detail: { operationId: "whoami", summary: "What the server knows of the caller" },
      },
    )
    .get("/page", ({ query }) => ({ limit: readPage(query).limit }), {
      public: true,
      query: ListQuery,
      response: t.Object({ limit: t.Integer() }),
      detail: { operationId: "getPage", summary: "A list's query" },
    })
    .get(
      "/slow",
      async () => {
        await Bun.sleep(400);
        return { ok: true };
      },
      {
        public: true,
        response: Ok,
        detail: { operationId: "slow", summary: "Takes a while" },
      },
    )
    .post(
      "/mail",
      async () => ({ ok: (await deps.rate.take("mail", "a@b.example")).waitSeconds === 0 }),
      {
        public: true,
        http: { bodyOptional: true },
        response: Ok,
        body: t.Object({ note: t.Optional(t.String()) }),
        detail: { operationId: "mail", summary: "Spends the mail bucket" },
      },
    );

/** Flat errors, form bodies. */
const tokenRoutes = (_deps: Deps) =>
  routeGroup({ name: "oauth", prefix: "/v1/oauth", tag: "OAuth", errors: "oauth" }).post(
    "/token",
    ({ body }) => {
      if (body.client_id === "wrong") throw new AppError("unauthorized", "unknown client");
      return { ok: true };
    },
    {
      public: true,
      http: { form: true, open: true, csrf: "none", cors: "any" },
      body: t.Object({ grant_type: t.String({ minLength: 1 }), client_id: t.Optional(t.String()) }),
      response: Ok,
      detail: { operationId: "issueToken", summary: "Issue a token" },
    },
  );

/** SCIM errors. */
const scimRoutes = (_deps: Deps) =>
  routeGroup({ name: "scim", prefix: "/scim/v2", tag: "SCIM", errors: "scim" }).post(
    "/Users",
    () => ({ ok: true }),
    {
      self: "any",
      http: { open: true },
      body: t.Object({ userName: t.String({ minLength: 1 }) }),
      response: Ok,
      detail: { operationId: "createScimUser", summary: "Create a user" },
    },
  );

/** The remaining corners: double submit, a bug in a handler, an answer that breaks its schema, a rate of its own. */
const cornerRoutes = (_deps: Deps) =>
  routeGroup({ name: "corners", prefix: "/v1", tag: "Corners" })
    .post("/auth/session", () => ({ ok: true }), {
      public: true,
      http: { csrf: "double-submit" },
      response: Ok,
      detail: { operationId: "openSession", summary: "Open a session" },
    })
    .post("/auth/login", () => ({ ok: true }), {
      public: true,
      body: t.Object({
        email: t.String({ format: "email" }),
        count: t.Optional(t.Number()),
        note: t.Optional(t.Nullable(t.String())),
        data: t.Optional(t.Record(t.String(), t.Unknown())),
      }),
      response: Ok,
      detail: { operationId: "login", summary: "Sign in" },
    })
    .post("/optional", ({ body }) => ({ ok: body.note === undefined }), {
      self: "any",
      http: { bodyOptional: true },
      body: t.Object({ note: t.Optional(t.String()) }),
      response: Ok,
      detail: { operationId: "optional", summary: "Its body may be absent" },
    })
    .get(
      "/bug",
      (): { ok: boolean } => {
        throw new TypeError("select * from secrets");
      },
      {
        public: true,
        http: { cache: "public, max-age=300" },
        response: Ok,
        detail: { operationId: "bug", summary: "Throws" },
      },
    )
    .get("/broken", () => ({ ok: "yes" as unknown as boolean }), {
      public: true,
      response: Ok,
      detail: { operationId: "broken", summary: "Breaks its response schema" },
    })
    .get("/data", () => ({ data: { a: { b: [1, null] } } }), {
      public: true,
      response: t.Object({ data: t.Record(t.String(), t.Unknown()) }),
      detail: { operationId: "data", summary: "Free JSON" },
    })
    .get("/kept", () => ({ ok: true }), {
      public: true,
      http: { cache: "public, max-age=300", cors: "any" },
      response: Ok,
      detail: { operationId: "kept", summary: "May be kept, and read by everybody" },
    })
    .get("/closed", () => ({ ok: true }), {
      public: true,
      http: { cors: "none" },
      response: Ok,
      detail: { operationId: "closed", summary: "For no other origin" },
    })
    .post("/code", () => ({ ok: true }), {
      self: "any",
      http: { rate: "sensitive" },
      response: Ok,
      detail: { operationId: "sendCode", summary: "Send a code" },
    });

export const sampleGroups = [groupRoutes, callerRoutes, tokenRoutes, scimRoutes, cornerRoutes];
