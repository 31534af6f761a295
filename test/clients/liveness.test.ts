/** Another instance has ended a credential that this one still remembers: it hands out no lasting power. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { oauthGrants, oidcClients, servicePrincipals } from "../../db/schema/index.ts";
import { ok } from "../rbac/support.ts";
import { createClient, exchange } from "../support/provider.ts";
import { type SignedUp, startServer, type TestServer } from "../support/server.ts";
import { hostedSession, newCode } from "../tokens/support.ts";
import { basic, post } from "./support.ts";

let server: TestServer;
let owner: SignedUp;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());
beforeEach(async () => {
  owner = await server.signUp();
});

const SCOPES = ["apikey.write", "connection.write"];
let count = 0;
const attempts = async (as: string) => [
  (await server.call("POST", "/v1/service-principals", { as, body: { name: `m${++count}` } }))
    .status,
  (await server.call("POST", "/v1/oidc/clients", { as, body: { name: "App" } })).status,
  (await server.call("POST", "/v1/api-keys", { as, body: { name: "k", scopes: ["apikey.write"] } }))
    .status,
];

const machineToken = async (clientId: string, secret: string): Promise<string> =>
  ok(await post(server, { grant_type: "client_credentials" }, basic(clientId, secret))).body
    .access_token;

describe("contract 00 §22", () => {
  test("a disabled principal", async () => {
    const body = { name: "machine", scopes: SCOPES };
    const made = await server.call("POST", "/v1/service-principals", { as: owner.token, body });
    const { client_id, client_secret } = ok(made, 201).body;
    const token = await machineToken(client_id, client_secret);
    expect(await attempts(token)).toEqual([201, 201, 201]);
    await server.deps.db.transaction(async (tx) => {
      await tx
        .update(servicePrincipals)
        .set({ disabledAt: server.clock.now() })
        .where(eq(servicePrincipals.id, client_id));
    });
    expect(await attempts(token)).toEqual([401, 401, 401]);
  });

  test("a deleted client that acts for itself", async () => {
    const client = await createClient(server, owner, {
      grant_types: ["client_credentials"],
      scopes: SCOPES,
    });
    const token = await machineToken(client.clientId, client.secret!);
    expect(await attempts(token)).toEqual([201, 201, 201]);
    await server.deps.db.transaction(async (tx) => {
      await tx
        .update(oidcClients)
        .set({ deletedAt: server.clock.now() })
        .where(eq(oidcClients.id, client.id));
    });
    expect(await attempts(token)).toEqual([401, 401, 401]);
  });

  test("a revoked grant of a user", async () => {
    const client = await createClient(server, owner, { scopes: ["openid", ...SCOPES] });
    const sessionId = await hostedSession(server, owner);
    const at = { client, userId: owner.userId, sessionId };
    const code = await newCode(server, at, { scopes: ["openid", ...SCOPES] });
    const token: string = ok(await exchange(server, client, code)).body.access_token;
    expect(await attempts(token)).toEqual([201, 201, 201]);
    await server.deps.db.transaction(async (tx) => {
      await tx
        .update(oauthGrants)
        .set({ revokedAt: server.clock.now() })
        .where(eq(oauthGrants.clientRowId, client.id));
    });
    expect(await attempts(token)).toEqual([401, 401, 401]);
  });
});

test("03 §16.1: the tokens of a deleted client end with it, at once", async () => {
  const client = await createClient(server, owner);
  const sessionId = await hostedSession(server, owner);
  const code = await newCode(server, { client, userId: owner.userId, sessionId });
  const { access_token, refresh_token } = ok(await exchange(server, client, code)).body;
  ok(await server.call("GET", "/v1/oauth/userinfo", { as: access_token }));
  const path = `/v1/oidc/clients/${client.id}`;
  ok(await server.call("DELETE", path, { as: owner.token }), 204);
  const after = await server.call("GET", "/v1/oauth/userinfo", { as: access_token });
  expect(after.status).toBe(401);
  const form = { grant_type: "refresh_token", refresh_token };
  const refreshed = await post(server, form, basic(client.clientId, client.secret!));
  expect(refreshed.status).toBe(401);
  expect(refreshed.body.error).toBe("invalid_client");
});
