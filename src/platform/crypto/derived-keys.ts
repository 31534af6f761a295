import { createHmac, hkdfSync } from "node:crypto";

const PURPOSES = ["csrf", "otp", "lockout", "known", "cursor", "sms", "sid", "logout"] as const;
export type KeyPurpose = (typeof PURPOSES)[number];

/** One HMAC key a purpose: what is signed for one can't pass for another. */
export interface DerivedKeys {
  /** HMAC-SHA-256 of `message` (UTF-8): 32 bytes. */
  hmac(purpose: KeyPurpose, message: string): Uint8Array;
}

/**
 * Keys derived from `JWT_SECRET`, or from the root key where there is none (contract 00 §3, 01 §13).
 *
 * @see https://www.rfc-editor.org/rfc/rfc5869
 */
export function createDerivedKeys(options: {
  jwtSecret: string | null;
  rootKey: Uint8Array;
}): DerivedKeys {
  const material = options.jwtSecret ?? options.rootKey;
  const keys = Object.fromEntries(
    PURPOSES.map((purpose) => [
      purpose,
      new Uint8Array(hkdfSync("sha256", material, "", `qeet-id/derived/${purpose}/v1`, 32)),
    ]),
  ) as Record<KeyPurpose, Uint8Array>;
  return {
    hmac: (purpose, message) => createHmac("sha256", keys[purpose]).update(message).digest(),
  };
}
