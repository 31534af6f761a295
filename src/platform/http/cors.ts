import type { Config } from "../../config.ts";

type Answer = Record<string, string | number>;

/** `listed`: the origins of the settings, with credentials. `login`: the origin of the sign-in pages alone, likewise. */
export type CorsPolicy = "listed" | "any" | "none" | "login";

/** Contract 01 §7. Whole origins are compared, never suffixes. */
export interface Cors {
  /** Adds what an answer to `origin` needs; nothing for a stranger. */
  answer(headers: Answer, origin: string, policy: CorsPolicy): void;
  /** Adds what a preflight needs beyond that. */
  preflight(headers: Answer, origin: string, policy: CorsPolicy): void;
}

const METHODS = "GET, POST, PATCH, PUT, DELETE, OPTIONS";
const REQUEST_HEADERS = "Authorization, Content-Type, X-Request-Id, X-CSRF-Token, DPoP";
const EXPOSED =
  "X-Request-Id, Retry-After, WWW-Authenticate, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset";
const MAX_AGE_SECONDS = "300";

export function createCors(config: Config): Cors {
  const isDev = config.env === "dev";
  const listed = new Set([config.publicUrl, ...config.allowedOrigins]);
  const login = new Set([config.loginBaseUrl]);
  // Contract 01 §7: an empty list means everybody, in development alone, and never with credentials.
  const isOpen = isDev && (config.allowedOrigins.length === 0 || listed.has("*"));
  const requestHeaders =
    isDev && config.authDevTrustHeaders
      ? `${REQUEST_HEADERS}, X-Dev-User, X-Dev-Tenant`
      : REQUEST_HEADERS;

  const allow = (headers: Answer, origin: string, policy: CorsPolicy): boolean => {
    if (policy === "none" || (policy === "login" && !login.has(origin))) return false;
    if (policy === "login" || (policy === "listed" && listed.has(origin))) {
      headers["access-control-allow-origin"] = origin;
      headers["access-control-allow-credentials"] = "true";
      return true;
    }
    if (policy === "listed" && !isOpen) return false;
    headers["access-control-allow-origin"] = "*";
    return true;
  };
  return {
    answer(headers, origin, policy) {
      if (allow(headers, origin, policy)) headers["access-control-expose-headers"] = EXPOSED;
    },
    preflight(headers, origin, policy) {
      if (!allow(headers, origin, policy)) return;
      headers["access-control-allow-methods"] = METHODS;
      headers["access-control-allow-headers"] = requestHeaders;
      headers["access-control-max-age"] = MAX_AGE_SECONDS;
    },
  };
}
