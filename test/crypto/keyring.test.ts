import { afterAll, afterEach, describe, expect, test } from "bun:test";
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { eq } from "drizzle-orm";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { signingKeys } from "../../db/schema/platform.ts";
import { SealBroken } from "../../src/platform/crypto/sealing.ts";
import { AppError } from "../../src/platform/errors.ts";
import { Recent } from "../../src/platform/recent.ts";
import { freshDb } from "../support/db.ts";
import { AUDIENCE, closeDbs, ISSUER, openDb, openRing, rotate, START, seconds } from "./support.ts";

const DAY_MS = 24 * 3_600_000;
const db = await freshDb();
const main = await openRing(db);
afterAll(() => db.close());
afterEach(closeDbs);

const now = () => seconds(main.clock.now());
const goodClaims = () => ({
  iss: ISSUER,
  aud: [AUDIENCE],
  sub: "a",
  iat: now(),
  nbf: now(),
  exp: now() + 900,
});
const accessToken = { typ: "at+jwt" };

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token made by hand, so that each row can differ from an accepted one in one thing. */
async function forge(
  change: { header?: object; claims?: object; drop?: string; key?: KeyObject } = {},
) {
  const active = (await main.ring.list()).find((k) => k.alg === "ES256" && k.status === "active")!;
  const key = change.key ?? createPrivateKey((await main.ring.exportPrivate(active.kid))!);
  const header: Record<string, unknown> = {
    alg: "ES256",
    kid: active.kid,
    typ: "at+jwt",
    ...change.header,
  };
  const claims: Record<string, unknown> = { ...goodClaims(), ...change.claims };
  if (change.drop) {
    delete header[change.drop];
    delete claims[change.drop];
  }
  const input = `${encode(header)}.${encode(claims)}`;
  const signature = sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
  return `${input}.${signature.toString("base64url")}`;
}

async function expectRefused(token: string, expected = accessToken) {
  const error = await main.ring.verify(token, expected).then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(AppError);
  // One answer for all of them.
  expect([error.code, error.detail, error.fields]).toEqual(["unauthorized", undefined, undefined]);
}

