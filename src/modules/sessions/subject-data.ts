import type { SubjectData } from "../../platform/subject-data.ts";
import * as hosted from "./hosted-store.ts";
import { announceEnds } from "./manage.ts";
import * as store from "./store.ts";

export const sessionsSubjectData: SubjectData = [
  {
    table: "sessions",
    refuseAccess: async (deps, tx, { userId, tenantId, exceptSessionId, reason, at }) => {
      const ended = await store.revokeSessions(
        tx,
        { userId, tenantId, exceptSessionId },
        reason,
        at,
      );
      // A whole tenant's end is one event of its own; ten thousand more would say nothing new.
      if (userId !== undefined)
        await announceEnds(deps, tx, { system: true, userId }, ended, reason);
      return ended.length;
    },
    purge: "cascade",
    erase: async (tx, userId, at) => {
      await store.revokeSessions(tx, { userId }, "user_deleted", at);
      await store.forgetAddresses(tx, userId);
    },
    exportUser: async (q, userId) =>
      (await store.listSessions(q, userId)).map((row) => ({
        id: row.id,
        tenant_id: row.tenantId,
        method: row.method,
        ip: row.ip,
        user_agent: row.userAgent,
        created_at: row.createdAt.toISOString(),
        last_seen_at: row.lastSeenAt.toISOString(),
        revoked_at: row.revokedAt?.toISOString() ?? null,
      })),
    firstProof: async (deps, tx, userId, at) => {
      const ended = await store.revokeSessions(tx, { userId }, "first_proof", at);
      await announceEnds(deps, tx, { system: true, userId }, ended, "first_proof");
    },
  },
  // They end with their session: refresh looks at that first.
  { table: "refresh_tokens", purge: "cascade", erase: "keep" },
  {
    table: "login_sessions",
    refuseAccess: (_deps, tx, { userId, tenantId }) =>
      // A user's hosted session serves every tenant: losing one membership does not end it.
      userId !== undefined && tenantId !== undefined
        ? Promise.resolve(0)
        : hosted.deleteLoginSessions(tx, { userId, tenantId }),
    purge: "cascade",
    erase: async (tx, userId) => {
      await hosted.deleteLoginSessions(tx, { userId });
    },
    exportUser: async (q, userId) =>
      (await hosted.listLoginSessions(q, userId, new Date(0))).map((row) => ({
        id: row.id,
        method: row.method,
        ip: row.ip,
        user_agent: row.userAgent,
        created_at: row.createdAt.toISOString(),
      })),
    firstProof: async (_deps, tx, userId) => {
      await hosted.deleteLoginSessions(tx, { userId });
    },
  },
  // Keyed by an HMAC of the address: it names nobody, and goes after a day.
  { table: "login_attempts", purge: "none", erase: "none" },
];
