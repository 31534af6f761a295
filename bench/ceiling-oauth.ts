/** The ceiling's OAuth paths: the statements of the product, without its rules. */
import { createHash } from "node:crypto";
import {
  instant,
  isPostgres,
  JSON_SLOT,
  newToken,
  remember,
  sha256,
  signJwt,
  store,
  verifiedClaims,
} from "./ceiling-base.ts";

const json = (value: unknown) => JSON.stringify(value);
/** A JSON column's value, which SQLite answers as text. */
const parsed = <T>(value: unknown): T => (isPostgres ? value : JSON.parse(value as string)) as T;

interface Client {
  readonly rowId: string;
  readonly tenantId: string;
  readonly idTokenAlg: "RS256" | "ES256";
}

/** RFC 6749 §2.3.1: one look-up, one hash; remembered as long as the product does. */
async function basicClient(request: Request): Promise<{ id: string } & Client> {
  const given = request.headers.get("authorization") ?? "";
  const [id = "", secret = ""] = atob(given.slice(6)).split(":");
  const { hash, ...client } = await clientOf(id);
  if (hash !== sha256(secret)) throw new Error("bad secret");
  return { id, ...client };
}

const clientOf = (id: string) =>
  remember(id, async (): Promise<Client & { hash: unknown }> => {
    const [row] = await store.all(
      id.startsWith("qci_")
        ? "select c.id, c.tenant_id, c.id_token_alg, s.secret_hash, c.scopes, c.redirect_uris, c.name, t.status, t.name from oidc_clients c join tenants t on t.id = c.tenant_id join oidc_client_secrets s on s.client_row_id = c.id where c.client_id = ?"
        : "select p.id, p.tenant_id, 'ES256', p.secret_hash, p.scopes, t.status from service_principals p join tenants t on t.id = p.tenant_id where p.id = ?",
      [id],
    );
    const [rowId, tenantId, idTokenAlg, hash] = row as [string, string, "ES256", string];
    return { rowId, tenantId, idTokenAlg, hash };
  });

const OPAQUE = { scope: "bench" };

async function clientCredentials(request: Request): Promise<object> {
  const { id, tenantId } = await basicClient(request);
  await request.text();
  const claims = {
    aud: ["qeet-identity"],
    sub: id,
    tenant_id: tenantId,
    actor_type: "service",
    client_id: id,
    ...OPAQUE,
    nbf: Math.floor(Date.now() / 1000),
    jti: crypto.randomUUID(),
  };
  const access_token = await signJwt("ES256", "at+jwt", claims);
  return { access_token, token_type: "Bearer", expires_in: 900, ...OPAQUE };
}

/** Session and consent are there already: two reads, one write. */
async function authorize(request: Request): Promise<Response> {
  const query = new URL(request.url).searchParams;
  const { rowId, tenantId } = await clientOf(query.get("client_id")!);
  const [, token = ""] = /qe_ls=([^;]+)/.exec(request.headers.get("cookie") ?? "") ?? [];
  const [session] = await store.all(
    "select l.id, l.user_id, l.auth_time, l.amr, l.last_seen_at, l.expires_at, u.email, u.display_name, u.status from login_sessions l join users u on u.id = l.user_id where l.token_hash = ?",
    [sha256(token)],
  );
  const [sessionId, userId, authTime, amr] = session as [string, string, number | Date, unknown];
  await store.all(
    "select c.scopes, c.claims, m.active from oidc_consents c left join memberships m on m.user_id = c.user_id and m.tenant_id = ? where c.user_id = ? and c.client_row_id = ?",
    [tenantId, userId, rowId],
  );
  const code = newToken();
  const at = new Date();
  await store.write([
    [
      `insert into oidc_authorization_codes (code_hash, client_row_id, user_id, tenant_id, redirect_uri, scopes, nonce, code_challenge, resources, login_session_id, sid, auth_time, amr, acr, failed_verifiers, expires_at, created_at) values (?, ?, ?, ?, ?, ${JSON_SLOT}, ?, ?, ${JSON_SLOT}, ?, ?, ?, ${JSON_SLOT}, ?, 0, ?, ?)`,
      [
        sha256(code),
        rowId,
        userId,
        tenantId,
        query.get("redirect_uri"),
        json(["openid"]),
        query.get("nonce"),
        query.get("code_challenge"),
        json([]),
        sessionId,
        crypto.randomUUID(),
        authTime,
        json(parsed(amr)),
        "urn:qeet:acr:1fa",
        instant(new Date(at.getTime() + 60_000)),
        instant(at),
      ],
    ],
  ]);
  const location = `${query.get("redirect_uri")}?code=${code}&state=${query.get("state")}&iss=x`;
  return new Response("", { status: 302, headers: { location } });
}

