import { type GrantHandler, issueTokens, redeemCode } from "../../tokens/service.ts";
import { oauthClientOf, required } from "../parameters.ts";

/** @see https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3 */
export const authorizationCodeGrant: GrantHandler = {
  grantType: "authorization_code",
  async exchange(deps, request) {
    const { form, caller, dpopJkt, resources } = request;
    const client = oauthClientOf(request);
    const grant = await redeemCode(deps, {
      client,
      caller,
      code: required(form, "code"),
      redirectUri: required(form, "redirect_uri"),
      codeVerifier: form.code_verifier || undefined, // RFC 6749 §3.2: empty is absent
      dpopJkt,
      resources,
    });
    return issueTokens(deps, {
      grant,
      client,
      // What was taken from the client's registration since is not given any more.
      scopes: grant.scopes.filter((scope) => client.scopes.includes(scope)),
      resources: resources.length > 0 ? resources : grant.resources,
      refreshToken: grant.refreshToken,
      nonce: grant.nonce,
      dpopJkt,
    });
  },
};
