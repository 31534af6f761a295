import { decodeJwt, decodeProtectedHeader } from "jose";

export interface DecodedJws {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  /** What is signed: RFC 7515 §5.1 step 8. */
  readonly input: string;
  readonly signature: Buffer;
}

/** Of a token of ours, with all scopes and resources that it may have; a client that sends more sends something else. */
const MAX_CHARACTERS = 32_768;
// Stricter than decoders are, which skip what they don't know: one token, one spelling.
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** The signing input of a compact JWS. */
export const encodeJws = (header: object, claims: object): string =>
  `${encode(header)}.${encode(claims)}`;

/** Takes a compact JWS with JSON claims apart, without believing any of it; undefined when it is none. */
export function decodeJws(jwt: string): DecodedJws | undefined {
  if (jwt.length > MAX_CHARACTERS || !COMPACT.test(jwt)) return undefined;
  try {
    const header = decodeProtectedHeader(jwt) as DecodedJws["header"];
    const claims = decodeJwt(jwt) as DecodedJws["claims"];
    const end = jwt.lastIndexOf(".");
    const signature = Buffer.from(jwt.slice(end + 1), "base64url");
    return { header, claims, input: jwt.slice(0, end), signature };
  } catch {
    return undefined;
  }
}
