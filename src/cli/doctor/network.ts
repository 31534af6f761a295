import { lookup } from "node:dns/promises";
import { createTransport } from "nodemailer";
import { hostOf, isLoopback } from "../../config/gates.ts";
import type { Config } from "../../config.ts";
import { localUrl } from "../healthcheck.ts";
import { type Check, Finding } from "./finding.ts";

/** What answers at `url`: a status, or nothing. */
async function statusOf(url: string, options: object = {}): Promise<number | undefined> {
  try {
    const answer = await fetch(url, {
      signal: AbortSignal.timeout(4_000),
      redirect: "manual",
      proxy: false,
      ...options,
    } as RequestInit);
    return answer.status;
  } catch {
    return undefined;
  }
}

export const networkChecks: readonly Check[] = [
  {
    name: "port",
    async run(config) {
      const status = await statusOf(`${localUrl(config)}/healthz`, {
        tls: { rejectUnauthorized: false }, // our own loopback address is in nobody's certificate
      });
      if (status === 200) return `a server answers on port ${config.httpPort}`;
      return isFree(config);
    },
  },
  {
    name: "public address",
    async run({ publicUrl }) {
      const host = hostOf(publicUrl);
      if (isLoopback(host)) return `${publicUrl}: this machine only (development)`;
      const addresses = await lookup(host, { all: true }).catch(() => []);
      if (addresses.length === 0) throw new Finding(`${host} has no address: add it to the DNS`);
      const status = await statusOf(`${publicUrl}/healthz`);
      if (status !== 200)
        throw new Finding(
          `${publicUrl}/healthz ${status === undefined ? "can't be reached over verified TLS" : `answers ${status}`} from here: check the proxy and its certificate, and that this server runs`,
        );
      return `${publicUrl} answers`;
    },
  },
  {
    name: "proxies",
    async run({ env, tlsCert, trustedProxies, host }) {
      if (env === "dev" || tlsCert !== null) return undefined;
      // Somebody ends TLS before us; were it not trusted, all clients would share its address and its limits.
      if (trustedProxies.length === 0)
        throw new Finding("TRUSTED_PROXIES is empty, but a proxy must be there for https: name it");
      const onlyLocal = trustedProxies.every((cidr) => /^(127\.|::1)/.test(cidr));
      return onlyLocal && !isLoopback(host)
        ? `only one on this machine is believed (${trustedProxies.join(", ")}); if yours runs elsewhere, name it in TRUSTED_PROXIES`
        : `believed: ${trustedProxies.join(", ")}`;
    },
  },
  { name: "mail", run: checkMail },
  {
    name: "redis",
    async run({ redisUrl }) {
      if (redisUrl === null) return undefined;
      const client = new Bun.RedisClient(redisUrl, {
        connectionTimeout: 3_000,
        enableOfflineQueue: false,
        autoReconnect: false,
      });
      try {
        await client.connect();
        await client.send("PING", []);
        return "answers";
      } catch {
        throw new Finding("REDIS_URL can't be reached: check address, password and network");
      } finally {
        client.close();
      }
    },
  },
];

function isFree({ host, httpPort }: Config): string {
  try {
    Bun.serve({ port: httpPort, hostname: host, fetch: () => new Response() }).stop(true);
    return `${httpPort} is free`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Finding(
      code === "EADDRINUSE"
        ? `another program uses port ${httpPort}: choose another with --http-port`
        : `port ${httpPort} on ${host} can't be used (${code})`,
    );
  }
}

async function checkMail({ smtp, env }: Config): Promise<string> {
  if (!smtp) {
    if (env === "dev") return "no mail server is set; messages are in /dev/mailbox";
    throw new Finding(
      "no mail server: set SMTP_HOST and SMTP_FROM, or nobody can reset a password",
    );
  }
  const transport = createTransport({
    host: smtp.host,
    port: smtp.port,
    secure: smtp.tls === "implicit",
    requireTLS: smtp.tls === "starttls",
    ignoreTLS: smtp.tls === "none",
    connectionTimeout: 4_000,
    greetingTimeout: 4_000,
    socketTimeout: 4_000,
    ...(smtp.username !== null && { auth: { user: smtp.username, pass: smtp.password ?? "" } }),
  });
  try {
    await transport.verify();
    return `${smtp.host}:${smtp.port} takes our mail`;
  } catch (error) {
    const { code = "no answer" } = error as { code?: string };
    throw new Finding(
      `${smtp.host}:${smtp.port} refuses (${code}): check SMTP_HOST, SMTP_PORT, SMTP_TLS, user name and password`,
    );
  } finally {
    transport.close();
  }
}
