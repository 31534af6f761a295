/**
 * Every setting, once. From a row come its flag (`--public-url`), its environment variable (`PUBLIC_URL`), its key in
 * the file (`public_url`), the help, and docs/settings.md.
 */
import * as t from "./types.ts";

export interface Setting<T = unknown> {
  readonly type: t.Type<T>;
  /** As an operator would write it. Without one the value is null, or what `absent` says. */
  readonly default?: string;
  /** What an absent value means, for readers. */
  readonly absent?: string;
  readonly group: Group;
  readonly help: string;
  /** Never printed; may be given as `…_FILE`, the path of a file that holds it. */
  readonly isSecret?: true;
  /** Other spellings, not shown in the help. */
  readonly aliases?: { readonly env?: string; readonly flag?: string };
}

export const GROUPS = [
  "Address",
  "Storage",
  "Sign-up",
  "Tokens and keys",
  "Browsers",
  "Mail and SMS",
  "Limits",
  "Operation",
  "Development",
] as const;
export type Group = (typeof GROUPS)[number];

type Rest = Omit<Setting, "type" | "group" | "help">;

/** The rows of one group. A row with a default is never null. */
const rows = (group: Group) => {
  function row<T>(type: t.Type<T>, help: string, rest: Rest & { default: string }): Setting<T>;
  function row<T>(type: t.Type<T>, help: string, rest?: Rest): Setting<T | null>;
  function row<T>(type: t.Type<T>, help: string, rest: Rest = {}): Setting<T | null> {
    return { type, help, group, ...rest };
  }
  return row;
};

const address = rows("Address");
const storage = rows("Storage");
const signUp = rows("Sign-up");
const tokens = rows("Tokens and keys");
const browsers = rows("Browsers");
const mail = rows("Mail and SMS");
const limits = rows("Limits");
const operation = rows("Operation");
const development = rows("Development");

