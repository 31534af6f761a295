/** Rows of contract 01 §20 that the kernel's own tests hold against sample routes: here against the product. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  apiKey,
  assign,
  expectRefusal,
  member,
  ok,
  role,
  signIn,
  unassign,
  type Workspace,
  workspace,
} from "../rbac/support.ts";
import { serviceToken } from "../support/oauth.ts";
import { type Answer, PASSWORD, startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let space: Workspace;
let other: Workspace;
beforeAll(async () => {
  server = await startServer({ trustedProxies: ["127.0.0.0/8", "10.0.0.0/8"] });
  space = await workspace(server);
  other = await workspace(server);
});
afterAll(() => server.stop());

const keysPath = "/v1/api-keys";
const post = (body: unknown, headers: Record<string, string> = {}) =>
  server.call("POST", keysPath, { as: space.owner.token, body, headers });

describe("bodies", () => {
  test('01 §20: POST JSON endpoint, body { / empty / [] / {"x":1} extra member', async () => {
    for (const body of ["{", "", "[]", '{"name":"k","x":1}']) expectRefusal(await post(body), 400);
  });

  test('01 §20: number where string expected; then "" for a required string', async () => {
    expectRefusal(await post({ name: 5 }), 400);
    const answer = await post({ name: "" });
    expectRefusal(answer, 422);
    expect(answer.body.error.fields).toEqual([
      { field: "name", code: "required", message: expect.any(String) },
    ]);
  });

  test("text that no database keeps is 400: U+0000, half a surrogate pair", async () => {
    for (const body of [
      '{"name":"a\\u0000b"}',
      '{"name":"a\\uD800b"}',
      '{"name":"k","scopes":["\\u0000"]}',
      '{"\\u0000":1}',
    ])
      expectRefusal(await post(body), 400, "text must not hold U+0000 or half a surrogate pair");
    ok(await post('{"name":"a\\\\u0000b \\ud83d\\ude00"}'), 201);
    const audit = `/v1/tenants/${space.tenantId}/audit?action=a%00b`;
    expectRefusal(await server.call("GET", audit, { as: space.owner.token }), 400);
  });

  test("01 §20: body 1 MiB + 1, also chunked without length", async () => {
    const text = " ".repeat(1024 * 1024 + 1);
    expectRefusal(await post(text), 413);
    const half = new TextEncoder().encode(" ".repeat(600 * 1024));
    const chunked = await fetch(server.base + keysPath, {
      method: "POST",
      headers: { authorization: `Bearer ${space.owner.token}`, "content-type": "application/json" },
      body: new ReadableStream({
        start(controller) {
          controller.enqueue(half);
          controller.enqueue(half);
          controller.close();
        },
      }),
    });
    expect([chunked.status, (await chunked.json()).error.code]).toEqual([413, "payload_too_large"]);
  });

  test("01 §20: text/plain JSON with Origin, no Authorization", async () => {
    const body = JSON.stringify({ email: space.owner.email, password: PASSWORD });
    const login = (headers: Record<string, string>) =>
      server.call("POST", "/v1/auth/login", {
        body,
        headers: { "content-type": "text/plain", ...headers },
      });
    expectRefusal(await login({ origin: server.deps.config.publicUrl }), 415);
    ok(await login({}));
  });
});

describe("paths and headers", () => {
  test("01 §20: unknown path; PUT /v1/users", async () => {
    const unknown = await server.call("GET", "/v1/no-such-thing", { as: space.owner.token });
    expectRefusal(unknown, 404);
    expect(unknown.body.error.code).toBe("not_found");
    const put = await server.call("PUT", "/v1/users", { as: space.owner.token });
    expectRefusal(put, 405);
    expect(put.headers.get("allow")).toBe("GET, HEAD, POST, OPTIONS");
  });

  test("01 §20: path id not-a-uuid", async () => {
    const nobody = await member(server, space);
    for (const as of [space.owner.token, nobody.token])
      for (const [method, path] of [
        ["GET", "/v1/users/not-a-uuid"],
        ["GET", "/v1/tenants/not-a-uuid/roles"],
        ["DELETE", `/v1/api-keys/not-a-uuid`],
        ["POST", "/v1/roles/not-a-uuid/permissions/not-a-uuid"],
      ] as const)
        expectRefusal(await server.call(method, path, { as }), 400);
    expectRefusal(await server.call("GET", "/v1/users/not-a-uuid"), 401);
  });

  test("01 §20: X-Request-Id: abc / 200 chars / with newline", async () => {
    const ask = async (id: string) => {
      const answer = await server.call("GET", "/v1/users", { headers: { "x-request-id": id } });
      expect(answer.body.error.request_id).toBe(answer.headers.get("x-request-id"));
      return answer.headers.get("x-request-id");
    };
    expect(await ask("abc")).toBe("abc");
    expect(await ask("x".repeat(200))).toMatch(/^req_/);
    // A client cannot even send a newline; what a lenient proxy would make of it is two words.
    expect(await ask("abc def")).toMatch(/^req_/);
  });

  test("01 §20: Authorization: bearer <jwt> lower case; apikey qk_…", async () => {
    const { authorization } = await apiKey(server, space.owner, { scopes: ["user.read"] });
    for (const value of [
      `bearer ${space.owner.token}`,
      `BEARER ${space.owner.token}`,
      authorization.replace("ApiKey", "apikey"),
    ])
      ok(await server.call("GET", "/v1/users", { headers: { authorization: value } }));
  });
});

describe("credentials", () => {
  test("01 §20: token of a revoked session / suspended user / deleted user / removed member / deleted tenant / suspended tenant", async () => {
    const as = space.owner.token;
    const me = (token: string) => server.call("GET", "/v1/users", { as: token });
    const person = () => member(server, space, ["user.read"]);

    const revoked = await person();
    ok(await me(revoked.token));
    ok(await server.call("POST", "/v1/auth/logout", { as: revoked.token }), 204);
    expectRefusal(await me(revoked.token), 401);

    const suspended = await person();
    ok(await me(suspended.token));
    const path = `/v1/users/${suspended.userId}`;
    ok(await server.call("PATCH", path, { as, body: { status: "suspended" } }));
    expectRefusal(await me(suspended.token), 403, "account suspended");

    const deleted = await person();
    ok(await me(deleted.token));
    ok(await server.call("DELETE", `/v1/users/${deleted.userId}`, { as }), 204);
    expectRefusal(await me(deleted.token), 401);

    await expectRemovedMember();
    await expectGoneTenants();
  });

  async function expectRemovedMember(): Promise<void> {
    const guest = await server.signUp();
    const roleId = await role(server, space, ["user.read"]);
    const given = { userId: guest.userId, roleId, ...space };
    ok(await assign(server, space.owner, given), 204);
    const switched = await server.call("POST", "/v1/auth/switch-tenant", {
      as: guest.token,
      body: { tenant_id: space.tenantId },
    });
    const { access_token: token } = ok(switched).body;
    ok(await server.call("GET", "/v1/users", { as: token }));
    ok(await unassign(server, space.owner, given), 204);
    expectRefusal(await server.call("GET", "/v1/users", { as: token }), 401);
  }

  async function expectGoneTenants(): Promise<void> {
    const doomed = await workspace(server);
    const as = doomed.owner.token;
    const path = `/v1/tenants/${doomed.tenantId}`;
    ok(await server.call("PATCH", path, { as, body: { status: "suspended" } }));
    expectRefusal(await server.call("GET", "/v1/users", { as }), 403, "tenant suspended");
    ok(await server.call("PATCH", path, { as, body: { status: "active" } }));
    ok(await server.call("GET", "/v1/users", { as }));
    ok(await server.call("DELETE", path, { as }), 204);
    expectRefusal(await server.call("GET", "/v1/users", { as }), 401);
  }

  test("01 §20: tenant A token on /v1/tenants/{B}/roles (B real / not existing)", async () => {
    for (const tenantId of [other.tenantId, "01890000-0000-7000-8000-000000000000"]) {
      const answer = await server.call("GET", `/v1/tenants/${tenantId}/roles`, {
        as: space.owner.token,
      });
      expectRefusal(answer, 403, "tenant mismatch");
    }
  });

  test("01 §20: tenant-less token on GET /v1/users", async () => {
    const bare = await startServer({ signupPersonalTenant: false });
    try {
      const { token } = await bare.signUp();
      const answer = await bare.call("GET", "/v1/users", { as: token });
      expectRefusal(answer, 401, "tenant scope required");
    } finally {
      await bare.stop();
    }
  });
});

describe("lists", () => {
  const page = async (query: string) =>
    ok(await server.call("GET", `/v1/users?${query}`, { as: space.owner.token })).body;
  const ids = (items: { id: string }[]) => items.map(({ id }) => id);

  test("01 §20: rows inserted while paging; two rows with equal created_at", async () => {
    // The clock stands still: all of them have the same created_at.
    for (let n = 0; n < 7; n += 1) await member(server, space);
    const before = ids((await page("limit=200")).items);
    const seen: string[] = [];
    let cursor = "";
    do {
      const { items, next_cursor } = await page(`limit=3&cursor=${cursor}`);
      seen.push(...ids(items));
      cursor = next_cursor;
      await member(server, space); // newer than all that are left to read
    } while (cursor !== "");
    expect(seen).toEqual(before);
  });

  test("01 §20: empty list", async () => {
    const nobody = await workspace(server);
    const answer = await server.call("GET", keysPath, { as: nobody.owner.token });
    expect(ok(answer).body).toEqual({ items: [], next_cursor: "" });
  });
});

describe("browsers", () => {
  const login = (headers: Record<string, string>) =>
    server.call("POST", "/v1/auth/login", {
      body: { email: space.owner.email, password: PASSWORD },
      headers,
    });
  const csrfFailed = (answer: Answer) => {
    expectRefusal(answer, 403);
    expect(answer.body.error.code).toBe("csrf_failed");
  };

  test("01 §20: CSRF: POST /v1/auth/session with good origin, no cookie; cookie≠header; forged cookie=header without valid MAC; Origin: null; evil origin + Authorization absent", async () => {
    const own = server.deps.config.publicUrl;
    const session = (headers: Record<string, string>) =>
      server.call("POST", "/v1/auth/session", {
        body: { email: space.owner.email, password: PASSWORD },
        headers,
      });
    const issued = (await server.call("GET", "/healthz")).headers.get("set-cookie") ?? "";
    const token = /qe_csrf=([^;]+)/.exec(issued)?.[1] ?? "";
    expect(token).not.toBe("");
    const forged = "A".repeat(token.length);
    const refused: Record<string, string>[] = [
      { origin: own },
      { origin: own, cookie: `qe_csrf=${token}`, "x-csrf-token": `${token}x` },
      { origin: own, cookie: `qe_csrf=${forged}`, "x-csrf-token": forged },
    ];
    for (const headers of refused) {
      const answer = await session(headers);
      csrfFailed(answer);
      expect(answer.headers.get("access-control-allow-origin")).toBe(own);
    }
    const good = { cookie: `qe_csrf=${token}`, "x-csrf-token": token };
    csrfFailed(await session({ origin: "null", ...good }));
    csrfFailed(await session({ origin: "https://evil.example.com", ...good }));
    ok(await session({ origin: own, ...good }));
  });

  test("01 §20: CSRF: POST /v1/auth/login from allowed origin without cookie; from curl (no Origin, no cookie); from evil origin", async () => {
    ok(await login({ origin: server.deps.config.publicUrl }));
    ok(await login({}));
    csrfFailed(await login({ origin: "https://evil.example.com" }));
  });

  // A machine proves itself with each request: no browser adds an API key or a client's secret by itself.
  test("01 §20: CSRF: POST /v1/users with ApiKey, no Origin; POST /v1/oauth/token with Basic", async () => {
    const { authorization } = await apiKey(server, space.owner);
    const body = { email: "csrf-key@example.com" };
    ok(await server.call("POST", "/v1/users", { as: authorization, body }), 201);
    const { principalId, secret } = await serviceToken(server, space, ["user.read"]);
    const basic = `Basic ${Buffer.from(`${principalId}:${secret}`).toString("base64")}`;
    for (const headers of [{}, { origin: "https://evil.example.com" }] as Record<string, string>[])
      ok(
        await server.call("POST", "/v1/oauth/token", {
          body: "grant_type=client_credentials",
          headers: {
            authorization: basic,
            "content-type": "application/x-www-form-urlencoded",
            ...headers,
          },
        }),
      );
  });
});

describe("addresses", () => {
  /** Of the newest sign-in that the tenant's log has. */
  async function signedInFrom(forwarded: string, on = server): Promise<string | null> {
    const one = on === server ? space : await workspace(on);
    ok(
      await on.call("POST", "/v1/auth/login", {
        body: { email: one.owner.email, password: PASSWORD },
        headers: { "x-forwarded-for": forwarded },
      }),
    );
    const path = `/v1/tenants/${one.tenantId}/audit?action=auth.login_succeeded&limit=1`;
    return ok(await on.call("GET", path, { as: one.owner.token })).body.items[0].ip;
  }

  test("01 §20: X-Forwarded-For: 1.2.3.4, 10.0.0.1 via trusted proxy", async () => {
    expect(await signedInFrom("1.2.3.4, 10.0.0.1")).toBe("1.2.3.4");
  });

  test("07 §12: X-Forwarded-For spoofed from an untrusted peer", async () => {
    const direct = await startServer({ trustedProxies: [] });
    try {
      expect(await signedInFrom("1.2.3.4", direct)).toBe("127.0.0.1");
    } finally {
      await direct.stop();
    }
  });
});

test("a sign-in after all of this still works", async () => {
  expect(await signIn(server, space.owner.email)).toBeString();
});
