/** Design §7: each edge case of the contract is a test with its words as name, or is owed by a later part. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { edgeCases, owedRows } from "./rows.ts";

const TESTS = join(import.meta.dir, "..");
/** As many words of a row as tell it from all others. */
const WORDS = 5;

const words = (text: string): string[] =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim()
    .split(" ");

/** All names of tests, and what their tables hold, as words. */
const tested = [...new Bun.Glob("**/*.test.{ts,tsx}").scanSync(TESTS)]
  .filter((path) => path !== "contract/edge-rows.test.ts")
  .map((path) => ` ${words(readFileSync(join(TESTS, path), "utf8")).join(" ")} `)
  .join("\n");

/** The name of a test begins with the clause, then come the row's first words; or those before its colon. */
function isTested(row: string): boolean {
  const [clause, name] = split(row);
  const stands = (text: string) => tested.includes(` ${words(`${clause} ${text}`).join(" ")} `);
  if (stands(words(name).slice(0, WORDS).join(" "))) return true;
  const [title, rest] = split(name);
  const isOnly = edgeCases.filter((one) => one.startsWith(`${clause}: ${title}: `)).length === 1;
  return rest !== "" && isOnly && stands(title);
}

function split(row: string): [clause: string, name: string] {
  const colon = row.indexOf(": ");
  if (colon === -1) return [row, ""];
  return [row.slice(0, colon), row.slice(colon + 2)];
}

const PARTS: Record<string, string> = {
  B: "OpenID",
  C: "factors and policy",
  D: "enterprise",
  E: "operations",
};

describe("edge cases", () => {
  test("the first words tell one row from another", () => {
    const keys = edgeCases.map((row) => {
      const [clause, name] = split(row);
      return [clause, ...words(name).slice(0, WORDS)].join(" ");
    });
    expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
  });

  test("every row is the name of a test, or is owed", () => {
    const owed = new Set(owedRows.map(({ row }) => row));
    expect(edgeCases.filter((row) => !isTested(row) && !owed.has(row))).toEqual([]);
  });

  test("what is owed is a row, and says by which part", () => {
    const rows = new Set(edgeCases);
    const known = ({ row }: { row: string }) => rows.has(row) || row.startsWith("09: ");
    expect(owedRows.filter((one) => !known(one))).toEqual([]);
    expect(owedRows.filter(({ part }) => PARTS[part] === undefined)).toEqual([]);
  });

  test("what is owed whole is not tested: whoever tests a row strikes it off", () => {
    expect(owedRows.filter(({ row, what }) => what === undefined && isTested(row))).toEqual([]);
  });
});
