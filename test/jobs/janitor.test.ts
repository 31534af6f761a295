import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Tx } from "../../db/client.ts";
import * as schema from "../../db/schema/index.ts";
import { janitorJob } from "../../src/modules/outbox/janitor.ts";
import { SWEEPS } from "../../src/modules/outbox/janitor-store.ts";
import { type AuditWorld, auditWorld } from "../audit/support.ts";

const DAY = 86_400_000;
const never = new AbortController().signal;

let world: AuditWorld;
let userId: string;
beforeEach(async () => {
  world = await auditWorld();
  userId = world.deps.random.uuid();
  const now = world.deps.clock.now();
  await world.db.transaction(async (tx) => {
    const user = { id: userId, email: "a@b.c", emailKey: "a@b.c", createdAt: now, updatedAt: now };
    await tx.insert(schema.users).values(user);
  });
});
afterEach(() => world.db.close());

const id = () => world.deps.random.uuid();
const session = (lastSeenAt: Date, own = id()) => ({
  id: own,
  userId,
  method: "password",
  authTime: lastSeenAt,
  amr: ["pwd"],
  createdAt: lastSeenAt,
  lastSeenAt,
});

/** What codes and grants have in common, with a tenant and a client to refer to. */
async function authorized(tx: Tx, at: Date) {
  const [tenantId, clientRowId] = [id(), id()];
  const times = { createdAt: at, updatedAt: at };
  await tx.insert(schema.tenants).values({ id: tenantId, slug: tenantId, name: "T", ...times });
  await tx.insert(schema.oidcClients).values({
    id: clientRowId,
    tenantId,
    clientId: `qci_${clientRowId}`,
    type: "confidential",
    name: "C",
    redirectUris: [],
    postLogoutUris: [],
    grantTypes: [],
    scopes: [],
    registration: "admin",
    requirePkce: false,
    idTokenAlg: "RS256",
    requireMembership: false,
    logoutRequiresConfirmation: false,
    refreshReuseLeewaySeconds: 0,
    ...times,
  });
  return {
    clientRowId,
    userId,
    tenantId,
    scopes: ["openid"],
    resources: [],
    sid: id(),
    authTime: at,
    amr: ["pwd"],
    acr: "urn:qeet:acr:1fa",
    createdAt: at,
  };
}

const grant = async (tx: Tx, expiresAt: Date) => ({
  ...(await authorized(tx, expiresAt)),
  id: id(),
  grantType: "authorization_code",
  offline: false,
  expiresAt,
  endsAt: expiresAt,
});

/** One row of each kind, its clock at `at`: what the janitor counts from. */
const KINDS: Record<string, { keepMs: number; insert: (tx: Tx, at: Date) => Promise<unknown> }> = {
  password_resets: {
    keepMs: 7 * DAY,
    insert: (tx, at) =>
      tx
        .insert(schema.passwordResets)
        .values({ id: id(), userId, tokenHash: id(), expiresAt: at, createdAt: at }),
  },
  magic_links: {
    keepMs: 7 * DAY,
    insert: (tx, at) =>
      tx.insert(schema.magicLinks).values({
        id: id(),
        userId,
        email: "a@b.c",
        tokenHash: id(),
        expiresAt: at,
        createdAt: at,
      }),
  },
  verifications: {
    keepMs: 7 * DAY,
    insert: (tx, at) =>
      tx.insert(schema.verifications).values({
        id: id(),
        userId,
        purpose: "email",
        destination: "a@b.c",
        codeHash: "x",
        expiresAt: at,
        createdAt: at,
      }),
  },
  // The default life of a refresh token, 720 h, and 90 days more.
  sessions: {
    keepMs: 120 * DAY,
    insert: (tx, at) => tx.insert(schema.sessions).values(session(at)),
  },
  login_sessions: {
    keepMs: 0,
    insert: (tx, at) =>
      tx.insert(schema.loginSessions).values({ ...session(at), tokenHash: id(), expiresAt: at }),
  },
  login_attempts: {
    keepMs: DAY,
    insert: (tx, at) =>
      tx.insert(schema.loginAttempts).values({ key: id(), failedCount: 1, lastFailedAt: at }),
  },
  sms_counters: {
    keepMs: 0,
    insert: (tx, at) =>
      tx.insert(schema.smsCounters).values({ key: id(), sentCount: 1, expiresAt: at }),
  },
  mail_messages: {
    keepMs: 30 * DAY,
    insert: (tx, at) =>
      tx.insert(schema.mailMessages).values({
        id: id(),
        channel: "email",
        template: "password_changed",
        recipient: "a@b.c",
        status: "sent",
        createdAt: at,
        finishedAt: at,
      }),
  },
  oidc_authorization_codes: {
    keepMs: 0,
    insert: async (tx, at) =>
      tx.insert(schema.oidcAuthorizationCodes).values({
        ...(await authorized(tx, at)),
        codeHash: id(),
        redirectUri: "https://app.example/callback",
        loginSessionId: id(),
        expiresAt: at,
      }),
  },
  oauth_grants: {
    keepMs: DAY,
    insert: async (tx, at) => tx.insert(schema.oauthGrants).values(await grant(tx, at)),
  },
  oidc_refresh_tokens: {
    keepMs: 0,
    insert: async (tx, at) => {
      const row = await grant(tx, new Date(at.getTime() + DAY));
      await tx.insert(schema.oauthGrants).values(row);
      return tx.insert(schema.oidcRefreshTokens).values({
        id: id(),
        grantId: row.id,
        tokenHash: id(),
        issuedAt: at,
        expiresAt: at,
      });
    },
  },
  revoked_access_tokens: {
    keepMs: 0,
    insert: (tx, at) => tx.insert(schema.revokedAccessTokens).values({ jti: id(), expiresAt: at }),
  },
  dead_letters: {
    keepMs: 30 * DAY,
    insert: (tx, at) =>
      tx.insert(schema.deadLetters).values({
        id: id(),
        aggregateId: id(),
        topic: "user.events",
        eventType: "user.updated",
        payload: {},
        createdAt: at,
        deadLetteredAt: at,
      }),
  },
};

