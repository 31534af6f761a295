/** Pushed authorization requests (RFC 9126). */
import type { Deps } from "../../deps.ts";
import { verifyDpopProof } from "../../platform/crypto/dpop.ts";
import { hashToken, newToken } from "../../platform/crypto/tokens.ts";
import { AppError, OAuthError } from "../../platform/errors.ts";
import type { ClientCredential, OAuthClient } from "../../platform/oauth-client.ts";
import { one, type Parameters, readForm } from "./parameters.ts";
import { checkParameters, requestOf } from "./request.ts";
import * as store from "./store.ts";
import { targetOf } from "./target.ts";

const URN = "urn:ietf:params:oauth:request_uri:";
const LIFE_SECONDS = 90;
const PUSH_PATH = "/v1/oauth/par";

export const isPushedUri = (uri: string): boolean => uri.startsWith(URN);

/**
 * Checks a request as the authorization endpoint would, and keeps it for the client to name there. Throws OAuthError,
 * and `bad_request` for what is a page there.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9126#section-2.1
 */
export async function pushRequest(
  deps: Deps,
  pushed: {
    readonly credential: ClientCredential;
    readonly form: Readonly<Record<string, unknown>>;
    /** Header `DPoP`. */
    readonly proof: string | null;
  },
): Promise<{ request_uri: string; expires_in: number }> {
  const { client } = pushed.credential;
  if (client.kind !== "client")
    throw new OAuthError("unauthorized_client", "a service principal has no user to authorize it");
  const { parameters: given, fault } = readForm(pushed.form);
  if (fault !== undefined) throw new OAuthError("invalid_request", fault);
  if (one(given, "request_uri") !== undefined)
    throw new OAuthError("invalid_request", "request_uri must not be pushed");
  if ((one(given, "client_id") ?? client.clientId) !== client.clientId)
    throw new OAuthError("invalid_request", "client_id is not the client that has authenticated");
  const bound = await withKey(deps, { ...given, client_id: client.clientId }, pushed.proof);
  targetOf(client, bound);
  const parameters = await checkParameters(deps, client, { parameters: bound, fault }, true);
  requestOf(client, parameters);
  const { token, hash } = newToken(deps.random);
  const createdAt = deps.clock.now();
  const expiresAt = new Date(createdAt.getTime() + LIFE_SECONDS * 1000);
  await deps.db.transaction((tx) =>
    store.insertPushed(tx, {
      requestHash: hash,
      clientRowId: client.id,
      parameters: parameters as Record<string, string | string[]>, // drizzle's type is mutable
      createdAt,
      expiresAt,
    }),
  );
  return { request_uri: URN + token, expires_in: LIFE_SECONDS };
}

/** RFC 9449 §10.1: a proof names the key that the code will be bound to, as `dpop_jkt` does; both must mean one. */
async function withKey(deps: Deps, parameters: Parameters, proof: string | null) {
  if (proof === null) return parameters;
  const url = deps.config.publicUrl + PUSH_PATH;
  const jkt = await verifyDpopProof(deps, { proof, method: "POST", url });
  if ((one(parameters, "dpop_jkt") ?? jkt) !== jkt)
    throw new OAuthError("invalid_dpop_proof", "dpop_jkt is not the key of the proof");
  return { ...parameters, dpop_jkt: jkt };
}

/**
 * The parameters behind a `request_uri`, for the one time that they are asked for. Throws what becomes a page for one
 * that is unknown, expired, used, or another client's.
 */
export async function takePushed(
  deps: Deps,
  client: OAuthClient,
  uri: string,
): Promise<Parameters> {
  const hash = hashToken(uri.slice(URN.length));
  const now = deps.clock.now();
  const row = await deps.db.transaction((tx) =>
    store.takePushed(tx, { hash, clientRowId: client.id, now }),
  );
  if (row === undefined)
    throw new AppError("bad_request", "request_uri was used before, or has expired");
  return row.parameters;
}
