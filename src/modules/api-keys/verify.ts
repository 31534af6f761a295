import type { Deps } from "../../deps.ts";
import { hashToken, isSameText } from "../../platform/crypto/tokens.ts";
import { AppError } from "../../platform/errors.ts";
import { type Actor, type Caller, foldKey, PERMISSIONS } from "../../platform/permissions.ts";
import type { CachedPrincipal } from "../../platform/principal-cache.ts";
import { type Granted, isSatisfied, permissionsOf } from "../rbac/service.ts";
import * as store from "./store.ts";

const CATALOGUE: ReadonlySet<string> = new Set(PERMISSIONS);
/** `last_used_at` is written at most this often. */
const TOUCH_MS = 60_000;

const refused = (detail: string) => new AppError("unauthorized", detail);

/**
 * Finds what an API key names. Throws `unauthorized` with the details of contract 07 §5.2, `forbidden` while its tenant
 * is suspended. A key that was good less than five seconds ago costs no statement, unless something changed it.
 */
export async function authenticateApiKey(
  deps: Deps,
  key: string,
  caller: Caller,
  { whileSuspended = false }: { readonly whileSuspended?: boolean } = {},
): Promise<Actor> {
  const dot = key.indexOf(".");
  if (dot === -1) throw refused("malformed api key");
  const now = deps.clock.now();
  // Under its hash: the clear key stays nowhere, and a hit proves the secret.
  const found = await deps.principals.get(`key:${hashToken(key)}`, () =>
    load(deps, { prefix: key.slice(0, dot), secret: key.slice(dot + 1) }, now),
  );
  if (!found) throw refused("unknown api key");
  if (found.expiresAt && found.expiresAt <= now) throw refused("api key expired");
  if (found.isTenantSuspended && !whileSuspended)
    throw new AppError("forbidden", "tenant suspended");
  return { ...found.actor, caller };
}

async function load(
  deps: Deps,
  { prefix, secret }: { prefix: string; secret: string },
  now: Date,
): Promise<CachedPrincipal | undefined> {
  const [row] = await store.selectByPrefix(deps.db.read, { prefix });
  if (!row || row.revokedAt !== null) return undefined;
  if (!isSameText(hashToken(secret), row.secretHash)) throw refused("invalid api key");

  const { id, tenantId, userId, scopes } = row;
  const expiresAt = earlier(row.expiresAt, row.secretExpiresAt);
  if (expiresAt && expiresAt <= now) throw refused("api key expired");
  if (row.tenantStatus === "deleted") return undefined;
  // Contract 07 §5.3: a bound user who is not active, or no longer a member, takes the key along.
  if (userId !== null && !(row.userStatus === "active" && row.isMember)) return undefined;

  const bound =
    userId === null
      ? undefined
      : await permissionsOf(deps.db.read, userId, tenantId, { evenSuspended: true });
  if (row.lastUsedAt === null || now.getTime() - row.lastUsedAt.getTime() >= TOUCH_MS)
    deps.touches.note("api_key", id);
  return {
    // Its maker's too: the first proof of an address ends the keys that were made before it.
    tags: [
      `key:${id}`,
      `tenant:${tenantId}`,
      ...[userId, row.createdBy].flatMap((user) => (user === null ? [] : [`user:${user}`])),
    ],
    expiresAt,
    isTenantSuspended: row.tenantStatus === "suspended",
    actor: {
      kind: "api_key",
      subject: id,
      userId,
      tenantId,
      sessionId: null,
      clientId: null,
      scopes,
      authTime: null,
      isOwner: false,
      ...powersOf(scopes, bound),
    },
  };
}

const earlier = (a: Date | null, b: Date | null) => (a && b ? (a < b ? a : b) : (a ?? b));

/** Contract 07 §5.3: what the scopes say, and for a bound key no more than its user may. */
function powersOf(
  scopes: readonly string[],
  bound: Granted | undefined,
): Pick<Actor, "holds" | "permissions"> {
  const isFull = scopes.length === 0 || scopes.includes("*");
  const scoped = isFull ? CATALOGUE : new Set(scopes.map(foldKey));
  return {
    // Each bound by itself: scope `tenant.write` and a user with `branding.write` meet in `branding.write`.
    holds: (key) =>
      isSatisfied(scoped, key) && (bound === undefined || isSatisfied(bound.permissions, key)),
    permissions: new Set(
      PERMISSIONS.filter(
        (key) => scoped.has(key) && (bound === undefined || bound.permissions.has(key)),
      ),
    ),
  };
}
