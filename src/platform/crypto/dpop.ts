import { createHash } from "node:crypto";
import { calculateJwkThumbprint, EmbeddedJWK, type JWK, jwtVerify } from "jose";
import type { Deps } from "../../deps.ts";
import { OAuthError } from "../errors.ts";
import { presentOnce } from "../presented.ts";

/** Asymmetric ones that WebCrypto knows; `none` and HS* prove nothing (RFC 9449 §4.3). */
export const DPOP_ALGORITHMS = ["ES256", "ES384", "Ed25519", "EdDSA", "RS256", "PS256"] as const;

/** A proof is made for one request and used at once. */
const MAX_AGE_SECONDS = 60;
/** For clocks that are ahead. */
const LEEWAY_SECONDS = 10;
const MAX_CHARACTERS = 4_096;

export interface DpopRequest {
  /** The header `DPoP`; null where it was not sent. */
  readonly proof: string | null;
  readonly method: string;
  /** Under PUBLIC_URL, without query and fragment. */
  readonly url: string;
  /** Where the proof comes with a token, it is for that token. */
  readonly accessToken?: string;
}

const refused = (detail: string) => new OAuthError("invalid_dpop_proof", detail);

/**
 * Answers the thumbprint of the key that the sender has proved to hold (`jkt`). Throws `invalid_dpop_proof`, saying
 * which check failed. A proof passes once.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9449#section-4.3
 */
export async function verifyDpopProof(
  deps: Pick<Deps, "db" | "clock">,
  { proof, method, url, accessToken }: DpopRequest,
): Promise<string> {
  if (proof === null || proof === "") throw refused("the DPoP header is missing");
  if (proof.length > MAX_CHARACTERS) throw refused("the DPoP proof is too long");
  const { payload, jwk } = await signed(proof, deps.clock.now());
  const { htm, htu, iat, jti, ath } = payload;
  if (htm !== method) throw refused("htm is not the method of this request");
  if (typeof htu !== "string" || placeOf(htu) !== placeOf(url))
    throw refused("htu is not the address of this request");
  const nowSeconds = deps.clock.now().getTime() / 1000;
  if (typeof iat !== "number" || iat > nowSeconds + LEEWAY_SECONDS)
    throw refused("iat is missing or in the future");
  if (iat < nowSeconds - MAX_AGE_SECONDS) throw refused("the proof is older than 60 seconds");
  if (typeof jti !== "string" || jti === "" || jti.length > 256) throw refused("jti is missing");
  if (accessToken !== undefined && ath !== hashOf(accessToken))
    throw refused("ath is not the hash of the access token");

  const jkt = await calculateJwkThumbprint(jwk, "sha256");
  const expiresAt = new Date((iat + MAX_AGE_SECONDS + LEEWAY_SECONDS) * 1000);
  if (!(await presentOnce(deps, { kind: "dpop_proof", issuer: jkt, jti, expiresAt })))
    throw refused("the proof was used before");
  return jkt;
}

/** The proof's claims, once its signature holds under the key in its own header. */
async function signed(proof: string, currentDate: Date) {
  try {
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: "dpop+jwt",
      algorithms: [...DPOP_ALGORITHMS],
      currentDate,
    });
    const jwk: JWK = protectedHeader.jwk as JWK; // EmbeddedJWK has read it
    return { payload, jwk };
  } catch (cause) {
    throw new OAuthError("invalid_dpop_proof", "the DPoP proof does not verify", { cause });
  }
}

/** RFC 9449 §4.3 step 9: without query and fragment, after the normalization of RFC 3986 §6.2. */
function placeOf(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined;
  const { origin, pathname } = new URL(address);
  return origin + pathname;
}

/** RFC 9449 §4.2: `ath`. */
const hashOf = (token: string) => createHash("sha256").update(token).digest("base64url");
