/**
 * Contract 09, "Implementation and tests": every mounted route × everybody who may knock, with real ids. The expected
 * outcome is worked out from permissions.json and beyond.json alone; the code is not asked.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { declaredAccess } from "../../src/access-check.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { type AccessRow, allRows, BUILT_TAGS } from "./rows.ts";
import { ACTORS, type ActorName, coarseOf, requestOf, World } from "./world.ts";

let server: TestServer;
let world: World;
beforeAll(async () => {
  // Without it a fresh user has no tenant: the matrix needs such users.
  server = await startServer({ signupPersonalTenant: false });
  world = await World.create(server);
});
afterAll(() => server.stop());

type Outcome = "401" | "403" | "404" | "refused" | "hidden" | "let through";

const STATUSES: Record<Outcome, (status: number) => boolean> = {
  "401": (status) => status === 401,
  "403": (status) => status === 403,
  "404": (status) => status === 404,
  // Both refuse; which one depends on what is noticed first.
  refused: (status) => status === 401 || status === 403,
  hidden: (status) => status === 403 || status === 404 || status === 401,
  "let through": (status) => status !== 401 && status !== 403 && status < 500,
};

/** Undefined: the contract says nothing of this actor at this row. */
function expected(row: AccessRow, actor: ActorName): Outcome | undefined {
  if (row.auth === "none") return actor === "anonymous" ? "let through" : undefined;
  // A client's secret, a cookie: the route looks at it by itself, and its own tests at that.
  if (row.auth !== "JK") return undefined;
  if (actor === "anonymous") return "401";
  if (actor === "suspended member") return "refused";
  if (row.operator) return "403";
  // A question about oneself, here: of others the tests of the check speak.
  if (OAUTH.test(actor) || SERVICE.test(actor)) return expectedOfClient(row, actor);
  if (row.keys !== undefined && row.scope !== "query") return expectedOfKey(row, row.keys, actor);
  return expectedOfSelf(row, actor);
}

const SERVICE = /^service /;
const OAUTH = /token with /;

/** Contract 09: a service has its scopes alone; a client's token takes the scope and its user's right. */
function expectedOfClient(row: AccessRow, actor: ActorName): Outcome | undefined {
  const { machine, keys, own, scope } = row;
  if (row.oauth && OAUTH.test(actor)) return "let through";
  if (machine === "no" || machine === "user") return "refused";
  // Nobody has agreed that a client may do what any member may.
  if (keys === undefined && row.machineKeys === undefined && OAUTH.test(actor)) return "refused";
  if (keys === undefined && row.machineKeys === undefined)
    return machine === "yes" ? "let through" : undefined;
  if (scope === "query") return machine === "yes" ? "let through" : undefined;
  const isLet = actor === "service with the scope" || actor === "owner's token with the scope";
  if (isLet) return "let through";
  return own || scope === "member" ? "hidden" : "403";
}

function expectedOfKey(
  row: AccessRow,
  keys: readonly string[],
  actor: ActorName,
): Outcome | undefined {
  switch (actor) {
    case "member without roles":
    case "key bound to a member without roles":
      return row.own || row.scope === "member" ? "hidden" : "403";
    case "role with just the key":
    case "owner":
    case "unscoped key":
    case "key with the scope":
      return "let through";
    case "role with only the implied coarse key":
      return keys.some((key) => coarseOf(key) !== undefined) ? "let through" : undefined;
    case "owner of another tenant":
      return foreign(row);
    case "key with an unrelated scope":
      return keys.includes("analytics.read") ? undefined : row.own ? "hidden" : "403";
    case "user without a tenant":
      return row.scope === "member" ? "hidden" : row.own ? "hidden" : "401";
    default:
      return undefined;
  }
}

function foreign({ scope, own }: AccessRow): Outcome {
  if (scope === "path" || scope === "body" || scope === "query") return own ? "hidden" : "403";
  if (scope === "res" || scope === "member") return own ? "hidden" : "404";
  return "let through";
}

function expectedOfSelf(
  { machine, scope, machineKeys }: AccessRow,
  actor: ActorName,
): Outcome | undefined {
  if (machineKeys !== undefined) {
    if (actor === "key with an unrelated scope") return "403";
    if (actor === "key bound to a member without roles") return undefined;
  }
  switch (actor) {
    case "owner of another tenant":
      return scope === "path" ? "403" : scope === "member" ? "404" : "let through";
    case "user without a tenant":
      return scope === "path" ? "401" : scope === "member" ? "hidden" : "let through";
    case "key with an unrelated scope":
    case "unscoped key":
    case "key with the scope":
      return machine === "no" || machine === "user" ? "refused" : "let through";
    case "key bound to a member without roles":
      return machine === "no" ? "refused" : "let through";
    default:
      return "let through";
  }
}

const mounted = async (): Promise<string[]> => [...declaredAccess(server.app).keys()];

describe("the tables and the routes are one", () => {
  test("contract 09: every route has a row, and declares what the row says", async () => {
    const faults = [...declaredAccess(server.app)].flatMap(([route, declared]) =>
      allRows[route]?.declared === declared
        ? []
        : [`${route}: ${declared}, not ${allRows[route]?.declared ?? "in any table"}`],
    );
    expect(faults).toEqual([]);
  });

  test("every row of a domain that is built has its route", async () => {
    const routes = new Set(await mounted());
    const built: readonly string[] = BUILT_TAGS;
    const missing = Object.entries(allRows)
      .filter(
        ([route, { tag }]) => (tag === undefined || built.includes(tag)) && !routes.has(route),
      )
      .map(([route]) => route);
    expect(missing).toEqual([]);
  });
});

describe("the access matrix", () => {
  const rows = Object.entries(allRows);
  test.each(rows)(
    "contract 09: %s",
    async (route, row) => {
      if (!declaredAccess(server.app).has(route)) return; // another test says which must be there
      const outcomes: string[] = [];
      for (const actor of ACTORS) {
        const outcome = expected(row, actor);
        if (outcome === undefined) continue;
        // What is let through may destroy what the next one needs.
        const stage =
          route === "DELETE /v1/tenants/{id}" && outcome === "let through"
            ? await world.another()
            : world;
        const knocker = await stage.actor(actor, row);
        const about = route === "GET /v1/check" ? { own: knocker } : {};
        const { method, path, body } = await requestOf(stage, route, about);
        const answer = await server.call(method, path, { as: knocker.as, body });
        if (!STATUSES[outcome](answer.status))
          outcomes.push(
            `${actor}: ${answer.status} ${answer.body?.error?.detail ?? ""}, not ${outcome}`,
          );
      }
      expect(outcomes).toEqual([]);
    },
    30_000,
  );

  const ownRows = rows.filter(([, row]) => row.own && row.declared.startsWith("own:"));
  test.each(ownRows)(
    "contract 09, own user: %s",
    async (route) => {
      if (!declaredAccess(server.app).has(route)) return;
      const itself = await world.make("member without roles", []);
      const { method, path, body } = await requestOf(world, route, { own: itself });
      const { status, body: answer } = await server.call(method, path, { as: itself.as, body });
      const isLet = STATUSES["let through"](status);
      expect({ isLet, status, answer }).toEqual({ isLet: true, status, answer });
    },
    30_000,
  );
});