const INSERT_REFRESH =
  "insert into oidc_refresh_tokens (id, grant_id, token_hash, parent_id, has_siblings, issued_at, expires_at) values (?, ?, ?, ?, false, ?, ?)";

interface Grant {
  readonly id: string;
  readonly userId: string;
  readonly sid: string;
  readonly authTime: number | Date;
  readonly amr: unknown;
  readonly nonce?: unknown;
}

/** Access token, ID token, refresh token. */
async function tokens(client: { id: string } & Client, grant: Grant, refresh_token: string) {
  const shared = {
    sub: grant.userId,
    tenant_id: client.tenantId,
    sid: grant.sid,
    auth_time: Math.floor(new Date(grant.authTime).getTime() / 1000),
    acr: "urn:qeet:acr:1fa",
    amr: grant.amr,
  };
  const access_token = await signJwt("ES256", "at+jwt", {
    ...shared,
    aud: ["qeet-identity"],
    user_id: grant.userId,
    grant_id: grant.id,
    client_id: client.id,
    scope: "openid",
    nbf: Math.floor(Date.now() / 1000),
    jti: crypto.randomUUID(),
  });
  const half = createHash("sha256").update(access_token).digest().subarray(0, 16);
  const id_token = await signJwt(client.idTokenAlg, "JWT", {
    ...shared,
    aud: client.id,
    at_hash: half.toString("base64url"),
    ...(grant.nonce !== undefined && { nonce: grant.nonce }),
  });
  return { access_token, id_token, refresh_token, token_type: "Bearer", expires_in: 900 };
}

async function redeem(client: { id: string } & Client, form: URLSearchParams) {
  const hash = sha256(form.get("code")!);
  const [row] = await store.all(
    "select c.*, u.status, u.deleted_at, t.status, m.active from oidc_authorization_codes c join users u on u.id = c.user_id join tenants t on t.id = c.tenant_id left join memberships m on m.tenant_id = c.tenant_id and m.user_id = c.user_id where c.code_hash = ?",
    [hash],
  );
  const userId = row![2] as string;
  if (sha256(form.get("code_verifier")!).length !== 43) throw new Error("verifier");
  const at = new Date();
  const [id, sid, next] = [Bun.randomUUIDv7(), crypto.randomUUID(), newToken()];
  const later = instant(new Date(at.getTime() + 86_400_000));
  await store.write([
    ["delete from oidc_authorization_codes where code_hash = ? returning code_hash", [hash]],
    [
      `insert into oauth_grants (id, client_row_id, user_id, tenant_id, grant_type, code_hash, scopes, nonce, resources, login_session_id, sid, auth_time, amr, acr, offline, created_at, expires_at, ends_at) values (?, ?, ?, ?, 'authorization_code', ?, ${JSON_SLOT}, ?, ${JSON_SLOT}, ?, ?, ?, ${JSON_SLOT}, 'urn:qeet:acr:1fa', false, ?, ?, ?)`,
      [
        id,
        client.rowId,
        userId,
        client.tenantId,
        hash,
        json(["openid"]),
        "n",
        json([]),
        crypto.randomUUID(),
        sid,
        instant(at),
        json(["pwd"]),
        instant(at),
        later,
        later,
      ],
    ],
    [INSERT_REFRESH, [Bun.randomUUIDv7(), id, sha256(next), null, instant(at), later]],
  ]);
  return tokens(client, { id, userId, sid, authTime: at, amr: ["pwd"], nonce: "n" }, next);
}

