/** A hosted session that ends while it is being used gives nothing that lasts. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import { deviceAuthorizations, loginSessions, oidcConsents } from "../../db/schema/index.ts";
import { codes, DEVICE_GRANT, deviceClient, signedIn } from "../devices/support.ts";
import { expectRefusal, ok } from "../rbac/support.ts";
import { startProvider, type TestProvider } from "../support/provider.ts";

let server: TestProvider;
beforeAll(async () => {
  server = await startProvider();
});
afterAll(() => server.stop());

/** Ends the user's hosted sessions after the next request has looked at them, and before it writes. */
function endSessionsBeforeNextWrite(userId: string): void {
  const { db } = server.deps;
  const transaction = db.transaction.bind(db);
  db.transaction = async (work, options) => {
    db.transaction = transaction;
    await transaction(async (tx) => {
      await tx.delete(loginSessions).where(eq(loginSessions.userId, userId));
    });
    return transaction(work, options);
  };
}

test("a code, though it would outlive the sign-out", async () => {
  const user = await server.fullUser();
  const client = await server.createClient(user);
  const browser = server.browser();
  const asked = { scope: "openid offline_access", prompt: "consent" };
  expect((await server.codeFlow(browser, client, asked, { user })).code).not.toBe("");
  const silent = { scope: "openid offline_access", prompt: "none" };
  expect((await server.codeFlow(browser, client, silent)).code).not.toBe("");
  endSessionsBeforeNextWrite(user.userId);
  const { answer } = await server.codeFlow(browser, client, silent);
  expect(answer).toMatchObject({ error: "login_required" });
});

test("the word for a device", async () => {
  const owner = await server.fullUser();
  const scopes = ["openid", "offline_access"];
  const grant_types = [DEVICE_GRANT, "refresh_token"];
  const client = await deviceClient(server, owner, { scopes, grant_types });
  const { user_code } = await codes(server, client);
  const person = await signedIn(server, owner);
  ok(await person.find(user_code));
  endSessionsBeforeNextWrite(owner.userId);
  expectRefusal(await person.decide(user_code), 401);
  const { read } = server.deps.db;
  expect(
    await read.select({ status: deviceAuthorizations.status }).from(deviceAuthorizations),
  ).toEqual([{ status: "pending" }]);
  expect(await read.$count(oidcConsents, eq(oidcConsents.clientRowId, client.id))).toBe(0);
});
