import { rotateSigningKey } from "../modules/keys/service.ts";
import type { TokenAlgorithm } from "../platform/crypto/keyring.ts";
import { CommandError, type Run, UsageError } from "./command.ts";
import { withDeps } from "./open.ts";
import { columns } from "./output.ts";

const ALGORITHMS: readonly TokenAlgorithm[] = ["ES256", "RS256"];

export const listKeys: Run = ({ config, out }) =>
  withDeps(config, async ({ keyring }) => {
    const keys = await keyring.list();
    const rows = keys.map((key) => [
      key.kid,
      key.alg,
      key.status,
      key.createdAt?.toISOString() ?? "",
      key.retiredAt?.toISOString() ?? "",
    ]);
    out.result(columns([["KID", "ALG", "STATE", "CREATED", "RETIRED"], ...rows]), { keys });
    return undefined;
  });

/** The new key signs at once, here and within seconds at every running server; the old one verifies on. */
export const rotateKeys: Run = ({ config, flags, out }) => {
  const wanted = ALGORITHMS.filter((alg) => flags.alg === undefined || flags.alg === alg);
  if (wanted.length === 0) throw new UsageError(`--alg must be ${ALGORITHMS.join(" or ")}`);
  return withDeps(config, async (deps) => {
    const rotated: { alg: TokenAlgorithm; kid: string; replacedKid: string | undefined }[] = [];
    for (const alg of wanted)
      rotated.push({ alg, ...(await rotateSigningKey(deps, { system: true }, alg)) });
    const lines = rotated.map(
      ({ alg, kid, replacedKid }) =>
        `${alg}: ${kid} signs now${replacedKid ? `, in place of ${replacedKid}` : ""}`,
    );
    out.result([...lines, "Retired keys verify for 30 more days."].join("\n"), { rotated });
    return undefined;
  });
};

/** The JWKS, or one private key. */
export const exportKeys: Run = ({ config, argument, out }) =>
  withDeps(config, async ({ keyring }) => {
    if (argument === undefined) {
      const jwks = await keyring.jwks();
      out.result(JSON.stringify(jwks, null, 2), jwks);
      return undefined;
    }
    const pem = await keyring.exportPrivate(argument);
    if (pem === undefined)
      throw new CommandError(
        `There is no active key ${argument}: qeetid keys list. Retired keys have no private half any more.`,
      );
    out.result(pem.trimEnd(), { kid: argument, private_key: pem });
    return undefined;
  });
