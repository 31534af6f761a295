import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import fc from "fast-check";
import { isPublicAddress } from "../../src/platform/addresses.ts";
import { createOutbound, OutboundError, type OutboundFault } from "../../src/platform/outbound.ts";

const seen: { path: string; headers: Headers; body: string; method: string }[] = [];
let server: ReturnType<typeof Bun.serve>;
let base = "";
let port = 0;

beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname } = new URL(request.url);
      seen.push({
        path: pathname,
        headers: request.headers,
        body: await request.text(),
        method: request.method,
      });
      switch (pathname) {
        case "/json":
          return Response.json({ hello: "world" });
        case "/text":
          return new Response("<html>");
        case "/500":
          return Response.json({}, { status: 500 });
        case "/redirect":
          return Response.redirect("/json", 302);
        case "/big":
          return new Response("x".repeat(100_000));
        case "/exact":
          return new Response("x".repeat(1_000));
        case "/endless":
          return new Response(drip("x".repeat(1_000), 1));
        case "/drip":
          return new Response(drip("x", 50));
        case "/bomb":
          return new Response(Bun.gzipSync(Buffer.alloc(10_000_000)), {
            headers: { "content-encoding": "gzip" },
          });
        default:
          return new Response(null, { status: 404 });
      }
    },
  });
  port = server.port!;
  base = `http://127.0.0.1:${port}`;
});
afterAll(() => server.stop(true));

function drip(chunk: string, everyMs: number): ReadableStream {
  let timer: Timer;
  return new ReadableStream({
    start(controller) {
      timer = setInterval(() => controller.enqueue(Buffer.from(chunk)), everyMs);
    },
    cancel: () => clearInterval(timer),
  });
}

const publicUrl = "https://id.example.com";
const outbound = createOutbound({ publicUrl });
const here = { allowPrivate: true };

async function faultOf(work: Promise<unknown>): Promise<OutboundFault | undefined> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  if (error !== undefined) expect(error).toBeInstanceOf(OutboundError);
  return error?.fault;
}

test("GET and POST, headers, status, body", async () => {
  expect(await outbound.json({ ...here, url: `${base}/json` })).toEqual({ hello: "world" });
  expect(seen.at(-1)!.headers.get("accept")).toBe("application/json");
  const answer = await outbound.request({
    ...here,
    url: `${base}/none`,
    method: "POST",
    headers: { authorization: "Basic eDp5", "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ To: "+49 1" }).toString(),
  });
  expect(answer.status).toBe(404);
  expect(seen.at(-1)).toMatchObject({ method: "POST", body: "To=%2B49+1" });
  expect(seen.at(-1)!.headers.get("authorization")).toBe("Basic eDp5");
});

test("json: another status and another kind of answer are errors", async () => {
  const error = await outbound.json({ ...here, url: `${base}/500` }).then(
    () => undefined as never,
    (reason) => reason as OutboundError,
  );
  expect([error.fault, error.status]).toEqual(["bad_status", 500]);
  expect(await faultOf(outbound.json({ ...here, url: `${base}/text` }))).toBe("bad_json");
});

test("a redirect is an answer, not an order", async () => {
  const before = seen.length;
  const answer = await outbound.request({ ...here, url: `${base}/redirect` });
  expect(answer.status).toBe(302);
  expect(answer.headers.get("location")).toContain("/json");
  expect(seen.length).toBe(before + 1);
  expect(await faultOf(outbound.json({ ...here, url: `${base}/redirect` }))).toBe("bad_status");
});

test("bounded in bytes: up to the limit, not beyond; endless and compressed ones too", async () => {
  const of = (path: string, maxBytes: number) =>
    outbound.request({ ...here, url: base + path, maxBytes });
  expect((await of("/exact", 1_000)).body.length).toBe(1_000);
  expect(await faultOf(of("/exact", 999))).toBe("too_large");
  expect(await faultOf(of("/big", 64 * 1024))).toBe("too_large");
  expect(await faultOf(of("/endless", 20_000))).toBe("too_large");
  // Counted as sent: the bomb stays folded.
  expect((await of("/bomb", 64 * 1024)).body.length).toBeLessThan(64 * 1024);
  expect(seen.at(-1)!.headers.get("accept-encoding")).toBe("identity");
});

test("bounded in time: a body that drips, a peer that is silent, a name that does not resolve in time", async () => {
  const silent: Server = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port: silentPort } = silent.address() as { port: number };
  const never = createOutbound({ publicUrl, resolve: () => new Promise(() => {}) });
  for (const work of [
    () => outbound.request({ ...here, url: `${base}/drip`, timeoutMs: 300 }),
    () => outbound.request({ ...here, url: `http://127.0.0.1:${silentPort}/`, timeoutMs: 300 }),
    () => never.request({ url: "https://slow.example.com/", timeoutMs: 300 }),
  ]) {
    const start = performance.now();
    expect(await faultOf(work())).toBe("timeout");
    const took = performance.now() - start;
    expect(took).toBeGreaterThan(280);
    expect(took).toBeLessThan(2_000);
  }
  silent.close();
});

