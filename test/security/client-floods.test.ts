/** Tables that anybody who has read a client_id could fill. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { deviceAuthorizations, pushedRequests } from "../../db/schema/index.ts";
import { codes, DEVICE_GRANT, signedIn, startDevice } from "../devices/support.ts";
import { ok } from "../rbac/support.ts";
import {
  authorizeUrl,
  callbackOf,
  challengeOf,
  REDIRECT_URI,
  startProvider,
  type TestProvider,
} from "../support/provider.ts";

let server: TestProvider;
let strict: TestProvider;
beforeAll(async () => {
  server = await startProvider();
  const { rateLimits } = server.deps.config;
  strict = await startProvider({
    rateLimits: { ...rateLimits, ip: { ratePerSecond: 1, burst: 6 } },
  });
});
afterAll(() => Promise.all([server.stop(), strict.stop()]));

const grant_types = ["authorization_code", DEVICE_GRANT];

test("a client without a proof spends the address's bucket where it leaves a row behind, another does not", async () => {
  const owner = await strict.signUp();
  const open = await strict.createClient(owner, { type: "public", grant_types });
  const proved = await strict.createClient(owner, { grant_types });
  const push = (client: typeof open) =>
    strict.postForm("/v1/oauth/par", client, {
      redirect_uri: REDIRECT_URI,
      response_type: "code",
      code_challenge: challengeOf("v".repeat(43)),
      code_challenge_method: "S256",
    });
  const device = (client: typeof open) => startDevice(strict, client);
  const seen = new Set<number>();
  for (let n = 0; n < 4; n++) {
    seen.add((await push(open)).status);
    seen.add((await device(open)).status);
  }
  expect([...seen].sort()).toEqual([200, 201, 429]);
  const refused = await device(open);
  expect(refused.body.error).toBe("temporarily_unavailable");
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  const { read } = strict.deps.db;
  const rows = (await read.$count(pushedRequests)) + (await read.$count(deviceAuthorizations));
  expect(rows).toBeLessThan(7);
  for (let n = 0; n < 8; n++) {
    ok(await push(proved), 201);
    ok(await device(proved));
  }
});

test("a device that nobody has let in is gone once its code is; one that was decided stays for a day", async () => {
  const owner = await server.signUp();
  const client = await server.createClient(owner, { type: "public", grant_types });
  await codes(server, client);
  const decided = await codes(server, client);
  const browser = await signedIn(server, owner);
  ok(await browser.decide(decided.user_code));
  server.clock.advance(600_001);
  await server.runJob("janitor");
  const path = `/v1/tenants/${owner.tenantId}/oauth/devices`;
  const { items } = ok(await server.call("GET", path, { as: owner.token })).body;
  expect(items.map(({ user_code }: { user_code: string }) => user_code)).toEqual([
    decided.user_code,
  ]);
});

test("a token holds as many resources as fit into it; with all that it may hold it can still be asked about and ended", async () => {
  const owner = await server.signUp();
  const scopes = Array.from({ length: 100 }, (_, n) => `${n}`.padEnd(128, "x"));
  const client = await server.createClient(owner, { grant_types: ["client_credentials"], scopes });
  const resource = (length: number) => "https://api.example/".padEnd(length, "x");
  const get = (length: number) =>
    server.postForm("/v1/oauth/token", client, {
      grant_type: "client_credentials",
      resource: resource(length),
    });
  expect((await get(4_097)).body).toMatchObject({ error: "invalid_target" });
  const token: string = ok(await get(4_096)).body.access_token;
  const isActive = async () =>
    ok(await server.postForm("/oauth/introspect", client, { token })).body.active;
  expect(await isActive()).toBe(true);
  ok(await server.postForm("/oauth/revoke", client, { token }));
  expect(await isActive()).toBe(false);

  const asked = authorizeUrl(client, { resource: resource(4_097), scope: undefined });
  const screen = await server.browser().open(asked);
  expect(callbackOf(screen)).toMatchObject({ error: "invalid_request" });
});
