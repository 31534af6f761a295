import { describe, expect, test } from "bun:test";
import { availableParallelism } from "node:os";
import { verify as argon2Verify } from "@node-rs/argon2";
import bcrypt from "bcryptjs";
import { createPasswordHasher, HashQueue } from "../../src/platform/crypto/passwords.ts";
import { AppError } from "../../src/platform/errors.ts";

const REAL = { memoryKib: 19_456, iterations: 2, parallelism: 1 };
const CHEAP = { memoryKib: 64, iterations: 1, parallelism: 1 };
const warnings: string[] = [];
const log = { warn: (message: string) => void warnings.push(message) };
const missing = () => Promise.reject(new Error("Cannot find native binding"));

const addon = await createPasswordHasher(REAL);
const runtime = await createPasswordHasher(REAL, { log, loadAddon: missing });

describe.each([
  ["addon", addon],
  ["runtime", runtime],
] as const)("by the %s", (engine, hasher) => {
  // The runtime salts with 32 bytes; every verifier reads the length from the string.
  const salt = engine === "addon" ? 22 : 43;
  test("02 §1: Argon2id, m=19456, t=2, p=1, 16-byte salt, 32-byte hash, no padding", async () => {
    expect(hasher.engine).toBe(engine);
    const hash = await hasher.hash("six blue herons");
    const shape = `^\\$argon2id\\$v=19\\$m=19456,t=2,p=1\\$[A-Za-z0-9+/]{${salt}}\\$[A-Za-z0-9+/]{43}$`;
    expect(hash).toMatch(new RegExp(shape));
    expect(await hasher.hash("six blue herons")).not.toBe(hash);
    expect(await argon2Verify(hash, "six blue herons")).toBe(true);
    for (const other of [addon, runtime]) {
      expect(await other.verify(hash, "six blue herons")).toBe(true);
      expect(await other.verify(hash, "six blue heron")).toBe(false);
    }
    expect(hasher.needsRehash(hash)).toBe(false);
  });

  test("passwords are taken as they are sent: no normalisation, no end at a zero byte", async () => {
    for (const [set, tried] of [
      ["caf\u00e9 au lait", "cafe\u0301 au lait"],
      ["before\0after", "before\0other"],
      ["trailing space ", "trailing space"],
      ["😀".repeat(200), "😀".repeat(199)],
    ] as const) {
      const hash = await hasher.hash(set);
      expect(await hasher.verify(hash, set)).toBe(true);
      expect(await hasher.verify(hash, tried)).toBe(false);
    }
  });

  test.each(["2a", "2b", "2y"])(
    "02 §1: verifies bcrypt $%s$, and asks for a new hash",
    async (version) => {
      for (const password of ["six blue herons", "päßwörd", "x".repeat(72), "y".repeat(100)]) {
        const hash = bcrypt.hashSync(password, 4).replace("$2b$", `$${version}$`);
        expect(await hasher.verify(hash, password)).toBe(true);
        expect(await hasher.verify(hash, `z${password}`)).toBe(false);
        expect(hasher.needsRehash(hash)).toBe(true);
      }
    },
  );

  test("nobody's hash: false, in the time of a real one", async () => {
    const hash = await hasher.hash("six blue herons");
    const times: Record<"known" | "unknown", number[]> = { known: [], unknown: [] };
    for (let i = 0; i < 30; i += 1) {
      const who = i % 2 ? "known" : "unknown"; // by turns: a busy machine is busy for both
      const start = performance.now();
      expect(await hasher.verify(who === "known" ? hash : null, "wrong")).toBe(false);
      times[who].push(performance.now() - start);
    }
    const median = (list: number[]) => list.sort((a, b) => a - b)[7]!;
    const ratio = median(times.unknown) / median(times.known);
    expect(ratio).toBeGreaterThan(0.5);
    expect(ratio).toBeLessThan(2);
  });
});

test("without the addon it says so, once, and what to do", () => {
  expect(warnings.length).toBe(1);
  expect(warnings[0]).toContain("BUN_TMPDIR");
});

