import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { keyIdOf } from "./root-key.ts";

/** Where a sealed value lives. A ciphertext that is moved to another row, tenant or column does not open. */
export interface SealContext {
  /** Null: the platform's own. */
  readonly tenantId: string | null;
  /** The kind of secret: `mail`, `signing_key`, … One word for one column. */
  readonly label: string;
  /** Of the row. */
  readonly id: string;
  /** Default 1. */
  readonly version?: number;
}

/** AES-256-GCM for what must be read back (contract 08 §6). */
export interface Sealer {
  seal(plain: Uint8Array | string, context: SealContext): Promise<Uint8Array>;
  /** Throws SealBroken for anything that `seal` did not make, for this very context. */
  open(sealed: Uint8Array, context: SealContext): Promise<Uint8Array>;
  /** The same content under the current key; `sealed` itself when it is already. */
  reseal(sealed: Uint8Array, context: SealContext): Promise<Uint8Array>;
  /** Under which `seal` seals. */
  currentKeyId(): Promise<string>;
}

/** Where keys come from: memory here, a key management service elsewhere. */
export interface KeyProvider {
  /** The 32-byte key of this id; without an id, the current one. Throws SealBroken for an unknown id. */
  key(id?: string): Promise<Uint8Array>;
}

/** A sealed value does not open. Says nothing of why; becomes a bare 500. */
export class SealBroken extends Error {
  override readonly name = "SealBroken";
}

export function keysInMemory(current: Uint8Array, retired: readonly Uint8Array[]): KeyProvider {
  const keys = new Map([...retired, current].map((key) => [keyIdOf(key), key]));
  return {
    async key(id) {
      if (id === undefined) return current;
      const key = keys.get(id);
      if (!key) throw new SealBroken("unknown sealing key");
      return key;
    },
  };
}

// format (1) · key id (4) · nonce (12) · ciphertext · tag (16)
const FORMAT = 1;
const KEY_ID_AT = 1;
const NONCE_AT = 5;
const TEXT_AT = 17;
const TAG_BYTES = 16;

export function createSealer(provider: KeyProvider): Sealer {
  const sealer: Sealer = {
    async seal(plain, context) {
      const aad = aadOf(context);
      const key = await provider.key();
      const nonce = randomBytes(TEXT_AT - NONCE_AT);
      const cipher = createCipheriv("aes-256-gcm", tenantKey(key, context.tenantId), nonce);
      cipher.setAAD(aad);
      const header = Buffer.from([FORMAT, ...Buffer.from(keyIdOf(key), "hex")]);
      return Buffer.concat([
        header,
        nonce,
        cipher.update(plain),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
    },
    async open(sealed, context) {
      const aad = aadOf(context);
      const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
      if (bytes.length < TEXT_AT + TAG_BYTES || bytes[0] !== FORMAT)
        throw new SealBroken("not a sealed value");
      const key = await provider.key(sealedUnder(bytes));
      const decipher = createDecipheriv(
        "aes-256-gcm",
        tenantKey(key, context.tenantId),
        bytes.subarray(NONCE_AT, TEXT_AT),
        { authTagLength: TAG_BYTES },
      );
      decipher.setAAD(aad);
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const text = decipher.update(bytes.subarray(TEXT_AT, -TAG_BYTES));
      try {
        return Buffer.concat([text, decipher.final()]);
      } catch {
        throw new SealBroken("sealed value does not open");
      }
    },
    async reseal(sealed, context) {
      if (sealedUnder(sealed) === keyIdOf(await provider.key())) return sealed;
      return sealer.seal(await sealer.open(sealed, context), context);
    },
    currentKeyId: async () => keyIdOf(await provider.key()),
  };
  return sealer;
}

/** Id of the key that a value was sealed under. */
export const sealedUnder = (sealed: Uint8Array): string =>
  Buffer.from(sealed.subarray(KEY_ID_AT, NONCE_AT)).toString("hex");

/** One key a tenant, so that no more than one tenant's nonces share a key. @see https://www.rfc-editor.org/rfc/rfc5869 */
function tenantKey(key: Uint8Array, tenantId: string | null): Uint8Array {
  const [salt, info] =
    tenantId === null
      ? [Buffer.alloc(0), "qeet-id/platform/v1"]
      : [Buffer.from(tenantId.replaceAll("-", ""), "hex"), "qeet-id/secrets/v1"];
  return new Uint8Array(hkdfSync("sha256", key, salt, info, 32));
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What is authenticated but not stored. Members hold no line break, so that no two contexts read alike. */
function aadOf({ tenantId, label, id, version = 1 }: SealContext): Uint8Array {
  if (tenantId !== null && !UUID.test(tenantId)) throw new TypeError("tenant id is no UUID");
  if (
    !/^[a-z][a-z0-9_]*$/.test(label) ||
    id === "" ||
    /[\r\n]/.test(id) ||
    !Number.isSafeInteger(version)
  )
    throw new TypeError("invalid seal context");
  return Buffer.from(`qeet.${label}.v1\n${tenantId ?? "platform"}\n${id}\n${version}`);
}
