/** What must hold between settings, and what production demands (contract 01 §13 as settled 3, 17, 31 and 32 amend it). */
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { Config } from "../config.ts";
import { settingNames, type Values } from "./table.ts";

/** localhost, 127.0.0.0/8 or ::1, as a host of a URL or as an address to bind. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, "").toLowerCase();
  return (
    name === "localhost" ||
    name.endsWith(".localhost") ||
    name === "::1" ||
    /^127(\.\d{1,3}){3}$/.test(name)
  );
}

export const hostOf = (url: string): string => new URL(url).hostname;

const PLACEHOLDERS = /change-me|changeme|please-change|placeholder|example|your-secret/i;

/** Every problem of a configuration whose values are sound one by one. */
export function problemsOf(values: Values, config: Config): string[] {
  return [
    ...together(values, config),
    ...(config.env === "production" ? production(values, config) : development(config)),
  ];
}

function* together(values: Values, config: Config): Generator<string> {
  const { SMTP_HOST, SMTP_FROM, TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_FROM } = values;
  if ((SMTP_HOST === null) !== (SMTP_FROM === null))
    yield "SMTP_HOST and SMTP_FROM: mail needs both, only one is set";
  if (values.SMTP_PASSWORD !== null && values.SMTP_USERNAME === null)
    yield "SMTP_PASSWORD: set without SMTP_USERNAME";
  const twilio = [TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_FROM].filter((one) => one !== null);
  if (twilio.length === 1 || twilio.length === 2)
    yield "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM: SMS need all three";
  if (values.ROOT_KEY !== null && values.ROOT_KEY_FILE !== null)
    yield "ROOT_KEY and ROOT_KEY_FILE: give one of them";
  const { csrfCookieDomain: domain } = config;
  if (domain !== null && !isWithin(hostOf(config.publicUrl), domain))
    yield `CSRF_COOKIE_DOMAIN: must be ${hostOf(config.publicUrl)} or a parent of it, else browsers drop the cookie`;
  yield* certificate(config);
}

function isWithin(host: string, domain: string): boolean {
  const parent = domain.replace(/^\./, "").toLowerCase();
  return host === parent || host.endsWith(`.${parent}`);
}

function* certificate({ tlsCert, tlsKey }: Config): Generator<string> {
  if ((tlsCert === null) !== (tlsKey === null)) {
    yield "TLS_CERT and TLS_KEY: https needs both, only one could be read";
  } else if (tlsCert !== null && tlsKey !== null) {
    try {
      if (!new X509Certificate(tlsCert).checkPrivateKey(createPrivateKey(tlsKey)))
        yield "TLS_KEY: is not the key of the certificate in TLS_CERT";
    } catch {
      yield "TLS_CERT and TLS_KEY: must be a certificate and a private key without a passphrase, in PEM";
    }
  }
}

function* development(config: Config): Generator<string> {
  if (config.devBindAnywhere) return;
  // Settled 31: whoever reaches a development server reads everybody's mail in /dev/mailbox.
  if (!isLoopback(config.host))
    yield `HOST: development mode listens on loopback only, not on ${config.host}; set PUBLIC_URL to an https origin, or give --dev-bind-anywhere`;
  if (!isLoopback(hostOf(config.publicUrl)))
    yield `SERVICE_ENV: dev with the public origin ${config.publicUrl}; leave SERVICE_ENV out, or give --dev-bind-anywhere`;
}

function* production(values: Values, config: Config): Generator<string> {
  if (config.csrfDisabled) yield "CSRF_DISABLED: not in production";
  if (config.authDevTrustHeaders) yield "AUTH_DEV_TRUST_HEADERS: not in production";
  if (config.jwtSecret !== null) {
    if (config.jwtSecret.length < 32) yield "JWT_SECRET: must have 32 characters or more";
    if (PLACEHOLDERS.test(config.jwtSecret))
      yield "JWT_SECRET: is a placeholder (make one: openssl rand -base64 48)";
  }
  if (config.allowedOrigins.includes("*"))
    yield "ALLOWED_ORIGINS: `*` would let every web site act for your users; name the origins";
  for (const [name, url] of [
    ["PUBLIC_URL", config.publicUrl],
    ["APP_BASE_URL", config.appBaseUrl],
    // Unset, it is PUBLIC_URL, which was judged.
    ["LOGIN_BASE_URL", values.LOGIN_BASE_URL ?? "https:"],
  ] as const) {
    if (!url.startsWith("https:")) yield `${name}: must be https in production, not ${url}`;
    if (name === "APP_BASE_URL" && (isLoopback(hostOf(url)) || hostOf(url).endsWith(".local")))
      yield `${name}: ${url} can't be reached from where your users are`;
  }
  // Contract 03 "Settings": Discovery §4.3 has clients compare it with the address that they found the metadata at.
  const { jwtIssuer: issuer, publicUrl } = config;
  if (issuer !== publicUrl)
    yield `JWT_ISSUER: must be PUBLIC_URL in production, ${publicUrl}, where clients look for its metadata, not ${JSON.stringify(issuer)}; one of earlier tokens belongs into JWT_LEGACY_ISSUERS`;
  if (config.accessTokenTtlSeconds < 60 || config.accessTokenTtlSeconds > 3600)
    yield "ACCESS_TOKEN_TTL: must lie between 1m and 1h in production";
  if (config.smtp?.tls === "none")
    yield "SMTP_TLS: `none` would send links that open accounts in clear; use starttls or implicit";
  for (const name of settingNames)
    if (name.startsWith("RATE_LIMIT_") && values[name] === "off")
      yield `${name}: can be off in development only`;
}
