/** OpenID Connect RP-Initiated Logout 1.0, contract 03 §12. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { desc, eq } from "drizzle-orm";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { auditEvents, oidcClients } from "../../db/schema/index.ts";
import { rotateSigningKey } from "../../src/modules/keys/service.ts";
import {
  type Browser,
  POST_LOGOUT_URI,
  type Screen,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";

let site: TestProvider;
let user: SignedUp;
let client: TestClient;
beforeAll(async () => {
  site = await startProvider();
  user = await site.signUp();
  client = await site.createClient(user);
});
afterAll(() => site.stop());

const LOGOUT = "/v1/oauth/logout";
const STATE = "a".repeat(128);

/** A client of the tenant, whatever the time. */
async function addClient(body: Record<string, unknown> = {}): Promise<TestClient> {
  return site.createClient({ token: await ownerToken() }, body);
}
async function ownerToken(): Promise<string> {
  const { email, password } = user;
  return (await site.call("POST", "/v1/auth/login", { body: { email, password } })).body
    .access_token;
}

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly id_token: string;
}
interface SignedIn {
  readonly browser: Browser;
  readonly tokens: Tokens;
}

/** A browser, and a client in it with tokens. */
async function signedIn({
  as = user,
  at = client,
  scope = "openid",
  browser = site.browser(),
}: {
  as?: SignedUp;
  at?: TestClient;
  scope?: string;
  browser?: Browser;
} = {}): Promise<SignedIn> {
  const flow = await site.codeFlow(browser, at, { scope }, { user: as });
  const { status, body } = await site.exchange(at, flow);
  if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)} ${flow.screen.body}`);
  return { browser, tokens: body };
}

const given = (parameters: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(parameters).filter((one): one is [string, string] => one[1] !== undefined),
  );
const logoutUrl = (parameters: Record<string, string | undefined>) =>
  `${LOGOUT}?${new URLSearchParams(given(parameters))}`;
const asksToConfirm = ({ forms }: Screen) =>
  forms.some((form) => "logout-confirm" in form.controls);

/** Whether the browser still has a session: asked as a client asks. */
async function isSignedIn(browser: Browser): Promise<boolean> {
  const { answer } = await site.codeFlow(browser, client, { prompt: "none" });
  if (answer.code !== undefined) return true;
  expect(answer.error).toBe("login_required");
  return false;
}
const userinfo = async (as: string) =>
  (await site.call("GET", "/v1/oauth/userinfo", { as })).status;

function expectPage(screen: Screen): void {
  expect([screen.status, screen.location]).toEqual([400, undefined]);
  expect(screen.headers.get("content-type")).toContain("text/html");
  expect(screen.headers.get("cache-control")).toBe("no-store");
}
/** Signed out, and nobody sent elsewhere. */
function expectSignedOut(screen: Screen): void {
  expect([screen.status, screen.location]).toEqual([200, undefined]);
  expect(new URL(screen.url).pathname).toBe("/logged-out");
}

/** A token with the claims of `idToken`, signed by somebody else. */
async function forged(idToken: string, change: { key: "foreign" | "none" | "changed" }) {
  const [header = "", payload = "", signature = ""] = idToken.split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  if (change.key === "none") return `${encode({ alg: "none", typ: "JWT" })}.${payload}.`;
  if (change.key === "changed")
    return `${header}.${encode({ ...claims, sub: site.deps.random.uuid() })}.${signature}`;
  const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
  const { kid } = JSON.parse(Buffer.from(header, "base64url").toString());
  const jwk = await exportJWK(publicKey);
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "RS256", kid, typ: "JWT", jwk })
    .sign(privateKey);
}

describe("03 §17: logout: valid, expired-but-genuine, tampered, foreign-key hint; hint of another user", () => {
  test("valid: the redirect with only state added, and nobody is signed in", async () => {
    const { browser, tokens } = await signedIn();
    expect(await isSignedIn(browser)).toBe(true);
    const screen = await browser.open(
      logoutUrl({
        id_token_hint: tokens.id_token,
        post_logout_redirect_uri: POST_LOGOUT_URI,
        state: STATE,
      }),
    );
    expect(screen.status).toBe(302);
    expect(screen.location).toBe(`${POST_LOGOUT_URI}?state=${STATE}`);
    expect(screen.headers.get("referrer-policy")).toBe("no-referrer");
    expect(screen.headers.get("access-control-allow-origin")).toBeNull();
    expect(browser.cookies.has("qe_ls")).toBe(false);
    expect(await isSignedIn(browser)).toBe(false);
  });

  test("without state: the registered address as it is", async () => {
    const { browser, tokens } = await signedIn();
    const parameters = {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: POST_LOGOUT_URI,
    };
    expect((await browser.open(logoutUrl(parameters))).location).toBe(POST_LOGOUT_URI);
    expect(await isSignedIn(browser)).toBe(false);
  });

  test("the hint alone: our own page", async () => {
    const { browser, tokens } = await signedIn();
    expectSignedOut(
      await browser.open(logoutUrl({ id_token_hint: tokens.id_token, state: STATE })),
    );
    expect(await isSignedIn(browser)).toBe(false);
  });

  test("expired but genuine, also under a key that has retired since", async () => {
    const { browser, tokens } = await signedIn();
    await rotateSigningKey(site.deps, { system: true }, "RS256");
    site.clock.advance(20 * 60_000);
    expect(await isSignedIn(browser)).toBe(true);
    const parameters = {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: POST_LOGOUT_URI,
    };
    expect((await browser.open(logoutUrl(parameters))).location).toBe(POST_LOGOUT_URI);
    expect(await isSignedIn(browser)).toBe(false);
  });

  test.each([
    ["tampered", (token: string) => forged(token, { key: "changed" })],
    ["signed by a foreign key under our kid", (token: string) => forged(token, { key: "foreign" })],
    ["alg none", (token: string) => forged(token, { key: "none" })],
    ["no JWT", async () => "x"],
  ])("%s: a page, no redirect, the session untouched", async (_, change) => {
    const { browser, tokens } = await signedIn();
    const id_token_hint = await change(tokens.id_token);
    for (const more of [{}, { client_id: client.clientId }])
      expectPage(
        await browser.open(
          logoutUrl({ id_token_hint, post_logout_redirect_uri: POST_LOGOUT_URI, ...more }),
        ),
      );
    expect(await isSignedIn(browser)).toBe(true);
  });

  test.each(["access_token", "refresh_token"] as const)("an %s is no hint", async (kind) => {
    const { browser, tokens } = await signedIn();
    expectPage(await browser.open(logoutUrl({ id_token_hint: tokens[kind] })));
    expect(await isSignedIn(browser)).toBe(true);
  });

  test("of another user: a question; yes signs out who is here, and the session of the hint", async () => {
    const elsewhere = await signedIn();
    const other = await site.signUp();
    const here = await signedIn({ as: other, at: await site.createClient(other) });
    const url = logoutUrl({
      id_token_hint: elsewhere.tokens.id_token,
      post_logout_redirect_uri: POST_LOGOUT_URI,
      state: STATE,
    });
    const screen = await here.browser.open(url);
    expect([screen.status, screen.location]).toEqual([200, undefined]);
    expect(asksToConfirm(screen)).toBe(true);
    expect(screen.body).toContain(other.email);
    expect(screen.body).not.toContain(user.email);
    expect(await isSignedIn(elsewhere.browser)).toBe(true);

    const done = await here.browser.submit(screen, "logout-confirm");
    expect([done.status, done.location]).toEqual([303, `${POST_LOGOUT_URI}?state=${STATE}`]);
    expect(here.browser.cookies.has("qe_ls")).toBe(false);
    expect(await isSignedIn(elsewhere.browser)).toBe(false);
  });
});

describe("client_id ≠ aud; URI + ?x; POST body parameters; no cookie", () => {
  test("client_id ≠ aud: a page", async () => {
    const { browser, tokens } = await signedIn();
    const other = await addClient();
    for (const client_id of [other.clientId, "qci_nobody", "x"])
      expectPage(
        await browser.open(
          logoutUrl({
            id_token_hint: tokens.id_token,
            client_id,
            post_logout_redirect_uri: POST_LOGOUT_URI,
          }),
        ),
      );
    expect(await isSignedIn(browser)).toBe(true);
    const { clientId: client_id } = client;
    const same = logoutUrl({ id_token_hint: tokens.id_token, client_id });
    expectSignedOut(await browser.open(same));
  });

  test.each([
    `${POST_LOGOUT_URI}?x`,
    `${POST_LOGOUT_URI}/`,
    `${POST_LOGOUT_URI}#x`,
    POST_LOGOUT_URI.replace("https", "http"),
    POST_LOGOUT_URI.toUpperCase(),
    "https://app.example.evil.example/signed-out",
    "https://evil.example/",
    "javascript:alert(1)",
    "//evil.example",
  ])("an address that is not registered: %s", async (post_logout_redirect_uri) => {
    const { browser, tokens } = await signedIn();
    const ways = [{ id_token_hint: tokens.id_token }, { client_id: client.clientId }];
    for (const way of ways)
      expectPage(await browser.open(logoutUrl({ ...way, post_logout_redirect_uri })));
    expect(await isSignedIn(browser)).toBe(true);
  });

  test("an address without anybody whose it could be: a page", async () => {
    const { browser } = await signedIn();
    const parameters = { post_logout_redirect_uri: POST_LOGOUT_URI, state: STATE };
    expectPage(await browser.open(logoutUrl(parameters)));
    expectPage(await browser.open(logoutUrl({ ...parameters, client_id: "qci_nobody" })));
    expect(await isSignedIn(browser)).toBe(true);
  });

  test("another client's address is not this client's", async () => {
    const { browser, tokens } = await signedIn();
    const uri = "https://other.example/bye";
    const other = await addClient({ post_logout_uris: [uri] });
    expectPage(
      await browser.open(
        logoutUrl({ id_token_hint: tokens.id_token, post_logout_redirect_uri: uri }),
      ),
    );
    const theirs = { client_id: other.clientId, post_logout_redirect_uri: uri };
    expect((await browser.open(logoutUrl(theirs))).location).toBe(uri);
  });

  test("a deleted client's hint leads nowhere", async () => {
    const gone = await addClient();
    const { browser, tokens } = await signedIn({ at: gone });
    await site.call("DELETE", `/v1/oidc/clients/${gone.id}`, { as: await ownerToken() });
    expectPage(await browser.open(logoutUrl({ id_token_hint: tokens.id_token })));
    expect(await isSignedIn(browser)).toBe(true);
  });

  test.each([
    ["https://app.example/out?a=b%20c&d", "&"],
    ["https://app.example/out?", ""],
    ["com.example.app:/out", "?"],
  ])(
    "the query of %s stays as it is; the state comes back byte for byte",
    async (uri, separator) => {
      const own = await addClient({
        post_logout_uris: [uri],
        ...(uri.startsWith("com.") && { type: "public" }),
      });
      const { browser, tokens } = await signedIn({ at: own });
      const state = "&=+ %20ü/";
      const { location } = await browser.open(
        logoutUrl({ id_token_hint: tokens.id_token, post_logout_redirect_uri: uri, state }),
      );
      expect(location).toBe(`${uri}${separator}state=${encodeURIComponent(state)}`);
    },
  );

  test("POST body parameters are honoured, although the cookie stays at home", async () => {
    const { browser, tokens } = await signedIn();
    const screen = await browser.postFrom(LOGOUT, {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: POST_LOGOUT_URI,
      state: STATE,
    });
    expect(screen.visited).toHaveLength(2);
    expect(screen.location).toBe(`${POST_LOGOUT_URI}?state=${STATE}`);
    expect(await isSignedIn(browser)).toBe(false);
    // RFC 6750 §2.3 is about other tokens, but this one names the user as well.
    expect(screen.visited.join()).not.toContain(tokens.id_token);
  });

  test("00 §36: POST answers 303 and ends nothing by itself", async () => {
    const { browser, tokens } = await signedIn();
    const answer = await browser.call("POST", LOGOUT, {
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ id_token_hint: tokens.id_token }).toString(),
    });
    expect(answer.status).toBe(303);
    expect(answer.headers.get("location")).toStartWith(`${site.base}${LOGOUT}?`);
    expect(await isSignedIn(browser)).toBe(true);
    expectSignedOut(await browser.visit(answer.headers.get("location")!));
    expect(await isSignedIn(browser)).toBe(false);
  });

  test("POST with what is wrong: the page at once", async () => {
    const { browser, tokens } = await signedIn();
    for (const fields of [
      { id_token_hint: "x" },
      { id_token_hint: tokens.id_token, client_id: "x" },
      { id_token_hint: tokens.id_token, post_logout_redirect_uri: "https://evil.example" },
      { post_logout_redirect_uri: POST_LOGOUT_URI },
    ])
      expectPage(await browser.postFrom(LOGOUT, given(fields)));
    expect(await isSignedIn(browser)).toBe(true);
  });

  test("POST with an empty form and the parameters in the query, as the published document has it", async () => {
    const { browser, tokens } = await signedIn();
    const answer = await browser.call("POST", logoutUrl({ id_token_hint: tokens.id_token }));
    expect(answer.status).toBe(303);
    expectSignedOut(await browser.visit(answer.headers.get("location")!));
    expect(await isSignedIn(browser)).toBe(false);
  });

  test("no cookie: success, and the session of the hint's sid has ended", async () => {
    const { browser, tokens } = await signedIn();
    const stranger = site.browser();
    const { location } = await stranger.open(
      logoutUrl({ id_token_hint: tokens.id_token, post_logout_redirect_uri: POST_LOGOUT_URI }),
    );
    expect(location).toBe(POST_LOGOUT_URI);
    expect(await isSignedIn(browser)).toBe(false);
    expect(await userinfo(tokens.access_token)).toBe(401);
  });

  test("a hint of a session that this is not: a question", async () => {
    const [first, second] = [await signedIn(), await signedIn()];
    const url = logoutUrl({ id_token_hint: first.tokens.id_token });
    const screen = await second.browser.open(url);
    expect(asksToConfirm(screen)).toBe(true);
    for (const { browser } of [first, second]) expect(await isSignedIn(browser)).toBe(true);
    expectSignedOut(await second.browser.submit(screen, "logout-confirm"));
    for (const { browser } of [first, second]) expect(await isSignedIn(browser)).toBe(false);
  });

  test("a hint of a session that was idle for too long: what it gave ends all the same", async () => {
    const { browser, tokens } = await signedIn();
    const other = await addClient();
    const theirs = await signedIn({ browser, at: other });
    site.clock.advance(31 * 60_000);
    await site.runJob("janitor");
    const refreshed = await site.refresh(client, tokens.refresh_token);
    expect(refreshed.status).toBe(200);
    expectSignedOut(await browser.open(logoutUrl({ id_token_hint: tokens.id_token })));
    expect(await userinfo(refreshed.body.access_token)).toBe(401);
    expect((await site.refresh(client, refreshed.body.refresh_token)).status).toBe(400);
    expect((await site.refresh(other, theirs.tokens.refresh_token)).status).toBe(400);
  });

  test("no cookie, and another session of the same user: that one goes on", async () => {
    const [first, second] = [await signedIn(), await signedIn()];
    await site.browser().open(logoutUrl({ id_token_hint: first.tokens.id_token }));
    expect(await isSignedIn(first.browser)).toBe(false);
    expect(await isSignedIn(second.browser)).toBe(true);
    expect(await userinfo(second.tokens.access_token)).toBe(200);
  });

  test.each([{}, { state: STATE }, { client_id: "" }])(
    "nobody signed in, and %p: signed out all the same",
    async (parameters) => {
      const browser = site.browser();
      const screen = await browser.open(logoutUrl(parameters as Record<string, string>));
      expectSignedOut(screen);
      expect(screen.headers.getSetCookie().filter((one) => one.startsWith("qe_ls"))).toEqual([]);
    },
  );

  test.each([
    ["a repeated parameter", `${LOGOUT}?state=a&state=b`],
    ["a state that is too long", `${LOGOUT}?state=${"a".repeat(2_049)}`],
    ["a credential in the query", `${LOGOUT}?id_token=x`],
  ])("%s: a page", async (_, url) => {
    expectPage(await site.browser().open(url));
  });
});

