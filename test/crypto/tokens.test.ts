import { expect, test } from "bun:test";
import { createHmac, hkdfSync } from "node:crypto";
import { createClock } from "../../src/platform/clock.ts";
import { createDerivedKeys } from "../../src/platform/crypto/derived-keys.ts";
import { hashToken, isSameText, newToken } from "../../src/platform/crypto/tokens.ts";
import { createRandom } from "../../src/platform/random.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

test("00 §14: a token is 32 random bytes, its hash SHA-256", () => {
  const bytes = new Uint8Array(32).map((_, i) => i);
  const { token, hash } = newToken({ bytes: () => bytes });
  expect(token).toBe(Buffer.from(bytes).toString("base64url"));
  expect(token.length).toBe(43);
  expect(hash).toBe(hashToken(token));
  // FIPS 180-4: SHA-256("abc")
  expect(Buffer.from(hashToken("abc"), "base64url").toString("hex")).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});

test("isSameText", () => {
  expect(isSameText("a".repeat(43), "a".repeat(43))).toBe(true);
  expect(isSameText("", "")).toBe(true);
  for (const [a, b] of [
    ["a", "b"],
    ["a", "aa"],
    ["", "a"],
    ["é", "e\u0301"],
  ] as const)
    expect(isSameText(a, b)).toBe(false);
});

test("derived keys: one a purpose, from JWT_SECRET where there is one", () => {
  const rootKey = new Uint8Array(32).fill(1);
  const fromRoot = createDerivedKeys({ jwtSecret: null, rootKey });
  const fromSecret = createDerivedKeys({ jwtSecret: "s".repeat(32), rootKey });
  const purposes = ["csrf", "otp", "lockout", "known", "cursor", "sms"] as const;
  const macs = [fromRoot, fromSecret].flatMap((keys) =>
    purposes.map((p) => hex(keys.hmac(p, "m"))),
  );
  expect(new Set(macs).size).toBe(12);
  expect(hex(createDerivedKeys({ jwtSecret: null, rootKey }).hmac("csrf", "m"))).toBe(macs[0]!);
  // RFC 5869, RFC 2104, written out.
  const key = Buffer.from(hkdfSync("sha256", rootKey, "", "qeet-id/derived/csrf/v1", 32));
  expect(macs[0]!).toBe(createHmac("sha256", key).update("m").digest("hex"));
  // A root key that changes under a JWT_SECRET changes nothing.
  const other = createDerivedKeys({ jwtSecret: "s".repeat(32), rootKey: new Uint8Array(32) });
  expect(hex(other.hmac("csrf", "m"))).toBe(macs[6]!);
});

const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("RFC 9562 §5.7: time, version, variant; A.6's example time", () => {
  const random = createRandom({ now: () => new Date(0x017f22e279b0) });
  const id = random.uuid();
  expect(id).toMatch(UUID7);
  expect(id.slice(0, 13)).toBe("017f22e2-79b0");
});

test("uuids of one process only rise: within a millisecond, past the counter's end, and when time goes back", () => {
  let nowMs = Date.UTC(2026, 0, 1);
  const random = createRandom({ now: () => new Date(nowMs) });
  let last = "";
  const draw = (count: number) => {
    for (let i = 0; i < count; i += 1) {
      const id = random.uuid();
      expect(id).toMatch(UUID7);
      expect(id > last).toBe(true);
      last = id;
    }
  };
  draw(10_000); // more than the 4,096 of the counter
  nowMs += 1;
  draw(10);
  nowMs -= 3_600_000;
  draw(10);
  nowMs += 7_200_000;
  draw(10);
});

test("every bit of a uuid's tail is random", () => {
  const random = createRandom({ now: () => new Date(0) });
  let ones = 0n;
  let zeros = 0n;
  for (let i = 0; i < 200; i += 1) {
    const tail = BigInt(`0x${random.uuid().replaceAll("-", "").slice(16)}`);
    ones |= tail;
    zeros |= ~tail;
  }
  const free = (1n << 62n) - 1n;
  expect(ones & free).toBe(free);
  expect(zeros & free).toBe(free);
});

test("the clock follows the system's, and does not go back with it", () => {
  let wall = 1_000_000;
  let elapsed = 0;
  const setBack: number[] = [];
  const clock = createClock({
    wallMs: () => wall,
    elapsedMs: () => elapsed,
    onSetBack: (ms) => void setBack.push(ms),
  });
  const pass = (ms: number) => {
    wall += ms;
    elapsed += ms;
    return clock.now().getTime();
  };
  expect(pass(10)).toBe(1_000_010);
  wall += 5_000; // set forward: followed
  expect(pass(10)).toBe(1_005_020);

  wall -= 3_600_000; // set back an hour: half speed until it has caught up
  expect(pass(1_000)).toBe(1_005_520);
  expect(pass(60_000)).toBe(1_035_520);
  expect(setBack.length).toBe(1);
  let last = 0;
  for (let i = 0; i < 130; i += 1) {
    const now = pass(60_000);
    expect(now).toBeGreaterThan(last);
    last = now;
  }
  expect(last).toBe(wall); // caught up, within two hours
  expect(setBack.length).toBe(1);

  wall -= 500; // a small step: not worth a word
  expect(pass(100)).toBe(last + 50);
  expect(pass(2_000)).toBe(wall);
  expect(setBack.length).toBe(1);
});

test("a stopped test clock stays where it is", () => {
  let now = 5;
  const clock = createClock({ wallMs: () => now, elapsedMs: () => 0 });
  expect(clock.now().getTime()).toBe(5);
  expect(clock.now().getTime()).toBe(5);
  now = 3;
  expect(clock.now().getTime()).toBe(5);
  now = 7;
  expect(clock.now().getTime()).toBe(7);
});
