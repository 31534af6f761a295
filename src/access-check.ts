import type { AnyElysia } from "elysia";
import reviewed from "./access-table.json" with { type: "json" };
import type { Access } from "./platform/http/access.ts";
import { publishedPath, type RouteHooks } from "./platform/http/declarations.ts";

/** One word for a declaration: `public`, `self:user`, `own:user.read`, or the key itself. */
export const accessWord = (access: Access): string => {
  if (access.public) return "public";
  if (access.self !== undefined) return `self:${access.self}`;
  return access.own === undefined ? String(access.permission) : `own:${access.own.permission}`;
};

/** Every route of a server, with the access that it declares, under the name that the document gives it. */
export function declaredAccess(app: AnyElysia): Map<string, string> {
  return new Map(
    app.routes.map((route) => {
      const hooks: RouteHooks = route.hooks ?? {};
      const name = `${route.method} ${publishedPath(hooks, route.path)}`;
      return [name, accessWord(hooks.detail?.["x-access"] ?? {})];
    }),
  );
}

/**
 * Deny by default (contract 09): throws, naming every mounted route that nobody reviewed, or whose declaration is not
 * the reviewed one. The table is made of test/contract/permissions.json and beyond.json; a test holds it to them.
 */
export function assertReviewedAccess(
  app: AnyElysia,
  table: Readonly<Record<string, string>> = reviewed,
): void {
  const faults = [...declaredAccess(app)].flatMap(([route, declared]) =>
    table[route] === declared
      ? []
      : [`${route} declares ${declared}, reviewed is ${table[route] ?? "nothing"}`],
  );
  if (faults.length > 0) throw new Error(`unreviewed access:\n${faults.join("\n")}`);
}
