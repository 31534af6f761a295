/**
 * oauth4webapi, where it looks closer than openid-client on top of it: each answer by itself, metadata of both kinds,
 * RFC 9068 access tokens as a resource server reads them. Its one concession: http on loopback.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as oauth from "oauth4webapi";
import { answerPages, callbackOf, type TestClient } from "../support/provider.ts";
import { CALLBACK, type Issuer, type Person, startIssuer } from "./support.ts";

let issuer: Issuer;
let ada: Person;
let as: oauth.AuthorizationServer;
beforeAll(async () => {
  issuer = await startIssuer();
  ada = await issuer.person();
  as = await discover("oidc");
}, 30_000);
afterAll(() => issuer.stop());

const http = { [oauth.allowInsecureRequests]: true } as const;

async function discover(algorithm: "oidc" | "oauth2") {
  const url = new URL(issuer.base);
  const response = await oauth.discoveryRequest(url, { algorithm, ...http });
  return oauth.processDiscoveryResponse(url, response);
}

interface Registered {
  readonly client: oauth.Client;
  readonly auth: oauth.ClientAuth;
}
async function register(body: Record<string, unknown> = {}): Promise<Registered> {
  const one: TestClient = await issuer.createClient(ada, body);
  return {
    client: {
      client_id: one.clientId,
      id_token_signed_response_alg: (body.id_token_signed_response_alg as string) ?? "RS256",
    },
    auth: one.secret === undefined ? oauth.None() : oauth.ClientSecretBasic(one.secret),
  };
}

/** Up to the validated callback. */
async function authorize(
  { client }: Registered,
  parameters: Record<string, string> = {},
  browser = issuer.browser(),
) {
  const [verifier, state, nonce] = [
    oauth.generateRandomCodeVerifier(),
    oauth.generateRandomState(),
    oauth.generateRandomNonce(),
  ];
  const url = new URL(as.authorization_endpoint!);
  url.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: CALLBACK,
    response_type: "code",
    scope: "openid",
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...parameters,
  }).toString();
  const { screen } = await answerPages(browser, await browser.open(url.href), { user: ada });
  const answer = new URLSearchParams(callbackOf(screen));
  return { callback: oauth.validateAuthResponse(as, client, answer, state), verifier, nonce };
}

/** A whole code flow; ID token required, signature checked, `max_age` held. */
async function signIn(
  one: Registered,
  parameters: Record<string, string> = {},
  options: oauth.TokenEndpointRequestOptions = {},
  browser = issuer.browser(),
) {
  const { callback, verifier, nonce } = await authorize(
    one,
    { max_age: "600", ...parameters },
    browser,
  );
  const response = await oauth.authorizationCodeGrantRequest(
    as,
    one.client,
    one.auth,
    callback,
    CALLBACK,
    verifier,
    { ...http, ...options },
  );
  const tokens = await oauth.processAuthorizationCodeResponse(as, one.client, response, {
    expectedNonce: nonce,
    requireIdToken: true,
    maxAge: 600,
  });
  await oauth.validateApplicationLevelSignature(as, response, http);
  return { tokens, claims: oauth.getValidatedIdTokenClaims(tokens)! };
}

test("oauth4webapi: metadata by OpenID Discovery and by RFC 8414 say the same", async () => {
  expect(await discover("oauth2")).toEqual(as);
});

test("oauth4webapi: RFC 9728 metadata of this server as a resource", async () => {
  const resource = new URL(issuer.base);
  const response = await oauth.resourceDiscoveryRequest(resource, http);
  const metadata = await oauth.processResourceDiscoveryResponse(resource, response);
  expect(metadata.authorization_servers).toEqual([issuer.base]);
});

describe("oauth4webapi: code flow", () => {
  test.each(["RS256", "ES256"])("ID tokens %s; userinfo, refresh", async (alg) => {
    const one = await register({ id_token_signed_response_alg: alg });
    const { tokens, claims } = await signIn(one, { scope: "openid email" });
    const userinfo = await oauth.userInfoRequest(as, one.client, tokens.access_token, http);
    const info = await oauth.processUserInfoResponse(as, one.client, claims.sub, userinfo);
    expect(info.email).toBe(ada.email);
    const response = await oauth.refreshTokenGrantRequest(
      as,
      one.client,
      one.auth,
      tokens.refresh_token!,
      http,
    );
    const renewed = await oauth.processRefreshTokenResponse(as, one.client, response);
    await oauth.validateApplicationLevelSignature(as, response, http);
    expect(oauth.getValidatedIdTokenClaims(renewed)?.sub).toBe(claims.sub);
  });

  test("response_mode=form_post", async () => {
    const { claims } = await signIn(await register(), { response_mode: "form_post" });
    expect(claims.sub).toBe(ada.userId);
  });

  test("an error comes back with state and iss", async () => {
    const one = await register();
    const refused = authorize(one, { prompt: "none" });
    expect(await refused.catch(({ error }) => error)).toBe("login_required");
  });

  test("access tokens hold to RFC 9068", async () => {
    const { tokens } = await signIn(await register(), { scope: "openid profile" });
    const request = new Request(`${issuer.base}/some/resource`, {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    });
    const claims = await oauth.validateJwtAccessToken(as, request, "qeet-identity", http);
    expect(claims).toMatchObject({ sub: ada.userId, scope: "openid profile" });
  });

  test("DPoP: bound access tokens hold to RFC 9068 and RFC 9449 §7", async () => {
    const one = await register({ type: "public" });
    const DPoP = oauth.DPoP(one.client, await oauth.generateKeyPair("ES256"));
    const { tokens, claims } = await signIn(one, {}, { DPoP });
    expect(tokens.token_type).toBe("dpop");
    const options = { ...http, DPoP };
    const response = await oauth.userInfoRequest(as, one.client, tokens.access_token, options);
    await oauth.processUserInfoResponse(as, one.client, claims.sub, response);

    // What any resource server is sent, and checks against the key in the token.
    let sent: Request | undefined;
    await oauth.protectedResourceRequest(
      tokens.access_token,
      "GET",
      new URL("http://localhost:1/resource"),
      undefined,
      undefined,
      {
        ...options,
        [oauth.customFetch]: async (url, init) => {
          sent = new Request(url, init as RequestInit);
          return new Response();
        },
      },
    );
    const bound = await oauth.validateJwtAccessToken(as, sent!, "qeet-identity", {
      ...http,
      requireDPoP: true,
    });
    expect(bound.cnf?.jkt).toBe(await DPoP.calculateThumbprint());
  });
});

