import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { buildInfo } from "./config/build-info.ts";
import { hostOf, isLoopback, problemsOf } from "./config/gates.ts";
import { readLayers, type Sources } from "./config/layers.ts";
import type { Values } from "./config/table.ts";
import type { RateLimit } from "./config/types.ts";

export type BucketName =
  | "ip"
  | "tenant"
  | "user"
  | "apikey"
  | "client"
  | "sensitive"
  | "mail"
  | "verify"
  | "device";

/** What the operator decided, read once at start. Frozen; durations end in their unit. */
export interface Config {
  /** The one public origin (contract 00 §2), no slash at the end. */
  readonly publicUrl: string;
  readonly env: "dev" | "production";
  /** As `SERVICE_ENV` spells it: every name but `dev` means production. */
  readonly environmentName: string;
  readonly serviceName: string;
  readonly httpPort: number;
  readonly host: string;
  /** Absolute. */
  readonly dataDir: string;
  /** `postgres://…`, or `sqlite:` and an absolute path. */
  readonly databaseUrl: string;
  readonly databaseMaxConnections: number;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly jwtIssuer: string;
  readonly jwtAudience: string;
  readonly accessTokenTtlSeconds: number;
  readonly refreshTokenTtlSeconds: number;
  readonly refreshTokenMaxLifetimeSeconds: number;
  readonly authorizationCodeTtlSeconds: number;
  readonly idTokenTenantClaim: boolean;
  /** Beside `jwtIssuer`, for tokens of the server that this one replaces. */
  readonly jwtLegacyIssuers: readonly string[];
  readonly dynamicRegistration: boolean;
  readonly auditTokenIssued: boolean;
  /** What the operator added to `publicUrl`, which is always allowed. `*` in development only. */
  readonly allowedOrigins: readonly string[];
  readonly csrfCookieDomain: string | null;
  readonly appBaseUrl: string;
  /** Where people sign in: `publicUrl`, unless the operator has pages of their own. */
  readonly loginBaseUrl: string;
  readonly smtp: {
    readonly host: string;
    readonly port: number;
    readonly username: string | null;
    readonly password: string | null;
    readonly from: string;
    readonly tls: "starttls" | "implicit" | "none";
  } | null;
  readonly twilio: {
    readonly accountSid: string;
    readonly authToken: string;
    readonly from: string;
    readonly baseUrl: string;
  } | null;
  readonly redisUrl: string | null;
  /** Networks in CIDR notation. */
  readonly trustedProxies: readonly string[];
  readonly bodyLimitBytes: number;
  readonly httpReadTimeoutSeconds: number;
  readonly httpWriteTimeoutSeconds: number;
  readonly shutdownGraceSeconds: number;
  readonly autoMigrate: boolean;
  readonly metricsToken: string | null;
  readonly metricsAllow: readonly string[];
  /** User ids or e-mail addresses, lower case. */
  readonly platformAdmins: readonly string[];
  readonly signupPersonalTenant: boolean;
  readonly signupMode: "open" | "invite" | "closed";
  readonly tenantCreation: "anyone" | "operators";
  readonly rateLimits: Readonly<Record<BucketName, RateLimit | "off">>;
  readonly authDevTrustHeaders: boolean;
  readonly csrfDisabled: boolean;
  /** PEM text of the certificate chain, not its path. */
  readonly tlsCert: string | null;
  readonly tlsKey: string | null;
  readonly jwtSigningKey: string | null;
  readonly jwtRetiredKeys: string | null;
  readonly jwtSecret: string | null;
  readonly rootKey: string | null;
  /** Absolute path. */
  readonly rootKeyFile: string | null;
  readonly secretsKey: string | null;
  readonly secretsKeysRetired: readonly string[];
  /** Argon2id. Not a setting: only tests choose cheaper ones. */
  readonly passwordHashing: {
    readonly memoryKib: number;
    readonly iterations: number;
    readonly parallelism: number;
  };
  readonly acceptNewPublicUrl: boolean;
  readonly devBindAnywhere: boolean;
  readonly version: string;
  readonly commit: string;
}

