import type { Deps } from "../../deps.ts";
import type { CachedClient, OAuthClient } from "../../platform/oauth-client.ts";
import { loadPrincipal } from "../principals/service.ts";
import * as store from "./store.ts";

type FindDeps = Pick<Deps, "clients" | "db">;

const UUID = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}";
const CLIENT_ID = new RegExp(`^qci_${UUID}$`);
const PRINCIPAL_ID = new RegExp(`^${UUID}$`);

/** Whether it is written like the id of a client or of a service principal. */
export const isClientId = (text: string): boolean =>
  CLIENT_ID.test(text) || PRINCIPAL_ID.test(text);

/**
 * By client_id: a client (`qci_…`) or a service principal (a UUID). Undefined for one that is unknown, deleted or
 * disabled, or whose tenant is not active. Remembered for five seconds, unless something changes it.
 */
export async function findClient(
  { clients, db }: FindDeps,
  clientId: string,
): Promise<CachedClient | undefined> {
  if (CLIENT_ID.test(clientId)) return clients.get(clientId, () => loadClient(db, clientId));
  if (PRINCIPAL_ID.test(clientId))
    return clients.get(clientId, () => loadPrincipal(db.read, clientId));
  return undefined;
}

/** An OAuth client by its client_id; undefined as `findClient`, and for a service principal. */
export async function findOidcClient(
  deps: FindDeps,
  clientId: string,
): Promise<OAuthClient | undefined> {
  const found = CLIENT_ID.test(clientId) ? await findClient(deps, clientId) : undefined;
  return found?.client.kind === "client" ? found.client : undefined;
}

async function loadClient(db: Deps["db"], clientId: string): Promise<CachedClient | undefined> {
  const rows = await store.selectClient(db.read, { clientId });
  const [first] = rows;
  if (!first || first.client.deletedAt !== null || first.tenantStatus !== "active")
    return undefined;
  const { client, tenantName } = first;
  return {
    tags: [`client:${client.id}`, `tenant:${client.tenantId}`],
    client: clientOf(client, tenantName),
    secrets: rows.flatMap(({ secretHash, secretExpiresAt }) =>
      secretHash === null ? [] : [{ hash: secretHash, expiresAt: secretExpiresAt }],
    ),
  };
}

function clientOf(row: store.ClientRow, tenantName: string): OAuthClient {
  const { registrationTokenHash, createdBy, createdAt, updatedAt, deletedAt, ...client } = row;
  return { kind: "client", tenantName, ...client };
}
