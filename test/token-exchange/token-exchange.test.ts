/** RFC 8693 and contract 00 §28: a client trades a user's token for one of its own. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { codes, deviceClient, deviceTokens, poll, SECOND, signedIn } from "../devices/support.ts";
import { member, ok, type Workspace, workspace } from "../rbac/support.ts";
import {
  type Parameters,
  postForm,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import type { Answer } from "../support/server.ts";
import { expectOAuthError } from "../tokens/support.ts";

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const RESOURCE = "https://billing.example/";

let server: TestProvider;
let space: Workspace;
/** Where the user signed in. */
let app: TestClient;
/** What was handed the user's token, and trades it. */
let gateway: TestClient;
/** An access token of the owner for `app`. */
let subject: string;
let subjectTokens: Awaited<ReturnType<typeof deviceTokens>>;

beforeAll(async () => {
  server = await startProvider();
  space = await workspace(server);
  app = await deviceClient(server, space.owner, { scopes: ["openid", "profile", "bills:read"] });
  gateway = await exchanger(space);
  subjectTokens = await deviceTokens(server, app, space.owner);
  subject = subjectTokens.access_token;
});
afterAll(() => server.stop());

const exchanger = ({ owner }: Workspace, body: Record<string, unknown> = {}) =>
  server.createClient(owner, { name: "Gateway", grant_types: [EXCHANGE], ...body });

const trade = (
  fields: Parameters = {},
  client: TestClient = gateway,
  how?: "basic" | "post" | "none",
): Promise<Answer> =>
  postForm(
    server,
    "/v1/oauth/token-code",
    client,
    {
      grant_type: EXCHANGE,
      subject_token: subject,
      subject_token_type: ACCESS_TOKEN,
      ...fields,
    },
    how,
  );

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString());
const userinfo = (as: string) => server.call("GET", "/v1/oauth/userinfo", { as });

async function servicePrincipal(owner: { token: string }, name: string): Promise<TestClient> {
  const { body } = ok(
    await server.call("POST", "/v1/service-principals", { as: owner.token, body: { name } }),
    201,
  );
  return { ...gateway, clientId: body.client_id, secret: body.client_secret };
}

const machineToken = async (client: TestClient): Promise<string> =>
  ok(await postForm(server, "/v1/oauth/token", client, { grant_type: "client_credentials" })).body
    .access_token;

describe("RFC 8693 §2.2: the answer", () => {
  test("a token of the user that names this client; no refresh token, no ID token", async () => {
    const answer = ok(await trade());
    expect(answer.body).toEqual({
      access_token: expect.any(String),
      issued_token_type: ACCESS_TOKEN,
      token_type: "Bearer",
      expires_in: 900,
      scope: "openid profile bills:read",
    });
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const [before, after] = [claimsOf(subject), claimsOf(answer.body.access_token)];
    expect(after).toMatchObject({ client_id: gateway.clientId, sub: space.owner.userId });
    expect(after.jti).not.toBe(before.jti);
    for (const name of ["tenant_id", "sid", "grant_id", "auth_time", "amr", "acr", "aud"])
      expect([name, after[name]]).toEqual([name, before[name]]);
    expect(after.act).toBeUndefined();
    expect(ok(await userinfo(answer.body.access_token)).body.sub).toBe(space.owner.userId);
  });

  test("works on /v1/oauth/token, too, and for who registered `token_exchange`", async () => {
    const short = await exchanger(space, { grant_types: ["token_exchange"] });
    ok(
      await postForm(server, "/v1/oauth/token", short, {
        grant_type: EXCHANGE,
        subject_token: subject,
        subject_token_type: ACCESS_TOKEN,
        requested_token_type: ACCESS_TOKEN,
      }),
    );
  });

  test("it lives no longer than the subject's token", async () => {
    const { access_token } = await deviceTokens(server, app, space.owner);
    server.clock.advance(600 * SECOND);
    const { body } = ok(await trade({ subject_token: access_token }));
    expect(body.expires_in).toBe(300);
    expect(claimsOf(body.access_token).exp).toBe(claimsOf(access_token).exp);
    subjectTokens = await deviceTokens(server, app, space.owner);
    subject = subjectTokens.access_token;
  });

  test("fewer scopes; what was taken away does not come back", async () => {
    const { body } = ok(await trade({ scope: "bills:read" }));
    expect([body.scope, claimsOf(body.access_token).scope]).toEqual(["bills:read", "bills:read"]);
    expect((await userinfo(body.access_token)).status).toBe(403);
    const again = { subject_token: body.access_token };
    expectOAuthError(await trade({ ...again, scope: "openid" }), "invalid_scope");
    ok(await trade(again));
  });

  test("RFC 8707: for a resource, and then for this server no more", async () => {
    const { body } = ok(await trade({ resource: RESOURCE }));
    expect([claimsOf(body.access_token).aud].flat()).toEqual([RESOURCE]);
    expect((await userinfo(body.access_token)).status).toBe(401);
    // Without a resource the audience stays.
    const { body: same } = ok(await trade({ subject_token: body.access_token }));
    expect([claimsOf(same.access_token).aud].flat()).toEqual([RESOURCE]);
    const { body: other } = ok(
      await trade({ subject_token: body.access_token, resource: "https://mail.example/" }),
    );
    expect([claimsOf(other.access_token).aud].flat()).toEqual(["https://mail.example/"]);
  });
});