describe("without a hint", () => {
  test("00 §9: the address of an administrator's client is enough", async () => {
    const { browser } = await signedIn();
    const { clientId: client_id } = client;
    const { location } = await browser.open(
      logoutUrl({ client_id, post_logout_redirect_uri: POST_LOGOUT_URI, state: STATE }),
    );
    expect(location).toBe(`${POST_LOGOUT_URI}?state=${STATE}`);
    expect(await isSignedIn(browser)).toBe(false);
  });

  test.each([
    ["nothing", async () => ({})],
    ["only a state", async () => ({ state: STATE })],
    ["a client without an address", async () => ({ client_id: client.clientId })],
    [
      "a strict client",
      async () => ({
        client_id: (await addClient({ logout_requires_confirmation: true })).clientId,
        post_logout_redirect_uri: POST_LOGOUT_URI,
      }),
    ],
  ])("%s: a question first", async (_, parametersOf) => {
    const { browser } = await signedIn();
    const parameters: Record<string, string> = await parametersOf();
    const screen = await browser.open(logoutUrl(parameters));
    expect(asksToConfirm(screen)).toBe(true);
    expect(screen.body).toContain(user.email);
    expect(screen.headers.get("x-frame-options")).toBe("DENY");
    expect(screen.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(screen.headers.get("content-security-policy")).not.toContain("form-action");
    expect(await isSignedIn(browser)).toBe(true);

    const done = await browser.submit(screen, "logout-confirm");
    if (parameters.post_logout_redirect_uri) expect(done.location).toBe(POST_LOGOUT_URI);
    else expectSignedOut(done);
    expect(await isSignedIn(browser)).toBe(false);
  });

  test("a client that registered itself always asks", async () => {
    const dynamic = await addClient();
    await site.deps.db.transaction(async (tx) => {
      await tx
        .update(oidcClients)
        .set({ registration: "dynamic" })
        .where(eq(oidcClients.id, dynamic.id));
    });
    site.deps.clients.forget(`client:${dynamic.id}`);
    const { browser } = await signedIn();
    const screen = await browser.open(
      logoutUrl({ client_id: dynamic.clientId, post_logout_redirect_uri: POST_LOGOUT_URI }),
    );
    expect(asksToConfirm(screen)).toBe(true);
    expect(await isSignedIn(browser)).toBe(true);
  });

  test("the page speaks the first language of ui_locales that we know", async () => {
    const { browser } = await signedIn();
    const screen = await browser.open(logoutUrl({ ui_locales: "se de en" }));
    expect(screen.body).toContain('lang="de"');
    expect(screen.body).toContain("Abmelden");
  });
});

describe("the question", () => {
  const question = async () => {
    const { browser } = await signedIn();
    return { browser, screen: await browser.open(logoutUrl({ state: STATE })) };
  };

  test("a form that another site sends signs nobody out", async () => {
    const { browser, screen } = await question();
    const [form] = screen.forms.filter(({ controls }) => "logout-confirm" in controls);
    const forged = await browser.postFrom("/logout", form!.fields);
    expect(forged.status).toBe(403);
    expect(await isSignedIn(browser)).toBe(true);
  });

  test("nor does one whose token is not the browser's: the page again", async () => {
    const { browser, screen } = await question();
    const [form] = screen.forms.filter(({ controls }) => "logout-confirm" in controls);
    for (const csrf_token of ["", "x", "a".repeat(64)]) {
      const answer = await browser.call("POST", "/logout", {
        headers: { "content-type": "application/x-www-form-urlencoded", origin: site.base },
        body: new URLSearchParams({ ...form!.fields, csrf_token }).toString(),
      });
      expect(answer.status).toBe(422);
      expect(answer.body).toContain("logout-confirm");
    }
    expect(await isSignedIn(browser)).toBe(true);
  });

  test("a request that was changed, or is too old, is refused", async () => {
    const { browser, screen } = await question();
    const parked = new URL(screen.url).searchParams.get("logout_request")!;
    const [payload, mac] = parked.split(".");
    const claims = JSON.parse(Buffer.from(payload!, "base64url").toString());
    const evil = { ...claims, client: client.clientId, uri: "https://evil.example/" };
    const forgery = `${Buffer.from(JSON.stringify(evil)).toString("base64url")}.${mac}`;
    for (const logout_request of [forgery, "x", ".", `${parked}x`, payload!])
      for (const path of ["/logout", LOGOUT])
        expectPage(await browser.open(`${path}?${new URLSearchParams({ logout_request })}`));
    site.clock.advance(1_800_000);
    expectPage(await browser.open(`/logout?logout_request=${parked}`));
  });

  test("an address that was taken from the client meanwhile leads nowhere", async () => {
    const strict = await addClient({ logout_requires_confirmation: true });
    const { browser } = await signedIn();
    const screen = await browser.open(
      logoutUrl({ client_id: strict.clientId, post_logout_redirect_uri: POST_LOGOUT_URI }),
    );
    const path = `/v1/tenants/${user.tenantId}/oidc/clients/${strict.id}`;
    const { status } = await site.call("PATCH", path, {
      as: await ownerToken(),
      body: { post_logout_uris: [] },
    });
    expect(status).toBe(200);
    expectPage(await browser.submit(screen, "logout-confirm"));
  });

  test("its own address offers the way out to whoever is signed in", async () => {
    const { browser } = await signedIn();
    const screen = await browser.visit("/logout");
    expectSignedOut(await browser.submit(screen, "logout-confirm"));
    expect(await isSignedIn(browser)).toBe(false);
    expectSignedOut(await browser.visit("/logout"));
  });
});

describe("several accounts in one browser", () => {
  async function twoAccounts() {
    const browser = site.browser();
    const first = await signedIn({ browser });
    const other = await site.signUp();
    const theirs = await site.createClient(other, { require_membership: false });
    const screen = await browser.visit("/login?another=1");
    await browser.signIn(screen, other);
    const second = await signedIn({ browser, as: other, at: theirs });
    return { browser, first, second, theirs, other };
  }

  test("a hint ends its user's session alone", async () => {
    const { browser, first, second, other } = await twoAccounts();
    expect(await userinfo(first.tokens.access_token)).toBe(200);
    const screen = await browser.open(logoutUrl({ id_token_hint: first.tokens.id_token }));
    expectSignedOut(screen);
    expect(screen.body).toContain("Still signed in");
    expect(screen.body).toContain(other.email);
    expect(await userinfo(first.tokens.access_token)).toBe(401);
    expect(await userinfo(second.tokens.access_token)).toBe(200);
    expect(browser.cookies.has("qe_ls")).toBe(true);
  });

  test("a hint of the current one keeps the others for the chooser", async () => {
    const { browser, first, second, other } = await twoAccounts();
    const screen = await browser.open(logoutUrl({ id_token_hint: second.tokens.id_token }));
    expectSignedOut(screen);
    expect(screen.body).not.toContain(other.email);
    expect(await userinfo(second.tokens.access_token)).toBe(401);
    expect(await userinfo(first.tokens.access_token)).toBe(200);
    expect(browser.cookies.has("qe_ls")).toBe(false);
    expect(browser.cookies.has("qe_accounts")).toBe(true);
  });

  test("without one, all of them end", async () => {
    const { browser, first, second, theirs } = await twoAccounts();
    const { location } = await browser.open(
      logoutUrl({ client_id: theirs.clientId, post_logout_redirect_uri: POST_LOGOUT_URI }),
    );
    expect(location).toBe(POST_LOGOUT_URI);
    for (const { tokens } of [first, second]) expect(await userinfo(tokens.access_token)).toBe(401);
    expect(browser.cookies.has("qe_ls")).toBe(false);
    expect(browser.cookies.has("qe_accounts")).toBe(false);
  });
});

describe("what it writes", () => {
  const latest = async (action: string) =>
    (
      await site.deps.db.read
        .select()
        .from(auditEvents)
        .where(eq(auditEvents.action, action))
        .orderBy(desc(auditEvents.createdAt), desc(auditEvents.seq))
        .limit(1)
    )[0];

  test("auth.logged_out at the client's tenant, the end of the session in the platform's log", async () => {
    const { browser, tokens } = await signedIn();
    await browser.open(logoutUrl({ id_token_hint: tokens.id_token }));
    const event = await latest("auth.logged_out");
    expect(event).toMatchObject({
      tenantId: user.tenantId,
      actorUserId: user.userId,
      resourceType: "login_session",
    });
    expect(JSON.parse(event!.metadata)).toEqual({
      method: "rp_initiated",
      client_id: client.clientId,
    });
    expect(await latest("auth.sso_session_ended")).toMatchObject({
      tenantId: null,
      resourceId: event!.resourceId,
    });
  });

  test("nothing, where nobody was signed in or the request was refused", async () => {
    const { browser, tokens } = await signedIn();
    await browser.open(logoutUrl({ id_token_hint: tokens.id_token }));
    const before = await latest("auth.logged_out");
    await browser.open(logoutUrl({ id_token_hint: tokens.id_token }));
    await browser.open(logoutUrl({}));
    await browser.open(logoutUrl({ id_token_hint: "x" }));
    expect((await latest("auth.logged_out"))!.id).toBe(before!.id);
  });

  test("ten at once end the session once", async () => {
    const { browser, tokens } = await signedIn();
    const count = () =>
      site.deps.db.read.$count(auditEvents, eq(auditEvents.action, "auth.logged_out"));
    const before = await count();
    const url = logoutUrl({ id_token_hint: tokens.id_token });
    const answers = await Promise.all(Array.from({ length: 10 }, () => browser.call("GET", url)));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(302));
    expect(await count()).toBe(before + 1);
  });
});

describe("03 §17: after logout: old qe_ls, non-offline refresh, offline refresh, access token", () => {
  test("login page; 400; 200; 401", async () => {
    const browser = site.browser();
    const online = await signedIn({ browser });
    const offline = await signedIn({ browser, scope: "openid offline_access" });
    for (const { tokens } of [online, offline])
      expect(await userinfo(tokens.access_token)).toBe(200);
    const old = browser.cookies.get("qe_ls")!.value;
    await browser.open(logoutUrl({ id_token_hint: online.tokens.id_token }));

    browser.cookies.set("qe_ls", { value: old, path: "/", sameSite: "lax" });
    const { screen } = await site.codeFlow(browser, client);
    expect(new URL(screen.url).pathname).toBe("/login");

    const refused = await site.refresh(client, online.tokens.refresh_token);
    expect([refused.status, refused.body.error]).toEqual([400, "invalid_grant"]);
    for (const { tokens } of [online, offline])
      expect(await userinfo(tokens.access_token)).toBe(401);
    const next = await site.refresh(client, offline.tokens.refresh_token);
    expect(next.status).toBe(200);
    expect(await userinfo(next.body.access_token)).toBe(200);
  });
});
