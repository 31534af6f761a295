/** The import rules and the few things that only grep can hold. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { getTableColumns, getTableName, isTable } from "drizzle-orm";
import * as schema from "../db/schema/index.ts";
import { subjectData } from "../src/create-deps.ts";

const ROOT = join(import.meta.dir, "..");
const MAX_LINES = 400;

interface Source {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
  /** Repository files that it imports, from the root. */
  readonly imports: readonly string[];
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^;"']*?from\s+["'](\.[^"']+)["']|import\(["'](\.[^"']+)["']\)/g;

function read(folder: string): Source[] {
  return [...new Bun.Glob("**/*.{ts,tsx}").scanSync(join(ROOT, folder))].map((name) => {
    const path = join(folder, name);
    const text = readFileSync(join(ROOT, path), "utf8");
    const imports = [...text.matchAll(IMPORT)].map((match) =>
      relative(ROOT, join(ROOT, dirname(path), (match[1] ?? match[2])!)),
    );
    return { path, text, imports };
  });
}

const db = read("db");
const src = read("src");
const moduleOf = (path: string) => /^src\/modules\/([^/]+)\//.exec(path)?.[1];
const isEntry = (path: string) => /\/(?:service|model)\.tsx?$/.test(path);
const isStore = (path: string) => /(?:^|[/-])store\.ts$/.test(path);

const outside = (sources: readonly Source[], isAllowed: (from: string, to: string) => boolean) =>
  sources.flatMap(({ path, imports }) =>
    imports.filter((to) => !isAllowed(path, to)).map((to) => `${path} imports ${to}`),
  );

describe("imports", () => {
  test("every pattern above finds something to look at", () => {
    expect(db.length).toBeGreaterThan(10);
    expect(src.filter(({ path }) => moduleOf(path)).length).toBeGreaterThan(30);
    expect(src.flatMap(({ imports }) => imports).length).toBeGreaterThan(200);
  });

  test("db/ imports nothing from src/", () => {
    expect(outside(db, (_, to) => to.startsWith("db/"))).toEqual([]);
  });

  test("platform knows no module", () => {
    const platform = src.filter(({ path }) => path.startsWith("src/platform/"));
    expect(outside(platform, (_, to) => !to.startsWith("src/modules/"))).toEqual([]);
  });

  test("a module enters another one through its service.ts or model.ts", () => {
    const modules = src.filter(({ path }) => moduleOf(path));
    expect(
      outside(modules, (from, to) => {
        const other = moduleOf(to);
        return other === undefined || other === moduleOf(from) || isEntry(to);
      }),
    ).toEqual([]);
  });

  test("routes.ts: services, models and platform; no query, no database", () => {
    const routes = src.filter(({ path }) => /\/routes\.tsx?$/.test(path));
    expect(
      outside(
        routes,
        (from, to) =>
          to.startsWith("src/platform/") ||
          to === "src/deps.ts" ||
          (moduleOf(to) === moduleOf(from) && !isStore(to)) ||
          isEntry(to),
      ),
    ).toEqual([]);
  });

  test("store.ts: the database only, and no other module", () => {
    const stores = src.filter(({ path }) => moduleOf(path) && isStore(path));
    expect(
      outside(
        stores,
        (from, to) =>
          to.startsWith("db/") ||
          to.startsWith("src/platform/") ||
          (moduleOf(to) === moduleOf(from) && !isEntry(to)),
      ),
    ).toEqual([]);
  });

  test("only stores know tables", () => {
    const others = src.filter(({ path }) => moduleOf(path) && !isStore(path));
    expect(outside(others, (_, to) => !to.startsWith("db/schema"))).toEqual([]);
  });
});

describe("words that stand nowhere but in their place", () => {
  const mayAskTheWorld = /^src\/(?:platform\/|config(?:\/|\.ts$)|main\.ts$|cli\/)/;
  const domain = src.filter(({ path }) => !mayAskTheWorld.test(path));

  test.each([
    ["the time", /\bDate\.now\(\)|\bnew Date\(\)/],
    ["chance", /\bMath\.random\(\)|\brandomUUID\(|\brandomBytes\(|\bgetRandomValues\(/],
    ["the environment", /\bprocess\.env\b|\bBun\.env\b/],
  ])("%s comes in as an argument", (_, pattern) => {
    expect(domain.filter(({ text }) => pattern.test(text)).map(({ path }) => path)).toEqual([]);
  });

  test("no TODO, no skipped or focused test", () => {
    const words = /\b(?:TODO|FIXME|XXX)\b|\b(?:test|describe|it)\.(?:only|todo)\b/;
    const all = [...db, ...src, ...read("test")].filter(
      ({ path }) => path !== "test/architecture.test.ts",
    );
    expect(all.filter(({ text }) => words.test(text)).map(({ path }) => path)).toEqual([]);
  });

  test(`no file above ${MAX_LINES} lines`, () => {
    const long = [...db, ...src].filter(
      ({ path, text }) => !path.includes("/migrations/") && text.split("\n").length > MAX_LINES + 1,
    );
    expect(long.map(({ path }) => path)).toEqual([]);
  });
});

describe("subject data", () => {
  const tables = Object.values(schema).filter(isTable);
  const needsDeclaration = (table: (typeof tables)[number]) =>
    Object.keys(getTableColumns(table)).some(
      (name) => /^(?:user|tenant)Id$/.test(name) || /sealed/i.test(name),
    );
  const declared = subjectData.map(({ table }) => table);

  test("every table with a user, a tenant or a sealed column is declared by its module", () => {
    const missing = tables
      .filter(needsDeclaration)
      .map(getTableName)
      // What the key ring and the root key keep is no person's: they re-seal it themselves.
      .filter((name) => name !== "signing_keys" && !declared.includes(name));
    expect(missing).toEqual([]);
  });

  test("no table is declared twice, none that does not exist", () => {
    expect(declared.length).toBe(new Set(declared).size);
    const names: string[] = tables.map(getTableName);
    expect(declared.filter((name) => !names.includes(name))).toEqual([]);
  });
});
