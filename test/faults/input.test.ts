/**
 * Numbers and sizes at and beyond their edges. Worth asking of the compiled file: shortened names once made its
 * validator take `minimum` for something else, and only there.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { dialect } from "../../db/dialect.ts";
import { emptyUrl } from "../support/db.ts";
import { type RunningProgram, startProgram } from "../support/program.ts";
import { ask, NO_LIMITS, post, signUp } from "./support.ts";

setDefaultTimeout(40_000);
const USERS = 4;
let server: RunningProgram;
let token: string;
let keyId: string;
let secret: string;

beforeAll(async () => {
  const env: Record<string, string> =
    dialect === "postgres" ? { DATABASE_URL: await emptyUrl() } : {};
  server = await startProgram(NO_LIMITS, { env });
  token = (await signUp(server.base, "owner@example.com")).body.access_token;
  for (let number = 1; number < USERS; number += 1) {
    const email = `member${number}@example.com`;
    expect((await post(`${server.base}/v1/users`, { email }, token)).status).toBe(201);
  }
  const key = await post(`${server.base}/v1/api-keys`, { name: "key" }, token);
  ({ id: keyId, secret } = key.body);
}, 40_000);
afterAll(async () => {
  await server.stop("SIGKILL");
});

const get = (path: string) =>
  ask(server.base + path, { headers: { authorization: `Bearer ${token}` } });

test.each([
  ["", USERS],
  ["0", USERS],
  ["-1", USERS],
  ["abc", USERS],
  ["NaN", USERS],
  ["1e3", USERS],
  ["9007199254740993", USERS],
  ["500", USERS],
  ["201", USERS],
  ["1", 1],
  ["3", 3],
])("01 §3: ?limit=%s of a list is answered, by %d rows", async (limit, rows) => {
  const { status, body } = await get(`/v1/users?limit=${limit}`);
  expect(status).toBe(200);
  expect(body.items).toHaveLength(rows);
  expect(body.next_cursor === "").toBe(rows === USERS);
});

test.each(["%%%", "bm90IGEgY3Vyc29y"])("a cursor that is none: 400 (%s)", async (cursor) => {
  const { status, body } = await get(`/v1/users?cursor=${encodeURIComponent(cursor)}`);
  expect(status).toBe(400);
  expect(body.error.code).toBe("bad_request");
});

test.each([[-1], [86_401], [1.5], [1e300], ["60"], [[]], [{}]])(
  "a number out of its range, or none, in a body: refused, and nothing is done (%j)",
  async (grace_seconds) => {
    const rotated = await post(
      `${server.base}/v1/api-keys/${keyId}/rotate`,
      { grace_seconds },
      token,
    );
    // Contract 01 §4: another type does not parse, 400; a value out of range is 422.
    const isInteger = typeof grace_seconds === "number" && Number.isInteger(grace_seconds);
    expect(rotated.status).toBe(isInteger ? 422 : 400);
    expect(rotated.body.error.code).toBe(isInteger ? "unprocessable" : "bad_request");
    const headers = { authorization: `ApiKey ${secret}` };
    expect((await ask(`${server.base}/v1/users`, { headers })).status).toBe(200);
  },
);

test.each([0, 86_400])("the edge of the range is within it (%d)", async (grace_seconds) => {
  const { body } = await post(`${server.base}/v1/api-keys`, { name: "rotated" }, token);
  const url = `${server.base}/v1/api-keys/${body.id}/rotate`;
  expect((await post(url, { grace_seconds }, token)).status).toBeLessThan(300);
});

test("a body of the limit is read, of one byte more is not, with or without its length", async () => {
  const limit = 1_048_576;
  const padded = (size: number) => {
    const open = '{"email":"big@example.com","display_name":"';
    return `${open}${"x".repeat(size - open.length - 2)}"}`;
  };
  const url = `${server.base}/v1/users`;
  expect((await post(url, padded(limit), token)).status).toBe(422);
  const over = await post(url, padded(limit + 1), token);
  expect([over.status, over.body.error.code]).toEqual([413, "payload_too_large"]);
  const chunked = await ask(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: new Blob([padded(limit + 1)]).stream(),
  });
  expect(chunked.status).toBe(413);
  expect((await get("/healthz")).status).toBe(200);
});

test.each(["not-a-uuid", "0", "%00", "..%2f..", "x".repeat(500), `${"0".repeat(36)}`])(
  "an id that is none: 400 without a word of the database's (%s)",
  async (id) => {
    const { status, body, text } = await get(`/v1/users/${id}`);
    expect([status, body.error.code]).toEqual([400, "bad_request"]);
    expect(text).not.toMatch(/sqlite|syntax|22P02/i);
  },
);

test("an id that nobody has: 404", async () => {
  const { status } = await get("/v1/users/018f0000-0000-7000-8000-000000000000");
  expect(status).toBe(404);
});