test("nobody there, no such name", async () => {
  const free = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const closed = free.port;
  await free.stop(true);
  expect(await faultOf(outbound.request({ ...here, url: `http://127.0.0.1:${closed}/` }))).toBe(
    "unreachable",
  );
  const nowhere = createOutbound({ publicUrl, resolve: async () => [] });
  expect(await faultOf(nowhere.request({ url: "https://x.example.com/" }))).toBe("unresolved");
  const failing = createOutbound({
    publicUrl,
    resolve: () => Promise.reject(new Error("ENOTFOUND")),
  });
  expect(await faultOf(failing.request({ url: "https://x.example.com/" }))).toBe("unresolved");
});

test("resolves once, dials that address, and tells it the name", async () => {
  let resolved = 0;
  const rebinding = createOutbound({
    publicUrl,
    resolve: async (name) => {
      expect(name).toBe("hook.example.com");
      resolved += 1;
      return ["127.0.0.1"];
    },
  });
  const url = `http://hook.example.com:${port}/json`;
  const headers = { Host: "other.example.com" };
  expect(await rebinding.json({ ...here, url, headers })).toEqual({ hello: "world" });
  expect(resolved).toBe(1);
  expect(seen.at(-1)!.headers.get("host")).toBe(`hook.example.com:${port}`);
});

test("goes on to the next address when nobody is at the first", async () => {
  const twoHomes = createOutbound({ publicUrl, resolve: async () => ["127.0.0.2", "127.0.0.1"] });
  expect(await twoHomes.json({ ...here, url: `http://two.example.com:${port}/json` })).toEqual({
    hello: "world",
  });
});

describe("a proxy in the environment is not used", () => {
  test.each(["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"])("%s", async (name) => {
    const hits: string[] = [];
    const proxy = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) => {
        hits.push(request.url);
        return new Response("proxied");
      },
    });
    const script = `
      import { createOutbound } from ${JSON.stringify(new URL("../../src/platform/outbound.ts", import.meta.url).pathname)};
      const answer = await createOutbound({ publicUrl: "https://id.example.com" })
        .request({ url: ${JSON.stringify(`${base}/json`)}, allowPrivate: true });
      process.stdout.write(answer.text());`;
    const child = Bun.spawn([process.execPath, "-e", script], {
      env: { PATH: process.env.PATH ?? "", [name]: `http://127.0.0.1:${proxy.port}` },
      stderr: "inherit",
    });
    expect(await new Response(child.stdout).text()).toBe('{"hello":"world"}');
    expect(hits).toEqual([]);
    await proxy.stop(true);
  });
});

const vetted = (url: string, addresses: string[] = ["192.0.2.1"]) =>
  faultOf(
    createOutbound({ publicUrl, resolve: async () => addresses }).request({ url, timeoutMs: 200 }),
  );

test.each([
  ["no URL", "nonsense"],
  ["other scheme", "ftp://example.com/"],
  ["file", "file:///etc/passwd"],
  ["plain http", "http://example.com/"],
  ["user info", "https://user@example.com/"],
  ["password", "https://:secret@example.com/"],
  ["fragment", "https://example.com/#x"],
  ["SMTP's port", "https://example.com:25/"],
  ["Redis-like bad port 6667", "https://example.com:6667/"],
  ["2,049 characters", `https://example.com/${"a".repeat(2_029)}`],
])("08 §1.3: refused as URL: %s", async (_, url) => {
  expect(await vetted(url)).toBe("invalid_url");
});