/** All that is wrong with the settings, one line each. Exit code 78 (EX_CONFIG). */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  constructor(readonly problems: readonly string[]) {
    super(problems.join("\n"));
  }
}

/**
 * Reads flags over environment over file over defaults into one frozen Config. Throws ConfigError that lists
 * every problem, not the first. Reads the files that `…_FILE`, `TLS_CERT` and `TLS_KEY` name, nothing else.
 */
export function loadConfig(sources: Sources): Config {
  const { values, problems } = readLayers(sources);
  // Rules between settings can only be judged on whole values; the rest of them is reported the next time.
  const defaults = readLayers({}).values as Values;
  const judged: Values = { ...defaults, ...values };
  // An origin that can't be read: assume production, so that none of its gates goes unmentioned.
  if (values.PUBLIC_URL === undefined) judged.PUBLIC_URL = "https://public-url.invalid";
  const config = compose(judged, problems);
  problems.push(...problemsOf(judged, config));
  if (problems.length > 0) throw new ConfigError([...new Set(problems)]);
  return config;
}

function compose(values: Values, problems: string[]): Config {
  const readPem = (name: "TLS_CERT" | "TLS_KEY"): string | null => {
    const path = values[name];
    if (path === null) return null;
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      problems.push(`${name}: can't read ${path}: ${(error as NodeJS.ErrnoException).code}`);
      return null;
    }
  };
  const scheme = values.TLS_CERT === null ? "http" : "https";
  const publicUrl = values.PUBLIC_URL ?? `${scheme}://localhost:${values.HTTP_PORT}`;
  const environmentName =
    values.SERVICE_ENV ?? (isLoopback(hostOf(publicUrl)) ? "dev" : "production");
  const isDev = environmentName === "dev";
  const dataDir = resolve(values.DATA_DIR);
  return Object.freeze({
    publicUrl,
    env: isDev ? "dev" : "production",
    environmentName,
    serviceName: values.SERVICE_NAME,
    httpPort: values.HTTP_PORT,
    host: values.HOST ?? (isDev ? "127.0.0.1" : "::"),
    dataDir,
    databaseUrl: absolute(values.DATABASE_URL ?? `sqlite:${dataDir}/qeetid.db`),
    databaseMaxConnections: values.DB_MAX_CONNS,
    logLevel: values.LOG_LEVEL,
    jwtIssuer: values.JWT_ISSUER ?? publicUrl,
    jwtAudience: values.JWT_AUDIENCE,
    accessTokenTtlSeconds: values.ACCESS_TOKEN_TTL,
    refreshTokenTtlSeconds: values.REFRESH_TOKEN_TTL,
    refreshTokenMaxLifetimeSeconds: values.REFRESH_TOKEN_MAX_LIFETIME,
    authorizationCodeTtlSeconds: values.AUTHORIZATION_CODE_TTL,
    idTokenTenantClaim: values.ID_TOKEN_TENANT_CLAIM,
    jwtLegacyIssuers: values.JWT_LEGACY_ISSUERS,
    dynamicRegistration: values.DYNAMIC_REGISTRATION,
    auditTokenIssued: values.AUDIT_TOKEN_ISSUED,
    allowedOrigins: values.ALLOWED_ORIGINS,
    csrfCookieDomain: values.CSRF_COOKIE_DOMAIN,
    appBaseUrl: values.APP_BASE_URL ?? publicUrl,
    loginBaseUrl: values.LOGIN_BASE_URL ?? publicUrl,
    smtp: smtpOf(values),
    twilio: twilioOf(values),
    redisUrl: values.REDIS_URL,
    trustedProxies: values.TRUSTED_PROXIES ?? (isDev ? [] : ["127.0.0.0/8", "::1/128"]),
    bodyLimitBytes: values.BODY_LIMIT_BYTES,
    httpReadTimeoutSeconds: values.HTTP_READ_TIMEOUT,
    httpWriteTimeoutSeconds: values.HTTP_WRITE_TIMEOUT,
    shutdownGraceSeconds: values.SHUTDOWN_GRACE,
    autoMigrate: values.AUTO_MIGRATE,
    metricsToken: values.METRICS_TOKEN,
    metricsAllow: values.METRICS_ALLOW,
    platformAdmins: values.PLATFORM_ADMINS,
    signupPersonalTenant: values.SIGNUP_PERSONAL_TENANT,
    signupMode: values.SIGNUP_MODE,
    tenantCreation: values.TENANT_CREATION,
    rateLimits: rateLimitsOf(values),
    authDevTrustHeaders: values.AUTH_DEV_TRUST_HEADERS,
    csrfDisabled: values.CSRF_DISABLED,
    tlsCert: readPem("TLS_CERT"),
    tlsKey: readPem("TLS_KEY"),
    jwtSigningKey: values.JWT_SIGNING_KEY,
    jwtRetiredKeys: values.JWT_RETIRED_KEYS,
    jwtSecret: values.JWT_SECRET,
    rootKey: values.ROOT_KEY,
    rootKeyFile: values.ROOT_KEY_FILE === null ? null : resolve(values.ROOT_KEY_FILE),
    secretsKey: values.SECRETS_KEY,
    secretsKeysRetired: values.SECRETS_KEYS_RETIRED,
    // OWASP's first choice for Argon2id: 19 MiB, two passes, one lane.
    passwordHashing: Object.freeze({ memoryKib: 19_456, iterations: 2, parallelism: 1 }),
    acceptNewPublicUrl: values.ACCEPT_NEW_PUBLIC_URL,
    devBindAnywhere: values.DEV_BIND_ANYWHERE,
    ...buildInfo,
  });
}

