/** What is measured: the requests of each path, every one of another user, token or client. */
import { createHash } from "node:crypto";
import type { Fixture } from "./fixture.ts";
import { type BenchClient, type OAuthFixture, REDIRECT_URI } from "./fixture-oauth.ts";
import { type Answered, request } from "./load.ts";

export interface Path {
  readonly name: string;
  /** How many requests one turn of it takes, where that is not one. */
  readonly requests?: number;
  /** Its tokens are used up by it: no run before the measured one. */
  readonly isOnce?: boolean;
  next(n: number, connection: number): string;
  answered?(answer: Answered, connection: number): void;
}

const basic = ({ clientId, secret }: BenchClient) => `Basic ${btoa(`${clientId}:${secret}`)}`;
const refreshTokenIn = ({ body }: Answered): string =>
  (JSON.parse(body) as { refresh_token: string }).refresh_token;

/** Refresh tokens are good for one use: each connection walks its own share, with what it was last given. */
function rotating(
  name: string,
  tokens: readonly string[],
  connections: number,
  send: (token: string, owner: number) => string,
): Path {
  const share = Math.floor(tokens.length / connections);
  const held = [...tokens];
  const turn = new Array<number>(connections).fill(-1);
  const slot = (connection: number) => connection * share + (turn[connection]! % share);
  return {
    name,
    isOnce: true,
    next(_, connection) {
      turn[connection]! += 1;
      return send(held[slot(connection)]!, slot(connection));
    },
    answered(answer, connection) {
      held[slot(connection)] = refreshTokenIn(answer);
    },
  };
}

export function firstPartyPaths(fixture: Fixture, connections: number): Path[] {
  const users = fixture.members.length;
  const member = (n: number) => fixture.members[n % users]!;
  const bearer = (n: number) => `Bearer ${member(n).accessToken}`;
  const apiKey = (n: number) => `ApiKey ${fixture.apiKeys[n % users]}`;
  return [
    {
      name: "login",
      next: (n) =>
        request("POST", "/v1/auth/login", {
          body: { email: member(n * 7).email, password: fixture.password },
        }),
    },
    rotating(
      "refresh",
      fixture.members.map((one) => one.refreshToken),
      connections,
      (refresh_token) => request("POST", "/v1/auth/refresh", { body: { refresh_token } }),
    ),
    { name: "me", next: (n) => request("GET", "/v1/auth/me", { authorization: bearer(n) }) },
    {
      name: "check",
      next: (n) =>
        request(
          "GET",
          `/v1/check?user_id=${member(n * 3).userId}&tenant_id=${fixture.tenantId}&permission=user.write`,
          { authorization: apiKey(n) },
        ),
    },
    {
      name: "user page",
      next: (n) => request("GET", "/v1/users?limit=50", { authorization: bearer(n) }),
    },
    {
      name: "key list",
      next: (n) =>
        request("GET", `/v1/tenants/${fixture.tenantId}/roles`, { authorization: apiKey(n) }),
    },
  ];
}

const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");
const TOKEN = "/v1/oauth/token-code";

/** Authorize with a session and a remembered consent, then the exchange: no password is hashed. */
function codeFlow(
  alg: "RS256" | "ES256",
  { clients, hosted }: OAuthFixture,
  connections: number,
): Path {
  const held = new Array<{ code: string; owner: number } | undefined>(connections);
  const owners = new Array<number>(connections).fill(0);
  let turn = 0;
  return {
    name: `code flow ${alg}`,
    requests: 2,
    next(_, connection) {
      const flow = held[connection];
      if (flow) {
        held[connection] = undefined;
        return request("POST", TOKEN, {
          authorization: basic(clients[alg][flow.owner]!),
          form: {
            grant_type: "authorization_code",
            code: flow.code,
            redirect_uri: REDIRECT_URI,
            code_verifier: VERIFIER,
          },
        });
      }
      const owner = turn++ % hosted.length;
      owners[connection] = owner;
      const query = new URLSearchParams({
        response_type: "code",
        client_id: clients[alg][owner]!.clientId,
        redirect_uri: REDIRECT_URI,
        scope: "openid",
        state: "af0ifjsldkj",
        nonce: "n-0S6_WzA2Mj",
        code_challenge: CHALLENGE,
        code_challenge_method: "S256",
      });
      return request("GET", `/v1/oauth/authorize?${query}`, {
        cookie: `qe_ls=${hosted[owner]}`,
      });
    },
    answered({ head }, connection) {
      const [, code] = /location: \S+[?&]code=([^&\s]+)/i.exec(head) ?? [];
      if (code !== undefined) held[connection] = { code, owner: owners[connection]! };
    },
  };
}

export function oauthPaths(oauth: OAuthFixture, connections: number): Path[] {
  const { principals, clients, grants } = oauth;
  const at = <T>(list: readonly T[], n: number): T => list[n % list.length]!;
  return [
    {
      name: "client credentials",
      next: (n) =>
        request("POST", "/v1/oauth/token", {
          authorization: basic(at(principals, n)),
          form: { grant_type: "client_credentials" },
        }),
    },
    codeFlow("RS256", oauth, connections),
    codeFlow("ES256", oauth, connections),
    rotating(
      "oauth refresh",
      grants.map((one) => one.refreshToken),
      connections,
      (refresh_token, owner) =>
        request("POST", TOKEN, {
          authorization: basic(clients.ES256[owner]!),
          form: { grant_type: "refresh_token", refresh_token },
        }),
    ),
    {
      name: "introspection",
      next: (n) =>
        request("POST", "/oauth/introspect", {
          authorization: basic(at(clients.ES256, n)),
          form: { token: at(grants, n * 7).accessToken },
        }),
    },
    {
      name: "userinfo",
      next: (n) =>
        request("GET", "/v1/oauth/userinfo", {
          authorization: `Bearer ${at(grants, n).accessToken}`,
        }),
    },
  ];
}
