import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { bearerChallenge } from "../support/bearer-challenge.ts";
import { userToken } from "../support/oauth.ts";
import { startProvider, type TestProvider } from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";
import { codeTo, confirm, start } from "../verification/support.ts";

let site: TestProvider;
let user: SignedUp;
beforeAll(async () => {
  site = await startProvider();
  user = await site.signUp();
});
afterAll(() => site.stop());

const PATH = "/v1/oauth/userinfo";
const FORM = { "content-type": "application/x-www-form-urlencoded" };
const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString();

/** The three ways of sending a token (RFC 6750 §2, OpenID Connect Core 1.0 §5.3.1). */
const WAYS = {
  "GET, header": (as: string) => site.call("GET", PATH, { as }),
  "POST, header": (as: string) => site.call("POST", PATH, { as }),
  "POST, form": (token: string) =>
    site.call("POST", PATH, { headers: FORM, body: form({ access_token: token }) }),
};
type Way = keyof typeof WAYS;
const ways = Object.keys(WAYS) as Way[];

describe.each(ways)("%s", (way) => {
  test("03 §10: a session gets sub and tenant_id", async () => {
    const { status, body, headers } = await WAYS[way](user.token);
    expect(status).toBe(200);
    expect(body).toEqual({ sub: user.userId, tenant_id: user.tenantId });
    expect(headers.get("content-type")).toContain("application/json");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("pragma")).toBe("no-cache");
  });

  test.each(["x", "mfa", `${"a".repeat(40)}.b.c`])("no token of ours: %s", async (token) => {
    const { status, body, headers } = await WAYS[way](token);
    expect([status, body.error.code]).toEqual([401, "unauthorized"]);
    expect(headers.get("www-authenticate")).toBe(bearerChallenge("invalid_token", site.base));
  });
});

describe("API keys", () => {
  const keyOf = async (userId?: string) => {
    const body = { name: "k", ...(userId !== undefined && { user_id: userId }) };
    const answer = await site.call("POST", "/v1/api-keys", { as: user.token, body });
    return `ApiKey ${answer.body.secret}`;
  };

  test.each(["GET", "POST"])("%s: one that is bound to a user is that user's", async (method) => {
    const { status, body } = await site.call(method, PATH, { as: await keyOf(user.userId) });
    expect(status).toBe(200);
    expect(body).toEqual({ sub: user.userId, tenant_id: user.tenantId });
  });

  test.each(["GET", "POST"])("%s: one that is nobody's: 401", async (method) => {
    const { status, headers } = await site.call(method, PATH, { as: await keyOf() });
    expect(status).toBe(401);
    expect(headers.get("www-authenticate")).toBe(bearerChallenge("invalid_token", site.base));
  });

  test("the form takes no key", async () => {
    const key = (await keyOf(user.userId)).replace("ApiKey ", "");
    expect((await WAYS["POST, form"](key)).status).toBe(401);
  });
});

describe("where a token may stand", () => {
  test("03 §17: userinfo header and body token together: 400", async () => {
    const { status, body, headers } = await site.call("POST", PATH, {
      as: user.token,
      headers: FORM,
      body: form({ access_token: user.token }),
    });
    expect([status, body.error.code]).toEqual([400, "bad_request"]);
    expect(headers.get("www-authenticate")).toBe(bearerChallenge("invalid_request", site.base));
  });

  test.each(["GET", "POST"])("00 §37: %s with the token in the query: 400", async (method) => {
    const path = `${PATH}?access_token=${user.token}`;
    expect((await site.call(method, path, { as: user.token })).status).toBe(400);
    expect((await site.call(method, path)).status).not.toBe(200);
  });

  test("nowhere: 401", async () => {
    for (const answer of [
      await site.call("GET", PATH),
      await site.call("POST", PATH),
      await site.call("POST", PATH, { headers: FORM, body: "" }),
      await site.call("POST", PATH, { headers: FORM, body: form({ access_token: "" }) }),
      await site.call("POST", PATH, { headers: FORM, body: form({ token: user.token }) }),
      await site.call("POST", PATH, { body: { access_token: user.token } }),
    ]) {
      expect(answer.status).toBe(401);
      expect(answer.headers.get("www-authenticate")).toBe(bearerChallenge(undefined, site.base));
    }
  });

  test.each([
    ["twice", `access_token=a&access_token=b`, FORM, 400],
    ["in a form of 64 KiB and more", form({ access_token: "a".repeat(65_536) }), FORM, 413],
    ["in what is no UTF-8", "access_token=%ff", FORM, 401],
  ])("%s", async (_, body, headers, status) => {
    expect((await site.call("POST", PATH, { headers, body })).status).toBe(status);
  });

  test("unknown parameters are ignored (RFC 6749 §3.2)", async () => {
    const body = form({ access_token: user.token, extra: "foobar" });
    expect((await site.call("POST", PATH, { headers: FORM, body })).status).toBe(200);
  });

  test("no other operation takes a token from a form", async () => {
    const answer = await site.call("POST", "/v1/auth/logout", {
      headers: FORM,
      body: form({ access_token: user.token }),
    });
    expect(answer.status).toBe(401);
    expect((await site.call("GET", PATH, { as: user.token })).status).toBe(200);
  });
});

describe("03 §2: CORS", () => {
  const origin = "https://spa.example";

  test.each(["GET", "POST"])("%s: any origin may read it, without credentials", async (method) => {
    const { headers } = await site.call(method, PATH, { as: user.token, headers: { origin } });
    expect(headers.get("access-control-allow-origin")).toBe("*");
    expect(headers.get("access-control-allow-credentials")).toBeNull();
  });

  test("a refusal too", async () => {
    const body = form({ access_token: "x" });
    for (const answer of [
      await site.call("GET", PATH, { headers: { origin } }),
      await site.call("POST", PATH, { headers: { ...FORM, origin }, body }),
      await site.call("POST", PATH, { headers: { ...FORM, origin }, body: `${body}&${body}` }),
    ])
      expect(answer.headers.get("access-control-allow-origin")).toBe("*");
  });

  test("a preflight allows the headers of a token", async () => {
    const headers = { origin, "access-control-request-method": "GET" };
    const { status, headers: got } = await site.call("OPTIONS", PATH, { headers });
    expect(status).toBe(204);
    const allowed = got.get("access-control-allow-headers")!.toLowerCase();
    for (const name of ["authorization", "content-type", "dpop"]) expect(allowed).toContain(name);
  });
});

test("what changes about a person is told at once, however lately it was asked", async () => {
  const person = await site.signUp();
  const owner = { token: person.token };
  const { token } = await userToken(site, { tenantId: person.tenantId, owner }, person.userId, {
    scopes: ["openid", "profile", "email", "phone"],
  });
  const phone = "+4915112345678";
  const told = async () => (await site.call("GET", PATH, { as: token })).body;
  expect(await told()).toMatchObject({ email: person.email, email_verified: false });

  const patch = { as: person.token, body: { display_name: "Countess" } };
  await site.call("PATCH", `/v1/users/${person.userId}`, patch);
  expect(await told()).toMatchObject({ name: "Countess", email_verified: false });

  await start(site, "email", person, person.userId);
  await confirm(
    site,
    "email",
    person,
    person.userId,
    await codeTo(site, person.email, "verify_email"),
  );
  expect(await told()).toMatchObject({ name: "Countess", email_verified: true });

  await start(site, "phone", person, person.userId, { phone });
  await confirm(site, "phone", person, person.userId, await codeTo(site, phone, "sms_code"));
  expect(await told()).toMatchObject({ phone_number: phone, phone_number_verified: true });
});
