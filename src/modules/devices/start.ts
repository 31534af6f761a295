/** RFC 8628 §3.1–3.2: a device asks for a pair of codes. */
import type { Deps } from "../../deps.ts";
import { newToken } from "../../platform/crypto/tokens.ts";
import { OAuthError } from "../../platform/errors.ts";
import type { ClientCredential, OAuthClient } from "../../platform/oauth-client.ts";
import { DEVICE_GRANT } from "../clients/service.ts";
import * as store from "./store.ts";
import { newUserCode, showUserCode } from "./user-code.ts";

/** Seconds that both codes live. */
const LIFE_SECONDS = 600;
/** Seconds between two polls, to begin with. */
const INTERVAL_SECONDS = 5;

/** The client behind a credential. Throws `unauthorized_client` unless it is registered for this grant. */
export function deviceClientOf({ client }: ClientCredential): OAuthClient {
  if (client.kind !== "client" || !client.grantTypes.includes(DEVICE_GRANT))
    throw new OAuthError(
      "unauthorized_client",
      "the client is not registered for the device grant",
    );
  return client;
}

/**
 * Opens a device authorization. Throws `unauthorized_client`, `invalid_scope` for a scope that the client is not
 * registered for. The device code is nowhere in clear after this.
 */
export async function startDevice(
  deps: Deps,
  credential: ClientCredential,
  input: { readonly scopes: readonly string[]; readonly resources: readonly string[] },
) {
  const client = deviceClientOf(credential);
  const excess = input.scopes.find((scope) => !client.scopes.includes(scope));
  if (excess !== undefined)
    throw new OAuthError("invalid_scope", `the client is not registered for scope ${excess}`);
  const { token: deviceCode, hash: deviceCodeHash } = newToken(deps.random);
  const now = deps.clock.now();
  const row = {
    clientRowId: client.id,
    tenantId: client.tenantId,
    deviceCodeHash,
    scopes: [...new Set(input.scopes.length > 0 ? input.scopes : client.scopes)],
    resources: [...new Set(input.resources)],
    status: "pending" as const,
    intervalSeconds: INTERVAL_SECONDS,
    createdAt: now,
    expiresAt: new Date(now.getTime() + LIFE_SECONDS * 1000),
  };
  const userCode = await insertUnderFreeCode(deps, row);
  const uri = `${deps.config.loginBaseUrl}/device`;
  return {
    device_code: deviceCode,
    user_code: userCode,
    verification_uri: uri,
    verification_uri_complete: `${uri}?user_code=${userCode}`,
    expires_in: LIFE_SECONDS,
    interval: INTERVAL_SECONDS,
  };
}

/** 34 random bits meet before long: another code then. */
async function insertUnderFreeCode(
  { db, random }: Pick<Deps, "db" | "random">,
  row: Omit<Parameters<typeof store.insertDevice>[1], "id" | "userCode">,
): Promise<string> {
  for (;;) {
    const userCode = newUserCode(random);
    const device = { ...row, id: random.uuid(), userCode };
    if (await db.transaction((tx) => store.insertDevice(tx, device))) return showUserCode(userCode);
  }
}
