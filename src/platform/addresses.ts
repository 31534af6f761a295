import ipaddr from "ipaddr.js";

const ranges = (...cidrs: string[]) => cidrs.map((cidr) => ipaddr.parseCIDR(cidr));

/** Contract 08 §1.3, from the IANA special-purpose registries. */
const NOT_GLOBAL_V4 = ranges(
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
);
const GLOBAL_V6 = ipaddr.IPv6.parseCIDR("2000::/3");
const NOT_GLOBAL_V6 = ranges("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20");
/** RFC 4291 §2.5.5.2 and RFC 6052 §2.1: IPv4 in IPv6's clothes. */
const EMBEDS_V4 = ranges("::ffff:0:0/96", "64:ff9b::/96");

/** Whether an address is global unicast: on the public internet, and nothing of an operator's own network. */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.kind() === "ipv4") return !isIn(parsed, NOT_GLOBAL_V4);
  if (isIn(parsed, EMBEDS_V4)) {
    const embedded = new ipaddr.IPv4(parsed.toByteArray().slice(-4));
    return !isIn(embedded, NOT_GLOBAL_V4);
  }
  return (parsed as ipaddr.IPv6).match(GLOBAL_V6) && !isIn(parsed, NOT_GLOBAL_V6);
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;

const isIn = (address: Address, cidrs: readonly [Address, number][]): boolean =>
  cidrs.some(
    ([network, bits]) => network.kind() === address.kind() && address.match(network, bits),
  );
