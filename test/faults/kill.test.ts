/**
 * `kill -9` under load: what was answered is there after a restart, and nothing is half-written.
 *
 * QEETID_KILL_ROUNDS: how often it is killed; 4 unless set.
 */
import { expect, test } from "bun:test";
import { dialect } from "../../db/dialect.ts";
import { emptyUrl } from "../support/db.ts";
import {
  callApi,
  emptyDirectory,
  freePort,
  type RunningProgram,
  runProgram,
  startProgram,
} from "../support/program.ts";

const ROUNDS = Number(process.env.QEETID_KILL_ROUNDS ?? 4);
const PASSWORD = "six blue herons";
const FLAGS = ["ip", "tenant", "user", "apikey"].map((bucket) => `--rate-limit-${bucket}=off`);

/** A sign-up that was answered, and the refresh tokens of its session that were, oldest first. */
interface Account {
  readonly email: string;
  readonly accessToken: string;
  readonly refreshTokens: string[];
  isBusy: boolean;
  /** Its last refresh was sent and not answered with a success: it may or may not have happened. */
  isInDoubt: boolean;
}

/** What clients know of one round at the moment of the kill. */
class Round {
  readonly accounts: Account[] = [];
  readonly apiKeys: string[] = [];
  /** Sign-ups that were sent and not answered, or with 503: a busy machine has no turn for every password. */
  readonly emailsInDoubt: string[] = [];
  /** Answers that were neither a success, nor 503, nor the end of the process. */
  readonly refusals: string[] = [];
  private isOver = false;
  private sent = 0;

  constructor(
    private readonly base: string,
    private readonly name: string,
  ) {}

  /** More accounts than there are clients who refresh: most are at rest when the process ends. */
  async begin(): Promise<void> {
    const fill = async () => {
      while (this.accounts.length < 8 && this.refusals.length === 0) await this.signUp();
    };
    await Promise.all([fill(), fill()]);
  }

  /** Three of each kind of client, until `end`. */
  async load(): Promise<void> {
    const clients = [this.signUp, this.refresh, this.createKey].flatMap((one) => [one, one, one]);
    await Promise.all(
      clients.map(async (step) => {
        while (!this.isOver) await step.call(this);
      }),
    );
  }

  /** From now on a request that fails is no surprise. */
  end(): void {
    this.isOver = true;
  }

  private async signUp(): Promise<void> {
    const email = `${this.name}-${++this.sent}@example.com`;
    const body = await this.post("/v1/auth/signup", 201, { email, password: PASSWORD });
    if (body === undefined) this.emailsInDoubt.push(email);
    else
      this.accounts.push({
        email,
        accessToken: body.access_token,
        refreshTokens: [body.refresh_token],
        isBusy: false,
        isInDoubt: false,
      });
  }

  private async refresh(): Promise<void> {
    const account = anyOf(this.accounts.filter(({ isBusy, isInDoubt }) => !isBusy && !isInDoubt));
    if (account === undefined) return Bun.sleep(5);
    account.isBusy = true;
    const refreshToken = account.refreshTokens.at(-1);
    const body = await this.post("/v1/auth/refresh", 200, { refresh_token: refreshToken });
    if (body === undefined) account.isInDoubt = true;
    else account.refreshTokens.push(body.refresh_token);
    account.isBusy = false;
  }

  private async createKey(): Promise<void> {
    const account = anyOf(this.accounts);
    if (account === undefined) return Bun.sleep(5);
    const name = `key ${++this.sent}`;
    const body = await this.post("/v1/api-keys", 201, { name }, account.accessToken);
    if (body !== undefined) this.apiKeys.push(body.secret);
    await Bun.sleep(5); // a tenant has no room for more than 200
  }

  /** The body of the answer, or undefined when there was none, not to its last byte. */
  private async post(path: string, expected: number, body: unknown, token?: string) {
    try {
      const answer = await callApi(this.base, path, { body, ...(token && { token }) });
      if (answer.status === expected) return answer.body;
      if (answer.status === 503) return Bun.sleep(100);
      this.refusals.push(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    } catch (error) {
      if (!this.isOver) this.refusals.push(`${path}: ${error}`);
    }
    return undefined;
  }
}

const anyOf = <T>(list: readonly T[]): T | undefined =>
  list[Math.floor(Math.random() * list.length)];

/** How many answered things were looked for after the restart, and what was not as it had been answered. */
class Findings {
  readonly checked = { signUps: 0, lastTokens: 0, usedTokens: 0, apiKeys: 0, inDoubt: 0 };
  readonly lost: string[] = [];

