/** Relying parties, machines, grants and hosted sessions, for the members that `bench/fixture.ts` has made. */
import {
  loginSessions,
  oauthGrants,
  oidcClientSecrets,
  oidcClients,
  oidcConsents,
  oidcRefreshTokens,
  servicePrincipals,
} from "../db/schema/index.ts";
import type { Deps } from "../src/deps.ts";
import { issueClientToken } from "../src/platform/crypto/access-token.ts";
import { newToken } from "../src/platform/crypto/tokens.ts";
import type { Fixture } from "./fixture.ts";

export const REDIRECT_URI = "https://app.bench.example/callback";

export interface BenchClient {
  readonly clientId: string;
  readonly secret: string;
}

export interface OAuthFixture {
  /** Each array holds one entry for every member, in their order. */
  readonly principals: readonly BenchClient[];
  /** Cookie `qe_ls`. */
  readonly hosted: readonly string[];
  /** Clients whose ID tokens are signed so; each member has consented to their own. */
  readonly clients: Readonly<Record<"RS256" | "ES256", readonly BenchClient[]>>;
  /** A live grant of the member for their ES256 client. */
  readonly grants: readonly { readonly accessToken: string; readonly refreshToken: string }[];
}

const BATCH = 200;
const SCOPES = ["openid", "profile", "email"];
const DAY_MS = 86_400_000;

export async function fillOAuth(deps: Deps, fixture: Fixture): Promise<OAuthFixture> {
  const filled = {
    principals: [] as BenchClient[],
    hosted: [] as string[],
    clients: { RS256: [] as BenchClient[], ES256: [] as BenchClient[] },
    grants: [] as { accessToken: string; refreshToken: string }[],
  };
  for (let from = 0; from < fixture.members.length; from += BATCH) {
    const members = fixture.members.slice(from, from + BATCH);
    const batch = { deps, tenantId: fixture.tenantId, members, from };
    filled.principals.push(...(await addPrincipals(batch)));
    const hosted = await addHostedSessions(batch);
    filled.hosted.push(...hosted.map(({ token }) => token));
    filled.clients.RS256.push(...(await addClients(batch, "RS256")));
    const es256 = await addClients(batch, "ES256");
    filled.clients.ES256.push(...es256);
    filled.grants.push(...(await addGrants(batch, es256, hosted)));
  }
  return filled;
}

interface Batch {
  readonly deps: Deps;
  readonly tenantId: string;
  readonly members: Fixture["members"];
  readonly from: number;
}

async function addPrincipals({ deps, tenantId, members, from }: Batch): Promise<BenchClient[]> {
  const now = deps.clock.now();
  const made = members.map(() => ({ id: deps.random.uuid(), secret: newToken(deps.random) }));
  await deps.db.transaction(async (tx) => {
    await tx.insert(servicePrincipals).values(
      made.map(({ id, secret }, n) => ({
        id,
        tenantId,
        name: `machine ${from + n}`,
        nameKey: `machine ${from + n}`,
        secretHash: secret.hash,
        scopes: ["bench"],
        createdAt: now,
      })),
    );
  });
  return made.map(({ id, secret }) => ({ clientId: id, secret: secret.token }));
}

async function addHostedSessions({ deps, members }: Batch) {
  const now = deps.clock.now();
  const made = members.map(({ userId }) => {
    const { token, hash } = newToken(deps.random);
    return { id: deps.random.uuid(), userId, token, hash };
  });
  await deps.db.transaction(async (tx) => {
    await tx.insert(loginSessions).values(
      made.map(({ id, userId, hash }) => ({
        id,
        userId,
        tokenHash: hash,
        method: "password",
        authTime: now,
        amr: ["pwd"],
        createdAt: now,
        lastSeenAt: now,
        expiresAt: new Date(now.getTime() + DAY_MS / 2),
      })),
    );
  });
  return made;
}

interface MadeClient extends BenchClient {
  readonly rowId: string;
}

async function addClients(
  { deps, tenantId, members, from }: Batch,
  idTokenAlg: "RS256" | "ES256",
): Promise<MadeClient[]> {
  const now = deps.clock.now();
  const made = members.map(() => ({
    rowId: deps.random.uuid(),
    clientId: `qci_${deps.random.uuid()}`,
    secret: newToken(deps.random),
  }));
  await deps.db.transaction(async (tx) => {
    await tx.insert(oidcClients).values(
      made.map(({ rowId, clientId }, n) => ({
        id: rowId,
        tenantId,
        clientId,
        type: "confidential" as const,
        name: `${idTokenAlg} ${from + n}`,
        redirectUris: [REDIRECT_URI],
        postLogoutUris: [],
        grantTypes: ["authorization_code", "refresh_token"],
        scopes: SCOPES,
        registration: "admin" as const,
        requirePkce: false,
        idTokenAlg,
        requireMembership: true,
        logoutRequiresConfirmation: false,
        refreshReuseLeewaySeconds: 10,
        createdAt: now,
        updatedAt: now,
      })),
    );
    await tx.insert(oidcClientSecrets).values(
      made.map(({ rowId, secret }) => ({
        id: deps.random.uuid(),
        clientRowId: rowId,
        secretHash: secret.hash,
        createdAt: now,
      })),
    );
    await tx.insert(oidcConsents).values(
      made.map(({ rowId }, n) => ({
        userId: members[n]!.userId,
        clientRowId: rowId,
        scopes: SCOPES,
        claims: [],
        grantedAt: now,
      })),
    );
  });
  return made.map(({ rowId, clientId, secret }) => ({ rowId, clientId, secret: secret.token }));
}

async function addGrants(
  { deps, tenantId, members }: Batch,
  clients: readonly MadeClient[],
  hosted: readonly { readonly id: string }[],
) {
  const now = deps.clock.now();
  const later = new Date(now.getTime() + DAY_MS);
  const holder = { authTime: now, amr: ["pwd"], acr: "urn:qeet:acr:1fa" };
  const made = await Promise.all(
    members.map(async ({ userId }, n) => {
      const { clientId, rowId: clientRowId } = clients[n]!;
      const id = deps.random.uuid();
      const sid = deps.random.uuid();
      const { token: accessToken } = await issueClientToken(deps, {
        clientId,
        tenantId,
        scopes: SCOPES,
        resources: [],
        dpopJkt: null,
        holder: { kind: "user", userId, grantId: id, sid, ...holder },
      });
      return { id, clientRowId, userId, sid, accessToken, refresh: newToken(deps.random) };
    }),
  );
  await deps.db.transaction(async (tx) => {
    await tx.insert(oauthGrants).values(
      made.map(({ id, clientRowId, userId, sid }, n) => ({
        id,
        clientRowId,
        userId,
        tenantId,
        grantType: "authorization_code",
        scopes: SCOPES,
        resources: [],
        loginSessionId: hosted[n]!.id,
        sid,
        ...holder,
        offline: false,
        createdAt: now,
        expiresAt: later,
        endsAt: later,
      })),
    );
    await tx.insert(oidcRefreshTokens).values(
      made.map(({ id, refresh }) => ({
        id: deps.random.uuid(),
        grantId: id,
        tokenHash: refresh.hash,
        issuedAt: now,
        expiresAt: later,
      })),
    );
  });
  return made.map(({ accessToken, refresh }) => ({ accessToken, refreshToken: refresh.token }));
}
