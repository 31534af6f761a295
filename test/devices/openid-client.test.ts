/** The device grant, token exchange and DPoP, asked for by a client that somebody else wrote. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import * as oidc from "openid-client";
import { ok, type Workspace, workspace } from "../rbac/support.ts";
import { startProvider, type TestClient, type TestProvider } from "../support/provider.ts";
import { DEVICE_GRANT, deviceClient, signedIn } from "./support.ts";

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";

let server: TestProvider;
let space: Workspace;
beforeAll(async () => {
  server = await startProvider();
  // The library looks at the real clock.
  server.clock.advance(Date.now() - server.clock.now().getTime());
  space = await workspace(server);
});
afterAll(() => server.stop());

const discover = (client: TestClient): Promise<oidc.Configuration> =>
  oidc.discovery(
    new URL(server.base),
    client.clientId,
    undefined,
    client.secret === undefined ? oidc.None() : oidc.ClientSecretBasic(client.secret),
    { execute: [oidc.allowInsecureRequests] },
  );

test("openid-client: a device is let in with a key of its own, and what it has is traded", async () => {
  const television = await discover(
    await deviceClient(server, space.owner, { dpop_bound_access_tokens: true }),
  );
  const metadata = television.serverMetadata();
  expect(metadata.device_authorization_endpoint).toBe(
    `${server.base}/v1/oauth/device_authorization`,
  );
  expect(metadata.grant_types_supported).toEqual(expect.arrayContaining([DEVICE_GRANT, EXCHANGE]));

  const asked = await oidc.initiateDeviceAuthorization(television, { scope: "openid profile" });
  const person = await signedIn(server, space.owner);
  ok(await person.decide(asked.user_code));
  const DPoP = oidc.getDPoPHandle(television, await oidc.randomDPoPKeyPair());
  const soon = { ...asked, interval: 0.01 };
  const tokens = await oidc.pollDeviceAuthorizationGrant(television, soon, {}, { DPoP });
  expect([tokens.token_type, tokens.claims()?.sub]).toEqual(["dpop", space.owner.userId]);
  const { userId } = space.owner;
  const info = await oidc.fetchUserInfo(television, tokens.access_token, userId, { DPoP });
  expect(info.sub).toBe(userId);

  const next = await oidc.refreshTokenGrant(television, tokens.refresh_token!, {}, { DPoP });
  expect(next.token_type).toBe("dpop");
  await expect(oidc.refreshTokenGrant(television, next.refresh_token!)).rejects.toMatchObject({
    error: "invalid_dpop_proof",
  });

  const gateway = await discover(
    await server.createClient(space.owner, { grant_types: [EXCHANGE] }),
  );
  const traded = await oidc.genericGrantRequest(
    gateway,
    EXCHANGE,
    { subject_token: next.access_token, subject_token_type: ACCESS_TOKEN, scope: "openid" },
    { DPoP },
  );
  expect([traded.token_type, traded.issued_token_type, traded.scope]).toEqual([
    "dpop",
    ACCESS_TOKEN,
    "openid",
  ]);
  expect((await oidc.fetchUserInfo(gateway, traded.access_token, userId, { DPoP })).sub).toBe(
    userId,
  );
});

test("openid-client: a person who refuses is heard", async () => {
  const television = await discover(await deviceClient(server, space.owner));
  const asked = await oidc.initiateDeviceAuthorization(television, {});
  const person = await signedIn(server, space.owner);
  ok(await person.decide(asked.user_code, false));
  const soon = { ...asked, interval: 0.01 };
  await expect(oidc.pollDeviceAuthorizationGrant(television, soon)).rejects.toMatchObject({
    error: "access_denied",
  });
});
