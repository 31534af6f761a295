/** Contract 01 §5: the state behind a token is looked at on every request. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHmac, createPublicKey } from "node:crypto";
import { eq } from "drizzle-orm";
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, SignJWT } from "jose";
import { sessions } from "../../db/schema/index.ts";
import { logIn, MINUTE } from "../auth/support.ts";
import {
  apiKey,
  assign,
  expectRefusal,
  member,
  ok,
  role,
  UNKNOWN_ID,
  unassign,
  workspace,
} from "../rbac/support.ts";
import { bearerChallenge } from "../support/bearer-challenge.ts";
import { type SignedUp, startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let person: SignedUp;
beforeAll(async () => {
  server = await startServer();
  person = await server.signUp();
});
afterAll(() => server.stop());

const me = (as: string) => server.call("GET", "/v1/auth/me", { as });

describe("credentials", () => {
  test("01 §20: Authorization: bearer <jwt> lower case; apikey qk_…", async () => {
    const space = await workspace(server);
    const { authorization } = await apiKey(server, space.owner);
    const key = authorization.slice("ApiKey ".length);
    for (const as of [
      `bearer ${person.token}`,
      `BEARER ${person.token}`,
      `apikey ${key}`,
      `APIKEY ${key}`,
    ])
      expect((await me(as)).status).toBe(200);
    // Each under the other's scheme, and under none.
    for (const as of [`Bearer ${key}`, `ApiKey ${person.token}`]) expectRefusal(await me(as), 401);
    for (const authorization of [person.token, "Bearer", `Bearer ${person.token} x`, "Basic eDp5"])
      expectRefusal(await server.call("GET", "/v1/auth/me", { headers: { authorization } }), 401);
  });

  test("401 says how to authenticate", async () => {
    const anonymous = await server.call("GET", "/v1/auth/me");
    expect(anonymous.headers.get("www-authenticate")).toBe(bearerChallenge());
    expect((await me("Bearer x")).headers.get("www-authenticate")).toBe(
      bearerChallenge("invalid_token"),
    );
  });

  test("an unfinished sign-in opens nothing: 403 mfa_required", async () => {
    const answer = await server.call("GET", "/v1/users", { as: `Bearer mfa_${"x".repeat(43)}` });
    expect([answer.status, answer.body.error.code]).toEqual([403, "mfa_required"]);
  });

  const b64 = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = () => Math.floor(server.clock.now().getTime() / 1000);

  test.each([
    "alg:none",
    "HS256 with the public key",
    "unknown kid",
    "missing kid",
    "other aud",
    "other iss",
    "expired 1 s ago",
    "no exp",
    "ID token as access token",
    "not valid before six seconds from now",
    "a changed claim under the old signature",
    "somebody else's session",
    "the same session, another tenant",
  ])(
    "01 §20: JWT: alg:none, HS256 with the public key, unknown kid, missing kid, other aud, other iss, expired 1 s ago, no exp, ID token as access token: %s",
    async (fault) => {
      const { keyring } = server.deps;
      const claims = decodeJwt(person.token) as Record<string, unknown>;
      const header = decodeProtectedHeader(person.token);
      const ours = (change: object, typ = "at+jwt") =>
        keyring.sign("ES256", { typ }, { ...claims, ...change });
      // The message that differs by nothing is good.
      ok(await me(await ours({})));
      const [head, body, signature] = person.token.split(".") as [string, string, string];
      const strange = await generateKeyPair("ES256");
      const jwk = (await keyring.jwks()).keys.find(({ kid }) => kid === header.kid)!;
      const forged: Record<string, () => string | Promise<string>> = {
        "alg:none": () => `${b64({ ...header, alg: "none" })}.${body}.`,
        "HS256 with the public key": () => {
          const pem = createPublicKey({ key: { ...jwk }, format: "jwk" })
            .export({ type: "spki", format: "pem" })
            .toString();
          const input = `${b64({ ...header, alg: "HS256" })}.${body}`;
          return `${input}.${createHmac("sha256", pem).update(input).digest("base64url")}`;
        },
        "unknown kid": () =>
          new SignJWT(claims)
            .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: "x".repeat(43) })
            .sign(strange.privateKey),
        "missing kid": async () => {
          // Ours in everything else: the public half travels along, which nobody may trust.
          const publicJwk = await exportJWK(strange.publicKey);
          return new SignJWT(claims)
            .setProtectedHeader({ alg: "ES256", typ: "at+jwt", jwk: publicJwk })
            .sign(strange.privateKey);
        },
        "other aud": () => ours({ aud: ["somebody-else"] }),
        "other iss": () => ours({ iss: "https://evil.example" }),
        "expired 1 s ago": () => ours({ exp: now() - 1 }),
        "no exp": () => ours({ exp: undefined }),
        "ID token as access token": () => ours({}, "JWT"),
        "not valid before six seconds from now": () => ours({ nbf: now() + 6 }),
        "a changed claim under the old signature": () =>
          `${head}.${b64({ ...claims, user_id: UNKNOWN_ID, sub: UNKNOWN_ID })}.${signature}`,
        "somebody else's session": async () => {
          const other = await server.signUp();
          return ours({ sid: other.sessionId });
        },
        "the same session, another tenant": () => ours({ tenant_id: UNKNOWN_ID }),
      };
      const answer = await me(await forged[fault]!());
      expect([answer.status, answer.body.error]).toEqual([
        401,
        {
          code: "unauthorized",
          message: "authentication required",
          request_id: answer.headers.get("x-request-id"),
        },
      ]);
    },
  );

  test("an access token is good until the second of its end, whatever is remembered", async () => {
    const { token } = await server.signUp();
    server.clock.advance(15 * MINUTE - 1);
    ok(await me(token));
    server.clock.advance(1);
    expectRefusal(await me(token), 401);
  });
});

describe("state", () => {
  test.each([
    ["a revoked session", 401, undefined],
    ["a suspended user", 403, "account suspended"],
    ["a deleted user", 401, undefined],
    ["a removed member", 401, undefined],
    ["a deleted tenant", 401, undefined],
    ["a suspended tenant", 403, "tenant suspended"],
  ])(
    "01 §20: token of a revoked session / suspended user / deleted user / removed member / deleted tenant / suspended tenant: %s: at once",
    async (what, status, detail) => {
      const space = await workspace(server);
      const { owner, tenantId } = space;
      const as = owner.token;
      const isGuest = what === "a removed member";
      const target = isGuest ? await server.signUp() : await member(server, space, ["user.read"]);
      let { token } = target;
      const roleId = await role(server, space, ["user.read"]);
      const assignment = { userId: target.userId, tenantId, roleId };
      if (isGuest) {
        const { users } = await import("../../db/schema/index.ts");
        await server.deps.db.transaction(async (tx) => {
          await tx
            .update(users)
            .set({ emailVerifiedAt: server.clock.now() })
            .where(eq(users.id, target.userId));
        });
        ok(await assign(server, owner, assignment), 204);
        const switched = await server.call("POST", "/v1/auth/switch-tenant", {
          as: token,
          body: { tenant_id: tenantId },
        });
        token = ok(switched).body.access_token;
      }
      const list = () => server.call("GET", "/v1/users", { as: token });
      ok(await list()); // and remembered
      const path = `/v1/users/${target.userId}`;
      const change: Record<string, () => Promise<unknown>> = {
        "a revoked session": () => server.call("POST", "/v1/auth/logout", { as: token }),
        "a suspended user": () => server.call("PATCH", path, { as, body: { status: "suspended" } }),
        "a deleted user": () => server.call("DELETE", path, { as }),
        "a removed member": () => unassign(server, owner, assignment),
        "a deleted tenant": () => server.call("DELETE", `/v1/tenants/${tenantId}`, { as }),
        "a suspended tenant": () =>
          server.call("PATCH", `/v1/tenants/${tenantId}`, { as, body: { status: "suspended" } }),
      };
      await change[what]!();
      expectRefusal(await list(), status, detail);
      const { body } = await list();
      if (detail === undefined) expect(body.error).not.toHaveProperty("detail");
    },
  );

  test("01 §5: while the tenant is suspended, who you are, logout, switch and the tenants still answer", async () => {
    const space = await workspace(server);
    const { owner, tenantId } = space;
    const guest = await member(server, space);
    const as = guest.token;
    ok(
      await server.call("PATCH", `/v1/tenants/${tenantId}`, {
        as: owner.token,
        body: { status: "suspended" },
      }),
    );
    ok(await me(as));
    ok(await server.call("GET", "/v1/tenants", { as }));
    ok(await server.call("GET", `/v1/tenants/${tenantId}`, { as }));
    expectRefusal(
      await server.call("POST", "/v1/auth/switch-tenant", { as, body: { tenant_id: tenantId } }),
      403,
      "tenant suspended",
    );
    for (const path of ["/v1/auth/sessions", `/v1/users/${guest.userId}`])
      expectRefusal(await server.call("GET", path, { as }), 403, "tenant suspended");
    ok(await server.call("POST", "/v1/auth/logout", { as }), 204);
    // Its owner may enter it, to lift that.
    ok(
      await server.call("POST", "/v1/auth/switch-tenant", {
        as: owner.token,
        body: { tenant_id: tenantId },
      }),
    );
    ok(
      await server.call("PATCH", `/v1/tenants/${tenantId}`, {
        as: owner.token,
        body: { status: "active" },
      }),
    );
    ok(await logIn(server, guest.email));
  });
});

describe("last_seen_at", () => {
  const lastSeen = async (id: string) => {
    const [row] = await server.deps.db.read.select().from(sessions).where(eq(sessions.id, id));
    return row!.lastSeenAt.getTime();
  };

  test("02 §4.3: moves with use, at most once a minute", async () => {
    const { token, sessionId, userId } = await server.signUp();
    const start = server.clock.now().getTime();
    server.clock.advance(MINUTE - 1);
    ok(await me(token));
    await Bun.sleep(50);
    expect(await lastSeen(sessionId)).toBe(start);
    server.clock.advance(1);
    // The harness's cache is no older than five seconds of real time; a change makes it look again.
    server.deps.principals.forget(`user:${userId}`);
    ok(await me(token));
    const deadline = performance.now() + 2_000;
    while ((await lastSeen(sessionId)) === start && performance.now() < deadline)
      await Bun.sleep(5);
    expect(await lastSeen(sessionId)).toBe(start + MINUTE);
  });
});

describe("dev headers", () => {
  test.each([
    ["on", true, 200],
    ["off", false, 401],
  ])(
    "01 §5: X-Dev-User and X-Dev-Tenant with AUTH_DEV_TRUST_HEADERS %s",
    async (_, isOn, status) => {
      const dev = await startServer({ authDevTrustHeaders: isOn });
      try {
        const { userId, tenantId } = await dev.signUp();
        const headers = { "x-dev-user": userId, "x-dev-tenant": tenantId };
        const answer = await dev.call("GET", "/v1/users", { headers });
        expect(answer.status).toBe(status);
        if (!isOn) return;
        const who = await dev.call("GET", "/v1/auth/me", { headers });
        expect(who.body).toEqual({
          user_id: userId,
          tenant_id: tenantId,
          session_id: null,
          actor: "user",
          scopes: [],
        });
        const stranger = { ...headers, "x-dev-tenant": UNKNOWN_ID };
        expectRefusal(await dev.call("GET", "/v1/users", { headers: stranger }), 401);
        expectRefusal(
          await dev.call("GET", "/v1/users", { headers: { "x-dev-user": UNKNOWN_ID } }),
          401,
        );
      } finally {
        await dev.stop();
      }
    },
  );

  test("mean nothing in production, whatever the setting says", async () => {
    const production = await startServer({ env: "production", authDevTrustHeaders: true });
    try {
      const { userId, tenantId } = await production.signUp();
      const headers = { "x-dev-user": userId, "x-dev-tenant": tenantId };
      expectRefusal(await production.call("GET", "/v1/users", { headers }), 401);
    } finally {
      await production.stop();
    }
  });
});
