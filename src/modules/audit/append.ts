import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import type { AuditAction } from "../../platform/events.ts";
import type { JsonObject, JsonValue } from "../../platform/json.ts";
import type { Actor, Caller } from "../../platform/permissions.ts";
import { canonicalJson, canonicalV2, rowHashOf, SEED_HASH, sealsOf } from "./canonical.ts";
import { leafHash, TreeEdge } from "./merkle.ts";
import { microsText, parseMicros } from "./micros.ts";
import { findHead, insertEvent, insertNodes, logIdOf, putHead } from "./store.ts";

/** The server itself, or a protocol of ours; `userId` is whom it acted for, `caller` who made it act. */
export interface SystemAuthor {
  readonly system: true;
  readonly userId?: string | null;
  readonly caller?: Caller;
  readonly type?: "system" | "service" | "scim";
}

/** A user who has no token yet: they are signing up or in, or hold a one-time token. */
export interface UserAuthor {
  readonly user: { readonly id: string | null };
  readonly caller: Caller;
}

/** Who did it. A plain `Caller` is somebody whom we do not know. */
export type Author = Actor | Caller | SystemAuthor | UserAuthor;

export const userAuthor = (caller: Caller, userId: string | null): UserAuthor => ({
  user: { id: userId },
  caller,
});

export interface AuditEntry {
  /** Null: the platform's own log. */
  readonly tenantId: string | null;
  readonly action: AuditAction;
  /** `id` is a UUID; what is none goes into `metadata`. */
  readonly resource: { readonly type: string; readonly id: string | null };
  /** No secret, no code. Numbers are safe integers. */
  readonly metadata?: JsonObject;
}

interface AuthorColumns {
  readonly actorUserId: string | null;
  readonly actorType: string;
  readonly caller: Caller | undefined;
  readonly metadata: Readonly<Record<string, JsonValue>> | undefined;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Appends one event to its log, in the caller's transaction: the two commit, or vanish, together. It is the last
 * thing that a transaction does, and a transaction that does it says `serializeOn` that log. With two logs in one
 * transaction the tenant's comes first, so that no two of them wait for each other.
 */
export async function recordAudit(
  deps: Deps,
  tx: Tx,
  by: Author,
  entry: AuditEntry,
): Promise<void> {
  const { tenantId, action, resource } = entry;
  if (resource.id !== null && !UUID.test(resource.id))
    throw new TypeError("resource id is no UUID");
  const author = authorColumns(by);
  const logId = logIdOf(tenantId);
  const head = await findHead(tx, logId);
  const seq = (head?.size ?? 0) + 1;

  const createdAt = microsText(nextMicros(deps.clock.now(), head?.lastCreatedAt));
  const metadata: JsonObject = { ...entry.metadata, ...author.metadata };
  const row = {
    id: deps.random.uuid(),
    seq,
    tenantId,
    actorUserId: author.actorUserId,
    actorType: author.actorType,
    action,
    resourceType: resource.type,
    resourceId: resource.id,
    ip: author.caller?.ip ?? null,
    // What a database would change on the way must not enter the hash.
    userAgent: storable(author.caller?.userAgent),
    requestId: storable(author.caller?.requestId),
    metadata,
    createdAt,
    prevHash: head?.tipHash ?? SEED_HASH,
  };
  const salt = deps.random.bytes(32);
  const seals = sealsOf(row, salt);
  const canonical = canonicalV2(row, seals);
  const rowHash = rowHashOf(canonical);
  const edge = head ? TreeEdge.of(head.size, head.edge) : new TreeEdge();
  const nodes = edge.append(leafHash(canonical));

  // First: another instance that appended meanwhile makes Postgres refuse this one, and the transaction runs again.
  // At the row, its number would already be taken, and that error is final.
  await putHead(tx, {
    logId,
    size: seq,
    tipHash: rowHash,
    lastCreatedAt: createdAt,
    edge: edge.bytes(),
  });
  await insertEvent(tx, {
    ...row,
    metadata: canonicalJson(metadata),
    logId,
    chainVersion: 2,
    rowHash,
    salt,
    seals,
  });
  await insertNodes(tx, logId, nodes);
}

/** Instants of a log only ever rise, whatever the system clock does. */
function nextMicros(now: Date, last: string | undefined): number {
  const micros = now.getTime() * 1000;
  if (last === undefined) return micros;
  const lastMicros = parseMicros(last);
  if (lastMicros === undefined) throw new Error("audit log has no readable last instant");
  return Math.max(micros, lastMicros + 1);
}

/** Postgres refuses U+0000 in text, and neither database keeps a lone surrogate. */
const storable = (text: string | null | undefined): string | null =>
  text?.toWellFormed().replaceAll("\0", "\ufffd") ?? null;

function authorColumns(by: Author): AuthorColumns {
  if ("system" in by) {
    const { userId = null, caller, type = "system" } = by;
    return { actorUserId: userId, actorType: type, caller, metadata: undefined };
  }
  if ("user" in by)
    return { actorUserId: by.user.id, actorType: "user", caller: by.caller, metadata: undefined };
  if (!("kind" in by))
    return { actorUserId: null, actorType: "user", caller: by, metadata: undefined };
  const { kind, userId, subject, clientId, caller } = by;
  return {
    actorUserId: userId,
    actorType: kind === "oauth" ? "user" : kind,
    caller,
    metadata:
      kind === "api_key"
        ? { actor_key_id: subject }
        : clientId !== null
          ? { actor_client_id: clientId }
          : undefined,
  };
}