test("oauth4webapi: pushed authorization request", async () => {
  const one = await register();
  const verifier = oauth.generateRandomCodeVerifier();
  const pushed = await oauth.pushedAuthorizationRequest(
    as,
    one.client,
    one.auth,
    {
      redirect_uri: CALLBACK,
      response_type: "code",
      scope: "openid",
      state: "pushed",
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
    },
    http,
  );
  const { request_uri } = await oauth.processPushedAuthorizationResponse(as, one.client, pushed);
  expect(request_uri).toStartWith("urn:ietf:params:oauth:request_uri:");
  const browser = issuer.browser();
  const url = `${as.authorization_endpoint}?${new URLSearchParams({ client_id: one.client.client_id, request_uri })}`;
  const { screen } = await answerPages(browser, await browser.open(url), { user: ada });
  const answer = new URLSearchParams(callbackOf(screen));
  const callback = oauth.validateAuthResponse(as, one.client, answer, "pushed");
  const response = await oauth.authorizationCodeGrantRequest(
    as,
    one.client,
    one.auth,
    callback,
    CALLBACK,
    verifier,
    http,
  );
  await oauth.processAuthorizationCodeResponse(as, one.client, response, { requireIdToken: true });
});

test("oauth4webapi: introspection and revocation", async () => {
  const one = await register();
  const { tokens, claims } = await signIn(one);
  const introspect = async (token: string) => {
    const response = await oauth.introspectionRequest(as, one.client, one.auth, token, http);
    return oauth.processIntrospectionResponse(as, one.client, response);
  };
  expect(await introspect(tokens.access_token)).toMatchObject({ active: true, sub: claims.sub });
  const revoked = await oauth.revocationRequest(
    as,
    one.client,
    one.auth,
    tokens.refresh_token!,
    http,
  );
  await oauth.processRevocationResponse(revoked);
  expect((await introspect(tokens.access_token)).active).toBe(false);
  expect((await introspect(tokens.refresh_token!)).active).toBe(false);
});

test("oauth4webapi: client_credentials", async () => {
  const one = await register({ grant_types: ["client_credentials"], scopes: ["reports:read"] });
  const scope = { scope: "reports:read" };
  const response = await oauth.clientCredentialsGrantRequest(as, one.client, one.auth, scope, http);
  const tokens = await oauth.processClientCredentialsResponse(as, one.client, response);
  expect(tokens).toMatchObject({ scope: "reports:read", token_type: "bearer" });
  expect(tokens).not.toContainKeys(["refresh_token", "id_token"]);
});

test("oauth4webapi: device authorization, and polling too soon", async () => {
  const one = await register({
    grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
  });
  const request = await oauth.deviceAuthorizationRequest(
    as,
    one.client,
    one.auth,
    { scope: "openid" },
    http,
  );
  const device = await oauth.processDeviceAuthorizationResponse(as, one.client, request);
  expect(device).toMatchObject({ interval: 5, expires_in: 600 });
  const poll = async () => {
    const response = await oauth.deviceCodeGrantRequest(
      as,
      one.client,
      one.auth,
      device.device_code,
      http,
    );
    return oauth.processDeviceCodeResponse(as, one.client, response);
  };
  expect(await poll().catch(({ error }) => error)).toBe("authorization_pending");
  expect(await poll().catch(({ error }) => error)).toBe("slow_down");
});

test("oauth4webapi: dynamic registration", async () => {
  const response = await oauth.dynamicClientRegistrationRequest(
    as,
    { client_name: "made on the fly", redirect_uris: [CALLBACK] },
    { ...http, initialAccessToken: ada.token },
  );
  const client = await oauth.processDynamicClientRegistrationResponse(response);
  const auth = oauth.ClientSecretBasic(client.client_secret as string);
  const { claims } = await signIn({ client, auth });
  expect(claims.aud).toBe(client.client_id);
});
