/** `private_key_jwt`: OpenID Connect Core 1.0 §9, RFC 7523, contract 00 §50. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { exportSPKI } from "jose";
import { ok, signIn, type Workspace, workspace } from "../rbac/support.ts";
import { createClient, type TestClient } from "../support/provider.ts";
import { type Answer, startServer, type TestServer } from "../support/server.ts";
import { assertionOf, type ClientKey, clientKey, postAssertion } from "./support.ts";

let server: TestServer;
let space: Workspace;
let key: ClientKey;
let client: TestClient;
beforeAll(async () => {
  server = await startServer();
  space = await workspace(server);
  key = await clientKey("ES256");
  client = await register([key]);
});
afterAll(() => server.stop());
// Tests move the clock past the end of tokens.
beforeEach(async () => {
  space = { ...space, owner: { ...space.owner, token: await signIn(server, space.owner.email) } };
});

const METHOD = {
  token_endpoint_auth_method: "private_key_jwt",
  grant_types: ["client_credentials"],
  scopes: ["reports:read"],
};
const register = (keys: readonly ClientKey[], body: Record<string, unknown> = {}) =>
  createClient(server, space.owner, {
    ...METHOD,
    ...(keys.length > 0 && { jwks: { keys: keys.map(({ jwk }) => jwk) } }),
    ...body,
  });
const signed = (claims?: Record<string, unknown>, header?: Record<string, unknown>) =>
  assertionOf(server, client.clientId, key, claims, header);
const now = () => Math.floor(server.clock.now().getTime() / 1000);

function expectRefused(answer: Answer): void {
  expect({ status: answer.status, body: answer.body }).toMatchObject({
    status: 401,
    body: { error: "invalid_client", error_description: "client authentication failed" },
  });
}

describe("RFC 7523 §3", () => {
  test("a signed assertion proves the client, with and without client_id; no secret is made", async () => {
    expect(client.secret).toBeUndefined();
    ok(await postAssertion(server, await signed()));
    ok(await postAssertion(server, await signed(), { client_id: client.clientId }));
  });

  test.each(["ES256", "RS256", "PS256", "EdDSA", "Ed25519"])("%s", async (alg) => {
    const own = await clientKey(alg);
    const { clientId } = await register([own]);
    ok(await postAssertion(server, await assertionOf(server, clientId, own)));
  });

  test("aud: the issuer or an endpoint that it is brought to, alone or in a list", async () => {
    const { jwtIssuer, publicUrl } = server.deps.config;
    for (const aud of [
      jwtIssuer,
      `${publicUrl}/v1/oauth/token`,
      `${publicUrl}/v1/oauth/token-code`,
      `${publicUrl}/oauth/introspect`,
      `${publicUrl}/oauth/revoke`,
      `${publicUrl}/v1/oauth/par`,
      [jwtIssuer, "https://other.example"],
    ])
      ok(await postAssertion(server, await signed({ aud })));
  });

  test("the last seconds: a minute of leeway for a clock that is not ours", async () => {
    const late = await signed({ iat: now() - 200, exp: now() - 59 });
    ok(await postAssertion(server, late));
    const early = await signed({ iat: now() + 59, nbf: now() + 59, exp: now() + 359 });
    ok(await postAssertion(server, early));
    ok(await postAssertion(server, await signed({ iat: undefined, exp: now() + 300 })));
  });

  test.each([
    ["expired", () => ({ iat: now() - 200, exp: now() - 61 })],
    ["not valid yet", () => ({ nbf: now() + 61 })],
    ["issued in the future", () => ({ iat: now() + 61 })],
    ["good for more than five minutes", () => ({ exp: now() + 301 })],
    ["good for an hour, without iat", () => ({ iat: undefined, exp: now() + 3600 })],
    ["without exp", () => ({ exp: undefined })],
    ["without jti", () => ({ jti: undefined })],
    ["with an empty jti", () => ({ jti: "" })],
    ["with a jti of 257 characters", () => ({ jti: "j".repeat(257) })],
    ["without aud", () => ({ aud: undefined })],
    ["for another server", () => ({ aud: "https://other.example" })],
    ["for an address below ours", () => ({ aud: `${server.deps.config.publicUrl}/elsewhere` })],
    ["of another issuer", () => ({ iss: "https://other.example" })],
    ["without iss", () => ({ iss: undefined })],
    ["about another client", () => ({ sub: "qci_00000000-0000-4000-8000-000000000000" })],
    ["about nobody", () => ({ sub: undefined })],
  ])("refused: %s", async (_, claims) => {
    expectRefused(await postAssertion(server, await signed(claims())));
  });

  test("RFC 7521 §4.2: client_id must be the one that is authenticated", async () => {
    const answer = await postAssertion(server, await signed(), { client_id: "qci_other" });
    expect(answer.status).toBe(400);
    expect(answer.body.error).toBe("invalid_request");
  });
});

describe("jti", () => {
  test("a second presentation is refused, also at the other path, until it has expired anyway", async () => {
    const assertion = await signed({ exp: now() + 300 });
    ok(await postAssertion(server, assertion));
    expectRefused(await postAssertion(server, assertion));
    server.clock.advance(299_000);
    expectRefused(await postAssertion(server, assertion));
    await server.runJob("janitor");
    expectRefused(await postAssertion(server, assertion));
    server.clock.advance(120_000);
    await server.runJob("janitor");
    expectRefused(await postAssertion(server, assertion));
  });

  test("eight at once: one passes", async () => {
    const assertion = await signed();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => postAssertion(server, assertion)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(401)]);
  });

  test("another client may choose the same; a refused one burns nothing", async () => {
    const other = await register([key]);
    const jti = "chosen-twice";
    expectRefused(await postAssertion(server, await signed({ jti, aud: "https://other.example" })));
    ok(await postAssertion(server, await signed({ jti })));
    ok(await postAssertion(server, await assertionOf(server, other.clientId, key, { jti })));
  });
});

describe("keys", () => {
  test("somebody else's key, under the registered kid", async () => {
    const foreign = { ...(await clientKey("ES256")), kid: key.kid };
    expectRefused(await postAssertion(server, await assertionOf(server, client.clientId, foreign)));
  });

  test("algorithm confusion: HS256 with the public key for its secret, none, ES384", async () => {
    const rsa = await clientKey("RS256");
    const { clientId } = await register([rsa]);
    for (const secret of [JSON.stringify(rsa.jwk), await exportSPKI(rsa.publicKey)]) {
      const hs = { alg: "HS256", kid: rsa.kid, privateKey: new TextEncoder().encode(secret) };
      expectRefused(await postAssertion(server, await assertionOf(server, clientId, hs)));
    }
    const genuine = await signed();
    const [, payload] = genuine.split(".");
    const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
    expectRefused(await postAssertion(server, `${none}.${payload}.`));
    const hmac = Buffer.from(JSON.stringify({ alg: "HS256" })).toString("base64url");
    const mac = createHmac("sha256", "").update(`${hmac}.${payload}`).digest("base64url");
    expectRefused(await postAssertion(server, `${hmac}.${payload}.${mac}`));
    const es384 = await clientKey("ES384", key.kid);
    expectRefused(await postAssertion(server, await assertionOf(server, client.clientId, es384)));
    for (const text of ["a.b.c", "not a jwt", `${genuine}x`, genuine.slice(0, -4)])
      expectRefused(await postAssertion(server, text));
  });

  test("what the header offers is not looked at: jwk, jku, x5u", async () => {
    let asked = 0;
    const attacker = await clientKey("ES256", "attacker");
    const site = Bun.serve({
      port: 0,
      fetch: () => {
        asked += 1;
        return Response.json({ keys: [attacker.jwk] });
      },
    });
    try {
      for (const header of [
        { jwk: attacker.jwk },
        { jku: site.url.href },
        { x5u: site.url.href },
      ]) {
        const own = await assertionOf(server, client.clientId, attacker, {}, header);
        expectRefused(await postAssertion(server, own));
        const borrowed = { ...attacker, kid: key.kid };
        expectRefused(
          await postAssertion(
            server,
            await assertionOf(server, client.clientId, borrowed, {}, header),
          ),
        );
      }
      expect(asked).toBe(0);
    } finally {
      await site.stop(true);
    }
  });

  test("several without a kid: the one that signed is found", async () => {
    const keys = await Promise.all([1, 2, 3].map((n) => clientKey("ES256", `k${n}`)));
    const { clientId } = await register(keys);
    for (const { alg, privateKey } of keys) {
      const assertion = await assertionOf(server, clientId, { alg, privateKey } as ClientKey);
      ok(await postAssertion(server, assertion));
    }
    const { alg, privateKey } = await clientKey("ES256");
    const foreign = await assertionOf(server, clientId, { alg, privateKey } as ClientKey);
    expectRefused(await postAssertion(server, foreign));
  });

  test("a change of the keys holds at once", async () => {
    const { id, clientId } = await register([key]);
    ok(await postAssertion(server, await assertionOf(server, clientId, key)));
    const next = await clientKey("RS256");
    const path = `/v1/tenants/${space.tenantId}/oidc/clients/${id}`;
    const body = { jwks: { keys: [next.jwk] } };
    ok(await server.call("PATCH", path, { as: space.owner.token, body }));
    expectRefused(await postAssertion(server, await assertionOf(server, clientId, key)));
    ok(await postAssertion(server, await assertionOf(server, clientId, next)));
  });

  test("is for who registered it: not for a client with a secret, nor a principal, nor a public client", async () => {
    const withSecret = await createClient(server, space.owner, {
      ...METHOD,
      token_endpoint_auth_method: null,
      jwks: { keys: [key.jwk] },
    });
    const spa = await createClient(server, space.owner, {
      type: "public",
      jwks: { keys: [key.jwk] },
    });
    const principal = await server.call("POST", "/v1/service-principals", {
      as: space.owner.token,
      body: { name: "No keys" },
    });
    for (const id of [withSecret.clientId, spa.clientId, principal.body.client_id])
      expectRefused(await postAssertion(server, await assertionOf(server, id, key)));
  });
});

describe("jwks_uri", () => {
  /** A client's site with its keys. */
  function site(keys: () => unknown) {
    const seen = { asked: 0 };
    const running = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => {
        seen.asked += 1;
        const body = keys();
        return body instanceof Response ? body : Response.json(body);
      },
    });
    const uri = `http://127.0.0.1:${running.port}/jwks.json`;
    return { uri, seen, stop: () => running.stop(true) };
  }

  test("keys are fetched once in five minutes; anew for an unknown kid, at most once a minute", async () => {
    const [first, second] = [await clientKey("ES256", "one"), await clientKey("ES256", "two")];
    let published = [first.jwk];
    const { uri, seen, stop } = site(() => ({ keys: published }));
    try {
      const { clientId } = await register([], { jwks_uri: uri });
      const prove = async (with_: ClientKey) =>
        (await postAssertion(server, await assertionOf(server, clientId, with_))).status;
      const many = await Promise.all([prove(first), prove(first), prove(first), prove(first)]);
      expect(many).toEqual([200, 200, 200, 200]);
      expect(seen.asked).toBe(1);

      server.clock.advance(59_000);
      expect(await prove(second)).toBe(401);
      expect(seen.asked).toBe(1);
      published = [first.jwk, second.jwk];
      server.clock.advance(2_000);
      expect(await prove(second)).toBe(200);
      expect(seen.asked).toBe(2);
      const stranger = await clientKey("ES256", "three");
      for (let n = 0; n < 3; n += 1) expect(await prove(stranger)).toBe(401);
      expect(seen.asked).toBe(2);

      published = [second.jwk];
      server.clock.advance(5 * 60_000);
      expect(await prove(first)).toBe(401);
      expect(await prove(second)).toBe(200);
      expect(seen.asked).toBe(3);
    } finally {
      await stop();
    }
  });

  test.each([
    ["an error", () => new Response("no", { status: 500 })],
    ["a redirect", () => Response.redirect("http://127.0.0.1:1/", 302)],
    ["no JSON", () => new Response("<html>")],
    ["no set", () => ({ key: 1 })],
    ["members that are no keys", () => ({ keys: [1, null] })],
    ["a set of megabytes", () => ({ keys: [], filler: "x".repeat(2_000_000) })],
    ["a hundred and one keys", () => ({ keys: Array(101).fill(key.jwk) })],
  ])(
    "%s for an answer: nobody is proved, and it is not asked for by every request",
    async (_, answer) => {
      const { uri, seen, stop } = site(answer);
      try {
        const { clientId } = await register([], { jwks_uri: uri });
        for (let n = 0; n < 3; n += 1)
          expectRefused(await postAssertion(server, await assertionOf(server, clientId, key)));
        expect(seen.asked).toBe(1);
        server.clock.advance(11_000);
        expectRefused(await postAssertion(server, await assertionOf(server, clientId, key)));
        expect(seen.asked).toBe(2);
      } finally {
        await stop();
      }
    },
  );

  test("outside of development no address of an inner network is asked, whatever stands in the row", async () => {
    const { uri, seen, stop } = site(() => ({ keys: [key.jwk] }));
    const production = await startServer({ env: "production" });
    try {
      const owner = await production.signUp();
      const registering = (jwks_uri: string) =>
        production.call("POST", "/v1/oidc/clients", {
          as: owner.token,
          body: { name: "Inside", ...METHOD, jwks_uri },
        });
      for (const bad of [uri, "https://127.0.0.1/jwks", "https://10.0.0.1/", "https://intra/"])
        expect((await registering(bad)).status).toBe(422);
      // A name may stand for anything: it is looked at when it is asked.
      const made = ok(await registering(`https://localtest.invalid:${new URL(uri).port}/`), 201);
      const id = made.body.client_id;
      expectRefused(await postAssertion(production, await assertionOf(production, id, key)));
      expect(seen.asked).toBe(0);
    } finally {
      await production.stop();
      await stop();
    }
  });
});
