import type { Config } from "../../config.ts";
import { rootKeyPath } from "../../platform/crypto/root-key.ts";
import { columns } from "../output.ts";

export interface Started {
  readonly config: Config;
  readonly isFirst: boolean;
  /** Whether `<data dir>/keys/root.key` was not there before. */
  readonly isRootKeyNew: boolean;
  readonly appliedMigrations: readonly string[];
  readonly startedInMs: number;
}

const SIGN_UP = {
  open: "anybody may sign up",
  invite: "by invitation only",
  closed: "nobody may sign up; operators create accounts",
};
const WORKSPACES = {
  anyone: "every user may create workspaces",
  operators: "only platform operators create workspaces",
};

/** What the operator sees: at the first start all there is to know, later one line. */
export function banner(started: Started): string {
  const { config, appliedMigrations, startedInMs } = started;
  const mode = config.env === "dev" ? "development" : "production";
  const migrated =
    !started.isFirst && appliedMigrations.length > 0
      ? `, applied ${appliedMigrations.join(", ")}`
      : "";
  const line = `qeetid ${config.version} serves ${config.publicUrl} (${mode}), started in ${Math.round(startedInMs)} ms${migrated}`;
  return started.isFirst
    ? [line, "", firstStart(started), "", nextStep(config), ""].join("\n")
    : line;
}

function firstStart({ config, isRootKeyNew }: Started): string {
  const listens = `${config.host.includes(":") ? `[${config.host}]` : config.host}:${config.httpPort}`;
  const rows = [
    ["  Listens on", listens],
    ["  Data", `${config.dataDir} (${databaseInWords(config)})`],
    ["  Root key", rootKeyInWords(config, isRootKeyNew)],
    [
      "  Tokens",
      `${config.jwtSigningKey === null ? "ES256 and RS256" : "RS256"} signing keys, generated and sealed`,
    ],
    ["  Sign-up", `${SIGN_UP[config.signupMode]}; ${WORKSPACES[config.tenantCreation]}`],
    ["  OpenID", `issuer ${config.jwtIssuer}; people sign in at ${config.loginBaseUrl}/login`],
    ["  API", `${config.publicUrl}/docs`],
    ["  Mail", mailInWords(config)],
  ];
  return columns(rows);
}

function rootKeyInWords({ rootKey, rootKeyFile, dataDir }: Config, isNew: boolean): string {
  const advice = "Keep a copy elsewhere: without it, sealed data is lost";
  if (rootKey !== null) return `ROOT_KEY. ${advice}`;
  if (rootKeyFile !== null) return `${rootKeyFile}. ${advice}`;
  return `${rootKeyPath(dataDir)}${isNew ? ", generated" : ""}. ${advice}`;
}

function databaseInWords({ databaseUrl, dataDir }: Config): string {
  if (!databaseUrl.startsWith("sqlite:")) return "the database is Postgres";
  const path = databaseUrl.slice("sqlite:".length);
  return `database: ${path.startsWith(`${dataDir}/`) ? path.slice(dataDir.length + 1) : path}`;
}

function mailInWords({ smtp, env, publicUrl }: Config): string {
  if (smtp) return `through ${smtp.host}:${smtp.port}`;
  return env === "dev"
    ? `no mail server is set; ${publicUrl}/dev/mailbox shows every message`
    : "no mail server is set (SMTP_HOST, SMTP_FROM): nobody gets reset and verification mails";
}

/** The command to type next, with what makes it find this server's data from any directory. */
function nextStep({ dataDir, databaseUrl }: Config): string {
  const isElsewhere = databaseUrl !== `sqlite:${dataDir}/qeetid.db`;
  const command = `${commandName()} admin create --email you@example.com --tenant Acme --api-key --data-dir ${dataDir}`;
  return `Next, in a second terminal${isElsewhere ? ", with the same DATABASE_URL" : ""}:\n  ${command}`;
}

const commandName = (): string =>
  process.execPath.endsWith("qeetid") ? process.execPath : "qeetid";
