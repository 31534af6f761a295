import type { Deps } from "../../deps.ts";
import { verifyAccessToken } from "../../platform/crypto/access-token.ts";
import { AppError } from "../../platform/errors.ts";
import { type ClientCredential, clientIdOf } from "../../platform/oauth-client.ts";
import type { Caller } from "../../platform/permissions.ts";
import { revokeAccessToken, revokeByRefreshToken } from "../tokens/service.ts";
import { isJwt } from "./model.ts";

/**
 * Ends a token of the client that asks: a refresh token with its whole grant, an access token by itself. Does nothing for a
 * token that is unknown, another client's, or has ended; the client learns no difference.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7009#section-2.2
 */
export async function revokeToken(
  deps: Deps,
  caller: Caller,
  { client }: ClientCredential,
  token: string,
): Promise<void> {
  if (!isJwt(token)) {
    if (client.kind === "client") await revokeByRefreshToken(deps, caller, client, token);
    return;
  }
  const read = await verifyAccessToken(deps, token, { audience: null }).catch((error: unknown) => {
    if (error instanceof AppError && error.code === "unauthorized") return undefined;
    throw error;
  });
  const clientId = clientIdOf(client);
  if (read?.clientId !== clientId) return;
  const { id, tenantId } = client;
  await revokeAccessToken(deps, read, { caller, client: { id, clientId, tenantId } });
}
