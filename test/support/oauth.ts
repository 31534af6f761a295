/** Tokens of OAuth clients and services, for tests that are about something else than how they are got. */
import { findOidcClient } from "../../src/modules/clients/service.ts";
import { issueTokens, openGrant } from "../../src/modules/tokens/service.ts";
import { issueClientToken } from "../../src/platform/crypto/access-token.ts";
import type { Answer, TestServer } from "./server.ts";

interface Owner {
  readonly tenantId: string;
  readonly owner: { readonly token: string };
}

let count = 0;

async function create(server: TestServer, by: Owner, path: string, body: object): Promise<Answer> {
  const answer = await server.call("POST", path, { as: by.owner.token, body });
  if (answer.status !== 201)
    throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer;
}

export interface ServiceToken {
  readonly principalId: string;
  readonly secret: string;
  readonly token: string;
}

/** A token of a new service principal, with all of its scopes. */
export async function serviceToken(
  server: TestServer,
  space: Owner,
  scopes: readonly string[] = [],
): Promise<ServiceToken> {
  const name = `service ${++count}`;
  const { body } = await create(server, space, "/v1/service-principals", { name, scopes });
  const { token } = await issueClientToken(server.deps, {
    clientId: body.client_id,
    tenantId: space.tenantId,
    scopes,
    resources: [],
    dpopJkt: null,
    holder: { kind: "service", subject: body.client_id },
  });
  return { principalId: body.client_id, secret: body.client_secret, token };
}

export interface UserToken {
  readonly clientId: string;
  /** Of the client's row. */
  readonly clientRowId: string;
  readonly grantId: string;
  readonly token: string;
  readonly refreshToken: string;
  readonly idToken: string | undefined;
}

/** What a new client of the workspace would get for a user who has consented to these scopes. */
export async function userToken(
  server: TestServer,
  space: Owner,
  userId: string,
  {
    scopes = ["openid"],
    client: settings = {},
    dpopJkt = null,
  }: {
    scopes?: readonly string[];
    client?: Record<string, unknown>;
    dpopJkt?: string | null;
  } = {},
): Promise<UserToken> {
  const { deps } = server;
  const { body } = await create(server, space, "/v1/oidc/clients", {
    name: `client ${++count}`,
    redirect_uris: ["https://app.example.com/cb"],
    scopes: scopes.length > 0 ? scopes : ["openid"],
    require_membership: false,
    ...settings,
  });
  const client = (await findOidcClient(deps, body.client_id))!;
  const grant = await deps.db.transaction((tx) =>
    openGrant(deps, tx, {
      client,
      grantType: "authorization_code",
      codeHash: null,
      clientRowId: client.id,
      userId,
      tenantId: client.tenantId,
      scopes,
      nonce: null,
      claims: null,
      resources: [],
      dpopJkt,
      loginSessionId: deps.random.uuid(),
      sid: deps.random.uuid(),
      authTime: deps.clock.now(),
      amr: ["pwd"],
      acr: "urn:qeet:acr:1fa",
    }),
  );
  const { refreshToken } = grant;
  const tokens = await issueTokens(deps, { grant, client, scopes, resources: [], refreshToken });
  return {
    clientId: client.clientId,
    clientRowId: client.id,
    grantId: grant.id,
    token: tokens.access_token,
    refreshToken: refreshToken!,
    idToken: tokens.id_token,
  };
}
