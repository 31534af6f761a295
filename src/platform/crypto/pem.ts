import { createPublicKey, type KeyObject, X509Certificate } from "node:crypto";

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

/**
 * The public keys of concatenated `PUBLIC KEY` and `CERTIFICATE` blocks, each once, and how many blocks were none.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7468
 */
export function parsePublicKeys(pem: string): { keys: KeyObject[]; unusable: number } {
  const keys = new Map<string, KeyObject>();
  let unusable = 0;
  for (const [block, label] of pem.matchAll(BLOCK)) {
    try {
      const key = publicKeyOf(block, label!);
      keys.set(key.export({ format: "der", type: "spki" }).toString("base64"), key);
    } catch {
      unusable += 1;
    }
  }
  return { keys: [...keys.values()], unusable };
}

function publicKeyOf(block: string, label: string): KeyObject {
  // createPublicKey would take a private key, too: one that stands here was put here by mistake.
  if (label === "CERTIFICATE") return new X509Certificate(block).publicKey;
  if (label === "PUBLIC KEY") return createPublicKey(block);
  throw new TypeError("not a public key");
}
