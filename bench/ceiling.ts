/**
 * The ceiling: a bare Bun server that does for each path what cannot be left out (the same reads, writes, hash,
 * signatures, and the same five seconds of remembering a credential), and nothing else: no router, no validation, no
 * audit rules, no headers, no error handling. What the product reaches of it is what all of that costs.
 *
 *   bun bench/ceiling.ts <database url> <ES256 jwk, JSON> <RS256 jwk, JSON>
 *
 * Prints its port. It works on a database that `bench/fixture.ts` has filled.
 */
import { cpus } from "node:os";
import { verify as argon2Verify } from "@node-rs/argon2";
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
import { oauthAnswer } from "./ceiling-oauth.ts";

const signToken = (userId: string, tenantId: string, sid: string): Promise<string> =>
  signJwt("ES256", "at+jwt", {
    aud: ["qeet-identity"],
    sub: userId,
    user_id: userId,
    tenant_id: tenantId,
    sid,
    jti: crypto.randomUUID(),
  });

/** The caller of a bearer token or an API key: signature or hash, one look-up, remembered for 5 s. */
function caller(request: Request): Promise<unknown[]> {
  const authorization = request.headers.get("authorization") ?? "";
  return remember(authorization, () =>
    authorization.startsWith("ApiKey ")
      ? byKey(authorization.slice(7))
      : byToken(authorization.slice(7)),
  );
}

const PERMISSIONS_OF =
  "select u.status, t.status, r.is_system, rp.permission_id from user_roles ur join roles r on r.id = ur.role_id join users u on u.id = ur.user_id join tenants t on t.id = ur.tenant_id join memberships m on m.tenant_id = ur.tenant_id and m.user_id = ur.user_id left join role_permissions rp on rp.role_id = r.id where ur.user_id = ? and ur.tenant_id = ?";

async function byToken(token: string): Promise<unknown[]> {
  const claims = verifiedClaims(token);
  const [row] = await store.all(
    "select s.user_id, s.tenant_id, s.revoked_at, u.status, t.status, m.active from sessions s join users u on u.id = s.user_id left join tenants t on t.id = s.tenant_id left join memberships m on m.tenant_id = s.tenant_id and m.user_id = s.user_id where s.id = ?",
    [claims.sid],
  );
  await store.all(PERMISSIONS_OF, [row![0], row![1]]);
  return row!;
}

async function byKey(key: string): Promise<unknown[]> {
  const [prefix, secret] = key.split(".") as [string, string];
  const [row] = await store.all(
    "select k.user_id, k.tenant_id, s.secret_hash, k.scopes, k.expires_at, t.status from api_key_secrets s join api_keys k on k.id = s.api_key_id join tenants t on t.id = k.tenant_id where s.prefix = ?",
    [prefix],
  );
  if (row![2] !== sha256(secret)) throw new Error("bad key");
  return row!;
}

const INSERT_REFRESH =
  "insert into refresh_tokens (id, session_id, token_hash, issued_at, expires_at) values (?, ?, ?, ?, ?)";

/** As many hashes at a time as there are cores. */
let free = cpus().length;
const waiting: (() => void)[] = [];
async function hashed<T>(work: () => Promise<T>): Promise<T> {
  if (free === 0) await new Promise<void>((go) => waiting.push(go));
  else free -= 1;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  }
}

async function login(body: { email: string; password: string }) {
  const [row] = await store.all(
    "select u.id, u.tenant_id, u.status, p.password_hash from users u join password_credentials p on p.user_id = u.id where u.email_key = ? and u.deleted_at is null",
    [body.email.toLowerCase()],
  );
  const [userId, tenantId, , passwordHash] = row as [string, string, string, string];
  await store.all("select failed_count, locked_until from login_attempts where key = ?", [
    sha256(body.email),
  ]);
  if (!(await hashed(() => argon2Verify(passwordHash, body.password)))) throw new Error("password");
  const at = new Date();
  const sid = Bun.randomUUIDv7();
  const refresh = newToken();
  const seq = Math.floor(Math.random() * 2 ** 50);
  const hash = sha256(sid);
  const json = (value: object) => JSON.stringify(value);
  const outbox = `insert into outbox_events (id, aggregate_id, tenant_id, topic, event_type, payload, created_at, due_at) values (?, ?, ?, ?, ?, ${JSON_SLOT}, ?, ?)`;
  await store.write(
    [
      [
        `insert into sessions (id, user_id, tenant_id, method, auth_time, amr, created_at, last_seen_at) values (?, ?, ?, ?, ?, ${JSON_SLOT}, ?, ?)`,
        [sid, userId, tenantId, "password", instant(at), json(["pwd"]), instant(at), instant(at)],
      ],
      [INSERT_REFRESH, [Bun.randomUUIDv7(), sid, sha256(refresh), instant(at), instant(at)]],
      [
        outbox,
        [
          Bun.randomUUIDv7(),
          sid,
          tenantId,
          "x",
          "session.created",
          json({ sid }),
          instant(at),
          instant(at),
        ],
      ],
      [
        outbox,
        [
          Bun.randomUUIDv7(),
          sid,
          tenantId,
          "x",
          "user.signed_in",
          json({ sid }),
          instant(at),
          instant(at),
        ],
      ],
      [
        "insert into audit_logs (log_id, size, tip_hash, last_created_at, edge) values (?, 1, ?, ?, ?) on conflict (log_id) do update set size = audit_logs.size + 1 returning size, tip_hash",
        [`bench-${tenantId}`, hash, at.toISOString(), Buffer.from(hash)],
      ],
      [
        `insert into audit_events (id, log_id, seq, chain_version, tenant_id, actor_user_id, actor_type, action, resource_type, metadata, created_at, prev_hash, row_hash, seals) values (?, ?, ?, 2, ?, ?, 'user', 'x', 'session', '{}', ?, ?, ?, ${JSON_SLOT})`,
        [
          Bun.randomUUIDv7(),
          `bench-${sid}`,
          seq,
          tenantId,
          userId,
          at.toISOString(),
          hash,
          hash,
          "{}",
        ],
      ],
      [
        "insert into audit_nodes (log_id, level, idx, hash) values (?, 0, ?, ?)",
        [`bench-${sid}`, seq, Buffer.from(hash)],
      ],
    ],
    tenantId,
  );
  return {
    access_token: await signToken(userId, tenantId, sid),
    refresh_token: refresh,
    session_id: sid,
    user_id: userId,
    tenant_id: tenantId,
  };
}

