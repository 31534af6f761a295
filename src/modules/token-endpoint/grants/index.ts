import { deviceCodeGrant } from "../../devices/service.ts";
import type { GrantHandler } from "../../tokens/service.ts";
import { authorizationCodeGrant } from "./authorization-code.ts";
import { clientCredentialsGrant } from "./client-credentials.ts";
import { refreshTokenGrant } from "./refresh-token.ts";
import { tokenExchangeGrant } from "./token-exchange.ts";

/** Every grant type of the token endpoint: a further one is a further line. */
const HANDLERS: readonly GrantHandler[] = [
  authorizationCodeGrant,
  refreshTokenGrant,
  clientCredentialsGrant,
  deviceCodeGrant,
  tokenExchangeGrant,
];

export const GRANTS: ReadonlyMap<string, GrantHandler> = new Map(
  HANDLERS.map((handler) => [handler.grantType, handler]),
);
