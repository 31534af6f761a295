import type { Tx } from "../../../../db/client.ts";
import type { Deps } from "../../../deps.ts";
import { issueClientToken } from "../../../platform/crypto/access-token.ts";
import { OAuthError } from "../../../platform/errors.ts";
import {
  clientIdOf,
  type OAuthClient,
  type ServicePrincipal,
} from "../../../platform/oauth-client.ts";
import { type Caller, foldKey, PERMISSIONS } from "../../../platform/permissions.ts";
import { recordAudit } from "../../audit/service.ts";
import type { GrantHandler } from "../../tokens/service.ts";
import { requestedScopes } from "../parameters.ts";

/** They speak of a user, and here is none. */
const OF_USERS: ReadonlySet<string> = new Set([
  "openid",
  "profile",
  "email",
  "address",
  "phone",
  "offline_access",
]);
const CATALOGUE: ReadonlySet<string> = new Set(PERMISSIONS);

/**
 * A machine for itself. Nothing is written unless AUDIT_TOKEN_ISSUED says so: the token lives for minutes, and dies with
 * its client.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-4.4
 */
export const clientCredentialsGrant: GrantHandler = {
  grantType: "client_credentials",
  async exchange(deps, { credential, form, caller, dpopJkt, resources }) {
    const { client, method } = credential;
    // §4.4: confidential clients only. Whoever knows a client_id is not the client.
    if (method === "none" || (client.kind === "client" && client.type === "public"))
      throw new OAuthError("unauthorized_client", "public clients have no client_credentials");
    const scopes = scopesFor(client, requestedScopes(form));
    if (deps.config.auditTokenIssued) await audit(deps, caller, client, scopes);
    const at = deps.clock.now();
    const { token, expiresAt } = await issueClientToken(
      deps,
      {
        clientId: clientIdOf(client),
        tenantId: client.tenantId,
        scopes,
        resources,
        dpopJkt,
        holder: { kind: "service", subject: client.id },
      },
      at,
    );
    return {
      access_token: token,
      token_type: dpopJkt === null ? "Bearer" : "DPoP",
      expires_in: Math.floor(expiresAt.getTime() / 1000) - Math.floor(at.getTime() / 1000),
      expires_at: expiresAt.toISOString(),
      scope: scopes.join(" "),
    };
  },
};

/** Before the token is: one that nobody wrote down does not get out. */
async function audit(
  deps: Deps,
  caller: Caller,
  client: OAuthClient | ServicePrincipal,
  scopes: readonly string[],
): Promise<void> {
  const { id, tenantId, kind } = client;
  const work = (tx: Tx) =>
    recordAudit(
      deps,
      tx,
      { system: true, type: "service", caller },
      {
        tenantId,
        action: "oauth.token_issued",
        resource: { type: kind === "principal" ? "service_principal" : "oidc_client", id },
        metadata: { client_id: clientIdOf(client), scopes: [...scopes] },
      },
    );
  await deps.db.transaction(work, { serializeOn: tenantId });
}

/** All that the machine has, or what it asks for of that. Throws `invalid_scope`. */
function scopesFor(
  { scopes }: OAuthClient | ServicePrincipal,
  wanted: readonly string[] | undefined,
): readonly string[] {
  const held = scopes.filter((scope) => !OF_USERS.has(scope));
  if (wanted === undefined) return held;
  const covers = (scope: string) =>
    held.includes(scope) || (held.includes("*") && CATALOGUE.has(foldKey(scope)));
  if (!wanted.every(covers))
    throw new OAuthError("invalid_scope", "scope is more than the client has");
  return wanted;
}
