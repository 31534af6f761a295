import { expect, test } from "bun:test";
import fc from "fast-check";
import { keyIdOf } from "../../src/platform/crypto/root-key.ts";
import {
  createSealer,
  keysInMemory,
  SealBroken,
  type SealContext,
  sealedUnder,
} from "../../src/platform/crypto/sealing.ts";

const KEY = new Uint8Array(32).map((_, i) => i);
const OLD = new Uint8Array(32).fill(9);
const TENANT = "0190f3a1-7c00-7abc-8def-0123456789ab";
const sealer = createSealer(keysInMemory(KEY, [OLD]));
const context: SealContext = { tenantId: TENANT, label: "secret", id: "row-1", version: 3 };
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

test("08 §6: another implementation opens it, by the documented derivation and AAD", async () => {
  for (const tenantId of [TENANT, null]) {
    const sealed = await sealer.seal("hush", { ...context, tenantId });
    expect(sealed[0]).toBe(1);
    expect(sealedUnder(sealed)).toBe(keyIdOf(KEY));
    const ikm = await crypto.subtle.importKey("raw", KEY, "HKDF", false, ["deriveKey"]);
    const salt = tenantId === null ? "" : tenantId.replaceAll("-", "");
    const info = tenantId === null ? "qeet-id/platform/v1" : "qeet-id/secrets/v1";
    const key = await crypto.subtle.deriveKey(
      { name: "HKDF", hash: "SHA-256", salt: Buffer.from(salt, "hex"), info: Buffer.from(info) },
      ikm,
      { name: "AES-GCM", length: 256 },
      false,
      ["decrypt"],
    );
    const additionalData = Buffer.from(`qeet.secret.v1\n${tenantId ?? "platform"}\nrow-1\n3`);
    const plain = await crypto.subtle.decrypt(
      { name: "AES-GCM", iv: sealed.slice(5, 17), additionalData },
      key,
      sealed.slice(17),
    );
    expect(text(new Uint8Array(plain))).toBe("hush");
  }
});

test("what was sealed opens, for any content and context", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      fc.option(fc.uuid(), { nil: null }),
      fc.uuid(),
      fc.nat(),
      async (plain, tenantId, id, version) => {
        const where = { tenantId, label: "mail", id, version };
        const opened = await sealer.open(await sealer.seal(plain, where), where);
        expect(Buffer.from(opened).equals(Buffer.from(plain))).toBe(true);
      },
    ),
    { numRuns: 100 },
  );
});

test("a nonce is never used twice", async () => {
  const nonces = new Set<string>();
  for (let i = 0; i < 500; i += 1)
    nonces.add(Buffer.from((await sealer.seal("same", context)).subarray(5, 17)).toString("hex"));
  expect(nonces.size).toBe(500);
});

test.each<[string, Partial<SealContext>]>([
  ["another tenant", { tenantId: "0190f3a1-7c00-7abc-8def-0123456789ac" }],
  ["the platform", { tenantId: null }],
  ["another row", { id: "row-2" }],
  ["another column", { label: "totp" }],
  ["another version", { version: 4 }],
  ["the default version", { version: undefined as never }],
])("a ciphertext moved to %s does not open", async (_, change) => {
  const sealed = await sealer.seal("hush", context);
  expect(text(await sealer.open(sealed, context))).toBe("hush");
  await expect(sealer.open(sealed, { ...context, ...change })).rejects.toThrow(SealBroken);
});

test("no bit of it may differ, and no byte be missing", async () => {
  const sealed = await sealer.seal("hush", context);
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    const flipped = sealed.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    await expect(sealer.open(flipped, context)).rejects.toThrow(SealBroken);
  }
  for (let length = 0; length < sealed.length; length += 1)
    await expect(sealer.open(sealed.slice(0, length), context)).rejects.toThrow(SealBroken);
  await expect(sealer.open(Buffer.concat([sealed, Buffer.alloc(1)]), context)).rejects.toThrow(
    SealBroken,
  );
});

test("the error says nothing of why", async () => {
  const sealed = await sealer.seal("hush", context);
  const error = await sealer.open(sealed, { ...context, id: "row-2" }).catch((e) => e);
  expect(error.message).toBe("sealed value does not open");
  expect(error.cause).toBeUndefined();
});

test("a retired key reads, the current one seals, and reseal moves over once", async () => {
  const before = createSealer(keysInMemory(OLD, []));
  const sealed = await before.seal("hush", context);
  expect(text(await sealer.open(sealed, context))).toBe("hush");
  const moved = await sealer.reseal(sealed, context);
  expect(sealedUnder(moved)).toBe(keyIdOf(KEY));
  expect(text(await sealer.open(moved, context))).toBe("hush");
  expect(await sealer.reseal(moved, context)).toBe(moved);
  await expect(before.open(moved, context)).rejects.toThrow(SealBroken);
});

test("contexts that would read alike are bugs", async () => {
  for (const wrong of [
    { id: "a\nb" },
    { id: "" },
    { label: "mail\n" },
    { label: "Mail" },
    { tenantId: "platform" },
    { version: 1.5 },
  ])
    await expect(sealer.seal("x", { ...context, ...wrong })).rejects.toThrow(TypeError);
});
