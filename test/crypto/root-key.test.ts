import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Db } from "../../db/client.ts";
import {
  keyIdOf,
  loadRootKey,
  openRootKey,
  parseKey,
  RootKeyError,
  rootKeyPath,
  sealedBy,
  subkeyOf,
} from "../../src/platform/crypto/root-key.ts";
import { closeDbs, openDb, START } from "./support.ts";

const base = mkdtempSync(join(tmpdir(), "qeetid-root-"));
let dataDir = base;
let count = 0;
beforeEach(() => {
  count += 1;
  dataDir = join(base, `data${count}`);
});
afterAll(() => rmSync(base, { recursive: true }));
afterEach(closeDbs);

const none = { rootKey: null, rootKeyFile: null };
const opener = (db: Db, config: { rootKey: string | null; rootKeyFile: string | null } = none) => {
  const warnings: string[] = [];
  const log = { warn: (message: string) => void warnings.push(message) };
  return { warnings, deps: { config, db, clock: { now: () => START }, log } };
};

test("first start: makes a key that only we may read, and binds the database to it", async () => {
  const db = await openDb();
  const { deps, warnings } = opener(db);
  const key = await openRootKey(deps, dataDir);
  expect(key.isNew).toBe(true);
  expect(key.bytes.length).toBe(32);
  expect(statSync(rootKeyPath(dataDir)).mode & 0o777).toBe(0o600);
  expect(statSync(join(dataDir, "keys")).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(dataDir, "keys"))).toEqual(["root.key"]);
  expect(await sealedBy(db.read)).toBe(key.id);
  expect(warnings).toEqual([]);

  const again = await openRootKey(deps, dataDir);
  expect(again.isNew).toBe(false);
  expect(Buffer.from(again.bytes).equals(Buffer.from(key.bytes))).toBe(true);
});

test("00 §58: a database sealed by a key that is gone refuses, names it, and no second one is made", async () => {
  const db = await openDb();
  const { deps } = opener(db);
  const key = await openRootKey(deps, dataDir);
  rmSync(rootKeyPath(dataDir));
  const error = await openRootKey(deps, dataDir).catch((e) => e);
  expect(error).toBeInstanceOf(RootKeyError);
  expect(error.expectedKeyId).toBe(key.id);
  expect(error.message).toContain(key.id);
  expect(error.message).toContain("ROOT_KEY_FILE");
  expect(existsSync(rootKeyPath(dataDir))).toBe(false);
});

test("00 §58: a database sealed by another key refuses and names it", async () => {
  const db = await openDb();
  const { id } = await openRootKey(opener(db).deps, dataDir);
  const other = Buffer.alloc(32, 1).toString("base64");
  const { deps } = opener(db, { rootKey: other, rootKeyFile: null });
  const error = await openRootKey(deps, dataDir).catch((e) => e);
  expect(error).toBeInstanceOf(RootKeyError);
  expect(error.expectedKeyId).toBe(id);
  expect(error.message).toContain("ROOT_KEY_FILE");
  expect(error.message).not.toContain(other);
  expect(await sealedBy(db.read)).toBe(id);
});

test("race: instances with data directories of their own: one binds, the others refuse and leave no key behind", async () => {
  const db = await openDb();
  const directories = Array.from({ length: 6 }, (_, i) => join(dataDir, `${i}`));
  const outcomes = await Promise.allSettled(
    directories.map((directory) => openRootKey(opener(db).deps, directory)),
  );
  const winners = outcomes.filter((one) => one.status === "fulfilled");
  expect(winners.length).toBe(1);
  expect(await sealedBy(db.read)).toBe(winners[0]!.value.id);
  for (const one of outcomes)
    if (one.status === "rejected") expect(one.reason).toBeInstanceOf(RootKeyError);
  expect(directories.filter((one) => existsSync(rootKeyPath(one))).length).toBe(1);
});

