/** The busiest paths ask the database as little as they can: what is added to them, a test should notice. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { statements } from "../../db/observe.ts";
import { logIn, refresh } from "../auth/support.ts";
import { ok } from "../rbac/support.ts";
import { type SignedUp, startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let person: SignedUp;
beforeAll(async () => {
  server = await startServer();
  person = await server.signUp();
});
afterAll(() => server.stop());

async function countOf(work: () => Promise<unknown>): Promise<number> {
  const { observer } = statements;
  let count = 0;
  statements.observer = (text) => {
    count += 1;
    observer?.(text);
  };
  await work();
  statements.observer = observer;
  return count;
}

test("login: four reads, then one transaction of nine", async () => {
  ok(await logIn(server, person.email)); // nothing is done for the first time
  expect(await countOf(() => logIn(server, person.email))).toBe(13);
});

test("refresh: one read, then one transaction of three", async () => {
  expect(await countOf(() => refresh(server, person.refreshToken))).toBe(4);
});

test("an access token: two reads, then none for a while; a failure is not remembered", async () => {
  const { access_token: as } = ok(await logIn(server, person.email)).body;
  const me = () => server.call("GET", "/v1/auth/me", { as });
  expect(await countOf(me)).toBe(2);
  expect(await countOf(me)).toBe(0);
  ok(await server.call("POST", "/v1/auth/logout", { as }), 204);
  expect(await countOf(me)).toBe(1);
});