describe("RFC 8693 §4.1: an actor", () => {
  test("is named in act, and stays when the token is traded again", async () => {
    const robot = await servicePrincipal(space.owner, "robot");
    const actor = { actor_token: await machineToken(robot), actor_token_type: ACCESS_TOKEN };
    const { body } = ok(await trade(actor));
    expect(claimsOf(body.access_token).act).toEqual({ sub: robot.clientId });
    const { body: again } = ok(await trade({ subject_token: body.access_token }));
    expect(claimsOf(again.access_token).act).toEqual({ sub: robot.clientId });
    const second = await servicePrincipal(space.owner, "second robot");
    const { body: other } = ok(
      await trade({
        subject_token: body.access_token,
        actor_token: await machineToken(second),
        actor_token_type: ACCESS_TOKEN,
      }),
    );
    expect(claimsOf(other.access_token).act).toEqual({ sub: second.clientId });
  });

  test("another tenant's, a session's, one that is none: invalid_request", async () => {
    const elsewhere = await workspace(server);
    const stranger = await machineToken(await servicePrincipal(elsewhere.owner, "robot"));
    for (const actor_token of [stranger, space.owner.token, subjectTokens.id_token, "x"])
      expectOAuthError(
        await trade({ actor_token, actor_token_type: ACCESS_TOKEN }),
        "invalid_request",
      );
  });
});

describe("RFC 8693 §2.2.2: refusals", () => {
  const REFRESH_TOKEN = "urn:ietf:params:oauth:token-type:refresh_token";
  test.each([
    ["no subject_token", { subject_token: undefined }, "invalid_request"],
    ["an empty one", { subject_token: "" }, "invalid_request"],
    ["no subject_token_type", { subject_token_type: undefined }, "invalid_request"],
    ["another subject_token_type", { subject_token_type: REFRESH_TOKEN }, "invalid_request"],
    ["another requested_token_type", { requested_token_type: REFRESH_TOKEN }, "invalid_request"],
    ["actor_token without its type", { actor_token: "x" }, "invalid_request"],
    ["actor_token_type without its token", { actor_token_type: ACCESS_TOKEN }, "invalid_request"],
    ["another actor_token_type", { actor_token: "x", actor_token_type: "jwt" }, "invalid_request"],
    ["no token at all", { subject_token: "x.y.z" }, "invalid_request"],
    ["a scope that the subject has not", { scope: "openid email" }, "invalid_scope"],
    ["a relative resource", { resource: "/billing" }, "invalid_target"],
    ["a resource with a fragment", { resource: "https://billing.example/#x" }, "invalid_target"],
    ["an audience", { audience: "billing" }, "invalid_target"],
  ])("%s", async (_, fields, error) => expectOAuthError(await trade(fields), error));

  test("00 §28: a first-party token, a machine's, a pending one", async () => {
    const robot = await machineToken(await servicePrincipal(space.owner, "third robot"));
    for (const subject_token of [space.owner.token, robot, `mfa_${"x".repeat(43)}`])
      expectOAuthError(await trade({ subject_token }), "invalid_request");
  });

  test("an ID token and a refresh token are no access tokens, whatever their type says", async () => {
    for (const subject_token of [subjectTokens.id_token, subjectTokens.refresh_token])
      expectOAuthError(await trade({ subject_token }), "invalid_request");
  });

  test("another tenant's token", async () => {
    const elsewhere = await workspace(server);
    const device = await deviceClient(server, elsewhere.owner);
    const { access_token } = await deviceTokens(server, device, elsewhere.owner);
    expectOAuthError(await trade({ subject_token: access_token }), "invalid_request");
    ok(await trade({ subject_token: access_token }, await exchanger(elsewhere)));
  });

  test("a client without the grant, and one that only says who it is", async () => {
    const plain = await server.createClient(space.owner);
    expectOAuthError(await trade({}, plain), "unauthorized_client");
    expectOAuthError(await trade({}, gateway, "none"), "invalid_client", 401);
    const open = await exchanger(space, { type: "public" });
    expectOAuthError(await trade({}, open), "unauthorized_client");
  });

  test("a platform audience for a token that has another one", async () => {
    const { jwtAudience } = server.deps.config;
    const resource = `urn:example:${jwtAudience}`;
    const other = await startProvider({ jwtAudience: resource });
    try {
      const home = await workspace(other);
      const device = await deviceClient(other, home.owner);
      const client = await other.createClient(home.owner, { grant_types: [EXCHANGE] });
      const { access_token } = await deviceTokens(other, device, home.owner, {
        resource: RESOURCE,
      });
      const fields = {
        grant_type: EXCHANGE,
        subject_token: access_token,
        subject_token_type: ACCESS_TOKEN,
      };
      const path = "/v1/oauth/token-code";
      expectOAuthError(
        await postForm(other, path, client, { ...fields, resource }),
        "invalid_target",
      );
      ok(await postForm(other, path, client, fields));
    } finally {
      await other.stop();
    }
  });

  test("require_membership of the exchanging client holds for the subject", async () => {
    const open = await deviceClient(server, space.owner, { require_membership: false });
    const closed = await exchanger(space, { require_membership: true });
    const guest = await server.signUp();
    const { access_token } = await deviceTokens(server, open, guest);
    expectOAuthError(await trade({ subject_token: access_token }, closed), "invalid_request");
    const lenient = await exchanger(space, { require_membership: false });
    ok(await trade({ subject_token: access_token }, lenient));
  });
});

