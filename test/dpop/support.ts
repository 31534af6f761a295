/** A client that holds a key and proves it (RFC 9449 §4). */
import { createHash, randomUUID } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";

export interface ProofInput {
  readonly method?: string;
  /** Where the request goes. */
  readonly url: string;
  readonly accessToken?: string;
  /** Put in the place of what is right; undefined leaves a claim out. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
}

export async function dpopKey(clock: { now(): Date }, alg = "ES256") {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk: JWK = await exportJWK(publicKey);
  const jkt = await calculateJwkThumbprint(jwk, "sha256");
  const proof = ({ method = "POST", url, accessToken, claims, header }: ProofInput) => {
    const payload = {
      jti: randomUUID(),
      htm: method,
      htu: url,
      iat: Math.floor(clock.now().getTime() / 1000),
      ...(accessToken !== undefined && { ath: athOf(accessToken) }),
      ...claims,
    };
    return new SignJWT(JSON.parse(JSON.stringify(payload)))
      .setProtectedHeader({ typ: "dpop+jwt", alg, jwk, ...header })
      .sign(privateKey);
  };
  return { jwk, privateJwk: await exportJWK(privateKey), jkt, alg, proof };
}

export type DpopKey = Awaited<ReturnType<typeof dpopKey>>;

/** RFC 9449 §4.2. */
export const athOf = (token: string): string =>
  createHash("sha256").update(token).digest("base64url");
