/** An authorization request that was found in order, as the rest of the module reads it. */
import type { Deps } from "../../deps.ts";
import { AppError, OAuthError } from "../../platform/errors.ts";
import type { OAuthClient } from "../../platform/oauth-client.ts";
import type { ClaimsRequest } from "../tokens/service.ts";
import { claimNamesOf, claimsOf, wantedOf } from "./claims.ts";
import { listOf, one, type Parameters, type Received, resourcesOf } from "./parameters.ts";
import { assertAllowed } from "./rules.ts";
import { type Target, targetOf } from "./target.ts";

export interface AuthorizationRequest {
  readonly client: OAuthClient;
  readonly target: Target;
  readonly scopes: readonly string[];
  readonly nonce: string | null;
  /** S256. */
  readonly codeChallenge: string | null;
  readonly dpopJkt: string | null;
  readonly resources: readonly string[];
  readonly claims: ClaimsRequest | null;
  readonly claimNames: readonly string[];
  readonly prompt: readonly string[];
  readonly maxAgeSeconds: number | null;
  /** Who has to sign in, where the client says so; two that differ are nobody. */
  readonly subjects: readonly string[];
  /** Preferred ones, the best first. */
  readonly acrValues: readonly string[];
  /** One of these, or no answer; empty where any will do. */
  readonly essentialAcr: readonly string[];
  readonly loginHint: string | null;
  readonly uiLocales: readonly string[];
  readonly display: string | null;
  /** What to keep of it. */
  readonly parameters: Parameters;
}

/**
 * Contract 03 §7.2 steps 1 and 3 to 9, for a request whose target is known. Answers what to keep of it. Throws the
 * OAuthError that the client gets.
 */
export async function checkParameters(
  deps: Deps,
  client: OAuthClient,
  { parameters, fault }: Received,
  isPushed: boolean,
): Promise<Parameters> {
  assertAllowed({ client, parameters, fault, isPushed });
  const { id_token_hint: hint, ...rest } = parameters;
  if (typeof hint !== "string") return rest;
  return { ...rest, hint_sub: await subjectOfHint(deps, client, hint) };
}

/** Step 9: genuine is enough, it may have expired (OpenID Connect Core §3.1.2.1). The token itself is not kept. */
export async function subjectOfHint(
  deps: Deps,
  client: OAuthClient,
  hint: string,
): Promise<string> {
  try {
    const { sub } = await deps.keyring.verify(hint, {
      typ: "JWT",
      algorithms: ["RS256", "ES256"],
      audience: client.clientId,
      evenExpired: true,
    });
    if (typeof sub === "string") return sub;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
  }
  throw new OAuthError("invalid_request", "id_token_hint is no ID token for this client");
}

/** Reads what `checkParameters` let pass. Throws what becomes a page when its redirect_uri is not registered any more. */
export function requestOf(client: OAuthClient, parameters: Parameters): AuthorizationRequest {
  const claims = claimsOf(one(parameters, "claims"));
  const prompt = listOf(parameters, "prompt");
  const maxAge = one(parameters, "max_age");
  const acr = wantedOf(claims, "acr");
  const hinted = one(parameters, "hint_sub");
  return {
    client,
    target: targetOf(client, parameters),
    scopes: listOf(parameters, "scope"),
    nonce: one(parameters, "nonce") ?? null,
    codeChallenge: one(parameters, "code_challenge") ?? null,
    dpopJkt: one(parameters, "dpop_jkt") ?? null,
    resources: [...new Set(resourcesOf(parameters))],
    claims,
    claimNames: claimNamesOf(claims),
    prompt,
    maxAgeSeconds: maxAge === undefined ? null : Number(maxAge),
    // OpenID Connect Core §5.5.1: a requested `sub` is as binding as a hint.
    subjects: [
      ...(hinted === undefined ? [] : [hinted]),
      ...wantedOf(claims, "sub").flatMap(({ values }) => values.slice(0, 1)),
    ],
    acrValues: [...listOf(parameters, "acr_values"), ...acr.flatMap(({ values }) => values)],
    essentialAcr: acr.find(({ essential, values }) => essential && values.length > 0)?.values ?? [],
    loginHint: one(parameters, "login_hint") ?? null,
    uiLocales: listOf(parameters, "ui_locales"),
    display: one(parameters, "display") ?? null,
    parameters,
  };
}