const nameOf = (sweep: (typeof SWEEPS)[number]) =>
  (sweep.table as unknown as Record<symbol, string>)[Symbol.for("drizzle:Name")]!;
const count = async (name: string) => {
  const { table } = SWEEPS.find((sweep) => nameOf(sweep) === name)!;
  return world.db.read.$count(table);
};

describe("01 §18: the janitor", () => {
  test.each(Object.keys(KINDS))(
    "%s: gone a millisecond after their time, not before",
    async (name) => {
      const { keepMs, insert } = KINDS[name]!;
      await world.db.transaction(async (tx) => void (await insert(tx, world.deps.clock.now())));
      world.advance(keepMs);
      await janitorJob.run(world.deps, never);
      expect(await count(name)).toBe(1);
      world.advance(1);
      await janitorJob.run(world.deps, never);
      expect(await count(name)).toBe(0);
    },
  );

  test("refresh tokens 90 days after they expired, and with their session", async () => {
    const now = world.deps.clock.now();
    const live = session(new Date(now.getTime() + 80 * DAY));
    const token = (sessionId: string) => ({
      id: id(),
      sessionId,
      tokenHash: id(),
      issuedAt: now,
      expiresAt: now,
    });
    await world.db.transaction(async (tx) => {
      const dead = session(new Date(now.getTime() - 121 * DAY));
      await tx.insert(schema.sessions).values([live, dead]);
      await tx.insert(schema.refreshTokens).values([token(live.id), token(dead.id)]);
    });
    await janitorJob.run(world.deps, never);
    expect(await count("refresh_tokens")).toBe(1);
    world.advance(90 * DAY + 1);
    await janitorJob.run(world.deps, never);
    expect([await count("refresh_tokens"), await count("sessions")]).toEqual([0, 1]);
  });

  test("more rows than a batch holds; none that is still good", async () => {
    const at = world.deps.clock.now();
    const row = (n: number) => ({ key: `k${n}`, sentCount: 1, expiresAt: at });
    await world.db.transaction(async (tx) => {
      for (let n = 0; n < 1_200; n += 100)
        await tx
          .insert(schema.smsCounters)
          .values(Array.from({ length: 100 }, (_, k) => row(n + k)));
      const later = new Date(at.getTime() + 2);
      await tx.insert(schema.smsCounters).values({ ...row(9_999), expiresAt: later });
    });
    world.advance(1);
    await janitorJob.run(world.deps, never);
    const left = await world.db.read.select().from(schema.smsCounters);
    expect(left.map(({ key }) => key)).toEqual(["k9999"]);
  });

  test("every sweep has an index on its instant: no batch reads a table from end to end", async () => {
    for (const { table, at } of SWEEPS) {
      const builders = (table as unknown as Record<symbol, unknown>)[
        Symbol.for("drizzle:ExtraConfigBuilder")
      ] as (columns: unknown) => { config?: { columns: { name?: string }[] } }[];
      const columns = (table as unknown as Record<symbol, unknown>)[
        Symbol.for("drizzle:ExtraConfigColumns")
      ];
      const first = Object.values(builders(columns)).map(({ config }) => config?.columns[0]?.name);
      expect(first).toContain(at.name);
    }
  });
});
