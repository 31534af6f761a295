import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { isPublicAddress } from "./addresses.ts";

/**
 * The one way out (contract 00 §60): resolves a name once, vets every address, dials a vetted one, follows no
 * redirect, obeys no proxy of the environment, and is bounded in bytes and in time.
 */
export interface Outbound {
  /** Any status is an answer. Throws OutboundError when there is none, or none within bounds. */
  request(request: OutboundRequest): Promise<OutboundResponse>;
  /** A 2xx answer's JSON. Throws OutboundError for another status (`status` is set) or for what is no JSON. */
  json(request: OutboundRequest): Promise<unknown>;
}

export interface OutboundRequest {
  readonly url: string;
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Name resolution, connection, answer and body together. Default 10 s. */
  readonly timeoutMs?: number;
  /** Most bytes of the body. Default 1 MiB. */
  readonly maxBytes?: number;
  /**
   * Also `http:`, and addresses that are not on the public internet. For destinations that the operator
   * configured, or, where a setting says so, tenants.
   */
  readonly allowPrivate?: boolean;
  /** Certificates to trust instead of the system's, PEM. */
  readonly ca?: string;
}

export interface OutboundResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
  text(): string;
}

export type OutboundFault =
  | "invalid_url"
  | "blocked_address"
  | "unresolved"
  | "unreachable"
  | "timeout"
  | "too_large"
  | "bad_status"
  | "bad_json";

/** Why there is no answer. The message names neither address nor body: it may be shown and stored. */
export class OutboundError extends Error {
  override readonly name = "OutboundError";
  constructor(
    readonly fault: OutboundFault,
    readonly status?: number,
    cause?: unknown,
  ) {
    super(SENTENCES[fault], { cause });
  }
}

const SENTENCES: Readonly<Record<OutboundFault, string>> = {
  invalid_url: "url not allowed",
  blocked_address: "blocked address",
  unresolved: "name does not resolve",
  unreachable: "no connection",
  timeout: "no answer in time",
  too_large: "answer too large",
  bad_status: "unexpected status",
  bad_json: "answer is not JSON",
};

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_MAX_BYTES = 1024 * 1024;
const MAX_URL_CHARACTERS = 2_048;

export type Resolve = (host: string) => Promise<readonly string[]>;

const systemResolve: Resolve = async (host) =>
  (await lookup(host, { all: true })).map(({ address }) => address);

export function createOutbound(options: {
  /** This server's own host, which is no destination. */
  publicUrl: string;
  resolve?: Resolve;
}): Outbound {
  const ownHost = new URL(options.publicUrl).hostname;
  const resolve = options.resolve ?? systemResolve;

  async function request(input: OutboundRequest): Promise<OutboundResponse> {
    const signal = AbortSignal.timeout(input.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    try {
      const url = vetUrl(input, ownHost);
      const addresses = await vetAddresses(url, input.allowPrivate ?? false, resolve, signal);
      const response = await dialFirst(url, addresses, input, signal);
      const body = await readBounded(response, input.maxBytes ?? DEFAULT_MAX_BYTES);
      const text = () => new TextDecoder().decode(body);
      return { status: response.status, headers: response.headers, body, text };
    } catch (error) {
      if (error instanceof OutboundError) throw error;
      throw new OutboundError(signal.aborted ? "timeout" : "unreachable", undefined, error);
    }
  }

  return {
    request,
    async json(input) {
      const headers = { accept: "application/json", ...input.headers };
      const response = await request({ ...input, headers });
      if (response.status < 200 || response.status > 299)
        throw new OutboundError("bad_status", response.status);
      try {
        return JSON.parse(response.text());
      } catch {
        throw new OutboundError("bad_json", response.status);
      }
    },
  };
}

/** Names that only mean something inside a network (contract 08 §1.3). */
const LOCAL_NAME = /^(?:.*\.)?(?:localhost|local|internal|home\.arpa)$/;

function vetUrl({ url, allowPrivate = false }: OutboundRequest, ownHost: string): URL {
  const parsed = URL.canParse(url) && url.length <= MAX_URL_CHARACTERS ? new URL(url) : undefined;
  if (parsed?.username !== "" || parsed.password !== "" || parsed.hash !== "")
    throw new OutboundError("invalid_url");
  if (parsed.protocol !== "https:" && !(allowPrivate && parsed.protocol === "http:"))
    throw new OutboundError("invalid_url");
  if (parsed.port !== "" && BAD_PORTS.has(Number(parsed.port)))
    throw new OutboundError("invalid_url");
  if (allowPrivate) return parsed;
  const name = hostOf(parsed).replace(/\.$/, "");
  const isSingleLabel = isIP(name) === 0 && !name.includes(".");
  if (isSingleLabel || LOCAL_NAME.test(name) || name === ownHost)
    throw new OutboundError("blocked_address");
  return parsed;
}

/** Without the brackets of an IPv6 literal. `new URL` has spelled decimal and hexadecimal IPv4 out by now. */
const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, "");

