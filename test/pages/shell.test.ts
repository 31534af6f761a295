import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { languageFor, languageOf } from "../../src/platform/pages/language.ts";
import { shortened } from "../../src/platform/pages/parts.tsx";
import { pageServer } from "./support.ts";

describe("language", () => {
  test.each([
    ["de", "de"],
    ["de-AT,de;q=0.9,en;q=0.8", "de"],
    ["en-US,en;q=0.9,de;q=0.8", "en"],
    ["fr,de;q=0.5,en;q=0.7", "en"],
    ["fr, es;q=0.8", "en"],
    ["DE-de", "de"],
    ["de;q=0", "en"],
    ["de;q=x", "en"],
    ["*", "en"],
    ["", "en"],
  ])("%p is %s", (header, language) => {
    expect(languageOf(new Headers({ "accept-language": header }))).toBe(language as "en");
  });

  test("no header at all is English", () => expect(languageOf(new Headers())).toBe("en"));
});

describe("language of a request", () => {
  test.each([
    [["de-AT", "en"], "en", "de"],
    [["fr", "en-GB"], "de", "en"],
    [["fr", "", "x y"], "de", "de"],
    [[], "de", "de"],
    [["DE"], "en", "de"],
  ] as const)("ui_locales %p before Accept-Language %p: %p", (locales, header, language) => {
    expect(languageFor(new Headers({ "accept-language": header }), locales)).toBe(language);
  });
});

test.each([
  ["Engine Notes", "Engine Notes"],
  ["x".repeat(64), "x".repeat(64)],
  ["x".repeat(65), `${"x".repeat(63)}…`],
  ["🦊".repeat(100), `${"🦊".repeat(63)}…`],
  [`${"x".repeat(62)} ${"y".repeat(100)}`, `${"x".repeat(62)}…`],
])("a name as far as it helps: %p", (name, shown) => expect(shortened(name)).toBe(shown));

describe("assets", () => {
  let server: Awaited<ReturnType<typeof pageServer>>;
  beforeAll(async () => {
    server = await pageServer([]);
  });
  afterAll(() => server.stop());

  test.each([
    ["/assets/style.css", "text/css; charset=utf-8"],
    ["/assets/icon.svg", "image/svg+xml"],
  ])("%s: compressed, kept for a year, known again", async (path, type) => {
    const first = await server.get(path, { "accept-encoding": "br, gzip" });
    expect([first.status, first.headers.get("content-type")]).toEqual([200, type]);
    expect(first.headers.get("content-encoding")).toBe("br");
    expect(first.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect((await first.text()).length).toBeGreaterThan(100);
    const etag = first.headers.get("etag")!;
    expect((await server.get(path, { "if-none-match": etag })).status).toBe(304);
    expect(first.headers.get("set-cookie")).toBeNull();
  });
});
