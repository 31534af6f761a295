/** The system's clock is set back by an hour under a running server, and the server is started in that past. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { dialect } from "../../db/dialect.ts";
import { emptyUrl } from "../support/db.ts";
import { emptyDirectory } from "../support/program.ts";
import {
  ask,
  compileShim,
  expectSoundAudit,
  hasCompiler,
  logIn,
  post,
  signUp,
  start,
} from "./support.ts";

setDefaultTimeout(40_000);
const HOUR_MS = 3_600_000;

test.skipIf(!hasCompiler)(
  "an hour back: what has expired stays expired, audit instants rise, and the log says so",
  async () => {
    const cwd = emptyDirectory();
    const trigger = join(cwd, "set-back-now");
    const env: Record<string, string> = {
      LD_PRELOAD: compileShim("set-back", cwd),
      SET_BACK: trigger,
      ...(dialect === "postgres" && { DATABASE_URL: await emptyUrl() }),
    };
    const server = await start(["--access-token-ttl", "5s"], { cwd, env });
    const me = (token: string) =>
      ask(`${server.base}/v1/auth/me`, { headers: { authorization: `Bearer ${token}` } });
    const { body: first } = await signUp(server.base, "first@example.com");
    expect((await me(first.access_token)).status).toBe(200);
    await Bun.sleep(6_000);
    expect((await me(first.access_token)).status).toBe(401);

    writeFileSync(trigger, "");
    expect((await me(first.access_token)).status).toBe(401);
    const second = await logIn(server.base, "first@example.com");
    expect(second.status).toBe(200);
    // What is issued now is dated by the server's own time, not by the system's.
    const claims = JSON.parse(
      Buffer.from(second.body.access_token.split(".")[1], "base64url").toString(),
    );
    expect(claims.iat * 1000).toBeGreaterThan(Date.now() - HOUR_MS / 2);
    expect((await me(first.access_token)).status).toBe(401);
    const refreshed = await post(`${server.base}/v1/auth/refresh`, {
      refresh_token: first.refresh_token,
    });
    expect(refreshed.status).toBe(200);
    expect((await me(refreshed.body.access_token)).status).toBe(200);
    expect((await ask(`${server.base}/readyz`)).status).toBe(200);

    const list = await ask(`${server.base}/v1/tenants/${claims.tenant_id}/audit?limit=200`, {
      headers: { authorization: `Bearer ${refreshed.body.access_token}` },
    });
    expect(list.status).toBe(200);
    const instants = list.body.items.map((event: { created_at: string }) =>
      Date.parse(event.created_at),
    );
    expect(instants.length).toBeGreaterThan(1);
    expect(instants).toEqual(instants.toSorted((a: number, b: number) => b - a));
    expect(Math.min(...instants)).toBeGreaterThan(Date.now() - HOUR_MS / 2);
    await expectSoundAudit({ cwd, env: { ...env, LD_PRELOAD: "" } });
    const { exitCode, stdout, stderr } = await server.stop();
    expect(exitCode).toBe(0);
    const told = `${stdout}${stderr}`.match(/the system clock was set back/g);
    expect(told).toHaveLength(1);
  },
);
