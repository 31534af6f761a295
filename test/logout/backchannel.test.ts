import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { auditEvents, backchannelLogouts, oidcClients } from "../../db/schema/index.ts";
import { queueBackchannelLogouts } from "../../src/modules/backchannel-logout/service.ts";
import { type SignedUp, startServer, type TestServer } from "../support/server.ts";
import { startReceiver, verifyLogoutToken } from "./receiver.ts";

const JOB = "backchannel-logout";
const EVENT = "http://schemas.openid.net/event/backchannel-logout";
const MINUTE = 60_000;

let server: TestServer;
let user: SignedUp;
let receiver: ReturnType<typeof startReceiver>;

beforeAll(async () => {
  server = await startServer();
  user = await server.signUp();
});
afterAll(() => server.stop());
beforeEach(() => {
  receiver = startReceiver();
});
afterEach(async () => {
  receiver.stop();
  await server.deps.db.transaction(async (tx) => {
    await tx.delete(backchannelLogouts);
  });
});

interface Client {
  readonly id: string;
  readonly clientId: string;
}

async function addClient(change: Partial<typeof oidcClients.$inferInsert> = {}): Promise<Client> {
  const { random, clock, db } = server.deps;
  const [id, now] = [random.uuid(), clock.now()];
  const clientId = `qci_${random.uuid()}`;
  await db.transaction(async (tx) => {
    await tx.insert(oidcClients).values({
      id,
      clientId,
      tenantId: user.tenantId,
      type: "confidential",
      name: "Suite",
      redirectUris: [],
      postLogoutUris: [],
      grantTypes: ["authorization_code"],
      scopes: ["openid"],
      registration: "admin",
      requirePkce: false,
      idTokenAlg: "RS256",
      requireMembership: false,
      logoutRequiresConfirmation: false,
      refreshReuseLeewaySeconds: 0,
      backchannelLogoutUri: receiver.uri,
      createdAt: now,
      updatedAt: now,
      ...change,
    });
  });
  return { id, clientId };
}

/** As a grant that ends does it. Answers the `sid`. */
async function queue(client: Client, sid = server.deps.random.uuid()): Promise<string> {
  const ended = { clientRowId: client.id, userId: user.userId, sid };
  await server.deps.db.transaction((tx) =>
    queueBackchannelLogouts(server.deps, tx, [ended, ended]),
  );
  return sid;
}

const rows = () => server.deps.db.read.select().from(backchannelLogouts);
const audited = () =>
  server.deps.db.read
    .select()
    .from(auditEvents)
    .where(eq(auditEvents.action, "oauth.backchannel_logout_failed"));

const verify = (client: Client, token: string) =>
  verifyLogoutToken(token, {
    base: server.base,
    issuer: server.deps.config.jwtIssuer,
    audience: client.clientId,
    now: server.clock.now(),
  });

