import ipaddr from "ipaddr.js";
import type { Deps } from "../../deps.ts";
import { normalAddress, type Peer } from "../../platform/http/address.ts";

/**
 * Contract 00 §31: the mailbox opens accounts, so it answers only this machine: a peer on loopback, that calls it by
 * the address of this server (no other site's name that was pointed here), and did not come through a proxy.
 */
export function isLocalCall(
  { config }: Pick<Deps, "config">,
  request: Request,
  peer: Peer | null,
): boolean {
  const { headers } = request;
  for (const name of headers.keys())
    if (name === "forwarded" || name.startsWith("x-forwarded-")) return false;
  if (headers.get("host") !== new URL(config.publicUrl).host) return false;
  const address = normalAddress(peer?.requestIP(request)?.address ?? "");
  return address !== null && ipaddr.parse(address).range() === "loopback";
}
