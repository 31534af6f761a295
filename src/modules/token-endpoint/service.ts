/** The token endpoint (RFC 6749 §3.2): who asks, for which grant, and whether they may. */
import type { Deps } from "../../deps.ts";
import { verifyDpopProof } from "../../platform/crypto/dpop.ts";
import { OAuthError } from "../../platform/errors.ts";
import type { OAuthClient, ServicePrincipal } from "../../platform/oauth-client.ts";
import type { Caller } from "../../platform/permissions.ts";
import { readResources } from "../../platform/resources.ts";
import { authenticateClient, type ClientForm } from "../clients/service.ts";
import type { TokenForm, TokenResponse } from "../tokens/service.ts";
import { GRANTS } from "./grants/index.ts";

export interface TokenRequest {
  readonly headers: Headers;
  readonly form: TokenForm & ClientForm;
  readonly caller: Caller;
  /** Under which of its two it came in. */
  readonly path: string;
}

/**
 * Answers a token request. Throws `invalid_client` before anything else is looked at, `unsupported_grant_type`,
 * `unauthorized_client` for a grant that the client is not registered for, and what the grant throws.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-5
 */
export async function answerTokenRequest(
  deps: Deps,
  { headers, form, caller, path }: TokenRequest,
): Promise<TokenResponse> {
  const credential = await authenticateClient(deps, { headers, form, caller });
  const handler = GRANTS.get(form.grant_type);
  if (!handler) throw new OAuthError("unsupported_grant_type", "unknown grant_type");
  const { client } = credential;
  if (!mayUse(client, handler.grantType))
    throw new OAuthError("unauthorized_client", "the client is not registered for this grant_type");
  const resources = readResources(form.resource);
  const dpopJkt = await provedKey(deps, { client, proof: headers.get("dpop"), path });
  return handler.exchange(deps, { credential, form, caller, dpopJkt, resources });
}

/** Registrations spell extension grants as their URN, or as its last part (contract 03 §16.3: `token_exchange`). */
function mayUse(client: OAuthClient | ServicePrincipal, grantType: string): boolean {
  if (client.kind === "principal") return grantType === "client_credentials";
  const short = grantType.slice(grantType.lastIndexOf(":") + 1).replaceAll("-", "_");
  return client.grantTypes.includes(grantType) || client.grantTypes.includes(short);
}

/** RFC 9449 §5: the thumbprint of the key to bind the tokens to; null without a proof. */
async function provedKey(
  deps: Deps,
  {
    client,
    proof,
    path,
  }: { client: OAuthClient | ServicePrincipal; proof: string | null; path: string },
): Promise<string | null> {
  if (proof !== null)
    return verifyDpopProof(deps, {
      proof,
      method: "POST",
      url: `${deps.config.publicUrl}${path}`,
    });
  // §5.2
  if (client.kind === "client" && client.dpopBoundAccessTokens)
    throw new OAuthError("invalid_dpop_proof", "this client must send a DPoP proof");
  return null;
}
