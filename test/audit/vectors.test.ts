import { describe, expect, test } from "bun:test";
import {
  canonicalJson,
  canonicalV1,
  canonicalV2,
  type HashedRow,
  rowHashOf,
  SEED_HASH,
  sealsOf,
} from "../../src/modules/audit/canonical.ts";
import { leafHash, nodeHash, TreeEdge } from "../../src/modules/audit/merkle.ts";
import { microsText, parseMicros } from "../../src/modules/audit/micros.ts";
import type { JsonValue } from "../../src/platform/json.ts";

const T0 = "7b0e6a52-4d3f-4c1e-9a77-2f6f1d0c9e01";
const U0 = "c2a9f1d4-8e55-4f0b-8b62-5a3d7e9b1f02";

/** The three rows of contract 08 §2.3, chained by `hash`. */
function rows(hash: (row: HashedRow, n: number) => string): HashedRow[] {
  const common = { tenantId: T0, prevHash: "" };
  const chain: HashedRow[] = [
    {
      ...common,
      id: "00000000-0000-4000-8000-000000000001",
      seq: 1,
      actorUserId: U0,
      actorType: "user",
      action: "tenant.created",
      resourceType: "tenant",
      resourceId: T0,
      ip: "203.0.113.7",
      userAgent: 'curl/8.9 <x> & "y"',
      requestId: "req-1",
      metadata: { slug: "acme", name: "A&B <é>" },
      createdAt: "2026-01-02T03:04:05Z",
    },
    {
      ...common,
      id: "00000000-0000-4000-8000-000000000002",
      seq: 2,
      actorUserId: null,
      actorType: "system",
      action: "retention.purge_run",
      resourceType: "retention_policy",
      resourceId: null,
      ip: "",
      userAgent: "",
      requestId: null,
      metadata: { purged: 3, deleted_users_days: 30 },
      createdAt: "2026-01-02T03:04:05.12Z",
    },
    {
      ...common,
      id: "00000000-0000-4000-8000-000000000003",
      seq: 3,
      actorUserId: U0,
      actorType: "user",
      action: "secret.revealed",
      resourceType: "secret",
      resourceId: "00000000-0000-4000-8000-0000000000aa",
      ip: "2001:db8::1",
      userAgent: "ua",
      requestId: "req-3",
      metadata: { name: "stripe" },
      createdAt: "2026-01-02T03:04:06.000001Z",
    },
  ];
  let prevHash = SEED_HASH;
  return chain.map((row, n) => {
    const chained = { ...row, prevHash };
    prevHash = hash(chained, n);
    return chained;
  });
}

const salt = (n: number) => new Uint8Array(32).fill(n + 1);
const v2 = (row: HashedRow, n: number) => canonicalV2(row, sealsOf(row, salt(n)));
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

describe("08 §2.3, row format 1", () => {
  const chain = rows((row) => rowHashOf(canonicalV1(row)));

  test("canonical bytes of row 1", () => {
    expect(canonicalV1(chain[0]!)).toBe(
      '{"id":"00000000-0000-4000-8000-000000000001","tenant_id":"7b0e6a52-4d3f-4c1e-9a77-2f6f1d0c9e01","actor_user_id":"c2a9f1d4-8e55-4f0b-8b62-5a3d7e9b1f02","actor_type":"user","action":"tenant.created","resource_type":"tenant","resource_id":"7b0e6a52-4d3f-4c1e-9a77-2f6f1d0c9e01","ip":"203.0.113.7","user_agent":"curl/8.9 \\u003cx\\u003e \\u0026 \\"y\\"","request_id":"req-1","metadata":{"name":"A\\u0026B \\u003cé\\u003e","slug":"acme"},"created_at":"2026-01-02T03:04:05Z","prev_hash":"0000000000000000000000000000000000000000000000000000000000000000"}',
    );
  });

  test.each(
    [
      "45e9c05b5f17c8acee946079013b7089d9e4e38fa134267a872c293d36bb7c79",
      "41f5735ba482b5ee69ed1e8b92cc674db58c6a21180917684d34940cdee0d55c",
      "1b9ec9c5663c4126757cf517e6b41afa8cd514d31538d155532aa0cd510f733b",
    ].map((hash, n) => ({ hash, n })),
  )("row hash $hash", ({ hash, n }) => {
    expect(rowHashOf(canonicalV1(chain[n]!))).toBe(hash);
  });
});

