import { isIP } from "node:net";
import type { Config } from "../../config.ts";
import { isPublicAddress } from "../../platform/addresses.ts";

/** RFC 3986 §2: what a URI may be written with. Anything else two parsers may read in two ways. */
const URI = /^[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=%]+$/;
const WEB = /^https?:\/\/([^/?#]+)/i;
const MAX_LENGTH = 2048;
/** RFC 8252 §7.1: a reverse domain name, so that no other application has it by chance. */
const PRIVATE_USE = /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:/i;

/** Why a URI is refused, for after its name; undefined: it is not. */
type Verdict = string | undefined;

/**
 * Contract 03 §5. What the browser is sent to with a code in its hands: `https`, `http` on the loopback interface, or
 * for public clients a private-use scheme with a dot. No fragment, no user, no wildcard; never `javascript:` or `data:`.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9700#section-2.1
 * @see https://www.rfc-editor.org/rfc/rfc8252#section-7
 */
export function faultOfRedirectUri(uri: string, { isPublic }: { isPublic: boolean }): Verdict {
  const fault = faultOfText(uri);
  if (fault !== undefined) return fault;
  if (uri.includes("*")) return "must not hold a wildcard";
  if (!WEB.test(uri)) {
    if (!PRIVATE_USE.test(uri) || !URL.canParse(uri))
      return "must be absolute, with scheme https, or http on the loopback interface";
    return isPublic ? undefined : "may have a private-use scheme for public clients only";
  }
  return faultOfAuthority(uri) ?? (isSecure(uri) ? undefined : "must have scheme https");
}

/** Addresses that pages link to: `https`, in development `http` too. */
export function faultOfLink(uri: string, { env }: Pick<Config, "env">): Verdict {
  const fault = faultOfText(uri);
  if (fault !== undefined) return fault;
  if (!WEB.test(uri)) return "must be absolute, with scheme https";
  const isAllowed = env === "dev" || /^https:/i.test(uri);
  return faultOfAuthority(uri) ?? (isAllowed ? undefined : "must have scheme https");
}

/**
 * Addresses that this server asks, or a browser on its pages: besides, outside of development, no literal address of
 * an inner network. What a name stands for is looked at whenever it is asked.
 */
export function faultOfFetched(uri: string, config: Pick<Config, "env">): Verdict {
  const fault = faultOfLink(uri, config);
  if (fault !== undefined || config.env === "dev") return fault;
  const host = new URL(uri).hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const isInside =
    isIP(host) === 0 ? !host.includes(".") || isLocalName(host) : !isPublicAddress(host);
  return isInside ? "must not point into a private network" : undefined;
}

const isLocalName = (host: string) => /\.(?:localhost|local|internal|home\.arpa)$/i.test(host);

function faultOfText(uri: string): Verdict {
  if (uri.length > MAX_LENGTH) return `is longer than ${MAX_LENGTH} characters`;
  if (!URI.test(uri)) return "must be an absolute URI of RFC 3986";
  if (uri.includes("#")) return "must not have a fragment";
  return undefined;
}

/** The host as it is written must be the host that a parser finds. */
function faultOfAuthority(uri: string): Verdict {
  const authority = WEB.exec(uri)?.[1] ?? "";
  if (authority.includes("@")) return "must not hold a user name";
  if (!URL.canParse(uri)) return "must be an absolute URI of RFC 3986";
  const { host, protocol } = new URL(uri);
  const port = protocol === "https:" ? ":443" : ":80";
  const written = authority.toLowerCase();
  return written === host || written === host + port ? undefined : "must name its host plainly";
}

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);
const isSecure = (uri: string) =>
  /^https:/i.test(uri) || LOOPBACK.has(new URL(uri).hostname.toLowerCase());
