import { randomBytes } from "node:crypto";
import { ok } from "../rbac/support.ts";
import { postForm, type TestClient } from "../support/provider.ts";
import type { Answer, SignedUp, TestServer } from "../support/server.ts";

/** A machine, as a client of the endpoints for clients. */
export async function principal(
  server: TestServer,
  owner: Pick<SignedUp, "token" | "tenantId">,
  scopes: readonly string[] = [],
): Promise<TestClient> {
  const { body } = ok(
    await server.call("POST", "/v1/service-principals", {
      as: owner.token,
      body: { name: `machine ${randomBytes(4).toString("hex")}`, scopes },
    }),
    201,
  );
  const { client_id: clientId, client_secret: secret } = body;
  return { id: clientId, tenantId: owner.tenantId, clientId, secret, redirectUri: "" };
}

export async function machineToken(server: TestServer, client: TestClient): Promise<string> {
  const fields = { grant_type: "client_credentials" };
  return ok(await postForm(server, "/v1/oauth/token", client, fields)).body.access_token;
}

type How = "basic" | "post" | "none";

export const introspect = (
  server: TestServer,
  client: TestClient,
  token: string | undefined,
  hint?: string,
  how?: How,
): Promise<Answer> =>
  postForm(server, "/oauth/introspect", client, { token, token_type_hint: hint }, how);

export const revoke = (
  server: TestServer,
  client: TestClient,
  token: string | undefined,
  hint?: string,
  how?: How,
): Promise<Answer> =>
  postForm(server, "/oauth/revoke", client, { token, token_type_hint: hint }, how);