test.each([
  "https://localhost/",
  "https://LOCALHOST/",
  "https://localhost./",
  "https://app.localhost/",
  "https://printer.local/",
  "https://metadata.google.internal/",
  "https://router.home.arpa/",
  "https://intranet/",
  "https://id.example.com/", // this server itself
  "https://id.example.com./",
  "https://127.0.0.1/",
  "https://2130706433/", // decimal 127.0.0.1
  "https://0x7f000001/",
  "https://0177.0.0.1/",
  "https://127.1/",
  "https://[::1]/",
  "https://[::ffff:127.0.0.1]/",
  "https://[::ffff:7f00:1]/",
  "https://[64:ff9b::10.0.0.1]/",
  "https://169.254.169.254/latest/meta-data/",
  "https://[fd00:ec2::254]/",
  "https://[fe80::1]/",
])("08 §1.3: blocked: %s", async (url) => {
  expect(await vetted(url, ["93.184.216.34"])).toBe("blocked_address");
});

test.each<[string, string[]]>([
  ["a private address", ["10.0.0.1"]],
  ["a public one and a private one", ["93.184.216.34", "192.168.0.1"]],
  ["a mapped private one", ["::ffff:10.0.0.1"]],
  ["what is no address", ["localhost"]],
])("08 §1.3: blocked: a name that resolves to %s", async (_, addresses) => {
  const before = seen.length;
  expect(await vetted("https://hook.example.com/", addresses)).toBe("blocked_address");
  expect(seen.length).toBe(before);
});

test("08 §1.3.3: the ranges, first and last address of each and its neighbours", () => {
  const rows: [string, string, string, string][] = [
    // before, first, last, after
    ["-", "0.0.0.0", "0.255.255.255", "1.0.0.0"],
    ["9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"],
    ["100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"],
    ["126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"],
    ["169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"],
    ["172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"],
    ["191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"],
    ["192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"],
    ["192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"],
    ["192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"],
    ["198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"],
    ["198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"],
    ["203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"],
    ["223.255.255.255", "224.0.0.0", "255.255.255.255", "-"],
    ["-", "::", "1fff:ffff::", "2000::"],
    ["2000:ffff::", "2001::", "2001:1ff:ffff::", "2001:200::"],
    ["2001:db7:ffff::", "2001:db8::", "2001:db8:ffff::", "2001:db9::"],
    ["2001:ffff::", "2002::", "2002:ffff::", "2003::"],
    ["3ffe:ffff::", "3fff::", "3fff:fff:ffff::", "3fff:1000::"],
    ["3fff:ffff::", "4000::", "ffff:ffff::", "-"],
  ];
  for (const [before, first, last, after] of rows) {
    expect([first, isPublicAddress(first)]).toEqual([first, false]);
    expect([last, isPublicAddress(last)]).toEqual([last, false]);
    for (const neighbour of [before, after])
      if (neighbour !== "-")
        expect([neighbour, isPublicAddress(neighbour)]).toEqual([neighbour, true]);
  }
});

test("an IPv4 address is judged alike in each of its IPv6 clothes", () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      for (const dressed of [`::ffff:${address}`, `64:ff9b::${address}`])
        expect(isPublicAddress(dressed)).toBe(isPublicAddress(address));
    }),
  );
});

describe("TLS", () => {
  test.skipIf(!Bun.which("openssl"))(
    "the certificate must be of the name, whatever NODE_TLS_REJECT_UNAUTHORIZED says",
    async () => {
      const certificate = selfSigned("hook.example.com");
      const names: (string | undefined)[] = [];
      const tls = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        tls: { cert: certificate.cert, key: certificate.key },
        fetch: (request) => {
          names.push(request.headers.get("host") ?? undefined);
          return Response.json({ ok: true });
        },
      });
      const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
      try {
        const local = createOutbound({ publicUrl, resolve: async () => ["127.0.0.1"] });
        const at = (host: string, ca?: string) =>
          local.json({ ...here, url: `https://${host}:${tls.port}/`, ...(ca && { ca }) });
        expect(await at("hook.example.com", certificate.cert)).toEqual({ ok: true });
        expect(names).toEqual([`hook.example.com:${tls.port}`]);
        expect(await faultOf(at("hook.example.com"))).toBe("unreachable"); // unknown authority
        expect(await faultOf(at("other.example.com", certificate.cert))).toBe("unreachable");
        expect(names.length).toBe(1);
      } finally {
        if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
        else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
        await tls.stop(true);
      }
    },
  );
});

function selfSigned(name: string): { cert: string; key: string } {
  const { stdout } = Bun.spawnSync([
    ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ...["-nodes", "-days", "2", "-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`],
    ...["-keyout", "-", "-out", "-"],
  ]);
  const text = stdout.toString();
  const block = (label: string) =>
    text.match(new RegExp(`-----BEGIN ${label}-----[\\s\\S]*?-----END ${label}-----`))![0];
  return { cert: block("CERTIFICATE"), key: block("PRIVATE KEY") };
}
