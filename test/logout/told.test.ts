/** Back-Channel Logout 1.0 from one end to the other: what makes a session end, and what its clients hear of it. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { decodeJwt } from "jose";
import {
  type Browser,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import type { SignedUp } from "../support/server.ts";
import { startReceiver, verifyLogoutToken } from "./receiver.ts";

let site: TestProvider;
let owner: SignedUp;
let receiver: ReturnType<typeof startReceiver>;
beforeAll(async () => {
  site = await startProvider();
  owner = await site.signUp();
});
afterAll(() => site.stop());
beforeEach(() => {
  receiver = startReceiver();
});
afterEach(() => receiver.stop());

const telling = (body: Record<string, unknown> = {}) =>
  site.createClient(owner, {
    require_membership: false,
    backchannel_logout_uri: receiver.uri,
    backchannel_logout_session_required: true,
    ...body,
  });

async function signIn(browser: Browser, client: TestClient, user: SignedUp, scope = "openid") {
  const flow = await site.codeFlow(browser, client, { scope }, { user });
  const { body } = await site.exchange(client, flow);
  return body as { id_token: string; access_token: string; refresh_token: string };
}

/** The logout tokens that arrive, by the client that each is for. */
async function told(clients: readonly TestClient[]) {
  await site.runJob("backchannel-logout");
  const heard = receiver.received.map(({ token }) => token);
  const of = async (client: TestClient) => {
    const mine = heard.filter((token) => decodeJwt(token).aud === client.clientId);
    return Promise.all(
      mine.map((token) =>
        verifyLogoutToken(token, {
          base: site.base,
          issuer: site.base,
          audience: client.clientId,
          now: site.clock.now(),
        }),
      ),
    );
  };
  return Promise.all(clients.map(of));
}

const logout = (browser: Browser, id_token_hint: string) =>
  browser.open(`/v1/oauth/logout?${new URLSearchParams({ id_token_hint })}`);

describe("every client of the session hears of it, under its own sid", () => {
  const ENDS: Record<
    string,
    (browser: Browser, user: SignedUp, idToken: string) => Promise<unknown>
  > = {
    "RP-initiated logout": (browser, _, idToken) => logout(browser, idToken),
    "RP-initiated logout from elsewhere, by the hint's sid": (_, __, idToken) =>
      logout(site.browser(), idToken),
    "DELETE of the hosted session": (browser) =>
      browser.call("DELETE", "/v1/auth/session", {
        headers: { origin: site.base, "x-csrf-token": browser.cookies.get("qe_csrf")!.value },
      }),
    "DELETE from the list of hosted sessions": async (_, user) => {
      const { body } = await site.call("GET", "/v1/auth/sso-sessions", { as: user.token });
      await site.call("DELETE", `/v1/auth/sso-sessions/${body.items[0].id}`, { as: user.token });
    },
    "a password reset": async (_, user) =>
      site.call("POST", `/v1/users/${user.userId}/password`, {
        as: user.token,
        body: { password: "seven grey geese", current_password: user.password },
      }),
  };

  test.each(Object.keys(ENDS))("%s", async (name) => {
    const user = await site.signUp();
    const clients = [
      await telling(),
      await telling({ id_token_signed_response_alg: "ES256" }),
      await telling(),
    ];
    const quiet = await site.createClient(owner, { require_membership: false });
    const browser = site.browser();
    const tokens = [
      await signIn(browser, clients[0]!, user),
      await signIn(browser, clients[1]!, user),
      await signIn(browser, clients[2]!, user, "openid offline_access"),
    ];
    // Two grants of one client are one sign-in to it.
    await signIn(browser, clients[0]!, user);
    await signIn(browser, quiet, user);

    await ENDS[name]!(browser, user, tokens[0]!.id_token);
    const heard = await told(clients);
    expect(receiver.received).toHaveLength(3);
    for (const [n, claims] of heard.entries()) {
      expect(claims).toHaveLength(1);
      const { sub, sid } = decodeJwt(tokens[n]!.id_token);
      expect(claims[0]).toMatchObject({ sub, sid });
    }
    const sids = heard.map(([claims]) => claims!.sid);
    expect(new Set(sids).size).toBe(3);

    await logout(browser, tokens[0]!.id_token);
    await told(clients);
    expect(receiver.received).toHaveLength(3);
  });
});

test("other sessions of the user, and other users, hear nothing", async () => {
  const [user, other] = [await site.signUp(), await site.signUp()];
  const client = await telling();
  const here = await signIn(site.browser(), client, user);
  const there = await signIn(site.browser(), client, user);
  const theirs = await signIn(site.browser(), client, other);
  await logout(site.browser(), here.id_token);
  const [heard] = await told([client]);
  expect(heard!.map(({ sid }) => sid)).toEqual([decodeJwt(here.id_token).sid as string]);
  for (const { access_token } of [there, theirs])
    expect((await site.call("GET", "/v1/oauth/userinfo", { as: access_token })).status).toBe(200);
});

test("the address that a client has registered last is the one that is called", async () => {
  const user = await site.signUp();
  const client = await telling({ backchannel_logout_uri: "http://127.0.0.1:1/old" });
  const browser = site.browser();
  const { id_token } = await signIn(browser, client, user);
  const path = `/v1/tenants/${owner.tenantId}/oidc/clients/${client.id}`;
  await site.call("PATCH", path, {
    as: owner.token,
    body: { backchannel_logout_uri: receiver.uri },
  });
  await logout(browser, id_token);
  const [heard] = await told([client]);
  expect(heard).toHaveLength(1);
});
