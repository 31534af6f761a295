/** What every path of the ceiling needs: prepared statements, durable transactions, signatures. Nothing around them. */
import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { startSyncThread, WalSync } from "../db/durability.ts";

const [url = "", ecJwk = "", rsaJwk = ""] = process.argv.slice(2);

interface Store {
  /** One statement; rows as arrays. */
  all(text: string, params: unknown[]): Promise<unknown[][]> | unknown[][];
  /** The statements in one durable transaction. */
  write(
    statements: (readonly [text: string, params: unknown[]])[],
    /** Transactions of one key wait for each other here, not in the database: as the product does for its audit log. */
    serializeOn?: string,
  ): Promise<void>;
}

async function sqlite(): Promise<Store> {
  const { Database } = await import("bun:sqlite");
  const { openSync } = await import("node:fs");
  const path = url.replace(/^sqlite:/, "");
  const open = (flags: object) => {
    const db = new Database(path, flags);
    db.run("pragma busy_timeout = 5000");
    db.run("pragma synchronous = normal");
    db.run("pragma cache_size = -32000");
    return db;
  };
  const writer = open({ readwrite: true });
  writer.run("pragma journal_mode = wal");
  writer.run("create table if not exists bench_touch (n integer)");
  const reader = open({ readonly: true });
  const walFd = openSync(`${path}-wal`, "r+");
  const thread = startSyncThread();
  const wal = new WalSync(() => thread.sync(walFd));
  const cache = new Map<string, ReturnType<typeof reader.prepare>>();
  const prepared = (db: typeof reader, text: string) => {
    const key = (db === writer ? "w" : "r") + text;
    let statement = cache.get(key);
    if (!statement) {
      statement = db.prepare(text);
      cache.set(key, statement);
    }
    return statement;
  };
  return {
    all: (text, params) => prepared(reader, text).values(...(params as string[])) as unknown[][],
    async write(statements) {
      prepared(writer, "begin immediate").run();
      for (const [text, params] of statements)
        prepared(writer, text).values(...(params as string[]));
      prepared(writer, "commit").run();
      await wal.durable();
    },
  };
}

function postgres(): Store {
  const sql = new Bun.SQL({ url, max: 10 });
  const numbered = new Map<string, string>();
  const turns = new Map<string, Promise<unknown>>();
  const dollars = (text: string) => {
    let out = numbered.get(text);
    if (!out) {
      let n = 0;
      out = text.replace(/\?/g, () => `$${++n}`);
      numbered.set(text, out);
    }
    return out;
  };
  return {
    all: (text, params) => sql.unsafe(dollars(text), params).values() as Promise<unknown[][]>,
    async write(statements, serializeOn) {
      const once = () =>
        sql.begin("isolation level serializable", async (tx) => {
          for (const [text, params] of statements) await tx.unsafe(dollars(text), params).values();
        });
      // Neighbouring rows share a page, and Postgres may then see a conflict: it is tried again, as the product does.
      const run = async (left = 5): Promise<void> => {
        try {
          await once();
        } catch (error) {
          if ((error as { errno?: string }).errno !== "40001" || left === 0) throw error;
          await run(left - 1);
        }
      };
      if (serializeOn === undefined) return void (await run());
      const mine = (turns.get(serializeOn) ?? Promise.resolve()).then(() => run());
      turns.set(
        serializeOn,
        mine.catch(() => {}),
      );
      await mine;
    },
  };
}

export const isPostgres = url.startsWith("postgres");
export const store: Store = isPostgres ? postgres() : await sqlite();
/** Where a JSON value goes into a statement. */
export const JSON_SLOT = isPostgres ? "?::text::jsonb" : "?";
export const instant = (at: Date) => (isPostgres ? at : at.getTime());
export const sha256 = (text: string): string =>
  createHash("sha256").update(text).digest("base64url");
export const newToken = (): string =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");

const KEYS = {
  ES256: {
    key: createPrivateKey({ key: JSON.parse(ecJwk), format: "jwk" }),
    dsaEncoding: "ieee-p1363",
  },
  RS256: { key: createPrivateKey({ key: JSON.parse(rsaJwk), format: "jwk" }) },
} as const;
const publicKey = createPublicKey(KEYS.ES256.key);

const b64 = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** ES256 where it stands, RS256 in the thread pool: 26 µs, and 600. */
export async function signJwt(
  alg: keyof typeof KEYS,
  typ: "at+jwt" | "JWT",
  claims: object,
): Promise<string> {
  const iat = Math.floor(Date.now() / 1000);
  const registered = { iss: "http://localhost:4000", iat, exp: iat + 900 };
  const input = `${b64({ alg, kid: "k", typ })}.${b64({ ...registered, ...claims })}`;
  const bytes = Buffer.from(input);
  const signature =
    alg === "ES256"
      ? sign("sha256", bytes, KEYS.ES256)
      : await new Promise<Buffer>((resolve, reject) =>
          sign("sha256", bytes, KEYS.RS256, (error, made) =>
            error ? reject(error) : resolve(made),
          ),
        );
  return `${input}.${signature.toString("base64url")}`;
}

// biome-ignore lint/suspicious/noExplicitAny: claims, as they were signed
export function verifiedClaims(token: string): any {
  const [head, payload, signature] = token.split(".") as [string, string, string];
  const input = Buffer.from(`${head}.${payload}`);
  const raw = Buffer.from(signature, "base64url");
  if (!verify("sha256", input, { key: publicKey, dsaEncoding: "ieee-p1363" }, raw))
    throw new Error("bad signature");
  return JSON.parse(Buffer.from(payload, "base64url").toString());
}

const remembered = new Map<string, { until: number; what: unknown }>();

/** The product remembers credentials for five seconds, too. */
export async function remember<T>(key: string, find: () => Promise<T>): Promise<T> {
  const found = remembered.get(key);
  if (found && found.until > performance.now()) return found.what as T;
  const what = await find();
  remembered.set(key, { until: performance.now() + 5_000, what });
  return what;
}