describe("08 §2.4, row format 2", () => {
  const chain = rows((row, n) => rowHashOf(v2(row, n)));

  test.each(
    [
      "1537451eec1200324a7e49b59b0df72a563aef0a88167a46ed4ffe8c13c221f4",
      "8c74877136277261d5a8bbb2e3849e554fcd6883cae2bb710b949b63cdfb4460",
      "edfdb309e8e23fbc63ba60bd54fecf96ff3d9e7569b7b1266331625ec434076c",
    ].map((hash, n) => ({ hash, n })),
  )("row hash $hash", ({ hash, n }) => {
    expect(rowHashOf(v2(chain[n]!, n))).toBe(hash);
  });

  test("seals of row 1, and of an e-mail address under its salt; an empty value has none", () => {
    const metadata = { email: "a@example.com", phone: "", other: "x", display_name: 7 };
    expect(sealsOf({ ...chain[0]!, metadata }, salt(0))).toEqual({
      ip: "s:-Ykf9pP_HblYfVhkx6uxhGOtPgQbzxoq9IsJdeL4bbU",
      user_agent: "s:qDWcL-Klpbt4qA0K-0oVcqID8CUTv9wGMeW_hmYs_48",
      "metadata.email": "s:QXkLSzqtHPDnivsJPUm-SHNDY2XMDJe-UpgfMjfS7jI",
    });
    expect(sealsOf(chain[1]!, salt(1))).toEqual({});
  });

  test("the plain text of a sealed member is not in the canonical bytes", () => {
    const row = { ...chain[0]!, metadata: { email: "a@example.com", slug: "a" } };
    const canonical = canonicalV2(row, sealsOf(row, salt(0)));
    expect(canonical).not.toContain("a@example.com");
    expect(canonical).not.toContain("203.0.113.7");
    expect(canonical).toContain(
      '"metadata":{"email":"s:QXkLSzqtHPDnivsJPUm-SHNDY2XMDJe-UpgfMjfS7jI","slug":"a"}',
    );
  });
});

describe("08 §2.5, RFC 6962 §2.1 tree", () => {
  const chain = rows((row, n) => rowHashOf(v2(row, n)));
  const leaves = chain.map((row, n) => leafHash(v2(row, n)));

  test("leaf hashes", () => {
    expect(leaves.map(base64)).toEqual([
      "bD+pwaTxFy0h8pigdcTEp5M6MDWjEwzY6GA0fyRm2bU=",
      "Oo8tZ9HIRMPIGBrxuCH+9onMbf0x29cdA7oreoNZrVs=",
      "5DU4Y0n+rrmO0zRJS1NX2QsSVRsPXoDF6nZb0jsX6Us=",
    ]);
  });

  test("roots of size 0 to 3", () => {
    const edge = new TreeEdge();
    const roots = [base64(edge.root())];
    for (const leaf of leaves) {
      edge.append(leaf);
      roots.push(base64(edge.root()));
    }
    expect(roots).toEqual([
      "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
      "bD+pwaTxFy0h8pigdcTEp5M6MDWjEwzY6GA0fyRm2bU=",
      "41IHWutGFl7njd6JtKGPo2acMM4e/E86/UktHNZ2LI0=",
      "p3X8gY7jtVaF6lcgvXDJ0mQ/ZuTN2Q8guFq7zYx4FQ4=",
    ]);
  });

  test("the edge survives a round trip at every size, and gives RFC 6962's recursive root", () => {
    const all = Array.from({ length: 130 }, (_, n) => leafHash(`leaf ${n}`));
    const recursive = (part: Uint8Array[]): Uint8Array => {
      if (part.length === 1) return part[0]!;
      const split = 2 ** Math.floor(Math.log2(part.length - 1));
      return nodeHash(recursive(part.slice(0, split)), recursive(part.slice(split)));
    };
    let edge = new TreeEdge();
    all.forEach((leaf, n) => {
      edge = TreeEdge.of(n, edge.bytes());
      const nodes = edge.append(leaf);
      for (const { level, idx, hash } of nodes)
        expect(base64(hash)).toBe(
          base64(recursive(all.slice(idx * 2 ** level, (idx + 1) * 2 ** level))),
        );
      expect(base64(edge.root())).toBe(base64(recursive(all.slice(0, n + 1))));
    });
    expect(() => TreeEdge.of(3, new Uint8Array(32))).toThrow(RangeError);
  });
});

describe("canonical JSON", () => {
  test.each([
    { value: { b: 1, a: { d: [3, 1], c: null } }, text: '{"a":{"c":null,"d":[3,1]},"b":1}' },
    // UTF-8 order: U+FF5E (ef bd 9e) before U+1F600 (f0 9f …), which UTF-16 would turn round.
    { value: { "\u{1f600}": 1, "\uff5e": 2 }, text: '{"\uff5e":2,"\u{1f600}":1}' },
    {
      value: "\ud800 <>&\u2028\u2029/\u007f",
      text: '"\ufffd \\u003c\\u003e\\u0026\\u2028\\u2029/\u007f"',
    },
    { value: '"\\\n\r\t\b\f\u0001', text: '"\\"\\\\\\n\\r\\t\\b\\f\\u0001"' },
  ])("$text", ({ value, text }) => expect(canonicalJson(value as JsonValue)).toBe(text));

  test.each([1.5, 2 ** 53, Number.NaN, -0])("refuses the number %p", (value) => {
    expect(() => canonicalJson({ value })).toThrow(TypeError);
  });
});

describe("instants", () => {
  test.each([
    ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"],
    ["2026-01-02T03:04:05.120000Z", "2026-01-02T03:04:05.12Z"],
    ["2026-01-02T03:04:06.000001999Z", "2026-01-02T03:04:06.000001Z"],
    ["2026-01-02t05:04:05.5+02:00", "2026-01-02T03:04:05.5Z"],
  ])("%s is %s", (given, text) => expect(microsText(parseMicros(given)!)).toBe(text));

  test.each([
    "",
    "2026-01-02",
    "2026-02-31T00:00:00Z",
    "2026-01-02T25:00:00Z",
    "2026-01-02T00:00:00",
  ])("%p is no RFC 3339 instant", (given) => expect(parseMicros(given)).toBeUndefined());
});
