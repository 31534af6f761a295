import type { Db } from "../../../db/client.ts";
import type { Config } from "../../config.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { createDerivedKeys, type DerivedKeys } from "./derived-keys.ts";
import { createKeyring, type Keyring } from "./keyring.ts";
import { createPasswordHasher, type PasswordHasher } from "./passwords.ts";
import { openRootKey, parseKey, type RootKey, subkeyOf } from "./root-key.ts";
import { createSealer, keysInMemory, type Sealer } from "./sealing.ts";
import { createSigner } from "./signer.ts";

export interface Crypto {
  readonly rootKey: RootKey;
  readonly sealer: Sealer;
  readonly derivedKeys: DerivedKeys;
  readonly passwords: PasswordHasher;
  readonly keyring: Keyring;
}

/**
 * Everything cryptographic, on a migrated database. Generates what is missing, once, and keeps it.
 * Throws RootKeyError when the root key is not the one that this database was sealed with.
 */
export async function openCrypto(deps: {
  config: Config;
  db: Db;
  clock: Clock;
  log: Pick<Log, "warn">;
}): Promise<Crypto> {
  const { config, log } = deps;
  const rootKey = await openRootKey(deps, config.dataDir);
  const passwords = await createPasswordHasher(config.passwordHashing, { log });
  const keyring = await createKeyring({
    ...deps,
    sealer: createSealer(keysInMemory(subkeyOf(rootKey.bytes, "keys"), [])),
    signer: createSigner(() => passwords.running),
  });
  return {
    rootKey,
    sealer: createSealer(secretsKeys(config, rootKey)),
    derivedKeys: createDerivedKeys({ jwtSecret: config.jwtSecret, rootKey: rootKey.bytes }),
    passwords,
    keyring,
  };
}

/** The operator's sealing key, else one of the root key's; what that one sealed before stays readable. */
function secretsKeys({ secretsKey, secretsKeysRetired }: Config, rootKey: RootKey) {
  const own = subkeyOf(rootKey.bytes, "secrets");
  const retired = secretsKeysRetired.map((key) => parseKey(key, "SECRETS_KEYS_RETIRED"));
  return secretsKey === null
    ? keysInMemory(own, retired)
    : keysInMemory(parseKey(secretsKey, "SECRETS_KEY"), [own, ...retired]);
}