describe("01 §20: JWT", () => {
  test("the token that every row below differs from is accepted", async () => {
    expect(await main.ring.verify(await forge(), accessToken)).toMatchObject({ iss: ISSUER });
    expect(
      await main.ring.verify(await forge({ claims: { aud: AUDIENCE } }), accessToken),
    ).toMatchObject({ aud: AUDIENCE });
  });

  test.each<[string, Parameters<typeof forge>[0]]>([
    ["unknown `kid`", { header: { kid: "nobody" } }],
    ["missing `kid`", { drop: "kid" }],
    ["`kid` that is no string", { header: { kid: ["a"] } }],
    ["other `aud`", { claims: { aud: ["other"] } }],
    ["empty `aud`", { claims: { aud: [] } }],
    ["no `aud`", { drop: "aud" }],
    ["other `iss`", { claims: { iss: "https://evil.example.com" } }],
    ["no `iss`", { drop: "iss" }],
    ["expired 1 s ago", { claims: { exp: seconds(START) - 1 } }],
    ["expires this second", { claims: { exp: seconds(START) } }],
    ["no `exp`", { drop: "exp" }],
    ["`exp` as text", { claims: { exp: String(seconds(START) + 900) } }],
    ["`exp` null", { claims: { exp: null } }],
    ["`nbf` in 6 s", { claims: { nbf: seconds(START) + 6 } }],
    ["`nbf` as text", { claims: { nbf: "0" } }],
    ["`iat` in 6 s", { claims: { iat: seconds(START) + 6 } }],
    ["ID token as access token", { header: { typ: "JWT" } }],
    ["no `typ`", { drop: "typ" }],
    ["`typ` application/at+jwt", { header: { typ: "application/at+jwt" } }],
    ["`alg` RS256 under an EC key", { header: { alg: "RS256" } }],
    ["`alg` ES384", { header: { alg: "ES384" } }],
    ["no `alg`", { drop: "alg" }],
    ["`crit`", { header: { crit: ["exp"] } }],
    ["empty `crit`", { header: { crit: [] } }],
    ["a key of somebody else", { key: strangersKey() }],
    ["a key of somebody else, in `jwk`", { key: strangersKey(), header: { jwk: strangersJwk() } }],
    [
      "`jku` with the active kid, signed by somebody else",
      { key: strangersKey(), header: { jku: "https://evil.example.com/jwks" } },
    ],
  ])("%s: 401", async (_, change) => {
    await expectRefused(await forge(change));
  });

  test("alg:none: 401, in every spelling and with any signature", async () => {
    for (const alg of ["none", "None", "NONE", "nOnE"]) {
      const [, claims, signature] = (await forge()).split(".");
      const [header] = (await forge({ header: { alg } })).split(".");
      await expectRefused(`${header}.${claims}.`);
      await expectRefused(`${header}.${claims}.${signature}`);
    }
  });

  test("HS256 with the public key as secret: 401", async () => {
    const { keys } = await main.ring.jwks();
    const key = keys.find((k) => k.alg === "ES256")!;
    const publicKey = createPublicKey({ key: key as JsonWebKey, format: "jwk" });
    const input = `${encode({ alg: "HS256", kid: key.kid, typ: "at+jwt" })}.${encode(goodClaims())}`;
    for (const secret of [
      publicKey.export({ format: "pem", type: "spki" }),
      publicKey.export({ format: "der", type: "spki" }),
      JSON.stringify(key),
    ])
      await expectRefused(
        `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`,
      );
  });

  test("claims changed under a good signature: 401", async () => {
    const [header, , signature] = (await forge()).split(".");
    await expectRefused(
      `${header}.${encode({ ...goodClaims(), sub: "somebody else" })}.${signature}`,
    );
  });

  test("a signature in DER, as ES256 signers without RFC 7518 make it: 401", async () => {
    const token = await forge();
    const input = token.slice(0, token.lastIndexOf("."));
    const active = (await main.ring.list()).find((k) => k.alg === "ES256")!;
    const key = createPrivateKey((await main.ring.exportPrivate(active.kid))!);
    await expectRefused(
      `${input}.${sign("sha256", Buffer.from(input), key).toString("base64url")}`,
    );
  });

  test("5 s of leeway on `nbf` and `iat`, none on `exp`", async () => {
    const soon = seconds(START) + 5;
    await main.ring.verify(await forge({ claims: { nbf: soon, iat: soon } }), accessToken);
    await main.ring.verify(await forge({ claims: { exp: seconds(START) + 1 } }), accessToken);
  });

  test("an access token is no ID token, and an RS256 one only where it is asked for", async () => {
    await expectRefused(await forge(), { typ: "JWT" });
    const idToken = await main.ring.sign("RS256", { typ: "JWT" }, goodClaims());
    await expectRefused(idToken, { typ: "JWT" });
    const expected = { typ: "JWT", algorithms: ["ES256", "RS256"] } as const;
    expect(await main.ring.verify(idToken, expected)).toMatchObject({ sub: "a" });
    const foreign = await main.ring.sign("RS256", { typ: "JWT" }, { ...goodClaims(), aud: "app" });
    await expectRefused(foreign, expected as never);
    expect(await main.ring.verify(foreign, { ...expected, audience: "app" })).toBeDefined();
    expect(await main.ring.verify(foreign, { ...expected, audience: null })).toBeDefined();
  });
});

let stranger: { privateKey: KeyObject; publicKey: KeyObject } | undefined;
function strangersKey() {
  stranger ??= generateKeyPairSync("ec", { namedCurve: "P-256" });
  return stranger.privateKey;
}
function strangersJwk() {
  strangersKey();
  return stranger!.publicKey.export({ format: "jwk" });
}

test("another implementation verifies our tokens by the published JWKS", async () => {
  const jwks = createLocalJWKSet({ keys: [...(await main.ring.jwks()).keys] } as JSONWebKeySet);
  for (const alg of ["ES256", "RS256"] as const) {
    const token = await main.ring.sign(alg, { typ: "at+jwt" }, goodClaims());
    const { payload, protectedHeader } = await jwtVerify(token, jwks, {
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: "at+jwt",
      currentDate: START,
    });
    expect(payload.sub).toBe("a");
    expect(Object.keys(protectedHeader).sort()).toEqual(["alg", "kid", "typ"]);
  }
});

test("the JWKS holds public members only, and each kid once", async () => {
  const { keys } = await main.ring.jwks();
  expect(keys.map((key) => Object.keys(key).sort().join())).toEqual(
    expect.arrayContaining(["alg,crv,kid,kty,use,x,y", "alg,e,kid,kty,n,use"]),
  );
  expect(new Set(keys.map((key) => key.kid)).size).toBe(keys.length);
  expect(keys[0]!.alg).toBe("ES256");
});

