import { expect, test } from "bun:test";
import { createPublicKey } from "node:crypto";
import { decodeJws } from "../../src/platform/crypto/jws.ts";
import { createSigner, publicJwkOf } from "../../src/platform/crypto/signer.ts";

const publicKey = (jwk: object) => createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });

const A3_KEY = {
  kty: "EC",
  crv: "P-256",
  x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
  y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
};
const A3_JWS =
  "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

for (const [where, hashes] of [
  ["in the pool", 0],
  ["on the main thread", 1],
] as const) {
  const signer = createSigner(() => hashes, 1);

  test(`RFC 7515 A.3: ES256 verifies ${where}, and no bit of it may differ`, async () => {
    const jws = decodeJws(A3_JWS)!;
    const key = publicKey(A3_KEY);
    expect(jws.claims).toEqual({ iss: "joe", exp: 1300819380, "http://example.com/is_root": true });
    expect(await signer.verify("ES256", key, jws.input, jws.signature)).toBe(true);
    for (let bit = 0; bit < jws.signature.length * 8; bit += 1) {
      const flipped = Buffer.from(jws.signature);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(await signer.verify("ES256", key, jws.input, flipped)).toBe(false);
    }
    expect(await signer.verify("ES256", key, `${jws.input}A`, jws.signature)).toBe(false);
  });

  test(`RFC 7518 §3.4: a signature that is not 64 bytes is none, ${where}`, async () => {
    const jws = decodeJws(A3_JWS)!;
    for (const signature of [
      jws.signature.subarray(1),
      Buffer.concat([jws.signature, Buffer.alloc(1)]),
      Buffer.alloc(0),
      Buffer.alloc(64), // CVE-2022-21449: r = s = 0
    ])
      expect(await signer.verify("ES256", publicKey(A3_KEY), jws.input, signature)).toBe(false);
  });
}

test("RFC 7638 §3.1: the thumbprint of the example key", async () => {
  const example = {
    kty: "RSA",
    n: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    e: "AQAB",
  };
  const jwk = await publicJwkOf(publicKey(example), "RS256");
  expect(jwk).toEqual({
    ...example,
    use: "sig",
    alg: "RS256",
    kid: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
  });
});

test("contract 01 §6.1: EC coordinates are padded to 32 bytes", async () => {
  // A key whose x begins with a zero byte: one in 256.
  const { generateKeyPairSync } = await import("node:crypto");
  for (let found = 0, tries = 0; found < 2 && tries < 4_000; tries += 1) {
    const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey;
    const jwk = await publicJwkOf(key, "ES256");
    const x = Buffer.from(jwk.x!, "base64url");
    expect(x.length).toBe(32);
    expect(Buffer.from(jwk.y!, "base64url").length).toBe(32);
    if (x[0] === 0) found += 1;
  }
});

test.each([
  ["empty", ""],
  ["two parts", "e30.e30"],
  ["four parts", "e30.e30.AAAA.AAAA"],
  ["empty signature", "e30.e30."],
  ["header is no JSON", "AAAA.e30.AAAA"],
  ["header is an array", "W10.e30.AAAA"],
  ["claims are an array", "e30.W10.AAAA"],
  ["claims are a string", "e30.ImEi.AAAA"],
  ["padding", "e30=.e30.AAAA"],
  ["base64 instead of base64url", "e30.e30.AA+/"],
  ["line break", "e30.e30.AAAA\n"],
  ["space", " e30.e30.AAAA"],
  ["too long", `e30.e30.${"A".repeat(33_000)}`],
])("RFC 7515 §5.2: %s is no compact JWS", (_, text) => {
  expect(decodeJws("e30.e30.AAAA")).toBeDefined();
  expect(decodeJws(text)).toBeUndefined();
});
