/** Contract 01 §11: where there is no room for another password hash, 503 that says when to come back, and no change. */
import { afterAll, beforeAll, expect, spyOn, test } from "bun:test";
import { AppError } from "../../src/platform/errors.ts";
import { expectRefusal } from "../rbac/support.ts";
import { PASSWORD, type SignedUp, startServer, type TestServer } from "../support/server.ts";
import { counts, resetToken, WRONG } from "./support.ts";

let server: TestServer;
let person: SignedUp;
beforeAll(async () => {
  server = await startServer();
  person = await server.signUp();
});
afterAll(() => server.stop());

const full = () =>
  new AppError("service_unavailable", undefined, { headers: { "retry-after": "1" } });

test.each([
  ["signup", "hash", () => ({ email: "new@example.com", password: PASSWORD })],
  ["login", "verify", () => ({ email: person.email, password: PASSWORD })],
  ["session", "verify", () => ({ email: person.email, password: PASSWORD })],
  ["password", "verify", () => ({ current_password: PASSWORD, new_password: WRONG })],
  [
    "reset-password",
    "hash",
    async () => ({ token: await resetToken(server, person.email), new_password: WRONG }),
  ],
] as const)("POST /v1/auth/%s", async (path, method, bodyOf) => {
  const body = await bodyOf();
  const before = await counts(server);
  const spy = spyOn(server.deps.passwords, method).mockRejectedValueOnce(full());
  const call = () =>
    server.call("POST", `/v1/auth/${path}`, {
      body,
      ...(path === "password" && { as: person.token }),
    });
  const answer = await call();
  spy.mockRestore();
  expectRefusal(answer, 503);
  expect(answer.headers.get("retry-after")).toBe("1");
  expect(await counts(server)).toEqual(before);
  // The same again, with room.
  expect((await call()).status).toBeLessThan(300);
});