test("race: instances on one data directory share one key", async () => {
  const db = await openDb();
  const keys = await Promise.all(
    Array.from({ length: 6 }, () => openRootKey(opener(db).deps, dataDir)),
  );
  expect(new Set(keys.map((key) => key.id)).size).toBe(1);
  expect(readdirSync(join(dataDir, "keys"))).toEqual(["root.key"]);
});

test("an existing key file is never overwritten", () => {
  const made = loadRootKey(none, dataDir, { mayCreate: true });
  const content = readFileSync(rootKeyPath(dataDir), "utf8");
  expect(loadRootKey(none, dataDir, { mayCreate: true }).id).toBe(made.id);
  expect(readFileSync(rootKeyPath(dataDir), "utf8")).toBe(content);
  // What can't be read as a key is a fault, not an invitation.
  for (const broken of ["", "x", Buffer.alloc(31).toString("base64")]) {
    writeFileSync(rootKeyPath(dataDir), broken);
    expect(() => loadRootKey(none, dataDir, { mayCreate: true })).toThrow(RootKeyError);
    expect(readFileSync(rootKeyPath(dataDir), "utf8")).toBe(broken);
  }
});

test("a key file that others may read is used, and warned about", () => {
  loadRootKey(none, dataDir, { mayCreate: true });
  chmodSync(rootKeyPath(dataDir), 0o640);
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  loadRootKey(none, dataDir, { mayCreate: false, warn });
  expect(warnings.length).toBe(1);
  expect(warnings[0]).toContain("chmod 600");
});

test("ROOT_KEY and ROOT_KEY_FILE, in every spelling of 32 bytes", () => {
  const bytes = Buffer.alloc(32, 0xfb);
  mkdirSync(dataDir);
  const file = join(dataDir, "my.key");
  for (const text of [
    bytes.toString("base64"),
    bytes.toString("base64url"),
    bytes.toString("hex"),
  ]) {
    const fromText = loadRootKey({ rootKey: ` ${text}\n`, rootKeyFile: null }, dataDir, {
      mayCreate: false,
    });
    expect(fromText.id).toBe(keyIdOf(bytes));
    writeFileSync(file, `${text}\n`, { mode: 0o600 });
    const fromFile = loadRootKey({ rootKey: null, rootKeyFile: file }, dataDir, {
      mayCreate: false,
    });
    expect(fromFile.id).toBe(keyIdOf(bytes));
  }
  writeFileSync(file, bytes);
  expect(loadRootKey({ rootKey: null, rootKeyFile: file }, dataDir, { mayCreate: false }).id).toBe(
    keyIdOf(bytes),
  );
  expect(existsSync(rootKeyPath(dataDir))).toBe(false);
});

test("a ROOT_KEY_FILE that is not there is never made", () => {
  const file = join(dataDir, "nothing.key");
  const load = () =>
    loadRootKey({ rootKey: null, rootKeyFile: file }, dataDir, { mayCreate: true });
  expect(load).toThrow(RootKeyError);
  expect(existsSync(file)).toBe(false);
});

test("a malformed key is refused without being shown", () => {
  for (const wrong of ["", "short", "z".repeat(64), "A".repeat(42), "A".repeat(45)]) {
    expect(() => parseKey(wrong, "ROOT_KEY")).toThrow(
      new RootKeyError("ROOT_KEY must be 32 bytes, as base64 or as 64 hexadecimal digits"),
    );
  }
});

test("key id: first 8 hexadecimal digits of SHA-256; each use has a key of its own", () => {
  // FIPS 180-4: SHA-256("abc")
  expect(keyIdOf(Buffer.from("abc"))).toBe("ba7816bf");
  const root = new Uint8Array(32);
  const ids = ["keys", "secrets"].map((use) => keyIdOf(subkeyOf(root, use)));
  expect(new Set([...ids, keyIdOf(root)]).size).toBe(3);
});
