/** RFC 8628: a device asks, a person decides, the device polls. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { deviceAuthorizations, oauthGrants } from "../../db/schema/index.ts";
import { hashToken } from "../../src/platform/crypto/tokens.ts";
import { audited } from "../auth/support.ts";
import { member, ok, type Workspace, workspace } from "../rbac/support.ts";
import { startProvider, type TestClient, type TestProvider } from "../support/provider.ts";
import { expectOAuthError } from "../tokens/support.ts";
import {
  codes,
  DAY_SECONDS,
  DEVICE_GRANT,
  deviceClient,
  poll,
  pollLater,
  SECOND,
  signedIn,
  startDevice,
} from "./support.ts";

let server: TestProvider;
let space: Workspace;
let client: TestClient;
let confidential: TestClient;
beforeAll(async () => {
  // The owner stays signed in while the clock runs.
  server = await startProvider({ accessTokenTtlSeconds: DAY_SECONDS });
  space = await workspace(server);
  client = await deviceClient(server, space.owner);
  confidential = await deviceClient(server, space.owner, { type: "confidential" });
});
afterAll(() => server.stop());

const rowOf = async (deviceCode: string) => {
  const [row] = await server.deps.db.read
    .select()
    .from(deviceAuthorizations)
    .where(eq(deviceAuthorizations.deviceCodeHash, hashToken(deviceCode)));
  return row;
};
const devices = () => server.deps.db.read.$count(deviceAuthorizations);

describe("RFC 8628 §3.1–3.2: device authorization", () => {
  test("answers both codes; only a hash of the device code is stored", async () => {
    const answer = ok(await startDevice(server, client));
    const { device_code, user_code } = answer.body;
    const page = `${server.base}/device`;
    expect(answer.body).toEqual({
      device_code: expect.stringMatching(/^[\w-]{43}$/),
      user_code: expect.stringMatching(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/),
      verification_uri: page,
      verification_uri_complete: `${page}?user_code=${user_code}`,
      expires_in: 600,
      interval: 5,
    });
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.get("pragma")).toBe("no-cache");
    const row = await rowOf(device_code);
    expect(row).toMatchObject({
      status: "pending",
      userId: null,
      // Empty scope: all that the client has.
      scopes: ["openid", "profile"],
      tenantId: space.tenantId,
      expiresAt: new Date(server.clock.now().getTime() + 600 * SECOND),
    });
    expect(JSON.stringify(row)).not.toContain(device_code);
  });

  test("two that ask get different codes", async () => {
    const [one, other] = await Promise.all([codes(server, client), codes(server, client)]);
    expect(one.device_code).not.toBe(other.device_code);
    expect(one.user_code).not.toBe(other.user_code);
  });

  test("scope within the client's; each once", async () => {
    const { device_code } = await codes(server, client, { scope: "openid  openid" });
    expect((await rowOf(device_code))?.scopes).toEqual(["openid"]);
  });

  test("RFC 8707: resources are kept", async () => {
    const resource = "https://api.example/v1";
    const { device_code } = await codes(server, client, { resource });
    expect((await rowOf(device_code))?.resources).toEqual([resource]);
  });

  test.each([
    ["a scope of somebody else", { scope: "openid email" }, "invalid_scope", 400],
    ["a relative resource", { resource: "/api" }, "invalid_target", 400],
    ["a resource with a fragment", { resource: "https://api.example/#x" }, "invalid_target", 400],
    [
      "an unknown client",
      { client_id: "qci_00000000-0000-4000-8000-000000000000" },
      "invalid_client",
      401,
    ],
  ])("%s: refused, nothing stored", async (_, fields, error, status) => {
    const before = await devices();
    const { client_id, ...rest } = { client_id: client.clientId, ...fields };
    const answer = await startDevice(server, { ...client, clientId: client_id }, rest);
    expectOAuthError(answer, error, status);
    expect(await devices()).toBe(before);
  });

  test("a client without the grant: unauthorized_client", async () => {
    const other = await server.createClient(space.owner);
    expectOAuthError(await startDevice(server, other), "unauthorized_client");
  });

  test("a service principal: unauthorized_client", async () => {
    const { body } = ok(
      await server.call("POST", "/v1/service-principals", {
        as: space.owner.token,
        body: { name: "robot" },
      }),
      201,
    );
    const robot = { ...client, clientId: body.client_id, secret: body.client_secret };
    expectOAuthError(await startDevice(server, robot), "unauthorized_client");
  });

  test("a confidential client proves who it is; a wrong secret or none is invalid_client", async () => {
    ok(await startDevice(server, confidential, {}, "basic"));
    ok(await startDevice(server, confidential, {}, "post"));
    expectOAuthError(await startDevice(server, confidential, {}, "none"), "invalid_client", 401);
    const wrong = { ...confidential, secret: "x".repeat(43) };
    expectOAuthError(await startDevice(server, wrong), "invalid_client", 401);
  });
});

describe("RFC 8628 §3.4–3.5: polling", () => {
  test("pending, then tokens, once", async () => {
    const given = await codes(server, client);
    expectOAuthError(await poll(server, client, given), "authorization_pending");
    const person = await signedIn(server, space.owner);
    expect(ok(await person.decide(given.user_code)).body).toEqual({ status: "authorized" });

    const answer = ok(await pollLater(server, client, given));
    expect(answer.body).toEqual({
      access_token: expect.any(String),
      token_type: "Bearer",
      expires_in: DAY_SECONDS,
      refresh_token: expect.any(String),
      id_token: expect.any(String),
      scope: "openid profile",
    });
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const claims = JSON.parse(
      Buffer.from(answer.body.access_token.split(".")[1], "base64url").toString(),
    );
    expect(claims).toMatchObject({
      sub: space.owner.userId,
      client_id: client.clientId,
      tenant_id: space.tenantId,
      scope: "openid profile",
      amr: ["pwd"],
    });
    const { body: who } = ok(
      await server.call("GET", "/v1/auth/me", { as: answer.body.access_token }),
    );
    expect(who.user_id).toBe(space.owner.userId);

    expectOAuthError(await pollLater(server, client, given), "invalid_grant");
    // The grant stays: the second poll took nothing.
    ok(await server.refresh(client, answer.body.refresh_token));
  });

  test("slow_down: five seconds more each time; a patient device is not told off", async () => {
    const given = await codes(server, client);
    expectOAuthError(await poll(server, client, given), "authorization_pending");
    server.clock.advance(5 * SECOND - 1);
    expectOAuthError(await poll(server, client, given), "slow_down");
    server.clock.advance(10 * SECOND - 1);
    expectOAuthError(await poll(server, client, given), "slow_down");
    server.clock.advance(15 * SECOND);
    expectOAuthError(await poll(server, client, given), "authorization_pending");
    expect((await rowOf(given.device_code))?.intervalSeconds).toBe(15);
    server.clock.advance(15 * SECOND);
    expectOAuthError(await poll(server, client, given), "authorization_pending");
  });

  test("however impatient it was, a device finds its tokens before they expire", async () => {
    const given = await codes(server, client);
    await poll(server, client, given);
    for (let n = 0; n < 20; n += 1)
      expectOAuthError(await poll(server, client, given), "slow_down");
    const person = await signedIn(server, space.owner);
    ok(await person.decide(given.user_code));
    expectOAuthError(await poll(server, client, given), "slow_down");
    ok(await pollLater(server, client, given));
  });

  test("refused: access_denied, and no consent, no grant", async () => {
    const given = await codes(server, client);
    const person = await signedIn(server, await member(server, space));
    expect(ok(await person.decide(given.user_code, false)).body).toEqual({ status: "denied" });
    expectOAuthError(await pollLater(server, client, given), "access_denied");
    expectOAuthError(await pollLater(server, client, given), "access_denied");
    const [event] = await audited(server, space.tenantId, "oauth.device_denied");
    expect(event?.metadata).toMatchObject({
      client_id: client.clientId,
      user_code: given.user_code,
    });
  });

  test.each(["pending", "authorized"])("%s until it expires: expired_token", async (status) => {
    const given = await codes(server, client);
    if (status === "authorized") {
      const person = await signedIn(server, space.owner);
      ok(await person.decide(given.user_code));
    }
    server.clock.advance(600 * SECOND);
    expectOAuthError(await poll(server, client, given), "expired_token");
  });

  test("another client's device code: invalid_grant, and its own may still have it", async () => {
    const given = await codes(server, client);
    const other = await deviceClient(server, space.owner);
    const person = await signedIn(server, space.owner);
    ok(await person.decide(given.user_code));
    expectOAuthError(await poll(server, other, given), "invalid_grant");
    ok(await poll(server, client, given));
  });

  test.each([
    ["no device code", { device_code: undefined }, "invalid_request"],
    ["an empty one", { device_code: "" }, "invalid_request"],
    ["an unknown one", { device_code: "x".repeat(43) }, "invalid_grant"],
    ["the user code", { device_code: "BCDF-GHJK" }, "invalid_grant"],
  ])("%s: refused", async (_, fields, error) => {
    expectOAuthError(await poll(server, client, { device_code: "" }, fields), error);
  });

  test("§3.4: a confidential client authenticates when it polls, too", async () => {
    const given = await codes(server, confidential);
    const person = await signedIn(server, space.owner);
    ok(await person.decide(given.user_code));
    expectOAuthError(await poll(server, confidential, given, {}, "none"), "invalid_client", 401);
    ok(await poll(server, confidential, given, {}, "basic"));
  });

  test("a client that lost the grant: unauthorized_client", async () => {
    const other = await deviceClient(server, space.owner);
    const given = await codes(server, other);
    ok(
      await server.call("PATCH", `/v1/tenants/${space.tenantId}/oidc/clients/${other.id}`, {
        as: space.owner.token,
        body: { grant_types: ["authorization_code"], redirect_uris: ["https://app.example/cb"] },
      }),
    );
    expectOAuthError(await poll(server, other, given), "unauthorized_client");
  });

  test("a scope that was taken from the client meanwhile is not given", async () => {
    const other = await deviceClient(server, space.owner);
    const given = await codes(server, other);
    ok(await (await signedIn(server, space.owner)).decide(given.user_code));
    ok(
      await server.call("PATCH", `/v1/tenants/${space.tenantId}/oidc/clients/${other.id}`, {
        as: space.owner.token,
        body: { scopes: ["openid"] },
      }),
    );
    expect(ok(await poll(server, other, given)).body.scope).toBe("openid");
  });

  test("ten polls at once for a device that was let in: tokens once", async () => {
    const given = await codes(server, client);
    const person = await signedIn(server, space.owner);
    ok(await person.decide(given.user_code));
    const grants = await server.deps.db.read.$count(oauthGrants);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => poll(server, client, given)),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status, body } of answers.filter((one) => one.status !== 200))
      expect({ status, isRefusal: ["slow_down", "invalid_grant"].includes(body.error) }).toEqual({
        status: 400,
        isRefusal: true,
      });
    expect(await server.deps.db.read.$count(oauthGrants)).toBe(grants + 1);
  });

  test("RFC 8707: the resources of the authorization, or some of them, are the audience", async () => {
    const [one, other] = ["https://one.example/", "https://other.example/"];
    const audienceOf = ({ access_token }: { access_token: string }) =>
      JSON.parse(Buffer.from(access_token.split(".")[1]!, "base64url").toString()).aud;
    const person = await signedIn(server, space.owner);
    const given = await codes(server, client, { resource: one });
    ok(await person.decide(given.user_code));
    const refused = await poll(server, client, given, { resource: other });
    expectOAuthError(refused, "invalid_target");
    const { body } = ok(await pollLater(server, client, given));
    expect([audienceOf(body)].flat()).toEqual([one]);
  });

  test("without the grant refresh_token there is no refresh token, without openid no ID token", async () => {
    const plain = await deviceClient(server, space.owner, {
      grant_types: [DEVICE_GRANT],
      scopes: ["profile"],
    });
    const given = await codes(server, plain);
    const person = await signedIn(server, space.owner);
    ok(await person.decide(given.user_code));
    const { body } = ok(await poll(server, plain, given));
    expect([body.refresh_token, body.id_token, body.scope]).toEqual([
      undefined,
      undefined,
      "profile",
    ]);
  });
});
