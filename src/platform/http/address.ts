import ipaddr from "ipaddr.js";
import type { Config } from "../../config.ts";
import type { Log } from "../log.ts";

/** Of Bun's server; absent when a test calls the app without a socket. */
export interface Peer {
  requestIP(request: Request): { readonly address: string } | null;
}

/** RFC 5952 text of a client's address; null when there is none. */
export type AddressReader = (request: Request, peer: Peer | null) => string | null;

type Network = ReturnType<typeof ipaddr.parseCIDR>;

const MAX_REMEMBERED = 1_000;

/**
 * Contract 01 §4: the socket's address, unless it is a trusted proxy's; then the first address of
 * `X-Forwarded-For`, from the right, that isn't. Warns once about a proxy that nobody told us to trust.
 */
export function createAddressReader(
  config: Pick<Config, "trustedProxies">,
  log: Pick<Log, "warn">,
): AddressReader {
  const networks = config.trustedProxies.map((cidr) => ipaddr.parseCIDR(cidr));
  const trusted = new Map<string, boolean>(); // peers repeat: a parse costs more than the look-up
  const isTrusted = (address: string): boolean => {
    let answer = trusted.get(address);
    if (answer === undefined) {
      if (trusted.size >= MAX_REMEMBERED) trusted.clear();
      answer = isWithin(address, networks);
      trusted.set(address, answer);
    }
    return answer;
  };
  let hasWarned = false;
  return (request, peer) => {
    const socket = normalAddress(peer?.requestIP(request)?.address ?? "");
    if (socket === null) return null;
    const forwarded = request.headers.get("x-forwarded-for");
    if (forwarded === null) return socket;
    if (isTrusted(socket)) return firstUntrusted(forwarded, isTrusted) ?? socket;
    if (!hasWarned && ipaddr.parse(socket).range() !== "unicast") {
      hasWarned = true;
      log.warn("X-Forwarded-For from a private address that is not in TRUSTED_PROXIES: ignored", {
        peer: socket,
      });
    }
    return socket;
  };
}

/** Undefined when an entry can't be read: who writes such a header is no guide. */
function firstUntrusted(
  header: string,
  isTrusted: (address: string) => boolean,
): string | undefined {
  let address: string | undefined;
  for (const entry of header.split(",").reverse()) {
    const text = entry.trim().replace(/^\[(.*)\](?::\d+)?$|^([\d.]+):\d+$/, "$1$2");
    const parsed = normalAddress(text);
    if (parsed === null) return undefined;
    address = parsed;
    if (!isTrusted(address)) break;
  }
  return address;
}

const PLAIN_V4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

/** RFC 5952 text; IPv4 out of IPv6's clothes; without a zone. */
export function normalAddress(text: string): string | null {
  if (PLAIN_V4.test(text)) return text;
  const address = text.split("%", 1)[0]!;
  // isValid takes `1` and `0x7f.1` for IPv4; nobody writes a peer so.
  if (!address.includes(":") || !ipaddr.IPv6.isValid(address)) return null;
  return ipaddr.process(address).toString();
}

export function isWithin(address: string, networks: readonly Network[]): boolean {
  const parsed = ipaddr.process(address);
  return networks.some(
    ([network, bits]) => network.kind() === parsed.kind() && parsed.match(network, bits),
  );
}

/** One key for all addresses that one customer of a provider commands: IPv6 counts by /64 (contract 00 §32). */
export function rateKeyOf(address: string | null): string {
  if (address === null) return "unknown";
  if (!address.includes(":")) return address;
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${address}/64`).toString()}/64`;
}
