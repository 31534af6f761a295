/** Contract 03 §16.1: signing keys through the API, for platform operators. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import {
  createRemoteJWKSet,
  decodeProtectedHeader,
  exportPKCS8,
  generateKeyPair,
  jwtVerify,
} from "jose";
import { signingKeys } from "../../db/schema/index.ts";
import { audited } from "../auth/support.ts";
import { apiKey, expectRefusal, ok, workspace } from "../rbac/support.ts";
import { type SignedUp, startServer, type TestServer } from "../support/server.ts";
import { codeTo, confirm } from "../verification/support.ts";
import { newTokens, signIn } from "./support.ts";

const OPERATOR = "ops@example.com";
const PATH = "/v1/oidc/signing-keys";

let server: TestServer;
let operator: SignedUp;
beforeAll(async () => {
  server = await startServer({ platformAdmins: [OPERATOR] });
  operator = await asOperator(server);
});
afterAll(() => server.stop());

async function asOperator(at: TestServer): Promise<SignedUp> {
  const person = await at.signUp(OPERATOR);
  const code = await codeTo(at, OPERATOR, "verify_email");
  ok(await confirm(at, "email", person, person.userId, code), 204);
  return person;
}

const list = (as: string) => server.call("GET", PATH, { as });
const rotate = (as: string, body?: object) => server.call("POST", `${PATH}/rotate`, { as, body });

test("whoever runs the deployment, by session; no owner, no key of theirs", async () => {
  const { owner } = await workspace(server);
  const refused = "only platform operators may manage signing keys";
  expectRefusal(await list(owner.token), 403, refused);
  expectRefusal(await rotate(owner.token), 403, refused);
  const key = await apiKey(server, operator, { user_id: operator.userId });
  expect((await list(key.authorization)).status).toBe(403);
  expect((await rotate(key.authorization)).status).toBe(403);
  expect(await audited(server, null, "oidc.signing_key_rotated")).toEqual([]);
});

test("the list holds no key material; a rotation is at work at once, and audited", async () => {
  const { body } = ok(await list(operator.token));
  expect(body.keys).toHaveLength(2);
  for (const key of body.keys)
    expect(key).toEqual({
      kid: expect.any(String),
      alg: expect.stringMatching(/^[ER]S256$/),
      use: "sig",
      status: "active",
    });
  const session = await signIn(server);
  const before = await newTokens(server, session);
  const rotated = ok(await rotate(operator.token)).body;
  expect(rotated).toEqual({
    kid: expect.any(String),
    alg: "ES256",
    private_key_pem: "",
    warning: expect.any(String),
  });
  expect(JSON.stringify(rotated)).not.toContain("PRIVATE");
  const after = await newTokens(server, session);
  expect(decodeProtectedHeader(after.access_token).kid).toBe(rotated.kid);
  expect(decodeProtectedHeader(before.access_token).kid).not.toBe(rotated.kid);
  // Signed by a retired key, and still good.
  ok(await server.call("GET", "/v1/oauth/userinfo", { as: before.access_token }));
  const statuses = ok(await list(operator.token)).body.keys.map(
    (key: { alg: string; status: string }) => `${key.alg} ${key.status}`,
  );
  expect(statuses.sort()).toEqual(["ES256 active", "ES256 retired", "RS256 active"]);
  const [event] = await audited(server, null, "oidc.signing_key_rotated");
  expect(event).toMatchObject({
    actorUserId: operator.userId,
    resourceType: "signing_key",
    metadata: { new_kid: rotated.kid },
  });
  const { body: rsa } = ok(await rotate(operator.token, { alg: "RS256" }));
  const next = await newTokens(server, session);
  expect(decodeProtectedHeader(next.id_token).kid).toBe(rsa.kid);
  expect((await rotate(operator.token, { alg: "none" })).status).toBe(422);
});

test("409 where the operator's own key is in the settings", async () => {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwtSigningKey = await exportPKCS8(privateKey);
  const other = await startServer({ platformAdmins: [OPERATOR], jwtSigningKey });
  const { token } = await asOperator(other);
  const answer = await other.call("POST", `${PATH}/rotate`, { as: token });
  expect(answer.status).toBe(409);
  await other.stop();
});

test("03 §17: rotation: token signed by retired key; by removed key; SDK with cached JWKS", async () => {
  const session = await signIn(server);
  const userinfo = (as: string) => server.call("GET", "/v1/oauth/userinfo", { as });
  const [one, two] = [await newTokens(server, session), await newTokens(server, session)];
  const { kid } = decodeProtectedHeader(one.access_token);
  // As an SDK does: it keeps the document, and fetches it once more for a kid that it does not know.
  const jwks = createRemoteJWKSet(new URL(`${server.base}/.well-known/jwks.json`), {
    cooldownDuration: 0,
  });
  const verify = (token: string) =>
    jwtVerify(token, jwks, { algorithms: ["ES256"], currentDate: server.clock.now() });
  await verify(one.access_token);
  ok(await rotate(operator.token));
  await verify((await newTokens(server, session)).access_token);
  await verify(one.access_token);
  ok(await userinfo(one.access_token));
  await server.deps.db.transaction(async (tx) => {
    await tx.delete(signingKeys).where(eq(signingKeys.kid, kid!));
  });
  await server.deps.keyring.reload();
  const refused = await userinfo(two.access_token);
  expect(refused.status).toBe(401);
  expect(refused.headers.get("www-authenticate")).toContain('error="invalid_token"');
});
