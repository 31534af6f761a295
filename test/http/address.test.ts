import { expect, test } from "bun:test";
import { createAddressReader, normalAddress, rateKeyOf } from "../../src/platform/http/address.ts";
import { sampleServer } from "./sample-server.ts";

test.each<{
  name: string;
  trusted?: string[];
  peer?: string;
  forwarded?: string;
  ip: string | null;
}>([
  { name: "no header", peer: "203.0.113.9", ip: "203.0.113.9" },
  { name: "an untrusted peer", peer: "203.0.113.9", forwarded: "1.2.3.4", ip: "203.0.113.9" },
  { name: "a trusted peer", peer: "10.0.0.9", forwarded: "1.2.3.4", ip: "1.2.3.4" },
  {
    name: "X-Forwarded-For: 1.2.3.4, 10.0.0.1 via trusted proxy",
    peer: "10.0.0.9",
    forwarded: "1.2.3.4, 10.0.0.1",
    ip: "1.2.3.4",
  },
  {
    name: "what the client wrote itself stands left of what the proxy added",
    peer: "10.0.0.9",
    forwarded: "9.9.9.9, 1.2.3.4",
    ip: "1.2.3.4",
  },
  {
    name: "proxies all the way",
    peer: "10.0.0.9",
    forwarded: "10.0.0.2, 10.0.0.1",
    ip: "10.0.0.2",
  },
  { name: "unparseable", peer: "10.0.0.9", forwarded: "1.2.3.4, evil", ip: "10.0.0.9" },
  { name: "empty", peer: "10.0.0.9", forwarded: "", ip: "10.0.0.9" },
  {
    name: "junk left of the answer is never read",
    peer: "10.0.0.9",
    forwarded: "evil, 1.2.3.4",
    ip: "1.2.3.4",
  },
  { name: "with a port", peer: "10.0.0.9", forwarded: "1.2.3.4:5678", ip: "1.2.3.4" },
  { name: "IPv6 with a port", peer: "10.0.0.9", forwarded: "[2001:DB8::1]:443", ip: "2001:db8::1" },
  { name: "mapped peer", peer: "::ffff:10.0.0.9", forwarded: "1.2.3.4", ip: "1.2.3.4" },
  { name: "mapped client", peer: "10.0.0.9", forwarded: "::ffff:1.2.3.4", ip: "1.2.3.4" },
  {
    name: "IPv6 proxies",
    trusted: ["fd00::/8"],
    peer: "fd00::1",
    forwarded: "2001:db8::7",
    ip: "2001:db8::7",
  },
  { name: "no socket", peer: "", forwarded: "1.2.3.4", ip: null },
])("01 §4: $name", ({ trusted = ["10.0.0.0/8"], peer = "", forwarded, ip }) => {
  const read = createAddressReader({ trustedProxies: trusted }, { warn: () => {} });
  const headers = new Headers();
  if (forwarded !== undefined) headers.set("x-forwarded-for", forwarded);
  const request = new Request("http://localhost/", { headers });
  expect(read(request, peer === "" ? null : { requestIP: () => ({ address: peer }) })).toBe(ip);
});

test("addresses become RFC 5952 text; what only looks like one is none", () => {
  expect(normalAddress("2001:DB8:0:0:0:0:0:1")).toBe("2001:db8::1");
  expect(normalAddress("fe80::1%eth0")).toBe("fe80::1");
  expect(normalAddress("::ffff:7f00:1")).toBe("127.0.0.1");
  for (const junk of ["", "1", "0x7f.1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4x", "::g"])
    expect([junk, normalAddress(junk)]).toEqual([junk, null]);
});

test("00 §32: IPv6 counts by /64, IPv4 by address", () => {
  expect(rateKeyOf("2001:db8:1:2:3:4:5:6")).toBe(rateKeyOf("2001:db8:1:2:ffff::1"));
  expect(rateKeyOf("2001:db8:1:2::1")).not.toBe(rateKeyOf("2001:db8:1:3::1"));
  expect(rateKeyOf("1.2.3.4")).not.toBe(rateKeyOf("1.2.3.5"));
});

test("00 §32: a forwarded header from an untrusted private peer is warned about, once", async () => {
  const server = await sampleServer();
  for (let i = 0; i < 3; i++) {
    const { body } = await server.call("GET /v1/whoami", {
      headers: { "x-forwarded-for": `1.2.3.${i}` },
    });
    expect(body.ip).toBe("127.0.0.1");
  }
  const warnings = server.log().filter((line) => line.level === "warn");
  expect(warnings).toHaveLength(1);
  expect(warnings[0].message).toContain("TRUSTED_PROXIES");
  await server.stop();
});

test("a trusted proxy on loopback names the client", async () => {
  const server = await sampleServer({ trustedProxies: ["127.0.0.0/8", "::1/128"] });
  const { body } = await server.call("GET /v1/whoami", {
    headers: { "x-forwarded-for": "1.2.3.4, 127.0.0.1" },
  });
  expect(body.ip).toBe("1.2.3.4");
  await server.stop();
});