async function vetAddresses(
  url: URL,
  allowPrivate: boolean,
  resolve: Resolve,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const host = hostOf(url);
  let addresses: readonly string[] = [host];
  if (isIP(host) === 0) {
    try {
      addresses = await orAborted(resolve(host), signal);
    } catch (error) {
      throw new OutboundError(signal.aborted ? "timeout" : "unresolved", undefined, error);
    }
  }
  if (addresses.length === 0) throw new OutboundError("unresolved");
  // All of them: who answers one good and one bad address waits for us to pick the bad one.
  if (!allowPrivate && !addresses.every(isPublicAddress))
    throw new OutboundError("blocked_address");
  return addresses;
}

/** `lookup` takes no signal, and waits behind password hashes in the runtime's pool. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** Tries the next address only while nothing was sent. */
async function dialFirst(
  url: URL,
  addresses: readonly string[],
  input: OutboundRequest,
  signal: AbortSignal,
): Promise<Response> {
  let failure: unknown;
  for (const address of addresses) {
    try {
      return await dial(url, address, input, signal);
    } catch (error) {
      failure = error;
      if (!NOT_CONNECTED.has(String((error as { code?: unknown }).code))) throw error;
    }
  }
  throw failure;
}

const NOT_CONNECTED = new Set([
  "ConnectionRefused",
  "FailedToOpenSocket",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

function dial(
  url: URL,
  address: string,
  { method = "GET", headers, body, ca }: OutboundRequest,
  signal: AbortSignal,
): Promise<Response> {
  const sent = new Headers(headers); // `Host` and `host` are one header
  sent.set("host", url.host);
  sent.set("accept-encoding", "identity");
  const target = new URL(url);
  target.hostname = isIP(address) === 6 ? `[${address}]` : address;
  const options = {
    method,
    redirect: "manual" as const,
    keepalive: false, // a connection belongs to a vetted address, not to a name
    proxy: false, // HTTP_PROXY would take over; "" and null do not switch it off
    decompress: false, // the limit counts bytes on the wire
    signal,
    headers: sent,
    ...(body !== undefined && { body }),
    ...(url.protocol === "https:" && {
      // The name, not the address, is what the certificate must show. Explicit `rejectUnauthorized` beats
      // NODE_TLS_REJECT_UNAUTHORIZED=0.
      tls: { serverName: hostOf(url), rejectUnauthorized: true, ...(ca !== undefined && { ca }) },
    }),
  };
  // Bun's types know no `proxy: false`.
  return fetch(target, options as BunFetchRequestInit);
}

async function readBounded(response: Response, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (response.body)
    for await (const chunk of response.body) {
      length += chunk.byteLength;
      if (length > maxBytes) throw new OutboundError("too_large"); // leaving the loop cancels the body
      chunks.push(chunk);
    }
  return Buffer.concat(chunks);
}

/** @see https://fetch.spec.whatwg.org/#port-blocking */
const BAD_PORTS: ReadonlySet<number> = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
  103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465,
  512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993,
  995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668,
  6669, 6679, 6697, 10080,
]);
