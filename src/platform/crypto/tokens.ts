import { createHash, timingSafeEqual } from "node:crypto";
import type { Random } from "../random.ts";

/** SHA-256, base64url: how tokens of at least 128 random bits are stored (contract 00 §14). 43 characters. */
export const hashToken = (token: string): string =>
  createHash("sha256").update(token).digest("base64url");

/** A secret of 256 random bits, 43 characters of base64url, and the hash to keep of it. */
export function newToken(random: Pick<Random, "bytes">): { token: string; hash: string } {
  const token = Buffer.from(random.bytes(32)).toString("base64url");
  return { token, hash: hashToken(token) };
}

/** Compares two secrets in a time that tells nothing of where they differ. */
export function isSameText(a: string, b: string): boolean {
  // Hashed first: timingSafeEqual wants equal lengths, and a length is a hint.
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
