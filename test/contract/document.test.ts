/**
 * The served document against the published one: 142 paths, 184 operations. operations.json holds of each operation its
 * security schemes, parameters, success statuses, and the names of the members of request and answer.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startServer, type TestServer } from "../support/server.ts";
import operations from "./operations.json" with { type: "json" };
import { BUILT_TAGS } from "./rows.ts";

interface Published {
  readonly tag: string;
  readonly security: readonly string[];
  /** `query limit` */
  readonly parameters?: readonly string[];
  readonly request?: readonly string[];
  /** Status → names of members; none where the published document only summarises. */
  readonly responses: Readonly<Record<string, readonly string[]>>;
}

const published = operations as unknown as Readonly<Record<string, Published>>; // JSON knows no readonly
const built = Object.entries(published).filter(([, { tag }]) =>
  (BUILT_TAGS as readonly string[]).includes(tag),
);

let server: TestServer;
// biome-ignore lint/suspicious/noExplicitAny: a document, read by name
let document: any;
beforeAll(async () => {
  server = await startServer();
  document = (await server.call("GET", "/openapi.json")).body;
});
afterAll(() => server.stop());

const shape = (path: string) => path.replace(/\{\w+\}/g, "{}");

// biome-ignore lint/suspicious/noExplicitAny: as above
function served(operation: string): any {
  const [method, path] = operation.split(" ") as [string, string];
  const found = Object.keys(document.paths).find((one) => shape(one) === shape(path));
  return found && document.paths[found][method.toLowerCase()];
}

/** Names of members, through lists and alternatives, as far down as the published document is compared. */
// biome-ignore lint/suspicious/noExplicitAny: as above
function members(schema: any): string[] {
  if (schema === undefined) return [];
  if (schema.$ref) {
    const parts: string[] = schema.$ref.slice(2).split("/");
    return members(parts.reduce((at, part) => at?.[part], document));
  }
  return [
    ...Object.keys(schema.properties ?? {}),
    ...(schema.anyOf ?? []).flatMap(members),
    ...members(schema.items),
  ];
}

// biome-ignore lint/suspicious/noExplicitAny: as above
const schemaOf = (content: any) => (Object.values(content ?? {})[0] as any)?.schema;
const missing = (wanted: readonly string[], had: readonly string[]) =>
  wanted.filter((name) => !had.includes(name));

describe("the served document", () => {
  test("knows every operation of the domains that are built", () => {
    expect(built.length).toBe(50);
    expect(built.map(([operation]) => operation).filter((one) => !served(one))).toEqual([]);
  });

  test.each(built)("%s as published", (operation, want) => {
    const have = served(operation);
    if (have === undefined) return; // the test above says so
    const schemes = have.security.flatMap((one: object) => Object.keys(one));
    expect(missing(want.security, schemes)).toEqual([]);
    if (want.security.length === 0) expect(schemes).toEqual([]);
    const parameters = (have.parameters ?? []).map(
      (one: { in: string; name: string }) => `${one.in} ${one.name}`,
    );
    expect(missing(want.parameters ?? [], parameters)).toEqual([]);
    expect(missing(want.request ?? [], members(schemaOf(have.requestBody?.content)))).toEqual([]);
    for (const [status, names] of Object.entries(want.responses)) {
      expect(Object.keys(have.responses)).toContain(status);
      expect(missing(names, members(schemaOf(have.responses[status]?.content)))).toEqual([]);
    }
  });
});