describe("what ends the subject ends the traded token", () => {
  const traded = async (user: { email: string }) => {
    const tokens = await deviceTokens(server, app, user);
    const { body } = ok(await trade({ subject_token: tokens.access_token }));
    ok(await userinfo(body.access_token));
    return { tokens, token: body.access_token as string };
  };

  test("its refresh token is revoked", async () => {
    const { tokens, token } = await traded(space.owner);
    ok(await postForm(server, "/oauth/revoke", app, { token: tokens.refresh_token }));
    expect((await userinfo(token)).status).toBe(401);
    expectOAuthError(await trade({ subject_token: tokens.access_token }), "invalid_request");
  });

  test("the user signs out", async () => {
    const browser = await signedIn(server, await member(server, space));
    const given = await codes(server, app);
    ok(await browser.decide(given.user_code));
    const { body: tokens } = ok(await poll(server, app, given));
    const { body } = ok(await trade({ subject_token: tokens.access_token }));
    ok(await userinfo(body.access_token));
    ok(await browser.send("DELETE", "/v1/auth/session"), 204);
    expect((await userinfo(body.access_token)).status).toBe(401);
  });

  test("the user is suspended", async () => {
    const user = await member(server, space);
    const { token } = await traded(user);
    ok(
      await server.call("PATCH", `/v1/users/${user.userId}`, {
        as: space.owner.token,
        body: { status: "suspended" },
      }),
    );
    expect((await userinfo(token)).status).not.toBe(200);
  });

  test("the client that traded it is deleted; the subject's stays", async () => {
    const passing = await exchanger(space);
    const { body } = ok(await trade({}, passing));
    ok(await userinfo(body.access_token));
    ok(
      await server.call("DELETE", `/v1/oidc/clients/${passing.id}`, { as: space.owner.token }),
      204,
    );
    expect((await userinfo(body.access_token)).status).toBe(401);
    ok(await userinfo(subject));
  });

  test("it alone is revoked: the subject's stays; the subject's alone: it stays, and can't be traded again", async () => {
    const { tokens, token } = await traded(space.owner);
    ok(await postForm(server, "/oauth/revoke", gateway, { token }));
    expect((await userinfo(token)).status).toBe(401);
    ok(await userinfo(tokens.access_token));
    const { body } = ok(await trade({ subject_token: tokens.access_token }));
    ok(await postForm(server, "/oauth/revoke", app, { token: tokens.access_token }));
    expect((await userinfo(tokens.access_token)).status).toBe(401);
    expectOAuthError(await trade({ subject_token: tokens.access_token }), "invalid_request");
    ok(await userinfo(body.access_token));
  });
});