describe("Back-Channel Logout 1.0", () => {
  test.each(["RS256", "ES256"] as const)(
    "§2.4, §2.5: one %s token a session, posted",
    async (alg) => {
      const client = await addClient({ idTokenAlg: alg });
      const sid = await queue(client);
      await server.runJob(JOB);

      expect(receiver.received).toHaveLength(1);
      const [got] = receiver.received;
      expect(got).toMatchObject({
        method: "POST",
        path: "/backchannel",
        contentType: "application/x-www-form-urlencoded",
        parameters: ["logout_token"],
      });
      expect(decodeProtectedHeader(got!.token)).toMatchObject({ typ: "logout+jwt", alg });
      const claims = await verify(client, got!.token);
      const iat = Math.floor(server.clock.now().getTime() / 1000);
      expect(claims).toEqual({
        iss: server.deps.config.jwtIssuer,
        aud: client.clientId,
        iat,
        exp: iat + 120,
        jti: claims.jti!,
        events: { [EVENT]: {} },
        sub: user.userId,
        sid,
      });

      await server.runJob(JOB);
      expect(receiver.received).toHaveLength(1);
      expect(await rows()).toMatchObject([{ attempts: 1, lastError: null }]);
    },
  );

  test("a tenant with many logouts does not hold up another's", async () => {
    const stranger = await server.signUp();
    const busy = await addClient({ tenantId: stranger.tenantId });
    for (let n = 0; n < 60; n++) await queue(busy);
    server.clock.advance(1);
    const client = await addClient();
    await queue(client);
    await server.runJob(JOB);
    const order = receiver.received.map(({ token }) => decodeJwt(token).aud);
    expect(order).toHaveLength(61);
    expect(order.indexOf(client.clientId)).toBeLessThan(20);
  });

  test("a logout token is no bearer token and no id_token of ours", async () => {
    const client = await addClient();
    await queue(client);
    await server.runJob(JOB);
    const { token } = receiver.received[0]!;
    expect((await server.call("GET", "/v1/auth/me", { as: token })).status).toBe(401);
    const typ = "JWT";
    const hint = { typ, algorithms: ["RS256"], audience: null, evenExpired: true } as const;
    expect(server.deps.keyring.verify(token, hint)).rejects.toThrow();
  });

  test.each([
    ["has no URI", { backchannelLogoutUri: null }],
    ["was deleted", { deletedAt: new Date(0) }],
  ])("nothing is queued for a client that %s", async (_, change) => {
    await queue(await addClient(change));
    expect(await rows()).toEqual([]);
  });

  test("a client that is deleted before the delivery is not told", async () => {
    const client = await addClient();
    await queue(client);
    await server.deps.db.transaction(async (tx) => {
      await tx
        .update(oidcClients)
        .set({ deletedAt: server.clock.now() })
        .where(eq(oidcClients.id, client.id));
    });
    await server.runJob(JOB);
    expect(receiver.received).toEqual([]);
    expect((await rows())[0]!.finishedAt).not.toBeNull();
  });

  test("two instances deliver each token once", async () => {
    const client = await addClient();
    const sids = [];
    for (let n = 0; n < 30; n += 1) sids.push(await queue(client));
    await Promise.all([1, 2, 3].map(() => server.runJob(JOB)));
    await server.runJob(JOB);
    const claims = await Promise.all(receiver.received.map(({ token }) => verify(client, token)));
    expect(claims.map(({ sid }) => sid).sort()).toEqual(sids.sort());
    expect(new Set(claims.map(({ jti }) => jti)).size).toBe(30);
  });

  test.each([
    ["204", () => new Response(null, { status: 204 }), true],
    ["201", () => new Response(null, { status: 201 }), true],
    ["302", () => new Response(null, { status: 302, headers: { location: "/elsewhere" } }), false],
    ["400", () => new Response("no", { status: 400 }), false],
    ["503", () => new Response(null, { status: 503 }), false],
    ["a body without end", () => new Response("x".repeat(100_000)), false],
  ])("§2.8: %s", async (_, answer, isDone) => {
    receiver.state.answer = answer;
    await queue(await addClient());
    await server.runJob(JOB);
    expect(receiver.received).toHaveLength(1);
    expect((await rows())[0]!.finishedAt !== null).toBe(isDone);
  });

  test("tries ten times, later each time, then tells the tenant", async () => {
    receiver.state.answer = () => new Response(null, { status: 500 });
    const client = await addClient();
    const sid = await queue(client);
    const before = (await audited()).length;
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 10; attempt += 1) {
      await server.runJob(JOB);
      expect(receiver.received).toHaveLength(attempt);
      await server.runJob(JOB); // not due yet
      expect(receiver.received).toHaveLength(attempt);
      const [row] = await rows();
      if (attempt === 10) break;
      expect(await audited()).toHaveLength(before);
      const wait = row!.dueAt.getTime() - server.clock.now().getTime();
      waits.push(wait);
      server.clock.advance(wait);
    }
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(new Set(waits).size).toBe(9);
    const events = await audited();
    expect(events).toHaveLength(before + 1);
    expect(events.at(-1)).toMatchObject({
      tenantId: user.tenantId,
      resourceType: "oidc_client",
      resourceId: client.id,
      actorType: "system",
    });
    expect(JSON.stringify(events.at(-1)!.metadata)).toContain(sid);
    server.clock.advance(600 * MINUTE);
    await server.runJob(JOB);
    expect(receiver.received).toHaveLength(10);
  });

  test("comes through once the client is back, with a token that is good then", async () => {
    receiver.state.answer = () => new Response(null, { status: 500 });
    const client = await addClient();
    await queue(client);
    await server.runJob(JOB);
    receiver.state.answer = () => new Response(null, { status: 200 });
    server.clock.advance(10 * MINUTE);
    await server.runJob(JOB);
    expect(receiver.received).toHaveLength(2);
    await verify(client, receiver.received[1]!.token);
    expect(verify(client, receiver.received[0]!.token)).rejects.toThrow();
  });

  test("a client that is down holds up nobody else", async () => {
    const down = await addClient({ backchannelLogoutUri: "http://127.0.0.1:1/x" });
    const closed = startReceiver();
    closed.stop();
    const gone = await addClient({ backchannelLogoutUri: closed.uri });
    for (let n = 0; n < 45; n += 1) await queue(n % 2 ? down : gone);
    const client = await addClient();
    await queue(client);
    await server.runJob(JOB);
    expect(receiver.received).toHaveLength(1);
    // Each of them has had an attempt counted, and none is due.
    const others = (await rows()).filter(({ clientRowId }) => clientRowId !== client.id);
    expect(others.every(({ attempts, dueAt }) => attempts >= 1 && dueAt > server.clock.now())).toBe(
      true,
    );
  });

  test("the rows of delivered logouts are swept a week later, waiting ones stay", async () => {
    const client = await addClient();
    await queue(client);
    await server.runJob(JOB);
    receiver.state.answer = () => new Response(null, { status: 500 });
    await queue(client);
    await server.runJob(JOB);
    server.clock.advance(8 * 24 * 60 * MINUTE);
    await server.runJob("janitor");
    expect(await rows()).toMatchObject([{ finishedAt: null }]);
  });
});

test("contract 00 §60: outside of dev, a private address is not called", async () => {
  const [dev, owner] = [server, user];
  const production = await startServer({ env: "production" });
  try {
    server = production;
    user = await production.signUp();
    await queue(await addClient());
    await production.runJob(JOB);
    expect(receiver.received).toEqual([]);
    expect(await rows()).toMatchObject([{ attempts: 1, finishedAt: null }]);
  } finally {
    [server, user] = [dev, owner];
    await production.stop();
  }
});