async function refresh(body: { refresh_token: string }) {
  const hash = sha256(body.refresh_token);
  const [row] = await store.all(
    "select rt.id, rt.session_id, rt.used_at, rt.expires_at, s.user_id, s.tenant_id, s.revoked_at, u.status, t.status, m.active from refresh_tokens rt join sessions s on s.id = rt.session_id join users u on u.id = s.user_id left join tenants t on t.id = s.tenant_id left join memberships m on m.tenant_id = s.tenant_id and m.user_id = s.user_id where rt.token_hash = ?",
    [hash],
  );
  const [id, sid, , , userId, tenantId] = row as string[];
  const at = new Date();
  const next = newToken();
  await store.write([
    [
      "update refresh_tokens set used_at = ? where id = ? and used_at is null returning id",
      [instant(at), id],
    ],
    [INSERT_REFRESH, [Bun.randomUUIDv7(), sid, sha256(next), instant(at), instant(at)]],
    ["update sessions set last_seen_at = ? where id = ?", [instant(at), sid]],
  ]);
  return {
    access_token: await signToken(userId!, tenantId!, sid!),
    refresh_token: next,
    session_id: sid,
    user_id: userId,
    tenant_id: tenantId,
  };
}

/** The statement of the product, look-up by look-up: same reads. The owner's role answers before its permissions. */
const CHECK = `select r.id, r.name from user_roles ur join roles r on r.id = ur.role_id join users u on u.id = ur.user_id join tenants t on t.id = ur.tenant_id join memberships m on m.tenant_id = ur.tenant_id and m.user_id = ur.user_id and m.active = ${isPostgres ? "true" : "1"} where ur.user_id = ? and ur.tenant_id = ? and u.status = 'active' and t.status = 'active' and (r.is_system = ${isPostgres ? "true" : "1"} or exists (select 1 from role_permissions rp join permissions p on p.id = rp.permission_id where rp.role_id = r.id and p.key = ?)) limit 1`;

async function answer(request: Request): Promise<unknown> {
  const { pathname, searchParams } = new URL(request.url);
  switch (pathname) {
    case "/v1/auth/login":
      return login((await request.json()) as never);
    case "/v1/auth/refresh":
      return refresh((await request.json()) as never);
    case "/v1/auth/me": {
      const [userId, tenantId] = await caller(request);
      return { user_id: userId, tenant_id: tenantId, actor: "user", scopes: [] };
    }
    case "/v1/check": {
      await caller(request);
      const names = ["user_id", "tenant_id", "permission"];
      const rows = await store.all(
        CHECK,
        names.map((name) => searchParams.get(name)),
      );
      return { allowed: rows.length > 0 };
    }
    case "/v1/users": {
      const [, tenantId] = await caller(request);
      const items = await store.all(
        `select u.id, u.tenant_id, u.email, u.email_verified_at, u.phone, u.phone_verified_at, u.display_name, u.status, u.metadata, u.created_at, u.updated_at from memberships m join users u on u.id = m.user_id where m.tenant_id = ? and m.user_deleted = ${isPostgres ? "false" : "0"} order by m.user_created_at desc, m.user_id desc limit 51`,
        [tenantId],
      );
      return {
        items: items.slice(0, 50).map((row) => ({
          id: row[0],
          tenant_id: row[1],
          email: row[2],
          email_verified_at: row[3],
          phone: row[4],
          phone_verified_at: row[5],
          display_name: row[6],
          status: row[7],
          metadata: isPostgres ? row[8] : JSON.parse(row[8] as string),
          created_at: new Date(row[9] as number).toISOString(),
          updated_at: new Date(row[10] as number).toISOString(),
        })),
        next_cursor: "x",
      };
    }
    default: {
      const [, tenantId] = await caller(request);
      const items = await store.all(
        "select id, tenant_id, name, description, is_system, created_at from roles where tenant_id = ? order by lower(name), id",
        [tenantId],
      );
      return {
        items: items.map((row) => ({
          id: row[0],
          tenant_id: row[1],
          name: row[2],
          description: row[3],
          is_system: Boolean(row[4]),
          created_at: new Date(row[5] as number).toISOString(),
        })),
      };
    }
  }
}

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: async (request) => (await oauthAnswer(request)) ?? Response.json(await answer(request)),
});
console.log(server.port);
