/** A server whose Postgres is gone, or silent, and comes back. SQLite has no network to lose: disk.test.ts. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { dialect } from "../../db/dialect.ts";
import { proxyBefore } from "../data/support/proxy.ts";
import { emptyUrl } from "../support/db.ts";
import {
  ask,
  expectSoundAudit,
  expectUnavailable,
  logIn,
  PASSWORD,
  post,
  signUp,
  start,
  untilReadyz,
} from "./support.ts";

setDefaultTimeout(60_000);
const onPostgres = test.skipIf(dialect === "sqlite");

type Proxy = Awaited<ReturnType<typeof proxyBefore>>;
type Server = Awaited<ReturnType<typeof start>>;

/** A server whose database is behind a proxy, and a session of somebody who signed up before anything happened. */
async function withProxy(run: (server: Server, proxy: Proxy, session: Session) => Promise<void>) {
  const url = await emptyUrl();
  const proxy = await proxyBefore(url);
  try {
    const server = await start([], { env: { DATABASE_URL: proxy.url } });
    const { status, body } = await signUp(server.base, "before@example.com");
    expect(status).toBe(201);
    await run(server, proxy, body);
    await expectRecovered(server, url);
  } finally {
    await proxy.stop();
  }
}
interface Session {
  readonly access_token: string;
  readonly refresh_token: string;
}

const NOBODY = { email: "nobody@example.com", password: PASSWORD };

/** Contract 01 §20: not ready within 2.5 s, alive, and every answer an envelope that says to come again. */
async function expectDown({ base }: Server, session: Session, limitMs: number): Promise<void> {
  const ready = await untilReadyz(base, 503);
  expect(ready.body.status).toBe("not_ready");
  for (const reason of Object.values(ready.body.checks))
    expect(["fail: unavailable", "fail: timeout"]).toContain(reason as string);
  await Bun.sleep(1_100); // an answer of /readyz holds for a second: this one is new
  const [again, alive, ...answers] = await Promise.all([
    ask(`${base}/readyz`),
    ask(`${base}/healthz`),
    post(`${base}/v1/auth/signup`, NOBODY),
    post(`${base}/v1/auth/login`, { email: "before@example.com", password: PASSWORD }),
    post(`${base}/v1/auth/refresh`, { refresh_token: session.refresh_token }),
    post(`${base}/v1/api-keys`, { name: "none" }, session.access_token),
    ask(`${base}/v1/users`, { headers: { authorization: `Bearer ${session.access_token}` } }),
  ]);
  expect(again.status).toBe(503);
  expect(again.ms).toBeLessThan(2_500);
  expect(again.text).not.toMatch(/ECONN|postgres|127\.0\.0\.1|connect/i);
  expect(alive.status).toBe(200);
  expect(alive.ms).toBeLessThan(1_000);
  for (const answer of answers) {
    expectUnavailable(answer);
    expect(answer.ms).toBeLessThan(limitMs);
  }
}

/** Without a restart: what was there still is, what was refused is not, and both can go on. */
async function expectRecovered(server: Server, url: string): Promise<void> {
  const { base } = server;
  await untilReadyz(base, 200);
  expect((await logIn(base, "before@example.com")).status).toBe(200);
  expect((await logIn(base, NOBODY.email)).status).toBe(401);
  expect((await signUp(base, NOBODY.email)).status).toBe(201);
  await expectSoundAudit({ cwd: server.cwd, env: { DATABASE_URL: url } });
  expect((await server.stop()).exitCode).toBe(0);
}

onPostgres("01 §20: database down", async () => {
  await withProxy(async (server, proxy, session) => {
    await proxy.goAway();
    await expectDown(server, session, 3_000);
    await proxy.comeBack();
    await untilReadyz(server.base, 200);
    // What was refused has not used up the token.
    const body = { refresh_token: session.refresh_token };
    expect((await post(`${server.base}/v1/auth/refresh`, body)).status).toBe(200);
  });
});

onPostgres("a database that falls silent: refused in time, and served once it speaks", async () => {
  await withProxy(async (server, proxy, session) => {
    proxy.fallSilent();
    await expectDown(server, session, 15_000);
    proxy.speakAgain();
  });
});

onPostgres("connections that break under requests: no request is lost or done twice", async () => {
  await withProxy(async (server, proxy) => {
    const emails = Array.from({ length: 12 }, (_, number) => `cut${number}@example.com`);
    const load = Promise.all(emails.map((email) => signUp(server.base, email)));
    for (let cut = 0; cut < 4; cut += 1) {
      await Bun.sleep(60);
      proxy.cut();
    }
    for (const [index, { status }] of (await load).entries()) {
      const email = emails[index]!;
      expect([201, 503]).toContain(status);
      // 503: committed as a whole with its answer lost, or not at all.
      const login = await logIn(server.base, email);
      if (status === 201) expect(login.status).toBe(200);
      else if (login.status !== 200) expect((await signUp(server.base, email)).status).toBe(201);
    }
  });
});
