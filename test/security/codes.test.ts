/** Six digits are guessed by whoever may ask for enough of them: what bounds that, whoever asks. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { MINUTE, mailTo } from "../auth/support.ts";
import { apiKey, member, ok, workspace } from "../rbac/support.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const DAY = 24 * 60 * MINUTE;

test("contract 00 §32: codes for one user are ten a day, however many keys ask for them", async () => {
  const space = await workspace(server);
  const victim = await member(server, space);
  const start = (as: string) =>
    server.call("POST", `/v1/users/${victim.userId}/verify/email/start`, { as });
  const keys = await Promise.all(
    Array.from({ length: 12 }, () => apiKey(server, space.owner, { scopes: ["user.write"] })),
  );
  const statuses: number[] = [];
  for (const { authorization } of keys) {
    const answer = await start(authorization);
    statuses.push(answer.status);
    if (answer.status === 429)
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  }
  expect(statuses).toEqual([...Array(10).fill(202), 429, 429]);
  expect((await mailTo(server, victim.email)).length).toBe(10);
  server.clock.advance(DAY);
  ok(await start(keys[0]!.authorization), 202);
});

test("codes to one address are twenty a day, however many accounts ask for them", async () => {
  const target = `wanted-${server.port}@example.com`;
  const statuses: number[] = [];
  for (let n = 0; n < 21; n++) {
    server.clock.advance(MINUTE);
    const { token: as } = await server.signUp();
    const body = { email: n % 2 === 0 ? target : target.toUpperCase() };
    statuses.push((await server.call("POST", "/v1/me/email/change/start", { as, body })).status);
  }
  expect(statuses).toEqual([...Array(20).fill(202), 429]);
}, 20_000); // a sign-up takes a quarter of a second

test("a user asks for ten codes a day, to whatever numbers or addresses", async () => {
  const { token: as, userId } = await server.signUp();
  const codes = async (path: string, body: (n: number) => object) => {
    const statuses: number[] = [];
    for (let n = 0; n < 11; n++) {
      server.clock.advance(MINUTE / 2);
      statuses.push((await server.call("POST", path, { as, body: body(n) })).status);
    }
    return statuses;
  };
  const expected = [...Array(10).fill(202), 429];
  expect(
    await codes("/v1/me/email/change/start", (n) => ({ email: `any-${n}@example.com` })),
  ).toEqual(expected);
  expect(
    await codes(`/v1/users/${userId}/verify/phone/start`, (n) => ({
      phone: `+4930123450${n + 10}`,
    })),
  ).toEqual(expected);
});
