import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flagOf, settingNames, settingOf, tomlKeyOf } from "../../src/config/table.ts";
import { ConfigError, loadConfig, testConfig } from "../../src/config.ts";

function problemsOf(sources: Parameters<typeof loadConfig>[0]): readonly string[] {
  try {
    loadConfig(sources);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const production = { PUBLIC_URL: "https://id.example.com" };

function fileWith(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "qeetid-config-")), "value");
  writeFileSync(path, text);
  return path;
}

describe("defaults", () => {
  test("without anything: development on loopback, data in the current directory", () => {
    const config = loadConfig({});
    expect(config).toMatchObject({
      publicUrl: "http://localhost:4000",
      env: "dev",
      host: "127.0.0.1",
      httpPort: 4000,
      jwtIssuer: "http://localhost:4000",
      appBaseUrl: "http://localhost:4000",
      accessTokenTtlSeconds: 900,
      refreshTokenTtlSeconds: 2_592_000,
      trustedProxies: [],
      signupMode: "open",
      tenantCreation: "anyone",
      databaseUrl: `sqlite:${process.cwd()}/qeetid-data/qeetid.db`,
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  test("contract 00 §3: a public origin alone makes it production, and nothing else is demanded", () => {
    expect(loadConfig({ env: production })).toMatchObject({
      env: "production",
      host: "::",
      jwtIssuer: "https://id.example.com",
      trustedProxies: ["127.0.0.0/8", "::1/128"],
      rateLimits: { ip: { ratePerSecond: 5, burst: 20 } },
    });
  });

  test.each([
    ["http://localhost:4000", "dev"],
    ["http://127.0.0.1:4000", "dev"],
    ["http://[::1]:4000", "dev"],
    ["https://localhost.example.com", "production"],
    ["https://127.0.0.1.example.com", "production"],
  ])("%s is %s", (publicUrl, env) => {
    expect(loadConfig({ env: { PUBLIC_URL: publicUrl } }).env).toBe(env as "dev");
  });

  test("SERVICE_ENV: any name but dev is production", () => {
    const config = loadConfig({ env: { ...production, SERVICE_ENV: "staging" } });
    expect(config).toMatchObject({ env: "production", environmentName: "staging" });
  });

  test("cheap password hashes can be had through testConfig alone", () => {
    expect(testConfig().passwordHashing.memoryKib).toBeLessThan(19_456);
    const widest = loadConfig({ env: { PASSWORD_HASHING: "64", MEMORY_KIB: "64" } });
    expect(widest.passwordHashing).toEqual({ memoryKib: 19_456, iterations: 2, parallelism: 1 });
  });
});

describe("precedence", () => {
  const tomlText = `http_port = 4001\nservice_name = "from-file"\nallowed_origins = ["https://a.example", "https://b.example"]`;

  test("flag over environment over file over default", () => {
    const env = { HTTP_PORT: "4002", SERVICE_NAME: "from-env" };
    expect(loadConfig({ tomlText }).httpPort).toBe(4001);
    expect(loadConfig({ tomlText, env }).httpPort).toBe(4002);
    const config = loadConfig({ tomlText, env, flags: { "http-port": "4003" } });
    expect(config).toMatchObject({
      httpPort: 4003,
      serviceName: "from-env",
      logLevel: "info",
      allowedOrigins: ["https://a.example", "https://b.example"],
    });
  });

  test("an empty environment variable is not set", () => {
    expect(loadConfig({ tomlText, env: { HTTP_PORT: "" } }).httpPort).toBe(4001);
  });

  test("every setting is reachable by flag, by environment and by file", () => {
    for (const name of settingNames) {
      const bad = { flag: { [flagOf(name)]: "no:no" }, env: { [name]: "no:no" } };
      // A value that most types refuse; texts and paths take it, and are told apart below.
      const isText = /^(?:TEXT|PATH)/.test(settingOf(name).type.placeholder);
      if (isText) continue;
      expect(problemsOf({ flags: bad.flag })[0]).toStartWith(`--${flagOf(name)}: `);
      expect(problemsOf({ env: bad.env })[0]).toStartWith(`${name}: `);
      expect(problemsOf({ tomlText: `${tomlKeyOf(name)} = "no:no"` })[0]).toStartWith(
        `${tomlKeyOf(name)} in the configuration file: `,
      );
    }
  });

  test("aliases: DB_URL, --port, --no-migrate", () => {
    expect(loadConfig({ env: { DB_URL: "postgres://db/x" } }).databaseUrl).toBe("postgres://db/x");
    expect(loadConfig({ flags: { port: "4004" } }).httpPort).toBe(4004);
    expect(loadConfig({ flags: { migrate: "false" } }).autoMigrate).toBe(false);
    expect(
      loadConfig({ env: { DATABASE_URL: "sqlite:/a.db", DB_URL: "sqlite:/b.db" } }).databaseUrl,
    ).toBe("sqlite:/a.db");
  });

  test.each([
    ["sqlite:///var/x.db", "sqlite:/var/x.db"],
    ["sqlite:/var/x.db", "sqlite:/var/x.db"],
    ["/var/x.db", "sqlite:/var/x.db"],
    ["postgresql://u@h/d", "postgresql://u@h/d"],
  ])("DATABASE_URL %s", (written, read) => {
    expect(loadConfig({ env: { DATABASE_URL: written } }).databaseUrl).toBe(read);
  });
});

describe("secrets in files", () => {
  test("…_FILE works in each layer, and the line break at its end is not part of it", () => {
    const path = fileWith("hunter2\n");
    const smtp = { SMTP_HOST: "h", SMTP_FROM: "a@b.c", SMTP_USERNAME: "u" };
    expect(loadConfig({ env: { ...smtp, SMTP_PASSWORD_FILE: path } }).smtp?.password).toBe(
      "hunter2",
    );
    expect(loadConfig({ env: smtp, flags: { "smtp-password-file": path } }).smtp?.password).toBe(
      "hunter2",
    );
    expect(
      loadConfig({ env: smtp, tomlText: `smtp_password_file = "${path}"` }).smtp?.password,
    ).toBe("hunter2");
  });

  test("a flag's file is over the environment's value", () => {
    const flags = { "metrics-token-file": fileWith("of the file") };
    expect(loadConfig({ flags, env: { METRICS_TOKEN: "of the env" } }).metricsToken).toBe(
      "of the file",
    );
  });

  test("given twice in one layer, or unreadable: said so, without the secret", () => {
    const path = fileWith("hunter2");
    expect(problemsOf({ env: { METRICS_TOKEN: "x", METRICS_TOKEN_FILE: path } })).toEqual([
      "METRICS_TOKEN: given twice, also by METRICS_TOKEN_FILE",
    ]);
    expect(problemsOf({ env: { METRICS_TOKEN_FILE: `${path}-not` } })).toEqual([
      `METRICS_TOKEN_FILE: can't read ${path}-not: ENOENT`,
    ]);
    const [problem] = problemsOf({ env: { SECRETS_KEY: "hunter2" } });
    expect(problem).toStartWith("SECRETS_KEY: must be exactly 32 bytes");
    expect(problem).not.toContain("hunter2");
  });
});

describe("problems", () => {
  test("01 §20: boot with several bad settings in prod: all listed", () => {
    const problems = problemsOf({
      env: {
        ...production,
        CSRF_DISABLED: "true",
        AUTH_DEV_TRUST_HEADERS: "1",
        JWT_SECRET: "please-change-me",
        ALLOWED_ORIGINS: "https://app.example.com,*",
        APP_BASE_URL: "http://localhost:3000",
        JWT_ISSUER: "qeet-identity",
        ACCESS_TOKEN_TTL: "2h",
        SMTP_HOST: "mail",
        SMTP_FROM: "a@b.c",
        SMTP_TLS: "none",
        RATE_LIMIT_IP: "off",
        SECRETS_KEY: Buffer.alloc(16).toString("base64"),
      },
    });
    const names = [
      "SECRETS_KEY",
      "CSRF_DISABLED",
      "AUTH_DEV_TRUST_HEADERS",
      "JWT_SECRET: must have 32",
      "JWT_SECRET: is a placeholder",
      "ALLOWED_ORIGINS",
      "APP_BASE_URL: must be https",
      "APP_BASE_URL: http://localhost:3000 can't be reached",
      "JWT_ISSUER",
      "ACCESS_TOKEN_TTL",
      "SMTP_TLS",
      "RATE_LIMIT_IP",
    ];
    for (const name of names)
      expect(problems.filter((problem) => problem.startsWith(name))).not.toEqual([]);
    expect(problems).toHaveLength(names.length);
  });

  test("03 settings: the issuer is the public origin, byte for byte, and people sign in over https", () => {
    for (const issuer of [
      "https://id.other.test",
      `${production.PUBLIC_URL}/`,
      `${production.PUBLIC_URL}?x`,
      `${production.PUBLIC_URL}#x`,
      "http://id.acme.test",
    ])
      expect(problemsOf({ env: { ...production, JWT_ISSUER: issuer } })).toEqual([
        `JWT_ISSUER: must be PUBLIC_URL in production, ${production.PUBLIC_URL}, where clients look for its metadata, not ${JSON.stringify(issuer)}; one of earlier tokens belongs into JWT_LEGACY_ISSUERS`,
      ]);
    const env = { ...production, JWT_ISSUER: production.PUBLIC_URL };
    expect(loadConfig({ env }).jwtIssuer).toBe(production.PUBLIC_URL);
    // Outside production clients may still pin an old one (contract 01 §6).
    expect(loadConfig({ env: { JWT_ISSUER: "qeet-identity" } }).jwtIssuer).toBe("qeet-identity");
    expect(
      problemsOf({ env: { ...production, LOGIN_BASE_URL: "http://login.acme.test" } }),
    ).toEqual(["LOGIN_BASE_URL: must be https in production, not http://login.acme.test"]);
  });

  test("the same settings, but sound: accepted in production", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const config = loadConfig({
      env: {
        ...production,
        JWT_SECRET: "a long enough secret that nobody guesses",
        JWT_SIGNING_KEY: privateKey.export({ format: "pem", type: "pkcs8" }) as string,
        ALLOWED_ORIGINS: "https://app.acme.test",
        APP_BASE_URL: "https://app.acme.test/portal/",
        ACCESS_TOKEN_TTL: "1h",
        SMTP_HOST: "mail",
        SMTP_FROM: "a@b.c",
        RATE_LIMIT_IP: "0.5/10",
        SECRETS_KEY: Buffer.alloc(32, 7).toString("base64"),
      },
    });
    expect(config).toMatchObject({
      appBaseUrl: "https://app.acme.test/portal",
      smtp: { tls: "starttls", port: 587 },
      rateLimits: { ip: { ratePerSecond: 0.5, burst: 10 } },
    });
  });

  test.each([
    {
      env: { HTTP_PORT: "0" },
      problem: /^HTTP_PORT: must be a whole number from 1 to 65535, not "0"$/,
    },
    { env: { HTTP_PORT: "4000x" }, problem: /^HTTP_PORT: / },
    { env: { ACCESS_TOKEN_TTL: "15" }, problem: /^ACCESS_TOKEN_TTL: must be a duration/ },
    { env: { ACCESS_TOKEN_TTL: "1500ms" }, problem: /^ACCESS_TOKEN_TTL: must be whole seconds/ },
    { env: { ACCESS_TOKEN_TTL: "25h" }, problem: /^ACCESS_TOKEN_TTL: must lie between/ },
    { env: { CSRF_DISABLED: "yes" }, problem: /^CSRF_DISABLED: must be true, false, 1 or 0/ },
    { env: { PUBLIC_URL: "id.example.com" }, problem: /^PUBLIC_URL: must be a URL/ },
    { env: { PUBLIC_URL: "https://id.example.com/id" }, problem: /without a path/ },
    { env: { PUBLIC_URL: "https://u:p@id.example.com" }, problem: /no user name/ },
    { env: { PUBLIC_URL: "http://id.example.com" }, problem: /^PUBLIC_URL: must be https/ },
    { env: { TRUSTED_PROXIES: "10.0.0.0/33" }, problem: /^TRUSTED_PROXIES: / },
    { env: { TRUSTED_PROXIES: "proxy" }, problem: /^TRUSTED_PROXIES: / },
    { env: { PLATFORM_ADMINS: "bob" }, problem: /^PLATFORM_ADMINS: / },
    { env: { RATE_LIMIT_IP: "5" }, problem: /^RATE_LIMIT_IP: must be requests a second/ },
    { env: { RATE_LIMIT_IP: "0/5" }, problem: /^RATE_LIMIT_IP: / },
    { env: { REDIS_URL: "127.0.0.1" }, problem: /^REDIS_URL: / },
    { env: { DATABASE_URL: "mysql://x" }, problem: /^DATABASE_URL: / },
    { env: { DATABASE_URL: "sqlite::memory:" }, problem: /^DATABASE_URL: can't be in memory/ },
    {
      env: { JWT_SIGNING_KEY: "-----BEGIN PRIVATE KEY-----" },
      problem: /^JWT_SIGNING_KEY: must be an EC/,
    },
    { env: { SMTP_HOST: "mail" }, problem: /^SMTP_HOST and SMTP_FROM/ },
    { env: { TWILIO_FROM: "+1" }, problem: /^TWILIO_ACCOUNT_SID/ },
    {
      env: { ROOT_KEY: Buffer.alloc(32).toString("hex"), ROOT_KEY_FILE: "/k" },
      problem: /^ROOT_KEY and/,
    },
    { env: { TLS_CERT: "/nowhere.pem" }, problem: /^TLS_CERT: can't read \/nowhere.pem: ENOENT/ },
    { env: { ...production, CSRF_COOKIE_DOMAIN: ".other.com" }, problem: /^CSRF_COOKIE_DOMAIN/ },
    { env: { HOST: "0.0.0.0" }, problem: /^HOST: development mode listens on loopback only/ },
    {
      env: { SERVICE_ENV: "dev", ...production },
      problem: /^SERVICE_ENV: dev with the public origin/,
    },
  ] as { env: Record<string, string>; problem: RegExp }[])("$env", ({ env, problem }) => {
    expect(problemsOf({ env })).toContainEqual(expect.stringMatching(problem));
  });

  test("settled 31: --dev-bind-anywhere allows a development server that others reach", () => {
    const env = { HOST: "0.0.0.0", PUBLIC_URL: "http://192.168.1.5:4000", SERVICE_ENV: "dev" };
    expect(problemsOf({ env })).toHaveLength(2);
    expect(problemsOf({ env, flags: { "dev-bind-anywhere": "true" } })).toEqual([]);
  });

  test("an unknown key of the file is an error with the nearest name; an unknown variable is nothing", () => {
    expect(problemsOf({ tomlText: `signup_mod = "open"` })).toEqual([
      "configuration file: unknown setting signup_mod (did you mean signup_mode?)",
    ]);
    expect(problemsOf({ tomlText: "[smtp]\nhost = 1" })).toEqual([
      "configuration file: unknown setting smtp",
    ]);
    expect(problemsOf({ tomlText: "http_port = " })[0]).toStartWith("configuration file: not TOML");
    expect(problemsOf({ env: { SIGNUP_MOD: "open" } })).toEqual([]);
  });
});

test("docs/settings.md names every setting", async () => {
  const page = await Bun.file(join(import.meta.dir, "../../docs/settings.md")).text();
  for (const name of settingNames)
    expect(page).toContain(`| \`${name}\` | \`--${flagOf(name)}\` |`);
});

test("no setting is read and then forgotten: each is used beyond the configuration", async () => {
  const root = join(import.meta.dir, "../..");
  let sources = "";
  for (const file of new Bun.Glob("src/**/*.{ts,tsx}").scanSync(root))
    if (!file.startsWith("src/config")) sources += await Bun.file(join(root, file)).text();
  // It matters to the gates alone, which refuse the start without it.
  const judgedByGates = ["devBindAnywhere"];
  const forgotten = Object.keys(loadConfig({})).filter(
    (key) => !judgedByGates.includes(key) && !new RegExp(`\\b${key}\\b`).test(sources),
  );
  expect(forgotten).toEqual([]);
});
