/** The busiest paths of the token endpoint ask the database as little as they can. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { statements } from "../../db/observe.ts";
import { auditEvents, outboxEvents } from "../../db/schema/index.ts";
import { readLiveAccessToken } from "../../src/modules/tokens/service.ts";
import { ok } from "../rbac/support.ts";
import { exchange, refresh } from "../support/provider.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { newCode, newTokens, type SignIn, signIn } from "./support.ts";

let server: TestServer;
let one: SignIn;
beforeAll(async () => {
  server = await startServer();
  one = await signIn(server);
  await newTokens(server, one); // nothing is done for the first time; the client is remembered
});
afterAll(() => server.stop());

/** Statements that a request issues, by their first word. */
async function statementsOf(work: () => Promise<unknown>): Promise<Record<string, number>> {
  const { observer } = statements;
  const counts: Record<string, number> = {};
  statements.observer = (text) => {
    const [verb = ""] = text.trimStart().toLowerCase().split(/\s/, 1);
    counts[verb] = (counts[verb] ?? 0) + 1;
    observer?.(text);
  };
  await work();
  statements.observer = observer;
  return counts;
}

const written = () =>
  Promise.all([auditEvents, outboxEvents].map((table) => server.deps.db.read.$count(table)));

test("a code: one read, then one transaction of three; no audit event", async () => {
  const flow = await newCode(server, one);
  const before = await written();
  expect(await statementsOf(async () => ok(await exchange(server, one.client, flow)))).toEqual({
    select: 1,
    delete: 1,
    insert: 2,
  });
  expect(await written()).toEqual(before);
});

test("a refresh: one read, then one transaction of three; no audit event", async () => {
  const { refresh_token: token } = await newTokens(server, one);
  const before = await written();
  expect(await statementsOf(async () => ok(await refresh(server, one.client, token)))).toEqual({
    select: 1,
    update: 2,
    insert: 1,
  });
  expect(await written()).toEqual(before);
});

test("whether an access token holds: one read", async () => {
  const { access_token: token } = await newTokens(server, one);
  const read = async () =>
    expect(await readLiveAccessToken(server.deps, token)).toMatchObject({ userId: one.userId });
  expect(await statementsOf(read)).toEqual({ select: 1 });
});
