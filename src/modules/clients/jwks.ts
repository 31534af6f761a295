/** What a client may prove itself with. RFC 9864 §2.2 names EdDSA by its curve: libraries send either name. */
export const ASSERTION_ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA", "Ed25519"] as const;

export interface Jwks {
  readonly keys: readonly Record<string, unknown>[];
}

const MAX_JSON_LENGTH = 16_384;
/** RFC 7518 §6.2.2, §6.3.2, §6.4: private halves and shared secrets. */
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const MIN_RSA_BYTES = 256;

/** Why a set of keys is refused, for after its name; undefined: it is not. */
export function faultOfJwks({ keys }: Jwks): string | undefined {
  if (JSON.stringify(keys).length > MAX_JSON_LENGTH)
    return `is longer than ${MAX_JSON_LENGTH} characters`;
  if (keys.some((key) => PRIVATE_MEMBERS.some((name) => name in key) || key.kty === "oct"))
    return "must hold public keys only";
  return keys.some(isUsable)
    ? undefined
    : "must hold a key for signatures: EC P-256, RSA of at least 2048 bits, or OKP Ed25519";
}

function isUsable({ kty, crv, x, y, n, e, use, kid }: Record<string, unknown>): boolean {
  if ((use !== undefined && use !== "sig") || (kid !== undefined && typeof kid !== "string"))
    return false;
  if (kty === "EC") return crv === "P-256" && bytesOf(x) === 32 && bytesOf(y) === 32;
  if (kty === "OKP") return crv === "Ed25519" && bytesOf(x) === 32;
  return kty === "RSA" && bytesOf(n) >= MIN_RSA_BYTES && bytesOf(e) > 0;
}

const bytesOf = (value: unknown): number =>
  typeof value === "string" && /^[A-Za-z0-9_-]+$/.test(value)
    ? Buffer.from(value, "base64url").length
    : 0;
