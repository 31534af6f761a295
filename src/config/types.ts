/** What a setting's text may be. `parse` throws an Error whose message says what it must be, never what it was. */
import { createPrivateKey } from "node:crypto";
import ipaddr from "ipaddr.js";

export interface Type<T> {
  /** Stands for the value in the help: `--http-port PORT`. */
  readonly placeholder: string;
  readonly parse: (text: string) => T;
  /** On by its mere flag, off by `--no-…`. */
  readonly isSwitch?: true;
}

const type = <T>(placeholder: string, parse: (text: string) => T): Type<T> => ({
  placeholder,
  parse,
});

export const text = type("TEXT", (value) => value);
export const path = type("PATH", (value) => value);

export const flag: Type<boolean> = {
  placeholder: "true|false",
  isSwitch: true,
  parse(value) {
    if (value === "true" || value === "1") return true;
    if (value === "false" || value === "0") return false;
    throw new Error("must be true, false, 1 or 0");
  },
};

export const oneOf = <const T extends string>(...choices: readonly T[]): Type<T> =>
  type(choices.join("|"), (value) => {
    const choice = choices.find((one) => one === value);
    if (choice === undefined) throw new Error(`must be one of ${choices.join(", ")}`);
    return choice;
  });

export const integer = (min: number, max: number, placeholder = "NUMBER"): Type<number> =>
  type(placeholder, (value) => {
    const number = /^\d{1,12}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max))
      throw new Error(`must be a whole number from ${min} to ${max}`);
    return number;
  });

const UNIT_SECONDS: Record<string, number> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
};

/** A duration as Go writes it (`15m`, `1h30m`, `2s`), in seconds. */
export function parseDuration(value: string): number {
  const parts = value.match(/\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h)/g);
  if (!parts || parts.join("") !== value)
    throw new Error("must be a duration such as 15m, 720h, 1h30m or 2s");
  return parts.reduce((sum, part) => {
    const [, number, unit] = /^([\d.]+)(.+)$/.exec(part)!;
    return sum + Number(number) * UNIT_SECONDS[unit!]!;
  }, 0);
}

/** Whole seconds within a range given as durations. */
export const duration = (min: string, max: string): Type<number> =>
  type("DURATION", (value) => {
    const seconds = parseDuration(value);
    if (seconds < parseDuration(min) || seconds > parseDuration(max))
      throw new Error(`must lie between ${min} and ${max}`);
    if (!Number.isInteger(seconds)) throw new Error("must be whole seconds");
    return seconds;
  });

function parseUrl(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw new Error("must be a URL such as https://id.example.com");
  if (url.username !== "" || url.password !== "") throw new Error("must carry no user name");
  if (url.hash !== "" || url.search !== "") throw new Error("must carry no query and no fragment");
  return url;
}

/** Scheme, host and port, nothing else; no slash at the end. */
export const origin = type("ORIGIN", (value) => {
  const url = parseUrl(value);
  if (url.pathname !== "/") throw new Error("must be an origin, without a path");
  return url.origin;
});

/** An http or https URL; no slash at the end. */
export const httpUrl = type("URL", (value) => parseUrl(value).href.replace(/\/+$/, ""));

export const redisUrl = type("URL", (value) => {
  if (!/^rediss?:\/\//.test(value) || !URL.canParse(value))
    throw new Error("must be a URL such as redis://127.0.0.1:6379");
  return value;
});

/** `postgres://…`, or a SQLite file as `sqlite:PATH`, `sqlite:///PATH` or a bare path. */
export const databaseUrl = type("URL", (value) => {
  if (/^postgres(ql)?:\/\//.test(value)) {
    if (!URL.canParse(value))
      throw new Error("must be a URL such as postgres://user@host/database");
    return value;
  }
  const file = value.replace(/^sqlite:(\/\/)?/, "");
  if (file === ":memory:")
    throw new Error("can't be in memory: what a server promised must outlive it");
  if (file === "" || /^[a-z][a-z0-9+.-]+:/i.test(file))
    throw new Error("must be postgres://… or sqlite:PATH");
  return `sqlite:${file}`;
});

const commas = (value: string): string[] =>
  value
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");

export const listOf = <T>(item: Type<T>): Type<readonly T[]> =>
  type(`${item.placeholder},…`, (value) => Object.freeze(commas(value).map(item.parse)));

/** An origin, or `*` for any (which production refuses). */
export const corsOrigin = type("ORIGIN", (value) => (value === "*" ? value : origin.parse(value)));

/** A network in CIDR notation; a bare address is a network of one. */
export const network = type("CIDR", (value) => {
  const cidr = value.includes("/")
    ? value
    : `${value}/${ipaddr.isValid(value) ? ipaddr.parse(value).toByteArray().length * 8 : ""}`;
  if (!ipaddr.isValidCIDR(cidr))
    throw new Error("must be networks such as 10.0.0.0/8 or addresses such as 127.0.0.1");
  return cidr;
});

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export const userReference = type("ID|EMAIL", (value) => {
  if (!UUID.test(value) && !/^[^\s@]+@[^\s@]+$/.test(value))
    throw new Error("must be user ids or e-mail addresses");
  return value.toLowerCase();
});

/** 32 bytes as base64, base64url or 64 hexadecimal digits; kept as text. */
export const key32 = type("KEY", (value) => {
  const bytes = /^[0-9a-f]{64}$/i.test(value)
    ? 32
    : /^[A-Za-z0-9+/_-]+=*$/.test(value)
      ? Buffer.from(value, "base64").length
      : 0;
  if (bytes !== 32)
    throw new Error("must be exactly 32 bytes, in base64 (make one: openssl rand -base64 32)");
  return value;
});

/** PEM text; an environment that can't hold line breaks may write them as `\n`. */
export const pem = type("PEM", (value) => {
  const lines = value.replaceAll("\\n", "\n");
  if (!/-----BEGIN [A-Z0-9 ]+-----/.test(lines)) throw new Error("must be PEM");
  return lines;
});

/** A private key on P-256 (PKCS #8 or SEC 1). */
export const ecPrivateKey = type("PEM", (value) => {
  const lines = pem.parse(value);
  try {
    const key = createPrivateKey(lines);
    if (key.asymmetricKeyDetails?.namedCurve === "prime256v1") return lines;
  } catch {
    // Said below; the library's message could hold a piece of the key.
  }
  throw new Error("must be an EC private key on curve P-256, in PEM (PKCS #8 or SEC 1)");
});

export interface RateLimit {
  readonly ratePerSecond: number;
  readonly burst: number;
}

/** `rate/burst`: tokens a second and size of the bucket. */
export const rateLimit: Type<RateLimit | "off"> = type("RATE/BURST|off", (value) => {
  if (value === "off") return "off" as const;
  const [, rate, burst] = /^(\d+(?:\.\d+)?)\/(\d+)$/.exec(value) ?? [];
  if (!(Number(rate) > 0 && Number(burst) >= 1))
    throw new Error("must be requests a second and burst, such as 5/20, or off");
  return Object.freeze({ ratePerSecond: Number(rate), burst: Number(burst) });
});