  /** Looks at all that `round` knows, through the restarted server. */
  async check(base: string, round: Round): Promise<void> {
    this.checked.apiKeys += round.apiKeys.length;
    for (const secret of round.apiKeys) await this.checkApiKey(base, secret);
    for (const account of round.accounts) await this.checkAccount(base, account);
    for (const email of round.emailsInDoubt) await this.checkInDoubt(base, email);
  }

  async checkApiKey(base: string, secret: string): Promise<void> {
    const headers = { authorization: `ApiKey ${secret}` };
    const { status } = await fetch(`${base}/v1/users?limit=1`, { headers });
    this.expect(`API key ${secret.slice(0, 12)}`, status, 200);
  }

  private async checkAccount(base: string, account: Account): Promise<void> {
    const { email, refreshTokens, isInDoubt } = account;
    this.checked.signUps += 1;
    const login = await callApi(base, "/v1/auth/login", { body: { email, password: PASSWORD } });
    this.expect(`login of ${email}`, login.status, 200);

    const refresh = async (token: string | undefined) => {
      const answer = await callApi(base, "/v1/auth/refresh", { body: { refresh_token: token } });
      return answer.status === 200 ? "works" : String(answer.body?.error?.detail);
    };
    const last = refreshTokens.at(-1);
    const first = await refresh(last);
    if (isInDoubt) {
      // Its successor may have been written and not told, or not at all; it cannot be unknown.
      this.checked.inDoubt += 1;
      if (first !== "works") this.expect(`token in doubt of ${email}`, first, REUSED);
    } else {
      this.checked.lastTokens += 1;
      this.expect(`last token of ${email}`, first, "works");
      this.expect(`last token of ${email}, again`, await refresh(last), REUSED);
    }
    // RFC 9700 §4.14.2: what was traded in before the kill is still known to be used after it.
    const used = refreshTokens.at(-2);
    if (used === undefined) return;
    this.checked.usedTokens += 1;
    this.expect(`last but one token of ${email}`, await refresh(used), REUSED);
  }

  /** It happened as a whole or not at all: who cannot log in can sign up. */
  private async checkInDoubt(base: string, email: string): Promise<void> {
    this.checked.inDoubt += 1;
    const body = { email, password: PASSWORD };
    if ((await callApi(base, "/v1/auth/login", { body })).status === 200) return;
    const { status } = await callApi(base, "/v1/auth/signup", { body });
    this.expect(`sign-up in doubt of ${email}`, status, 201);
  }

  private expect(what: string, actual: unknown, expected: unknown): void {
    if (actual !== expected) this.lost.push(`${what}: ${actual} instead of ${expected}`);
  }
}

const REUSED = "refresh token reuse — session revoked";

test(
  `kill -9 under load, ${ROUNDS} times: all that was answered is there, and the audit log is whole`,
  async () => {
    const cwd = emptyDirectory();
    const port = freePort();
    const env: Record<string, string> =
      dialect === "postgres" ? { DATABASE_URL: await emptyUrl() } : {};
    const findings = new Findings();
    const apiKeys: string[] = [];
    let server: RunningProgram | undefined;
    try {
      server = await startProgram(FLAGS, { cwd, env, port });
      for (let number = 1; number <= ROUNDS; number += 1) {
        const round = new Round(server.base, `round${number}`);
        await round.begin();
        const load = round.load();
        await Bun.sleep(300 + Math.random() * 600);
        round.end();
        await server.stop("SIGKILL");
        await load;
        expect(round.refusals).toEqual([]);

        server = await startProgram(FLAGS, { cwd, env, port });
        await findings.check(server.base, round);
        apiKeys.push(...round.apiKeys);
        const audit = await runProgram(["audit", "verify"], { cwd, env });
        expect(audit).toMatchObject({ exitCode: 0 });
      }
      // What outlived one kill outlives the next.
      for (const secret of apiKeys) await findings.checkApiKey(server.base, secret);
      console.log(`${ROUNDS} kills, answered and looked for: ${JSON.stringify(findings.checked)}`);
      expect(findings.lost).toEqual([]);
      for (const count of Object.values(findings.checked)) expect(count).toBeGreaterThan(0);
    } finally {
      if (server?.child.exitCode === null) await server.stop("SIGKILL");
    }
  },
  30_000 + ROUNDS * 15_000,
);
