/** Fills a fresh database with what the paths are measured over: one workspace, its owner's key, and many members. */
import { createHash } from "node:crypto";
import {
  apiKeySecrets,
  apiKeys,
  memberships,
  passwordCredentials,
  refreshTokens,
  roles,
  sessions,
  tenants,
  userRoles,
  users,
} from "../db/schema/index.ts";
import type { Deps } from "../src/deps.ts";
import { issueAccessToken } from "../src/platform/crypto/access-token.ts";
import { newToken } from "../src/platform/crypto/tokens.ts";

export interface Fixture {
  readonly tenantId: string;
  /** One key for every member, so that keys are as distinct as tokens. */
  readonly apiKeys: readonly string[];
  readonly password: string;
  readonly members: readonly {
    readonly userId: string;
    readonly email: string;
    readonly accessToken: string;
    readonly refreshToken: string;
  }[];
}

const BATCH = 200;
const sha256 = (text: string) => createHash("sha256").update(text).digest("base64url");

/** Inserts rows, not calls: ten thousand password hashes would take minutes and measure nothing. */
export async function fill(deps: Deps, count: number): Promise<Fixture> {
  const now = deps.clock.now();
  const tenantId = deps.random.uuid();
  const roleId = deps.random.uuid();
  const password = "six blue herons";
  const passwordHash = await deps.passwords.hash(password);
  const members: Fixture["members"][number][] = [];
  const keys: string[] = [];

  await deps.db.transaction(async (tx) => {
    await tx.insert(tenants).values({
      id: tenantId,
      slug: "bench",
      name: "Bench",
      createdAt: now,
      updatedAt: now,
    });
    await tx.insert(roles).values({
      id: roleId,
      tenantId,
      name: "owner",
      isSystem: true,
      createdAt: now,
    });
    for (let n = 0; n < 20; n += 1)
      await tx
        .insert(roles)
        .values({ id: deps.random.uuid(), tenantId, name: `role ${n}`, createdAt: now });
  });

  for (let from = 0; from < count; from += BATCH) {
    const rows = await Promise.all(
      Array.from({ length: Math.min(BATCH, count - from) }, async (_, n) => {
        const userId = deps.random.uuid();
        const sessionId = deps.random.uuid();
        const refresh = newToken(deps.random);
        const { token } = await issueAccessToken(deps, {
          userId,
          tenantId,
          sessionId,
          authTime: now,
          amr: ["pwd"],
        });
        const prefix = `qk_${Buffer.from(deps.random.bytes(6)).toString("base64url")}`;
        const secret = Buffer.from(deps.random.bytes(24)).toString("base64url");
        return {
          userId,
          sessionId,
          refresh,
          token,
          prefix,
          secret,
          email: `user${from + n}@bench.example`,
        };
      }),
    );
    await deps.db.transaction(async (tx) => {
      await tx.insert(users).values(
        rows.map(({ userId, email }) => ({
          id: userId,
          tenantId,
          email,
          emailKey: email,
          emailVerifiedAt: now,
          createdAt: now,
          updatedAt: now,
        })),
      );
      await tx.insert(memberships).values(
        rows.map(({ userId }) => ({
          tenantId,
          userId,
          source: "admin" as const,
          userCreatedAt: now,
          tenantCreatedAt: now,
          createdAt: now,
        })),
      );
      await tx
        .insert(passwordCredentials)
        .values(rows.map(({ userId }) => ({ userId, passwordHash, updatedAt: now })));
      await tx
        .insert(userRoles)
        .values(rows.map(({ userId }) => ({ userId, tenantId, roleId, grantedAt: now })));
      await tx.insert(sessions).values(
        rows.map(({ userId, sessionId }) => ({
          id: sessionId,
          userId,
          tenantId,
          method: "password",
          authTime: now,
          amr: ["pwd"],
          createdAt: now,
          lastSeenAt: now,
        })),
      );
      await tx.insert(refreshTokens).values(
        rows.map(({ sessionId, refresh }) => ({
          id: deps.random.uuid(),
          sessionId,
          tokenHash: refresh.hash,
          issuedAt: now,
          expiresAt: new Date(now.getTime() + 86_400_000),
        })),
      );
      const keyRows = rows.map(({ prefix }) => ({ id: deps.random.uuid(), prefix }));
      await tx.insert(apiKeys).values(
        keyRows.map(({ id, prefix }) => ({
          id,
          tenantId,
          name: "bench",
          prefix,
          scopes: [],
          createdAt: now,
        })),
      );
      await tx.insert(apiKeySecrets).values(
        keyRows.map(({ id, prefix }, n) => ({
          prefix,
          apiKeyId: id,
          secretHash: sha256(rows[n]!.secret),
          createdAt: now,
        })),
      );
    });
    for (const { userId, email, token, refresh, prefix, secret } of rows) {
      members.push({ userId, email, accessToken: token, refreshToken: refresh.token });
      keys.push(`${prefix}.${secret}`);
    }
  }
  return { tenantId, apiKeys: keys, password, members };
}
