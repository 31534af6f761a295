/** RFC 8693: a client that was handed a user's token gets one of its own for it, for the services behind itself. */
import type { Deps } from "../../../deps.ts";
import { issueClientToken } from "../../../platform/crypto/access-token.ts";
import { OAuthError } from "../../../platform/errors.ts";
import type { OAuthClient } from "../../../platform/oauth-client.ts";
import { EXCHANGE_GRANT } from "../../clients/service.ts";
import {
  type GrantHandler,
  type GrantRequest,
  type LiveAccessToken,
  type LiveGrant,
  readLiveAccessToken,
  type TokenForm,
} from "../../tokens/service.ts";
import { isMember } from "../../users/service.ts";
import { oauthClientOf, requestedScopes } from "../parameters.ts";

/** RFC 8693 §3. */
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";

/** RFC 8693 §2.2.2: a token that is not good, for whatever reason, is `invalid_request`. */
const refused = (detail: string) => new OAuthError("invalid_request", detail);

/** A user's token that an OAuth client has. */
type Subject = LiveAccessToken & { readonly userId: string; readonly grant: LiveGrant };

/**
 * Contract 00 §28. The new token names this client, belongs to the subject's grant and ends with it, is good no longer
 * than the subject's token and for no more scopes. Throws `invalid_request` for a token that is not good for this,
 * `invalid_scope`, `invalid_target`.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8693#section-2
 */
export const tokenExchangeGrant: GrantHandler = {
  grantType: EXCHANGE_GRANT,
  async exchange(deps, request) {
    const client = oauthClientOf(request);
    // RFC 8693 §5: without it, whoever has taken a token could trade it.
    if (request.credential.method === "none")
      throw new OAuthError("unauthorized_client", "token exchange needs client authentication");
    const { form } = request;
    checkTypes(form);
    const subject = await readSubject(deps, client, request);
    const actor = await readActor(deps, client, request);
    const scopes = scopesOf(form, subject);
    const act = actor ?? subject.act;
    const at = deps.clock.now();
    const { token, expiresAt } = await issueClientToken(
      deps,
      {
        clientId: client.clientId,
        tenantId: client.tenantId,
        scopes,
        resources: targetsOf(deps, request, subject),
        dpopJkt: request.dpopJkt,
        notAfter: subject.expiresAt,
        // RFC 8693 §4.1. Who acted before goes on acting unless somebody else does: nobody shakes an actor off.
        ...(act !== null && { act: { sub: act } }),
        holder: {
          kind: "user",
          userId: subject.userId,
          grantId: subject.grant.id,
          sid: subject.grant.sid,
          authTime: subject.grant.authTime,
          amr: subject.grant.amr,
          acr: subject.grant.acr,
        },
      },
      at,
    );
    return {
      access_token: token,
      issued_token_type: ACCESS_TOKEN,
      token_type: request.dpopJkt === null ? "Bearer" : "DPoP",
      expires_in: secondsOf(expiresAt) - secondsOf(at),
      ...(scopes.length > 0 && { scope: scopes.join(" ") }),
    };
  },
};

const secondsOf = (at: Date): number => Math.floor(at.getTime() / 1000);
const isAbsent = (value: string | undefined): value is "" | undefined =>
  value === undefined || value === "";

/** RFC 8693 §2.1: which parameters go together, and the one type that this server exchanges. */
function checkTypes(form: TokenForm): void {
  if (isAbsent(form.subject_token)) throw refused("subject_token is missing");
  if (isAbsent(form.subject_token_type)) throw refused("subject_token_type is missing");
  if (isAbsent(form.actor_token) !== isAbsent(form.actor_token_type))
    throw refused("actor_token and actor_token_type come together");
  for (const name of ["subject_token_type", "actor_token_type", "requested_token_type"] as const)
    if (!isAbsent(form[name]) && form[name] !== ACCESS_TOKEN)
      throw refused(`${name} must be ${ACCESS_TOKEN}`);
  if (!isAbsent(form.audience))
    throw new OAuthError("invalid_target", "name the target as resource: audience is not known");
}

async function readSubject(
  deps: Deps,
  client: OAuthClient,
  { form, dpopJkt }: GrantRequest,
): Promise<Subject> {
  const token = await readLiveAccessToken(deps, form.subject_token ?? "");
  if (!token) throw refused("subject_token is unknown, expired or revoked");
  const { userId, grant, tenantId } = token;
  // Sessions of ours and machines hand nothing on (contract 00 §28).
  if (userId === null || grant === null)
    throw refused("subject_token must be a user's, issued to an OAuth client");
  if (tenantId !== client.tenantId) throw refused("subject_token is another tenant's");
  assertProof("subject_token", token, dpopJkt);
  if (client.requireMembership && !(await isMember(deps.db.read, client.tenantId, userId)))
    throw refused("the user of subject_token may not use this client");
  return { ...token, userId, grant };
}

/** RFC 8693 §1.1: who acts for the subject from here on. Null without an actor_token. */
async function readActor(
  deps: Deps,
  client: OAuthClient,
  { form, dpopJkt }: GrantRequest,
): Promise<string | null> {
  if (isAbsent(form.actor_token)) return null;
  const actor = await readLiveAccessToken(deps, form.actor_token);
  if (!actor) throw refused("actor_token is unknown, expired or revoked");
  // A session of ours has no business at a client, here as little as above.
  if (actor.clientId === null) throw refused("actor_token must have been issued to a client");
  if (actor.tenantId !== client.tenantId) throw refused("actor_token is another tenant's");
  assertProof("actor_token", actor, dpopJkt);
  return actor.subject;
}

/** RFC 9449 §7.1: who took a bound token has not taken its key, and must not trade it for one that is not bound. */
function assertProof(name: string, token: LiveAccessToken, dpopJkt: string | null): void {
  if (token.dpopJkt !== null && token.dpopJkt !== dpopJkt)
    throw refused(`${name} is bound to a key: send a DPoP proof of that key`);
}

function scopesOf(form: TokenForm, subject: Subject): readonly string[] {
  const scopes = requestedScopes(form) ?? subject.scopes;
  const excess = scopes.find((scope) => !subject.scopes.includes(scope));
  if (excess !== undefined)
    throw new OAuthError("invalid_scope", `subject_token does not hold scope ${excess}`);
  return scopes;
}

/** RFC 8707 §2.2. Without a resource the audience stays: a token for one service is no key to this server's own API. */
function targetsOf(
  { config }: Pick<Deps, "config">,
  { resources }: GrantRequest,
  { audiences }: Subject,
): readonly string[] {
  const own = config.jwtAudience;
  if (resources.includes(own) && !audiences.includes(own))
    throw new OAuthError("invalid_target", "subject_token is not for this resource");
  return resources.length > 0 ? resources : audiences;
}