async function refresh(client: { id: string } & Client, form: URLSearchParams) {
  const [row] = await store.all(
    "select t.id, t.used_at, t.superseded_at, t.expires_at, g.id, g.user_id, g.sid, g.auth_time, g.amr, g.scopes, g.resources, g.claims, g.revoked_at, g.ends_at, u.email, u.status, u.deleted_at, n.status, m.active from oidc_refresh_tokens t join oauth_grants g on g.id = t.grant_id join users u on u.id = g.user_id join tenants n on n.id = g.tenant_id left join memberships m on m.tenant_id = g.tenant_id and m.user_id = g.user_id where t.token_hash = ?",
    [sha256(form.get("refresh_token")!)],
  );
  const [tokenId, , , , grantId, userId, sid, authTime, amr] = row as string[];
  const at = new Date();
  const next = newToken();
  const later = instant(new Date(at.getTime() + 86_400_000));
  await store.write([
    [
      "update oidc_refresh_tokens set used_at = ? where id = ? and used_at is null and superseded_at is null returning id, parent_id, has_siblings",
      [instant(at), tokenId],
    ],
    [INSERT_REFRESH, [Bun.randomUUIDv7(), grantId, sha256(next), tokenId, instant(at), later]],
    [
      "update oauth_grants set expires_at = ? where id = ? and revoked_at is null returning id",
      [later, grantId],
    ],
  ]);
  const grant = { id: grantId!, userId: userId!, sid: sid!, amr: parsed(amr) };
  return tokens(client, { ...grant, authTime: authTime as never }, next);
}

const LIVE =
  "select g.id, g.client_row_id, g.user_id, g.tenant_id, g.scopes, g.claims, g.sid, g.auth_time, g.amr, g.acr, g.revoked_at, c.client_id, c.deleted_at, c.require_membership, u.email, u.status, u.deleted_at, t.status, m.active, r.jti from oauth_grants g join oidc_clients c on c.id = g.client_row_id join users u on u.id = g.user_id join tenants t on t.id = g.tenant_id left join memberships m on m.tenant_id = g.tenant_id and m.user_id = g.user_id left join revoked_access_tokens r on r.jti = ? where g.id = ?";

async function introspect(request: Request): Promise<object> {
  await basicClient(request);
  const token = new URLSearchParams(await request.text()).get("token")!;
  return remember(sha256(token), async () => {
    const claims = verifiedClaims(token);
    const [grant] = await store.all(LIVE, [claims.jti, claims.grant_id]);
    return { active: grant![10] === null, ...claims, username: grant![14] };
  });
}

async function userinfo(request: Request): Promise<object> {
  const token = (request.headers.get("authorization") ?? "").slice(7);
  const [grantId, , userId] = await remember(token, async () => {
    const claims = verifiedClaims(token);
    const [grant] = await store.all(LIVE, [claims.jti, claims.grant_id]);
    return grant as string[];
  });
  const [user] = await store.all(
    "select u.id, u.tenant_id, u.email, u.email_verified_at, u.phone, u.phone_verified_at, u.display_name, u.status, u.metadata, u.updated_at, g.claims from users u join oauth_grants g on g.user_id = u.id where g.id = ? and u.id = ?",
    [grantId, userId],
  );
  return { sub: user![0], tenant_id: user![1], email: user![2], email_verified: true };
}

/** Undefined for a path that is not OAuth's. */
export async function oauthAnswer(request: Request): Promise<Response | undefined> {
  const { pathname } = new URL(request.url);
  switch (pathname) {
    case "/v1/oauth/token":
      return Response.json(await clientCredentials(request));
    case "/v1/oauth/authorize":
      return authorize(request);
    case "/v1/oauth/token-code": {
      const client = await basicClient(request);
      const form = new URLSearchParams(await request.text());
      const isCode = form.get("grant_type") === "authorization_code";
      return Response.json(await (isCode ? redeem : refresh)(client, form));
    }
    case "/oauth/introspect":
      return Response.json(await introspect(request));
    case "/v1/oauth/userinfo":
      return Response.json(await userinfo(request));
    default:
      return undefined;
  }
}
