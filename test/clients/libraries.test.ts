/** What OpenID libraries make of it: openid-client registers itself, oauth4webapi signs its assertions. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { createClient, startProvider, type TestProvider } from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";
import { clientKey } from "./support.ts";

let server: TestProvider;
let owner: SignedUp;
beforeAll(async () => {
  server = await startProvider({ dynamicRegistration: true });
  owner = await server.signUp();
  // A library asks its own clock.
  server.clock.advance(Date.now() - server.clock.now().getTime());
  const { email, password } = owner;
  const { body } = await server.call("POST", "/v1/auth/login", { body: { email, password } });
  owner = { ...owner, token: body.access_token };
});
afterAll(() => server.stop());

const insecure = { [oauth.allowInsecureRequests]: true };

describe("openid-client", () => {
  test("RFC 7591: finds the endpoint, registers, and gets tokens with what it was told", async () => {
    const config = await openid.dynamicClientRegistration(
      new URL(server.base),
      { grant_types: ["client_credentials"], response_types: [], scope: "reports:read" },
      undefined,
      { initialAccessToken: owner.token, execute: [openid.allowInsecureRequests] },
    );
    const tokens = await openid.clientCredentialsGrant(config, { scope: "reports:read" });
    expect(tokens.access_token).toBeString();
    expect(tokens.scope).toBe("reports:read");
  });

  test.each(["ES256", "RS256", "PS256", "EdDSA"])("private_key_jwt with %s", async (alg) => {
    const { jwk, privateKey, kid } = await clientKey(alg);
    const { clientId } = await createClient(server, owner, {
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [jwk] },
      grant_types: ["client_credentials"],
      scopes: ["reports:read"],
    });
    const config = await openid.discovery(
      new URL(server.base),
      clientId,
      undefined,
      openid.PrivateKeyJwt({ key: privateKey, kid }),
      { execute: [openid.allowInsecureRequests] },
    );
    const tokens = await openid.clientCredentialsGrant(config);
    expect(tokens.access_token).toBeString();
  });
});

describe("oauth4webapi", () => {
  test.each(["client_secret_basic", "client_secret_post", "private_key_jwt"] as const)(
    "%s",
    async (method) => {
      const { jwk, privateKey, kid } = await clientKey("ES256");
      const made = await createClient(server, owner, {
        token_endpoint_auth_method: method,
        ...(method === "private_key_jwt" && { jwks: { keys: [jwk] } }),
        grant_types: ["client_credentials"],
        scopes: ["reports:read"],
      });
      const proofs = {
        client_secret_basic: () => oauth.ClientSecretBasic(made.secret!),
        client_secret_post: () => oauth.ClientSecretPost(made.secret!),
        private_key_jwt: () => oauth.PrivateKeyJwt({ key: privateKey, kid }),
      };
      const issuer = new URL(server.base);
      const as = await oauth.processDiscoveryResponse(
        issuer,
        await oauth.discoveryRequest(issuer, insecure),
      );
      const client = { client_id: made.clientId };
      const response = await oauth.clientCredentialsGrantRequest(
        as,
        client,
        proofs[method](),
        new URLSearchParams(),
        insecure,
      );
      const tokens = await oauth.processClientCredentialsResponse(as, client, response);
      expect(tokens.access_token).toBeString();
    },
  );
});
