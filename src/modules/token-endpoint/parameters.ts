import { OAuthError } from "../../platform/errors.ts";
import type { GrantRequest, TokenForm } from "../tokens/service.ts";

/** The value of a parameter that the grant can't do without (RFC 6749 §3.2: empty is absent). Throws `invalid_request`. */
export function required(form: TokenForm, name: "code" | "redirect_uri" | "refresh_token"): string {
  const value = form[name];
  if (value === undefined || value === "")
    throw new OAuthError("invalid_request", `${name} is missing`);
  return value;
}

/** The scopes of the form, each once; undefined where none were sent. */
export function requestedScopes({ scope }: TokenForm): readonly string[] | undefined {
  const scopes = new Set((scope ?? "").split(" ").filter((one) => one !== ""));
  return scopes.size === 0 ? undefined : [...scopes];
}

/** The OAuth client that asks; a service principal holds none of the grants that ask this. */
export function oauthClientOf({ credential: { client } }: GrantRequest) {
  if (client.kind === "client") return client;
  throw new OAuthError("unauthorized_client", "the client is not registered for this grant_type");
}