const absolute = (url: string): string =>
  url.startsWith("sqlite:") ? `sqlite:${resolve(url.slice("sqlite:".length))}` : url;

function smtpOf(values: Values): Config["smtp"] {
  if (values.SMTP_HOST === null || values.SMTP_FROM === null) return null;
  return Object.freeze({
    host: values.SMTP_HOST,
    port: values.SMTP_PORT,
    username: values.SMTP_USERNAME,
    password: values.SMTP_PASSWORD,
    from: values.SMTP_FROM,
    tls: values.SMTP_TLS,
  });
}

function twilioOf(values: Values): Config["twilio"] {
  const { TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_FROM, TWILIO_BASE_URL } = values;
  if (TWILIO_ACCOUNT_SID === null || TWILIO_AUTH_TOKEN === null || TWILIO_FROM === null)
    return null;
  return Object.freeze({
    accountSid: TWILIO_ACCOUNT_SID,
    authToken: TWILIO_AUTH_TOKEN,
    from: TWILIO_FROM,
    baseUrl: TWILIO_BASE_URL,
  });
}

const rateLimitsOf = (values: Values): Config["rateLimits"] =>
  Object.freeze({
    ip: values.RATE_LIMIT_IP,
    tenant: values.RATE_LIMIT_TENANT,
    user: values.RATE_LIMIT_USER,
    apikey: values.RATE_LIMIT_APIKEY,
    client: values.RATE_LIMIT_CLIENT,
    sensitive: values.RATE_LIMIT_SENSITIVE,
    mail: values.RATE_LIMIT_MAIL,
    verify: values.RATE_LIMIT_VERIFY,
    device: values.RATE_LIMIT_DEVICE,
  });

const OFF: Config["rateLimits"] = Object.freeze({
  ip: "off",
  tenant: "off",
  user: "off",
  apikey: "off",
  client: "off",
  sensitive: "off",
  mail: "off",
  verify: "off",
  device: "off",
});

/**
 * For tests: the defaults of development, no rate limits, cheap password hashes (the only way to have them), and
 * whatever else the test decides.
 */
export function testConfig(overrides: Partial<Config> = {}): Config {
  return Object.freeze({
    ...loadConfig({}),
    rateLimits: OFF,
    passwordHashing: Object.freeze({ memoryKib: 64, iterations: 1, parallelism: 1 }),
    ...overrides,
  });
}
