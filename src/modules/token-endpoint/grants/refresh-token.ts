import { OAuthError } from "../../../platform/errors.ts";
import {
  assertResources,
  type GrantHandler,
  issueTokens,
  rotateRefreshToken,
} from "../../tokens/service.ts";
import { oauthClientOf, requestedScopes, required } from "../parameters.ts";

/** @see https://www.rfc-editor.org/rfc/rfc6749#section-6 */
export const refreshTokenGrant: GrantHandler = {
  grantType: "refresh_token",
  async exchange(deps, request) {
    const { form, caller, dpopJkt, resources } = request;
    const client = oauthClientOf(request);
    const scopes = requestedScopes(form);
    const { grant, refreshToken } = await rotateRefreshToken(deps, {
      client,
      caller,
      refreshToken: required(form, "refresh_token"),
      dpopJkt,
      check: (held) => {
        // Scope narrows this access token alone: the next refresh may ask for all again.
        if (scopes?.some((scope) => !held.scopes.includes(scope)))
          throw new OAuthError("invalid_scope", "scope is not part of the grant");
        assertResources(held.resources, resources);
      },
    });
    return issueTokens(deps, {
      grant,
      client,
      // What was taken from the client's registration since is not given any more.
      scopes: (scopes ?? grant.scopes).filter((scope) => client.scopes.includes(scope)),
      resources: resources.length > 0 ? resources : grant.resources,
      refreshToken,
      dpopJkt,
    });
  },
};
