/**
 * openid-client, as relying parties in Node use it: every grant, every endpoint, with its own checks (issuer, `iss`,
 * state, nonce, `at_hash`, PKCE, signatures) and one concession: http on loopback.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { exportJWK, generateKeyPair } from "jose";
import * as client from "openid-client";
import type { TestClient } from "../support/provider.ts";
import {
  allowDevice,
  CALLBACK,
  callbackUrl,
  type Issuer,
  type Person,
  SIGNED_OUT,
  startIssuer,
} from "./support.ts";

let issuer: Issuer;
let ada: Person;
beforeAll(async () => {
  issuer = await startIssuer();
  ada = await issuer.person();
}, 30_000);
afterAll(() => issuer.stop());

const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks];
const server = () => new URL(issuer.base);
const discover = (
  id: string,
  auth: client.ClientAuth,
  metadata: Partial<client.ClientMetadata> = {},
) => client.discovery(server(), id, metadata, auth, { execute });
const discoverFor = (one: TestClient, metadata: Partial<client.ClientMetadata> = {}) =>
  discover(
    one.clientId,
    one.secret === undefined ? client.None() : client.ClientSecretBasic(one.secret),
    metadata,
  );

/** Code flow with everything that the library can check; answers the tokens. */
async function signIn(
  config: client.Configuration,
  {
    scope = "openid profile email offline_access",
    browser = issuer.browser(),
    parameters = {},
    options = {},
    link = async (all: Record<string, string>) => client.buildAuthorizationUrl(config, all),
  }: {
    scope?: string;
    browser?: ReturnType<Issuer["browser"]>;
    parameters?: Record<string, string>;
    options?: client.AuthorizationCodeGrantOptions;
    link?: (all: Record<string, string>) => Promise<URL>;
  } = {},
) {
  const verifier = client.randomPKCECodeVerifier();
  const [state, nonce] = [client.randomState(), client.randomNonce()];
  const url = await link({
    redirect_uri: CALLBACK,
    scope,
    state,
    nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...parameters,
  });
  const checks = {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
    ...(parameters.max_age && { maxAge: Number(parameters.max_age) }),
  };
  const callback = await callbackUrl(browser, url, ada);
  const tokens = await client.authorizationCodeGrant(config, callback, checks, {}, options);
  return { tokens, claims: tokens.claims()!, browser };
}

/** Refused, by the library or by the server. */
const refusalOf = (work: Promise<unknown>): Promise<{ error?: string; status?: number }> =>
  work.then(
    () => ({}),
    (error) => ({ error: error.error ?? error.code, status: error.status }),
  );

