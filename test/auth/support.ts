/** What the tests of accounts look at behind the API: mail, rows, events, a browser's cookies. */
import { and, desc, eq, isNull } from "drizzle-orm";
import * as schema from "../../db/schema/index.ts";
import { auditEvents, loginAttempts, outboxEvents } from "../../db/schema/index.ts";
import { listMessages } from "../../src/platform/mail/service.ts";
import { type Answer, PASSWORD, type TestServer } from "../support/server.ts";

export const WRONG = "seven red herons";
export const MINUTE = 60_000;

interface LogIn {
  readonly password?: string;
  readonly headers?: Record<string, string>;
}

export const logIn = (
  server: TestServer,
  email: string,
  { password = PASSWORD, headers = {} }: LogIn = {},
): Promise<Answer> => server.call("POST", "/v1/auth/login", { body: { email, password }, headers });

export const refresh = (server: TestServer, token: string): Promise<Answer> =>
  server.call("POST", "/v1/auth/refresh", { body: { refresh_token: token } });

/** How long it took, with its answer. */
export async function timed(work: () => Promise<Answer>): Promise<Answer & { ms: number }> {
  const startedAt = performance.now();
  const answer = await work();
  return { ...answer, ms: performance.now() - startedAt };
}

/** Templates of the messages to an address, newest first. */
export async function mailTo(server: TestServer, email: string): Promise<string[]> {
  const messages = await listMessages(server.deps, 200);
  return messages.filter(({ recipient }) => recipient === email).map(({ template }) => template);
}

/** The token of the newest link to `path` that was mailed to an address; undefined when none was. */
export async function mailedToken(
  server: TestServer,
  email: string,
  path: "/reset" | "/magic",
): Promise<string | undefined> {
  for (const { recipient, content } of await listMessages(server.deps, 200)) {
    const found = content?.text.match(new RegExp(`https?://\\S+${path}\\?token=(\\S+)`));
    if (recipient === email && found) return found[1];
  }
  return undefined;
}

export async function resetToken(server: TestServer, email: string): Promise<string> {
  await server.call("POST", "/v1/auth/forgot-password", { body: { email } });
  return (await mailedToken(server, email, "/reset"))!;
}

export async function magicToken(server: TestServer, email: string): Promise<string> {
  await server.call("POST", "/v1/auth/magic-link/start", { body: { email } });
  return (await mailedToken(server, email, "/magic"))!;
}

/** The newest events of a log with this action; `null` is the platform's. */
export async function audited(server: TestServer, tenantId: string | null, action: string) {
  const rows = await server.deps.db.read
    .select()
    .from(auditEvents)
    .where(
      and(
        tenantId === null ? isNull(auditEvents.tenantId) : eq(auditEvents.tenantId, tenantId),
        eq(auditEvents.action, action),
      ),
    )
    .orderBy(desc(auditEvents.seq));
  return rows.map((row) => ({ ...row, metadata: JSON.parse(row.metadata) }));
}

export const published = (server: TestServer, aggregateId: string) =>
  server.deps.db.read
    .select()
    .from(outboxEvents)
    .where(eq(outboxEvents.aggregateId, aggregateId))
    .orderBy(outboxEvents.id);

export const attempts = (server: TestServer) => server.deps.db.read.select().from(loginAttempts);

const COUNTED = {
  users: schema.users,
  passwords: schema.passwordCredentials,
  sessions: schema.sessions,
  refreshTokens: schema.refreshTokens,
  loginSessions: schema.loginSessions,
  resets: schema.passwordResets,
  links: schema.magicLinks,
  audit: schema.auditEvents,
  outbox: schema.outboxEvents,
  mail: schema.mailMessages,
};

/** How many rows there are: a refusal changes nothing. */
export async function counts(server: TestServer): Promise<Record<string, number>> {
  const entries = Object.entries(COUNTED).map(
    async ([name, table]) => [name, await server.deps.db.read.$count(table)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** The `Set-Cookie` line of one cookie. */
export const setCookieOf = (answer: Answer, name: string): string | undefined =>
  answer.headers.getSetCookie().find((line) => line.startsWith(`${name}=`));

/** The value that an answer gave a cookie. */
export const cookieOf = (answer: Answer, name: string): string =>
  setCookieOf(answer, name)
    ?.slice(name.length + 1)
    .split(";", 1)[0] ?? "";

/** A browser at our own origin, that keeps cookies and echoes the CSRF token. */
export async function browser(server: TestServer) {
  const jar = new Map<string, string>();
  const keep = (answer: Answer) => {
    for (const line of answer.headers.getSetCookie()) {
      const [pair = ""] = line.split(";", 1);
      const [name = "", value = ""] = [
        pair.slice(0, pair.indexOf("=")),
        pair.slice(pair.indexOf("=") + 1),
      ];
      if (/max-age=0/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    return answer;
  };
  const send = async (method: string, path: string, body?: unknown, as?: string) =>
    keep(
      await server.call(method, path, {
        body,
        as,
        headers: {
          origin: server.deps.config.publicUrl,
          cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; "),
          ...(jar.has("qe_csrf") && { "x-csrf-token": jar.get("qe_csrf")! }),
        },
      }),
    );
  await send("GET", "/healthz");
  return { jar, send };
}
