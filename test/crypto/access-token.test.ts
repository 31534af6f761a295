import { afterAll, expect, test } from "bun:test";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { testConfig } from "../../src/config.ts";
import { issueAccessToken, verifyAccessToken } from "../../src/platform/crypto/access-token.ts";
import { AppError } from "../../src/platform/errors.ts";
import { createRandom } from "../../src/platform/random.ts";
import { freshDb } from "../support/db.ts";
import { AUDIENCE, ISSUER, openRing, START, seconds } from "./support.ts";

const db = await freshDb();
const { ring, clock, advance } = await openRing(db);
afterAll(() => db.close());

const config = testConfig({ jwtIssuer: ISSUER, jwtAudience: AUDIENCE, accessTokenTtlSeconds: 900 });
const deps = { config, clock, keyring: ring, random: createRandom(clock) };
const USER = "0190f3a1-7c00-7abc-8def-000000000001";
const TENANT = "0190f3a1-7c00-7abc-8def-000000000002";
const SESSION = "0190f3a1-7c00-7abc-8def-000000000003";
const NIL = "00000000-0000-0000-0000-000000000000";
const subject = {
  userId: USER,
  tenantId: TENANT,
  sessionId: SESSION,
  authTime: new Date(START.getTime() - 61_500),
  amr: ["pwd"],
};

test("01 §6.1: header and claims of a user token", async () => {
  advance(700); // within a second: JWT times are whole
  const { token, expiresAt } = await issueAccessToken(deps, subject);
  expect(decodeProtectedHeader(token)).toEqual({
    alg: "ES256",
    typ: "at+jwt",
    kid: (await ring.jwks()).keys.find((key) => key.alg === "ES256")!.kid,
  });
  const { jti, ...claims } = decodeJwt(token);
  expect(claims).toEqual({
    iss: ISSUER,
    aud: [AUDIENCE],
    sub: USER,
    user_id: USER,
    tenant_id: TENANT,
    sid: SESSION,
    auth_time: seconds(START) - 62,
    amr: ["pwd"],
    iat: seconds(START),
    nbf: seconds(START),
    exp: seconds(START) + 900,
  });
  // Contract 03 §9: version 4, so that it tells neither when nor after how many others it was issued.
  expect(jti).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(expiresAt).toEqual(new Date((seconds(START) + 900) * 1000));
  expect(decodeJwt((await issueAccessToken(deps, subject)).token).jti).not.toBe(jti);

  expect(await verifyAccessToken(deps, token)).toEqual({
    subject: USER,
    actorType: "user",
    userId: USER,
    tenantId: TENANT,
    sessionId: SESSION,
    clientId: null,
    grantId: null,
    scopes: [],
    audiences: [AUDIENCE],
    dpopJkt: null,
    act: null,
    authTime: new Date((seconds(START) - 62) * 1000),
    amr: ["pwd"],
    issuedAt: START,
    expiresAt,
    tokenId: jti!,
  });
});

test("tenant-less: no `tenant_id`, never a zero UUID", async () => {
  const { token } = await issueAccessToken(deps, { ...subject, tenantId: null });
  expect(decodeJwt(token)).not.toHaveProperty("tenant_id");
  expect((await verifyAccessToken(deps, token)).tenantId).toBeNull();
});

const signed = (claims: object) =>
  ring.sign(
    "ES256",
    { typ: "at+jwt" },
    { iss: ISSUER, aud: [AUDIENCE], sub: USER, iat: 1, exp: seconds(START) + 900, ...claims },
  );

test("zero UUIDs mean absent; a service token is one", async () => {
  const zeros = await signed({ user_id: NIL, tenant_id: NIL, sid: NIL, scope: "user.read a  b" });
  expect(await verifyAccessToken(deps, zeros)).toMatchObject({
    subject: USER,
    userId: null,
    tenantId: null,
    sessionId: null,
    scopes: ["user.read", "a", "b"],
  });
  const service = await signed({ actor_type: "service", client_id: USER, tenant_id: TENANT });
  expect(await verifyAccessToken(deps, service)).toMatchObject({
    actorType: "service",
    clientId: USER,
    userId: null,
    authTime: null,
  });
});

test.each([
  ["no subject", { sub: undefined }],
  ["a zero subject", { sub: NIL }],
  ["a subject that is no UUID", { sub: "x" }],
  ["a tenant that is no UUID", { tenant_id: "x" }],
  ["a session that is a number", { sid: 5 }],
  ["an unknown kind of actor", { actor_type: "robot" }],
])("%s: 401", async (_, claims) => {
  expect(await verifyAccessToken(deps, await signed({}))).toBeDefined();
  await expect(verifyAccessToken(deps, await signed(claims))).rejects.toThrow(AppError);
});

test("good until the second before its end", async () => {
  const { token, expiresAt } = await issueAccessToken(deps, subject);
  advance(expiresAt.getTime() - clock.now().getTime() - 1);
  expect((await verifyAccessToken(deps, token)).subject).toBe(USER);
  advance(1);
  await expect(verifyAccessToken(deps, token)).rejects.toThrow(AppError);
});
