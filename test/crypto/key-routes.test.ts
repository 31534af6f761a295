import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { eq } from "drizzle-orm";
import { decodeProtectedHeader } from "jose";
import { auditEvents } from "../../db/schema/audit.ts";
import { verifyLog } from "../../src/modules/audit/service.ts";
import { rotateSigningKey } from "../../src/modules/keys/service.ts";
import { AppError } from "../../src/platform/errors.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

describe("GET /.well-known/jwks.json", () => {
  const path = "/.well-known/jwks.json";

  test("01 §7, 03 §3: for any origin without credentials, kept for five minutes", async () => {
    const answer = await server.call("GET", path, {
      headers: { origin: "https://rp.example.org" },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toContain("application/json");
    expect(answer.headers.get("cache-control")).toBe("public, max-age=300");
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    expect(answer.headers.get("access-control-allow-credentials")).toBeNull();
    expect(answer.headers.get("set-cookie")).toBeNull(); // 01 §8
  });

  test("other verbs: 405", async () => {
    const answer = await server.call("POST", path, { body: {} });
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")).toContain("GET");
  });

  test("no bucket: every relying party asks", async () => {
    for (let i = 0; i < 40; i += 1) expect((await server.call("GET", path)).status).toBe(200);
  });
});

test("03 §4: JWKS entries, members and order of nothing but public ones", async () => {
  const { body } = await server.call("GET", "/.well-known/jwks.json");
  expect(Object.keys(body)).toEqual(["keys"]);
  const members = body.keys.map((key: object) => Object.keys(key).sort().join()).sort();
  expect(members).toEqual(["alg,crv,kid,kty,use,x,y", "alg,e,kid,kty,n,use"]);
});

describe("rotation", () => {
  const by = { system: true } as const;

  test("is audited in the platform's log; old tokens hold, new ones name the new key", async () => {
    const user = await server.signUp();
    const before = decodeProtectedHeader(user.token).kid!;
    const { kid, replacedKid } = await rotateSigningKey(server.deps, by, "ES256");
    expect(replacedKid).toBe(before);

    expect((await server.call("GET", "/v1/auth/me", { as: user.token })).status).toBe(200);
    const { body } = await server.call("GET", "/.well-known/jwks.json");
    const kids = body.keys.map((key: { kid: string }) => key.kid);
    expect(kids).toContain(kid);
    expect(kids).toContain(before);
    const login = await server.call("POST", "/v1/auth/login", {
      body: { email: user.email, password: user.password },
    });
    expect(decodeProtectedHeader(login.body.access_token).kid).toBe(kid);

    const events = await server.deps.db.read
      .select()
      .from(auditEvents)
      .where(eq(auditEvents.action, "key.rotated"));
    expect(events.length).toBe(1);
    expect(events[0]).toMatchObject({ logId: "platform", tenantId: null, actorType: "system" });
    expect(JSON.parse(events[0]!.metadata)).toEqual({
      alg: "ES256",
      new_kid: kid,
      old_kid: before,
    });
    expect((await verifyLog(server.deps.db.read, "platform")).ok).toBe(true);
  });

  test("RS256 has a key of its own", async () => {
    const { kid } = await rotateSigningKey(server.deps, by, "RS256");
    const listed = await server.deps.keyring.list();
    expect(listed.find((key) => key.kid === kid)).toMatchObject({ alg: "RS256", status: "active" });
    expect(listed.filter((key) => key.status === "active").length).toBe(2);
  });

  test("an operator's own key is not rotated from here: nothing changes, nothing is audited", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const own = await startServer({
      jwtSigningKey: privateKey.export({ format: "pem", type: "pkcs8" }) as string,
    });
    try {
      const before = await own.deps.keyring.list();
      await expect(rotateSigningKey(own.deps, by, "ES256")).rejects.toThrow(AppError);
      expect(await own.deps.keyring.list()).toEqual(before);
      await rotateSigningKey(own.deps, by, "RS256");
      expect((await own.deps.keyring.list()).length).toBe(before.length + 1);
    } finally {
      await own.stop();
    }
  });
});

test("01 §20: one sealed database, another root key: the server does not start", async () => {
  const { createDeps } = await import("../../src/create-deps.ts");
  const other = { ...server.deps.config, rootKey: Buffer.alloc(32, 5).toString("base64") };
  await expect(createDeps(other)).rejects.toThrow("ROOT_KEY_FILE");
});

test("a clock that is set back by an hour brings no expired token back", async () => {
  const user = await server.signUp();
  const me = () => server.call("GET", "/v1/auth/me", { as: user.token });
  expect((await me()).status).toBe(200);
  server.clock.advance(server.deps.config.accessTokenTtlSeconds * 1000);
  expect((await me()).status).toBe(401);
  server.clock.advance(-3_600_000);
  expect((await me()).status).toBe(401);
  const again = await server.call("POST", "/v1/auth/login", {
    body: { email: user.email, password: user.password },
  });
  expect(again.status).toBe(200);
  const as = again.body.access_token;
  expect((await server.call("GET", "/v1/auth/me", { as })).status).toBe(200);
});