test.each<[string, string, boolean]>([
  ["today's", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", false],
  ["stronger", "$argon2id$v=19$m=65536,t=3,p=1$c2FsdA$aGFzaA", false],
  ["less memory", "$argon2id$v=19$m=19455,t=2,p=1$c2FsdA$aGFzaA", true],
  ["fewer passes", "$argon2id$v=19$m=19456,t=1,p=1$c2FsdA$aGFzaA", true],
  ["other lanes", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", true],
  ["argon2i", "$argon2i$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", true],
  ["version 16", "$argon2id$v=16$m=19456,t=2,p=1$c2FsdA$aGFzaA", true],
  ["bcrypt", "$2b$12$abcdefghijklmnopqrstuu", true],
])("02 §1: rehash %s: %p", (_, hash, expected) => {
  expect(addon.needsRehash(hash)).toBe(expected);
});

test("a hash that is none is an error, not a wrong password", async () => {
  const hasher = await createPasswordHasher(CHEAP);
  for (const broken of ["", "plain text", "$argon2id$v=19$m=64,t=1,p=1$c2FsdA"])
    await expect(hasher.verify(broken, "x")).rejects.toThrow();
  expect(hasher.running).toBe(0);
});

test("hashing leaves the main thread free", async () => {
  let turns = 0;
  let isDone = false;
  const spin = () => {
    turns += 1;
    if (!isDone) setImmediate(spin);
  };
  setImmediate(spin);
  await Promise.all(Array.from({ length: 8 }, () => addon.hash("six blue herons")));
  isDone = true;
  expect(turns).toBeGreaterThan(200); // on this thread, there would be one or two a hash
});

describe("the queue", () => {
  const isOverloaded = (error: unknown) =>
    error instanceof AppError &&
    error.code === "service_unavailable" &&
    error.headers["retry-after"] === "1";

  test("runs as many as allowed, first come, first served", async () => {
    const queue = new HashQueue(2, 100, 1_000);
    const order: number[] = [];
    let most = 0;
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        queue.run(async () => {
          most = Math.max(most, queue.running);
          order.push(i);
          await Bun.sleep(1);
        }),
      ),
    );
    expect(most).toBe(2);
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(queue.running).toBe(0);
  });

  test("01 §11: full, or after a wait of a second: 503 with Retry-After", async () => {
    const queue = new HashQueue(1, 2, 300);
    let finish = () => {};
    const busy = queue.run(() => new Promise<void>((resolve) => (finish = resolve)));
    const start = performance.now();
    const waiting = [queue.run(async () => "a"), queue.run(async () => "b")].map((p) =>
      p.catch((e) => e),
    );
    expect(await queue.run(async () => "c").catch(isOverloaded)).toBe(true);
    expect(performance.now() - start).toBeLessThan(250);
    for (const error of await Promise.all(waiting)) expect(isOverloaded(error)).toBe(true);
    expect(performance.now() - start).toBeGreaterThanOrEqual(290);
    finish();
    await busy;
    expect(queue.running).toBe(0);
    expect(await queue.run(async () => "d")).toBe("d"); // recovers
  });

  test("work that fails gives its place back", async () => {
    const queue = new HashQueue(1, 10, 1_000);
    const failures = Array.from({ length: 5 }, () =>
      queue.run(() => Promise.reject(new Error("no"))).catch(() => "failed"),
    );
    expect(await Promise.all(failures)).toEqual(Array(5).fill("failed"));
    expect(queue.running).toBe(0);
  });

  test("a burst beyond the bound: every caller has an answer within the second, and some a good one", async () => {
    const start = performance.now();
    const callers = availableParallelism() * 129 + 50; // more than run and wait
    const outcomes = await Promise.allSettled(
      Array.from({ length: callers }, () => addon.verify(null, "guess")),
    );
    expect(performance.now() - start).toBeLessThan(2_500);
    const refused = outcomes.filter((one) => one.status === "rejected");
    expect(refused.length).toBeGreaterThanOrEqual(50);
    expect(refused.length).toBeLessThan(callers);
    for (const one of refused) expect(isOverloaded(one.reason)).toBe(true);
    expect(addon.running).toBe(0);
  });
});