describe("openid-client: code flow", () => {
  test.each([
    { name: "confidential, ID tokens RS256", alg: "RS256", type: "confidential" },
    { name: "confidential, ID tokens ES256", alg: "ES256", type: "confidential" },
    { name: "public, ID tokens RS256", alg: "RS256", type: "public" },
  ])("$name: sign-in, userinfo, refresh, sign-out", async ({ alg, type }) => {
    const registered = await issuer.createClient(ada, { type, id_token_signed_response_alg: alg });
    const config = await discoverFor(registered, { id_token_signed_response_alg: alg });
    const { tokens, claims, browser } = await signIn(config, { parameters: { max_age: "600" } });
    expect(claims.sub).toBe(ada.userId);
    expect(claims.at_hash).toBeString();

    const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
    expect(userinfo).toMatchObject({ email: ada.email, name: "Ada Lovelace", given_name: "Ada" });

    const renewed = await client.refreshTokenGrant(config, tokens.refresh_token!);
    expect(renewed.refresh_token).not.toBe(tokens.refresh_token);
    expect(renewed.claims()).toMatchObject({ sub: claims.sub, sid: claims.sid });
    await client.fetchUserInfo(config, renewed.access_token, claims.sub);

    const url = client.buildEndSessionUrl(config, {
      post_logout_redirect_uri: SIGNED_OUT,
      id_token_hint: renewed.id_token!,
      state: "bye",
    });
    const { location } = await browser.open(url.href);
    expect(location).toBe(`${SIGNED_OUT}?state=bye`);
    // Nobody is signed in any more: a silent request says so, with state and iss.
    const silent = await browser.open(
      client.buildAuthorizationUrl(config, {
        redirect_uri: CALLBACK,
        scope: "openid",
        prompt: "none",
        state: "silent",
        code_challenge: await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier()),
        code_challenge_method: "S256",
      }).href,
    );
    const refused = client.authorizationCodeGrant(config, new URL(silent.location!), {
      expectedState: "silent",
    });
    expect((await refusalOf(refused)).error).toBe("login_required");
    // The session is over, what was given for offline use is not.
    expect(
      (await refusalOf(client.fetchUserInfo(config, renewed.access_token, claims.sub))).status,
    ).toBe(401);
    await client.refreshTokenGrant(config, renewed.refresh_token!);
  });

  test("client_secret_post", async () => {
    const registered = await issuer.createClient(ada);
    const auth = client.ClientSecretPost(registered.secret);
    await signIn(await discover(registered.clientId, auth));
  });

  test("private_key_jwt", async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: "mine", use: "sig", alg: "ES256" };
    const registered = await issuer.createClient(ada, {
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [jwk] },
    });
    const auth = client.PrivateKeyJwt({ key: privateKey, kid: "mine" });
    const config = await discover(registered.clientId, auth);
    const { tokens } = await signIn(config);
    await client.refreshTokenGrant(config, tokens.refresh_token!);
    expect((await client.tokenIntrospection(config, tokens.access_token)).active).toBe(true);

    const { privateKey: foreign } = await generateKeyPair("ES256");
    const stranger = await discover(
      registered.clientId,
      client.PrivateKeyJwt({ key: foreign, kid: "mine" }),
    );
    const stolen = client.refreshTokenGrant(stranger, tokens.refresh_token!);
    expect((await refusalOf(stolen)).status).toBe(401);
  });

  test("pushed authorization requests (RFC 9126)", async () => {
    const config = await discoverFor(await issuer.createClient(ada, { require_par: true }));
    const { claims } = await signIn(config, {
      link: (all) => client.buildAuthorizationUrlWithPAR(config, all),
    });
    expect(claims.sub).toBe(ada.userId);
  });

  test("DPoP (RFC 9449): what is bound to a key is of no use without it", async () => {
    const config = await discoverFor(
      await issuer.createClient(ada, { type: "public", dpop_bound_access_tokens: true }),
    );
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
    const { tokens, claims } = await signIn(config, {
      parameters: { dpop_jkt: await DPoP.calculateThumbprint() },
      options: { DPoP },
    });
    expect(tokens.token_type).toBe("dpop");
    await client.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP });

    const bearer = await issuer.call("GET", "/v1/oauth/userinfo", { as: tokens.access_token });
    expect(bearer.status).toBe(401);
    const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
    const stolen = client.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP: other });
    expect((await refusalOf(stolen)).status).toBe(401);
    const refreshed = client.refreshTokenGrant(config, tokens.refresh_token!, {}, { DPoP: other });
    expect(await refusalOf(refreshed)).toMatchObject({ status: 400 });
    const renewed = await client.refreshTokenGrant(config, tokens.refresh_token!, {}, { DPoP });
    await client.fetchUserInfo(config, renewed.access_token, claims.sub, { DPoP });
  });
});

test("openid-client: introspection and revocation", async () => {
  const config = await discoverFor(await issuer.createClient(ada));
  const { tokens, claims } = await signIn(config);
  const access = await client.tokenIntrospection(config, tokens.access_token);
  expect(access).toMatchObject({ active: true, sub: claims.sub, iss: issuer.base });
  const refresh = await client.tokenIntrospection(config, tokens.refresh_token!);
  expect(refresh).toMatchObject({ active: true, token_type: "refresh_token" });

  await client.tokenRevocation(config, tokens.access_token);
  const inactive = await client.tokenIntrospection(config, tokens.access_token);
  expect(Object.entries(inactive)).toEqual([["active", false]]);
  const { access_token } = await client.refreshTokenGrant(config, tokens.refresh_token!);
  await client.fetchUserInfo(config, access_token, claims.sub);
});