describe("rotation", () => {
  test("01 §20: token signed by a retired key; and 00 §56: for 30 days", async () => {
    const one = await openRing(await openDb());
    const far = { ...goodClaims(), exp: seconds(START) + 40 * 24 * 3600 };
    const token = await one.ring.sign("ES256", accessToken, far);
    const before = (await one.ring.jwks()).keys.map((key) => key.kid);
    const kid = await one.rotate();
    expect(before).not.toContain(kid);
    expect((await one.ring.jwks()).keys.map((key) => key.kid).sort()).toEqual(
      [...before, kid].sort(),
    );
    expect(await one.ring.verify(token, accessToken)).toMatchObject({ sub: "a" });
    const [header] = (await one.ring.sign("ES256", accessToken, far)).split(".");
    expect(JSON.parse(Buffer.from(header!, "base64url").toString()).kid).toBe(kid);

    one.advance(30 * DAY_MS - 1);
    expect(await one.ring.verify(token, accessToken)).toMatchObject({ sub: "a" });
    one.advance(1);
    await expect(one.ring.verify(token, accessToken)).rejects.toThrow(AppError);
    expect((await one.ring.jwks()).keys.length).toBe(before.length);
  });

  test("a retired key's private half is gone", async () => {
    const own = await openDb();
    const one = await openRing(own);
    const old = (await one.ring.list()).find((key) => key.alg === "ES256")!;
    expect(await one.ring.exportPrivate(old.kid)).toContain("PRIVATE KEY");
    await one.rotate();
    expect(await one.ring.exportPrivate(old.kid)).toBeUndefined();
    const [row] = await own.read.select().from(signingKeys).where(eq(signingKeys.kid, old.kid));
    expect(row).toMatchObject({ status: "retired", privateSealed: null });
  });

  test("race: instances that start at once end with the same keys, one active of each algorithm", async () => {
    const shared = await openDb();
    const rings = await Promise.all(Array.from({ length: 8 }, () => openRing(shared)));
    const sets = await Promise.all(
      rings.map(async ({ ring }) =>
        (await ring.list())
          .map((k) => k.kid)
          .sort()
          .join(),
      ),
    );
    expect(new Set(sets).size).toBe(1);
    const rows = await shared.read.select().from(signingKeys);
    expect(rows.map((row) => `${row.alg} ${row.status}`).sort()).toEqual([
      "ES256 active",
      "RS256 active",
    ]);
    // Each verifies what any other signs.
    const token = await rings[0]!.ring.sign("ES256", accessToken, goodClaims());
    for (const { ring } of rings) await ring.verify(token, accessToken);
  });

  test("race: rotations at once leave one active key, and every instance signs with it", async () => {
    const shared = await openDb();
    const rings = await Promise.all(Array.from({ length: 3 }, () => openRing(shared)));
    const kids = await Promise.all(
      rings.flatMap(({ ring }) => [rotate(shared, ring, START), rotate(shared, ring, START)]),
    );
    expect(new Set(kids).size).toBe(6);
    const rows = await shared.read.select().from(signingKeys).where(eq(signingKeys.alg, "ES256"));
    expect(rows.filter((row) => row.status === "active").length).toBe(1);
    expect(rows.length).toBe(7);
    expect(rows.filter((row) => row.privateSealed !== null).length).toBe(1);
    for (const { ring } of rings) {
      await ring.reload();
      expect(
        await ring.verify(await ring.sign("ES256", accessToken, goodClaims()), accessToken),
      ).toBeDefined();
    }
  });

  test("another instance's new key is found by its kid, without waiting", async () => {
    const shared = await openDb();
    const a = await openRing(shared);
    const b = await openRing(shared);
    await Bun.sleep(1_050); // an unknown kid is looked up once a second at most
    await a.rotate();
    const token = await a.ring.sign("ES256", accessToken, goodClaims());
    expect(await b.ring.verify(token, accessToken)).toMatchObject({ sub: "a" });
  });

  test("unknown kids cost one look-up a second, not one each", async () => {
    const own = await openDb();
    const one = await openRing(own);
    let reads = 0;
    const select = own.read.select.bind(own.read);
    Object.assign(own.read, {
      select: (...args: []) => {
        reads += 1;
        return select(...args);
      },
    });
    await Bun.sleep(1_050);
    const forged = `${encode({ alg: "ES256", kid: "x", typ: "at+jwt" })}.${encode({})}.AAAA`;
    await Promise.allSettled(
      Array.from({ length: 200 }, () => one.ring.verify(forged, accessToken)),
    );
    for (let i = 0; i < 50; i += 1) await one.ring.verify(forged, accessToken).catch(() => {});
    expect(reads).toBe(1);
  });
});

test("a token that was accepted before is judged anew: time, type, key", async () => {
  const own = await openRing(await openDb());
  const token = await own.ring.sign("ES256", accessToken, goodClaims());
  await own.ring.verify(token, accessToken);
  await expect(own.ring.verify(token, { typ: "JWT" })).rejects.toThrow(AppError);
  await expect(own.ring.verify(token, { ...accessToken, audience: "x" })).rejects.toThrow(AppError);
  await expect(own.ring.verify(token, { ...accessToken, algorithms: [] })).rejects.toThrow(
    AppError,
  );
  await expect(own.ring.verify(`${token.slice(0, -4)}AAAA`, accessToken)).rejects.toThrow(AppError);
  await own.ring.verify(token, accessToken);
  own.advance(900_000);
  await expect(own.ring.verify(token, accessToken)).rejects.toThrow(AppError);
});