export const settings = {
  PUBLIC_URL: address(
    t.origin,
    "The one origin under which clients reach this server: issuer of tokens and base of every link. A loopback one means development mode.",
    { absent: "http://localhost:<port>, https with a certificate" },
  ),
  SERVICE_ENV: address(
    t.text,
    "`dev` relaxes the gates of production; anything else is production.",
    {
      absent: "dev when PUBLIC_URL is a loopback origin, else production",
    },
  ),
  HTTP_PORT: address(t.integer(1, 65_535, "PORT"), "The port to listen on.", {
    default: "4000",
    aliases: { flag: "port" },
  }),
  HOST: address(t.text, "The address to listen on.", {
    absent: "127.0.0.1 in development, all interfaces in production",
  }),
  TLS_CERT: address(t.path, "PEM file with the certificate chain, to serve https without a proxy."),
  TLS_KEY: address(t.path, "PEM file with the certificate's private key."),
  TRUSTED_PROXIES: address(t.listOf(t.network), "Proxies whose X-Forwarded-For is believed.", {
    absent: "none in development, loopback in production",
  }),
  ACCEPT_NEW_PUBLIC_URL: address(
    t.flag,
    "Start although PUBLIC_URL differs from the one this database was made under.",
    { default: "false" },
  ),

  DATA_DIR: storage(t.path, "Directory of the database, the root key and the lock.", {
    default: "./qeetid-data",
  }),
  DATABASE_URL: storage(t.databaseUrl, "Postgres (15 or later) or another SQLite file.", {
    absent: "sqlite:<data dir>/qeetid.db",
    aliases: { env: "DB_URL", flag: "db-url" },
    isSecret: true,
  }),
  DB_MAX_CONNS: storage(t.integer(1, 500), "Most connections to Postgres.", { default: "10" }),
  AUTO_MIGRATE: storage(t.flag, "Apply pending migrations at start, under a lock.", {
    default: "true",
    aliases: { flag: "migrate" },
  }),
  ROOT_KEY: storage(
    t.key32,
    "The key under which everything at rest is sealed (32 bytes, base64).",
    { absent: "the file <data dir>/keys/root.key, generated at first start", isSecret: true },
  ),
  ROOT_KEY_FILE: storage(t.path, "The file that holds the root key.", {
    absent: "<data dir>/keys/root.key",
  }),

  SIGNUP_MODE: signUp(t.oneOf("open", "invite", "closed"), "Who may sign up.", {
    default: "open",
  }),
  TENANT_CREATION: signUp(t.oneOf("anyone", "operators"), "Who may create workspaces.", {
    default: "anyone",
  }),
  SIGNUP_PERSONAL_TENANT: signUp(t.flag, "Give everybody who signs up a workspace of their own.", {
    default: "true",
  }),
  PLATFORM_ADMINS: signUp(
    t.listOf(t.userReference),
    "Platform operators: user ids or verified e-mail addresses.",
    { default: "" },
  ),

  JWT_ISSUER: tokens(
    t.text,
    "The `iss` of every token, and the issuer of the metadata; in production PUBLIC_URL, and nothing else.",
    { absent: "PUBLIC_URL" },
  ),
  JWT_AUDIENCE: tokens(t.text, "The `aud` of access tokens.", { default: "qeet-identity" }),
  ACCESS_TOKEN_TTL: tokens(
    t.duration("1s", "24h"),
    "Life of an access token; production: 1m to 1h.",
    {
      default: "15m",
    },
  ),
  REFRESH_TOKEN_TTL: tokens(
    t.duration("1m", "87600h"),
    "Life of a refresh token, counted from each use.",
    { default: "720h" },
  ),
  REFRESH_TOKEN_MAX_LIFETIME: tokens(
    t.duration("1m", "87600h"),
    "How long an OAuth client may go on refreshing after a sign-in.",
    { default: "2160h" },
  ),
  AUTHORIZATION_CODE_TTL: tokens(t.duration("10s", "600s"), "Life of an authorization code.", {
    default: "60s",
  }),
  ID_TOKEN_TENANT_CLAIM: tokens(t.flag, "Put `tenant_id` into ID tokens.", { default: "true" }),
  JWT_LEGACY_ISSUERS: tokens(
    t.listOf(t.text),
    "Other `iss` values that are still accepted, while clients move to this server.",
    { default: "" },
  ),
  DYNAMIC_REGISTRATION: tokens(
    t.flag,
    "Let who may change connections register OAuth clients by RFC 7591.",
    { default: "false" },
  ),
  AUDIT_TOKEN_ISSUED: tokens(
    t.flag,
    "Write each token of `client_credentials` to the audit log: one more write a token, which otherwise costs none.",
    { default: "false" },
  ),
  JWT_SIGNING_KEY: tokens(t.ecPrivateKey, "Your own signing key (EC P-256, PEM).", {
    absent: "generated, kept in the database, sealed",
    isSecret: true,
  }),
  JWT_RETIRED_KEYS: tokens(t.pem, "Public keys (PEM, one after another) that still verify tokens."),
  JWT_SECRET: tokens(
    t.text,
    "Root of the keys for CSRF tokens, one-time codes and cursors. It never signs tokens.",
    { absent: "derived from the root key", isSecret: true },
  ),
  SECRETS_KEY: tokens(t.key32, "Your own sealing key (32 bytes, base64).", {
    absent: "derived from the root key",
    isSecret: true,
  }),
  SECRETS_KEYS_RETIRED: tokens(t.listOf(t.key32), "Earlier sealing keys, for reading.", {
    default: "",
    isSecret: true,
  }),

  ALLOWED_ORIGINS: browsers(
    t.listOf(t.corsOrigin),
    "Origins of browser applications that may call the API; PUBLIC_URL always may.",
    { default: "" },
  ),
  CSRF_COOKIE_DOMAIN: browsers(t.text, "Domain of the CSRF cookie, such as .example.com.", {
    absent: "the host alone",
  }),
  LOGIN_BASE_URL: browsers(
    t.origin,
    "Origin of your own sign-in pages (`/login`, `/consent`, `/logged-out`, `/device`).",
    { absent: "PUBLIC_URL: the pages that are built in" },
  ),
  APP_BASE_URL: browsers(t.httpUrl, "Your application; base of the links that lead there.", {
    absent: "PUBLIC_URL",
  }),

  SMTP_HOST: mail(t.text, "Mail server. Mail is sent when host and sender are set.", {
    absent: "mail goes to the log, and in development to /dev/mailbox",
  }),
  SMTP_PORT: mail(t.integer(1, 65_535, "PORT"), "Port of the mail server.", { default: "587" }),
  SMTP_USERNAME: mail(t.text, "User name at the mail server."),
  SMTP_PASSWORD: mail(t.text, "Password at the mail server.", { isSecret: true }),
  SMTP_FROM: mail(t.text, "Sender of all mail, such as `Acme <no-reply@example.com>`."),
  SMTP_TLS: mail(
    t.oneOf("starttls", "implicit", "none"),
    "How the connection is protected; `none` in development only.",
    { default: "starttls" },
  ),
  TWILIO_ACCOUNT_SID: mail(
    t.text,
    "Twilio account; SMS are sent when account, token and sender are set.",
  ),
  TWILIO_AUTH_TOKEN: mail(t.text, "Twilio token.", { isSecret: true }),
  TWILIO_FROM: mail(t.text, "Sender of SMS."),
  TWILIO_BASE_URL: mail(t.httpUrl, "Another address for the Twilio API.", {
    default: "https://api.twilio.com",
  }),

  RATE_LIMIT_IP: limits(t.rateLimit, "Requests without a credential, by client address.", {
    default: "5/20",
  }),
  RATE_LIMIT_TENANT: limits(t.rateLimit, "Authenticated requests, by tenant.", {
    default: "100/500",
  }),
  RATE_LIMIT_USER: limits(t.rateLimit, "Authenticated requests, by user.", { default: "30/100" }),
  RATE_LIMIT_APIKEY: limits(t.rateLimit, "Requests with an API key, by key.", {
    default: "50/200",
  }),
  RATE_LIMIT_CLIENT: limits(
    t.rateLimit,
    "OAuth requests that a client signs, by client and address; a failed proof counts five.",
    { default: "20/100" },
  ),
  RATE_LIMIT_SENSITIVE: limits(
    t.rateLimit,
    "Starting a verification, changing the own password, by user.",
    { default: "0.1/5" },
  ),
  RATE_LIMIT_MAIL: limits(t.rateLimit, "Reset and sign-in mails, by address.", {
    default: "0.005/3",
  }),
  RATE_LIMIT_VERIFY: limits(t.rateLimit, "Verifying the audit log, by tenant.", {
    default: "0.1/6",
  }),
  RATE_LIMIT_DEVICE: limits(
    t.rateLimit,
    "Device codes that people type in, by hosted session and by address.",
    { default: "0.0833/5" },
  ),
  REDIS_URL: limits(t.redisUrl, "Redis that holds the limits of several instances.", {
    absent: "limits are counted in each process",
    isSecret: true,
  }),
  BODY_LIMIT_BYTES: limits(t.integer(1024, 8 * 1024 * 1024, "BYTES"), "Largest request body.", {
    default: "1048576",
  }),
  HTTP_READ_TIMEOUT: limits(t.duration("1s", "255s"), "Longest a request may take to arrive.", {
    default: "15s",
  }),
  HTTP_WRITE_TIMEOUT: limits(t.duration("1s", "255s"), "Longest an answer may take.", {
    default: "30s",
  }),

  SERVICE_NAME: operation(t.text, "Name in health answers and logs.", {
    default: "qeet-identity",
  }),
  LOG_LEVEL: operation(t.oneOf("debug", "info", "warn", "error"), "What is worth a line.", {
    default: "info",
  }),
  SHUTDOWN_GRACE: operation(
    t.duration("0s", "10m"),
    "How long requests in flight may take to end after SIGTERM.",
    { default: "15s" },
  ),
  METRICS_TOKEN: operation(t.text, "Bearer token that opens /metrics.", {
    absent: "outside development only loopback may read it",
    isSecret: true,
  }),
  METRICS_ALLOW: operation(t.listOf(t.network), "Networks that may read /metrics.", {
    default: "",
  }),

  CSRF_DISABLED: development(t.flag, "No CSRF checks. Development only.", { default: "false" }),
  AUTH_DEV_TRUST_HEADERS: development(
    t.flag,
    "Believe X-Dev-User and X-Dev-Tenant. Development only.",
    { default: "false" },
  ),
  DEV_BIND_ANYWHERE: development(
    t.flag,
    "Allow development mode on an address that others can reach. Anyone who reaches it may read every mail.",
    { default: "false" },
  ),
};

type Settings = typeof settings;
export type SettingName = keyof Settings;
/** The parsed value of each setting. */
export type Values = {
  [Name in SettingName]: Settings[Name] extends Setting<infer T> ? T : never;
};

export const settingNames = Object.keys(settings) as SettingName[];
export const settingOf = (name: SettingName): Setting => settings[name];

export const flagOf = (name: string): string => name.toLowerCase().replaceAll("_", "-");
export const tomlKeyOf = (name: string): string => name.toLowerCase();