test("openid-client: revoking a refresh token ends all of the grant", async () => {
  const config = await discoverFor(await issuer.createClient(ada));
  const { tokens, claims } = await signIn(config);
  await client.tokenRevocation(config, tokens.refresh_token!);
  const userinfo = client.fetchUserInfo(config, tokens.access_token, claims.sub);
  expect((await refusalOf(userinfo)).status).toBe(401);
  const refreshed = client.refreshTokenGrant(config, tokens.refresh_token!);
  expect((await refusalOf(refreshed)).error).toBe("invalid_grant");
});

test("openid-client: client_credentials, by a service principal and by a client", async () => {
  const { status, body } = await issuer.call("POST", "/v1/service-principals", {
    as: ada.token,
    body: { tenant_id: ada.tenantId, name: "reports", scopes: ["reports:read", "reports:write"] },
  });
  expect(status).toBe(201);
  const principal = await discover(body.client_id, client.ClientSecretBasic(body.client_secret));
  const narrowed = await client.clientCredentialsGrant(principal, { scope: "reports:read" });
  expect(narrowed.scope).toBe("reports:read");
  expect(narrowed.refresh_token).toBeUndefined();
  const introspected = await client.tokenIntrospection(principal, narrowed.access_token);
  expect(introspected).toMatchObject({ active: true, scope: "reports:read", sub: body.client_id });

  const registered = await issuer.createClient(ada, {
    grant_types: ["client_credentials"],
    scopes: ["reports:read"],
  });
  const config = await discoverFor(registered);
  expect((await client.clientCredentialsGrant(config)).scope).toBe("reports:read");
  const tooMuch = client.clientCredentialsGrant(config, { scope: "reports:write" });
  expect((await refusalOf(tooMuch)).error).toBe("invalid_scope");
});

test("openid-client: device grant (RFC 8628)", async () => {
  const registered = await issuer.createClient(ada, {
    type: "public",
    grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
  });
  const config = await discoverFor(registered);
  const device = await client.initiateDeviceAuthorization(config, { scope: "openid profile" });
  expect(device.user_code).toMatch(/^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/);
  expect(device.verification_uri).toBe(`${issuer.base}/device`);

  const polling = client.pollDeviceAuthorizationGrant(config, device);
  await allowDevice(issuer.browser(), ada, device.user_code);
  const tokens = await polling;
  expect(tokens.claims()?.sub).toBe(ada.userId);
  await client.fetchUserInfo(config, tokens.access_token, ada.userId);
  await client.refreshTokenGrant(config, tokens.refresh_token!);
}, 30_000);

test("openid-client: dynamic registration (RFC 7591), and a flow with what came of it", async () => {
  const config = await client.dynamicClientRegistration(
    server(),
    {
      client_name: "made on the fly",
      redirect_uris: [CALLBACK],
      token_endpoint_auth_method: "client_secret_post",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      scope: "openid profile email offline_access",
    },
    undefined,
    { execute, initialAccessToken: ada.token },
  );
  const { registration_client_uri, registration_access_token } = config.clientMetadata();
  expect((await signIn(config)).claims.sub).toBe(ada.userId);
  const path = String(registration_client_uri).slice(issuer.base.length);
  const read = await issuer.call("GET", path, { as: String(registration_access_token) });
  expect(read.body).toMatchObject({ client_name: "made on the fly" });
});

test("openid-client: token exchange (RFC 8693)", async () => {
  const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
  const config = await discoverFor(await issuer.createClient(ada));
  const { tokens } = await signIn(config);
  const gateway = await discoverFor(
    await issuer.createClient(ada, { grant_types: [EXCHANGE], scopes: ["openid", "profile"] }),
  );
  const exchanged = await client.genericGrantRequest(gateway, EXCHANGE, {
    subject_token: tokens.access_token,
    subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
    scope: "openid profile",
  });
  expect(exchanged.issued_token_type).toBe("urn:ietf:params:oauth:token-type:access_token");
  const introspected = await client.tokenIntrospection(gateway, exchanged.access_token);
  expect(introspected).toMatchObject({ active: true, sub: ada.userId });
});