test("Recent keeps what is used, and no more than twice its size", () => {
  const recent = new Recent<number>(10);
  for (let i = 0; i < 100; i += 1) {
    recent.set(`${i}`, i);
    expect(recent.get("0")).toBe(0); // used all the time
  }
  const kept = Array.from({ length: 100 }, (_, i) => recent.get(`${i}`)).filter(
    (value) => value !== undefined,
  );
  expect(kept.length).toBeLessThanOrEqual(21);
  expect(recent.get("99")).toBe(99);
});

describe("keys of the operator", () => {
  const pem = (type: "pkcs8" | "sec1") =>
    generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({
      format: "pem",
      type,
    }) as string;

  test.each(["pkcs8", "sec1"] as const)("JWT_SIGNING_KEY (%s) signs from then on", async (type) => {
    const own = await openDb();
    const before = await openRing(own);
    const token = await before.ring.sign("ES256", accessToken, goodClaims());
    const key = pem(type);
    const after = await openRing(own, { jwtSigningKey: key });
    const signed = await after.ring.sign("ES256", accessToken, goodClaims());
    const { payload } = await jwtVerify(signed, createPublicKey(key), { currentDate: START });
    expect(payload.sub).toBe("a");
    await after.ring.verify(token, accessToken); // the generated one is retired, not forgotten
    // Another start changes nothing; one without the setting keeps it.
    await openRing(own, { jwtSigningKey: key });
    await openRing(own);
    const rows = await own.read.select().from(signingKeys).where(eq(signingKeys.alg, "ES256"));
    expect(rows.length).toBe(2);
    expect(rows.filter((row) => row.status === "active").length).toBe(1);
  });

  test("going back to an earlier JWT_SIGNING_KEY makes it active again", async () => {
    const own = await openDb();
    const [first, second] = [pem("pkcs8"), pem("pkcs8")];
    for (const jwtSigningKey of [first, second, first]) await openRing(own, { jwtSigningKey });
    const one = await openRing(own);
    const signed = await one.ring.sign("ES256", accessToken, goodClaims());
    await jwtVerify(signed, createPublicKey(first), { currentDate: START });
  });

  test("a JWT_SIGNING_KEY of another kind stops the start", async () => {
    const own = await openDb();
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
    for (const key of [rsa, p384])
      await expect(
        openRing(own, { jwtSigningKey: key.export({ format: "pem", type: "pkcs8" }) as string }),
      ).rejects.toThrow("ES256");
    expect(await own.read.select().from(signingKeys)).toEqual([]);
  });

  test("JWT_RETIRED_KEYS verify, and unusable blocks are skipped", async () => {
    const own = await openDb();
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const spki = publicKey.export({ format: "pem", type: "spki" }) as string;
    const broken = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    const one = await openRing(own, { jwtRetiredKeys: spki + broken + spki + pem("pkcs8") });
    expect(one.warnings.length).toBe(1);
    const listed = (await one.ring.list()).filter((key) => key.status === "retired");
    expect(listed.length).toBe(1);
    const input = `${encode({ alg: "ES256", kid: listed[0]!.kid, typ: "at+jwt" })}.${encode(goodClaims())}`;
    const signature = sign("sha256", Buffer.from(input), {
      key: privateKey,
      dsaEncoding: "ieee-p1363",
    });
    const token = `${input}.${signature.toString("base64url")}`;
    expect(await one.ring.verify(token, accessToken)).toMatchObject({ sub: "a" });
    expect((await one.ring.jwks()).keys.map((key) => key.kid)).toContain(listed[0]!.kid);
    // Without the setting it is a stranger's.
    const other = await openRing(own);
    await expect(other.ring.verify(token, accessToken)).rejects.toThrow(AppError);
  });
});

test("keys sealed under another root key do not open, and none is made in their place", async () => {
  const own = await openDb();
  await openRing(own);
  await expect(openRing(own, {}, new Uint8Array(32).fill(8))).rejects.toThrow(SealBroken);
  expect((await own.read.select().from(signingKeys)).length).toBe(2);
});

test("the private half is not in the database in clear", async () => {
  const own = await openDb();
  const one = await openRing(own);
  for (const row of await own.read.select().from(signingKeys)) {
    const pemText = (await one.ring.exportPrivate(row.kid))!;
    const der = createPrivateKey(pemText).export({ format: "der", type: "pkcs8" });
    expect(Buffer.from(row.privateSealed!).includes(der.subarray(-32))).toBe(false);
    expect(JSON.stringify(row.publicJwk)).not.toContain('"d"');
  }
});
