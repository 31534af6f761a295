/** Whom the authorization endpoint asks, and what: sign-in, account, consent (contract 03 §7.2, steps 10 to 15). */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eq } from "drizzle-orm";
import {
  authorizationRequests,
  loginSessions,
  oidcAuthorizationCodes,
  oidcConsents,
  users,
} from "../../db/schema/index.ts";
import { markSelected } from "../../src/modules/authorization/service.ts";
import { findHostedSession } from "../../src/modules/sessions/service.ts";
import { hashToken } from "../../src/platform/crypto/tokens.ts";
import {
  type Browser,
  type Parameters,
  REDIRECT_URI,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";
import { allow, ask, comeBack, idTokenFor, OPEN, paramsOf, signIn, stageOf } from "./support.ts";

let server: TestProvider;
let owner: SignedUp;
let client: TestClient;
let other: TestClient;
let members: TestClient;
let native: TestClient;
beforeAll(async () => {
  server = await startProvider();
  owner = await server.signUp();
  client = await server.createClient(owner, OPEN);
  other = await server.createClient(owner);
  members = await server.createClient(owner, { require_membership: true });
  native = await server.createClient(owner, {
    type: "public",
    redirect_uris: ["http://127.0.0.1/cb", REDIRECT_URI],
    ...OPEN,
  });
});
afterAll(() => server.stop());

const tick = (ms = 1_000) => server.clock.advance(ms);

/** A browser that is signed in; a second later. */
async function signedIn(user = owner): Promise<Browser> {
  const browser = server.browser();
  await signIn(server, browser, user);
  tick();
  return browser;
}

/** Somebody who has allowed `client` these scopes before. */
async function consented(
  scope = "openid",
  of = client,
): Promise<{ user: SignedUp; browser: Browser }> {
  const user = await server.signUp();
  const browser = await signedIn(user);
  await allow(server, browser, await ask(browser, of, { scope }));
  return { user, browser };
}

const codeRow = async (code: string | undefined) => {
  const [row] = await server.deps.db.read
    .select()
    .from(oidcAuthorizationCodes)
    .where(eq(oidcAuthorizationCodes.codeHash, hashToken(code ?? "")));
  return row;
};
const countRequests = () => server.deps.db.read.$count(authorizationRequests);

describe("03 §17: prompt=none without session / without consent / with suspended user", () => {
  test("without session", async () => {
    const answer = await ask(server.browser(), client, { prompt: "none", state: "s".repeat(128) });
    expect([answer.status, paramsOf(answer)]).toEqual([
      302,
      {
        error: "login_required",
        error_description: "the user must sign in",
        state: "s".repeat(128),
        iss: server.base,
      },
    ]);
  });

  test("without consent", async () => {
    const browser = await signedIn(await server.signUp());
    expect(paramsOf(await ask(browser, client, { prompt: "none" })).error).toBe("consent_required");
  });

  test("with suspended user", async () => {
    const { user, browser } = await consented();
    expect(paramsOf(await ask(browser, client, { prompt: "none" })).code).toHaveLength(43);
    await server.deps.db.transaction(async (tx) => {
      await tx.update(users).set({ status: "suspended" }).where(eq(users.id, user.userId));
    });
    expect(paramsOf(await ask(browser, client, { prompt: "none" })).error).toBe("login_required");
  });

  test("asks nobody, whatever else is wrong: stores no request", async () => {
    const before = await countRequests();
    await ask(server.browser(), client, { prompt: "none" });
    await ask(await signedIn(await server.signUp()), client, { prompt: "none" });
    expect(await countRequests()).toBe(before);
  });
});

describe("a silent request", () => {
  test("writes the code and nothing else", async () => {
    const { user, browser } = await consented();
    const before = await countRequests();
    const answer = await ask(browser, client, { nonce: "n", resource: "https://api.example/" });
    expect(answer.headers.getSetCookie().filter((line) => line.startsWith("qe_ar"))).toEqual([]);
    const { code, ...rest } = paramsOf(answer);
    expect(rest).toEqual({ state: "state", iss: server.base });
    expect(await codeRow(code)).toMatchObject({
      clientRowId: client.id,
      userId: user.userId,
      tenantId: client.tenantId,
      redirectUri: REDIRECT_URI,
      scopes: ["openid"],
      nonce: "n",
      resources: ["https://api.example/"],
      acr: "urn:qeet:acr:1fa",
      amr: ["pwd"],
    });
    expect(await countRequests()).toBe(before);
  });

  test("needs no state, no nonce; a confidential client no PKCE; order and repeats of scopes do not count", async () => {
    const { browser } = await consented("openid profile");
    const answer = await ask(browser, client, {
      scope: "profile openid profile",
      state: undefined,
      code_challenge: undefined,
      code_challenge_method: undefined,
    });
    expect(Object.keys(paramsOf(answer))).toEqual(["code", "iss"]);
    expect(await codeRow(paramsOf(answer).code)).toMatchObject({
      scopes: ["profile", "openid"],
      codeChallenge: null,
      nonce: null,
    });
  });

  test("ignores what it does not know", async () => {
    const { browser } = await consented();
    const answer = await ask(browser, client, {
      extra: "foobar",
      claims_locales: "se",
      ui_locales: "se",
      display: "popup",
      prompt: "sing",
      acr_values: "1 2",
      login_hint: "buffy@host",
    });
    expect(paramsOf(answer).code).toHaveLength(43);
  });

  test("may ask for no scope at all, once the client was allowed anything", async () => {
    const { browser } = await consented();
    expect(paramsOf(await ask(browser, client, { scope: undefined })).code).toHaveLength(43);
    const stranger = await signedIn(await server.signUp());
    expect(stageOf(await ask(stranger, client, { scope: undefined }))).toBe("consent");
  });
});

describe("03 §17: second authorize with fewer scopes after consent", () => {
  test("no prompt, earlier consent intact", async () => {
    const { user, browser } = await consented("openid profile email");
    expect(paramsOf(await ask(browser, client, { scope: "openid" })).code).toHaveLength(43);
    const stored = async () => {
      const [row] = await server.deps.db.read
        .select()
        .from(oidcConsents)
        .where(eq(oidcConsents.userId, user.userId));
      return row?.scopes;
    };
    expect(await stored()).toEqual(["openid", "profile", "email"]);
    // What is new is asked for, and added.
    const more = await ask(browser, client, { scope: "openid phone" });
    expect(stageOf(more)).toBe("consent");
    await allow(server, browser, more);
    expect(await stored()).toEqual(["openid", "profile", "email", "phone"]);
  });

  test("single claims are asked for like scopes", async () => {
    const { browser } = await consented();
    const claims = JSON.stringify({
      userinfo: { name: { essential: true }, made_up: null },
      id_token: { auth_time: { essential: true } },
    });
    const first = await ask(browser, client, { claims });
    expect(stageOf(first)).toBe("consent");
    const answer = await allow(server, browser, first);
    expect((await codeRow(answer.code))?.claims).toEqual(JSON.parse(claims));
    expect(paramsOf(await ask(browser, client, { claims })).code).toHaveLength(43);
  });

  test("prompt=consent asks again, once", async () => {
    const { browser } = await consented();
    const again = await ask(browser, client, { prompt: "consent" });
    expect(stageOf(again)).toBe("consent");
    expect((await allow(server, browser, again)).code).toHaveLength(43);
    expect(paramsOf(await ask(browser, client)).code).toHaveLength(43);
  });

  test("RFC 8252 §8.6: offline_access for a native application is asked for every time", async () => {
    const scope = "openid offline_access";
    const { browser } = await consented(scope, native);
    expect(stageOf(await ask(browser, native, { scope }))).toBe("consent");
    expect(stageOf(await ask(browser, native, { scope: "openid" }))).toBe("callback");
    expect(stageOf(await ask(browser, native, { scope, redirect_uri: REDIRECT_URI }))).toBe(
      "callback",
    );
    expect(paramsOf(await ask(browser, native, { scope, prompt: "none" })).error).toBe(
      "consent_required",
    );
  });
});

describe("03 §17: prompt=login with live session, then sign in", () => {
  test("exactly one login, code, newer auth_time", async () => {
    const { user, browser } = await consented();
    const before = await codeRow(paramsOf(await ask(browser, client)).code);
    tick();
    const first = await ask(browser, client, { prompt: "login", state: "a b" });
    expect(stageOf(first)).toBe("login");
    // Back without having signed in: the same question, not an error, and no second request.
    const count = await countRequests();
    expect(stageOf(await comeBack(server, browser, first))).toBe("login");
    expect(await countRequests()).toBe(count);
    tick();
    await signIn(server, browser, user);
    const answer = await comeBack(server, browser, first);
    expect(paramsOf(answer).state).toBe("a b");
    const after = await codeRow(paramsOf(answer).code);
    expect(after!.authTime.getTime()).toBeGreaterThan(before!.authTime.getTime());
    // One answer to one request.
    const replay = await comeBack(server, browser, first);
    expect([replay.status, replay.headers.get("location")]).toEqual([400, null]);
  });

  test.each([
    ["max_age=0", "0"],
    ["max_age=10, a session of 11 seconds", "10"],
  ])("%s likewise", async (_, max_age) => {
    const { user, browser } = await consented();
    tick(11_000);
    const first = await ask(browser, client, { max_age });
    expect(stageOf(first)).toBe("login");
    expect(paramsOf(await ask(browser, client, { max_age, prompt: "none" })).error).toBe(
      "login_required",
    );
    await signIn(server, browser, user);
    // However long they then take over it.
    tick(60_000);
    expect(stageOf(await comeBack(server, browser, first))).toBe("callback");
  });

  test("max_age that the session is younger than asks nothing", async () => {
    const { browser } = await consented();
    expect(stageOf(await ask(browser, client, { max_age: "15000" }))).toBe("callback");
    expect(stageOf(await ask(browser, client, { max_age: "9999999999" }))).toBe("callback");
  });
});

describe("whose session it must be", () => {
  test("id_token_hint of the same user: a code, though it has expired; of another: a sign-in", async () => {
    const { user, browser } = await consented();
    const id_token_hint = await idTokenFor(server, client, user.userId);
    tick(3_600_000);
    await signIn(server, browser, user);
    tick();
    expect(
      paramsOf(await ask(browser, client, { prompt: "none", id_token_hint })).code,
    ).toHaveLength(43);
    const others = await idTokenFor(server, client, owner.userId);
    const silent = await ask(browser, client, { prompt: "none", id_token_hint: others });
    expect(paramsOf(silent).error).toBe("login_required");
    const loud = await ask(browser, client, { id_token_hint: others });
    expect(stageOf(loud)).toBe("login");
    tick();
    // Signed in for this request, and still somebody else (OpenID Connect Core §3.1.2.2).
    await signIn(server, browser, user);
    expect(paramsOf(await comeBack(server, browser, loud)).error).toBe("login_required");
    // That was the answer.
    expect((await comeBack(server, browser, loud)).status).toBe(400);
  });

  test("the hint itself is not kept", async () => {
    const id_token_hint = await idTokenFor(server, client, owner.userId);
    const request = await ask(server.browser(), client, { id_token_hint });
    const [row] = await server.deps.db.read
      .select()
      .from(authorizationRequests)
      .where(eq(authorizationRequests.requestHash, hashToken(requestIdOf(request))));
    expect(row?.parameters).toMatchObject({ hint_sub: owner.userId });
    expect(JSON.stringify(row)).not.toContain(id_token_hint);
  });

  test("nobody brings a hint_sub in", async () => {
    const { browser } = await consented();
    expect(stageOf(await ask(browser, client, { hint_sub: owner.userId }))).toBe("callback");
  });

  test.each([
    ["another client's", () => idTokenFor(server, other, owner.userId)],
    ["an access token", async () => owner.token],
    [
      "one with another signature",
      async () => {
        const token = await idTokenFor(server, client, owner.userId);
        return `${token.slice(0, -8)}AAAAAAAA`;
      },
    ],
    [
      "alg none",
      async () => {
        const [, payload] = (await idTokenFor(server, client, owner.userId)).split(".");
        return `${Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url")}.${payload}.`;
      },
    ],
  ] as [string, () => Promise<string>][])("a hint that is %s", async (_, make) => {
    const answer = await ask(server.browser(), client, { id_token_hint: await make() });
    expect(paramsOf(answer).error).toBe("invalid_request");
  });

  test("claims.id_token.sub binds like a hint", async () => {
    const { user, browser } = await consented();
    const claims = (value: string) => JSON.stringify({ id_token: { sub: { value } } });
    expect(stageOf(await ask(browser, client, { claims: claims(user.userId) }))).toBe("callback");
    expect(stageOf(await ask(browser, client, { claims: claims(owner.userId) }))).toBe("login");
  });

  test("prompt=select_account is answered by choosing, or by signing in", async () => {
    const { user, browser } = await consented();
    const first = await ask(browser, client, { prompt: "select_account" });
    expect(stageOf(first)).toBe("login");
    expect(stageOf(await comeBack(server, browser, first))).toBe("login");
    const session = await findHostedSession(server.deps, browser.cookies.get("qe_ls")?.value);
    await markSelected(server.deps, requestIdOf(first), session!);
    expect(stageOf(await comeBack(server, browser, first))).toBe("callback");
    const second = await ask(browser, client, { prompt: "select_account" });
    tick();
    await signIn(server, browser, user);
    expect(stageOf(await comeBack(server, browser, second))).toBe("callback");
  });

  test("00 §23: a session pinned to another tenant is none for this client", async () => {
    const { user, browser } = await consented();
    const pin = (pinnedTenantId: string) =>
      server.deps.db.transaction(async (tx) => {
        await tx
          .update(loginSessions)
          .set({ pinnedTenantId })
          .where(eq(loginSessions.userId, user.userId));
      });
    await pin(user.tenantId);
    expect(stageOf(await ask(browser, client))).toBe("login");
    expect(paramsOf(await ask(browser, client, { prompt: "none" })).error).toBe("login_required");
    await pin(client.tenantId);
    expect(stageOf(await ask(browser, client))).toBe("callback");
  });

  test("require_membership: who is no member is denied, after signing in", async () => {
    expect(stageOf(await ask(server.browser(), members))).toBe("login");
    const stranger = await signedIn(await server.signUp());
    expect(paramsOf(await ask(stranger, members)).error).toBe("access_denied");
    expect(stageOf(await ask(await signedIn(), members))).toBe("consent");
  });
});

describe("03 §7.5: acr", () => {
  const essential = (values: string[]) =>
    JSON.stringify({ id_token: { acr: { essential: true, values } } });

  test.each([
    ["preferred ones, the first that the session reaches", { acr_values: "phr urn:qeet:acr:1fa" }],
    ["all of them", { acr_values: "urn:qeet:acr:1fa urn:qeet:acr:2fa phr" }],
    ["unknown ones", { acr_values: "1 2" }],
    ["an essential one that it reaches", { claims: essential(["phr", "urn:qeet:acr:1fa"]) }],
  ] as [string, Parameters][])("%s", async (_, parameters) => {
    const { browser } = await consented();
    const { code } = paramsOf(await ask(browser, client, parameters));
    expect((await codeRow(code))?.acr).toBe("urn:qeet:acr:1fa");
  });

  test("an essential one above the session's asks for a sign-in, and then is not met", async () => {
    const { user, browser } = await consented();
    const claims = essential(["urn:qeet:acr:2fa"]);
    expect(paramsOf(await ask(browser, client, { claims, prompt: "none" })).error).toBe(
      "login_required",
    );
    const first = await ask(browser, client, { claims });
    expect(stageOf(first)).toBe("login");
    tick();
    await signIn(server, browser, user);
    expect(paramsOf(await comeBack(server, browser, first)).error).toBe(
      "unmet_authentication_requirements",
    );
  });

  test("an essential one that nobody reaches is not met at once", async () => {
    const { browser } = await consented();
    const answer = await ask(browser, client, { claims: essential(["loa9"]) });
    expect(paramsOf(answer).error).toBe("unmet_authentication_requirements");
  });
});

/** The request_id of an answer that leads to a page of ours. */
function requestIdOf(answer: { headers: Headers }): string {
  const { request_id, return_to } = paramsOf(answer);
  return request_id ?? new URL(return_to ?? "").searchParams.get("request_id") ?? "";
}
