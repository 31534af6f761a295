/** What a relying party's tests begin with: a provider at its real origin, a client, a user with every claim, a flow. */
import { createHash, randomBytes } from "node:crypto";
import { eq } from "drizzle-orm";
import { users } from "../../db/schema/index.ts";
import type { Config } from "../../src/config.ts";
import { Browser, type Screen, type Site } from "./browser.ts";
import { freePort } from "./program.ts";
import { type Answer, type SignedUp, startServer } from "./server.ts";

export { Browser, type Screen, type Site } from "./browser.ts";

export const REDIRECT_URI = "https://app.example/callback";
export const POST_LOGOUT_URI = "https://app.example/signed-out";
export const ALL_SCOPES = "openid profile email address phone offline_access";

export interface TestClient {
  /** Of its row. */
  readonly id: string;
  readonly tenantId: string;
  readonly clientId: string;
  /** Undefined for a public one. */
  readonly secret: string | undefined;
  readonly redirectUri: string;
}

/** Registers a client in the tenant of `owner`: confidential, all scopes, code and refresh, unless `body` says otherwise. */
export async function createClient(
  site: Site,
  owner: { readonly token: string },
  body: Record<string, unknown> = {},
): Promise<TestClient> {
  const answer = await site.call("POST", "/v1/oidc/clients", {
    as: owner.token,
    body: {
      name: "Suite",
      redirect_uris: [REDIRECT_URI],
      post_logout_uris: [POST_LOGOUT_URI],
      grant_types: ["authorization_code", "refresh_token"],
      scopes: ALL_SCOPES.split(" "),
      ...body,
    },
  });
  if (answer.status !== 201)
    throw new Error(`the client was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  const { client, client_secret } = answer.body;
  return {
    id: client.id,
    tenantId: client.tenant_id,
    clientId: client.client_id,
    secret: client_secret,
    redirectUri: client.redirect_uris[0] ?? REDIRECT_URI,
  };
}

export const randomText = (bytes = 32): string => randomBytes(bytes).toString("base64url");
export const challengeOf = (verifier: string): string =>
  createHash("sha256").update(verifier).digest("base64url");

/** Parameters to add or to put in the place of the usual ones; undefined leaves one out. */
export type Parameters = Readonly<Record<string, string | undefined>>;

export function authorizeUrl(client: TestClient, parameters: Parameters = {}): string {
  const all: Parameters = {
    client_id: client.clientId,
    redirect_uri: client.redirectUri,
    response_type: "code",
    scope: "openid",
    state: "state",
    ...parameters,
  };
  const given = Object.entries(all).filter((one): one is [string, string] => one[1] !== undefined);
  return `/v1/oauth/authorize?${new URLSearchParams(given)}`;
}

/** A callback, with what the client has to remember until then. */
export interface Flow {
  /** Parameters of the callback; empty when the browser never got there. */
  readonly answer: Readonly<Record<string, string>>;
  readonly code: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly redirectUri: string;
  /** The last thing that the browser saw. */
  readonly screen: Screen;
  /** What the person had to do, in order. */
  readonly asked: readonly Asked[];
}

/** Goes through a code flow with PKCE, state and nonce. `user` may be left out when the browser has a session. */
export async function codeFlow(
  browser: Browser,
  client: TestClient,
  parameters: Parameters = {},
  {
    user,
    approve = true,
    method = "GET",
  }: {
    user?: Pick<SignedUp, "email" | "password">;
    approve?: boolean;
    method?: "GET" | "POST";
  } = {},
): Promise<Flow> {
  const [state, nonce, verifier] = [randomText(), randomText(), randomText()];
  const sent: Parameters = {
    state,
    nonce,
    code_challenge: challengeOf(verifier),
    code_challenge_method: "S256",
    ...parameters,
  };
  const [path, query] = authorizeUrl(client, sent).split("?") as [string, string];
  const first = await (method === "GET"
    ? browser.open(`${path}?${query}`)
    : browser.postFrom(path, Object.fromEntries(new URLSearchParams(query))));
  const { screen, asked } = await answerPages(browser, first, { approve, ...(user && { user }) });
  const answer = callbackOf(screen);
  return {
    answer,
    code: answer.code ?? "",
    state: sent.state ?? "",
    nonce: sent.nonce ?? "",
    verifier: sent.code_challenge === undefined ? "" : verifier,
    redirectUri: sent.redirect_uri ?? client.redirectUri,
    screen,
    asked,
  };
}

type Asked = "login" | "consent";

/** Signs in and consents as often as the pages ask, up to the callback or a page that asks neither. */
export async function answerPages(
  browser: Browser,
  first: Screen,
  { user, approve = true }: { user?: Pick<SignedUp, "email" | "password">; approve?: boolean } = {},
): Promise<{ screen: Screen; asked: Asked[] }> {
  const asked: Asked[] = [];
  let screen = first;
  const asks = (id: string) => screen.forms.some((form) => id in form.controls);
  for (let step = 0; step < 4 && screen.location === undefined; step += 1) {
    if (asks("login-submit") && user) {
      asked.push("login");
      screen = await browser.signIn(screen, user);
    } else if (asks("consent-allow")) {
      asked.push("consent");
      screen = await (approve ? browser.allow(screen) : browser.deny(screen));
    } else break;
  }
  return { screen, asked };
}

/** The parameters that a screen brings to the client: in its redirect, or in the form of `form_post`. */
export function callbackOf(screen: Screen): Record<string, string> {
  if (screen.location !== undefined)
    return Object.fromEntries(new URL(screen.location).searchParams);
  const form = screen.forms.find(({ action }) => /^https?:/.test(action));
  return { ...form?.fields };
}

/** RFC 6749 §2.3.1: both parts are form-encoded first. */
export const basicOf = (client: TestClient): string =>
  `Basic ${Buffer.from(
    [client.clientId, client.secret ?? ""]
      .map((part) => new URLSearchParams({ part }).toString().slice("part=".length))
      .join(":"),
  ).toString("base64")}`;

/** A request to an endpoint for clients, authenticated by `how`; a public client says only who it is. */
export function postForm(
  site: Site,
  path: string,
  client: TestClient,
  fields: Parameters,
  how: "basic" | "post" | "none" = client.secret === undefined ? "none" : "basic",
  headers: Record<string, string> = {},
): Promise<Answer> {
  const all: Parameters = {
    ...fields,
    ...(how !== "basic" && { client_id: client.clientId }),
    ...(how === "post" && { client_secret: client.secret }),
  };
  const given = Object.entries(all).filter((one): one is [string, string] => one[1] !== undefined);
  return site.call("POST", path, {
    body: new URLSearchParams(given).toString(),
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      ...(how === "basic" && { authorization: basicOf(client) }),
      ...headers,
    },
  });
}

/** Redeems the code of a flow. */
export const exchange = (
  site: Site,
  client: TestClient,
  flow: Pick<Flow, "code" | "redirectUri" | "verifier">,
  fields: Parameters = {},
  how?: "basic" | "post" | "none",
): Promise<Answer> =>
  postForm(
    site,
    "/v1/oauth/token-code",
    client,
    {
      grant_type: "authorization_code",
      code: flow.code,
      redirect_uri: flow.redirectUri,
      ...(flow.verifier !== "" && { code_verifier: flow.verifier }),
      ...fields,
    },
    how,
  );

export const refresh = (
  site: Site,
  client: TestClient,
  refreshToken: string,
  fields: Parameters = {},
): Promise<Answer> =>
  postForm(site, "/v1/oauth/token-code", client, {
    grant_type: "refresh_token",
    refresh_token: refreshToken,
    ...fields,
  });

/** Every claim that a scope of OpenID Connect Core §5.4 stands for, beside those of the account itself. */
export const STANDARD_CLAIMS = {
  given_name: "Ada",
  family_name: "Lovelace",
  middle_name: "Augusta",
  nickname: "ada",
  preferred_username: "ada.lovelace",
  profile: "https://people.example/ada",
  picture: "https://people.example/ada.png",
  website: "https://ada.example",
  gender: "female",
  birthdate: "1815-12-10",
  zoneinfo: "Europe/London",
  locale: "en-GB",
  address: {
    formatted: "12 St James's Square\nLondon SW1Y 4JH\nUnited Kingdom",
    street_address: "12 St James's Square",
    locality: "London",
    region: "England",
    postal_code: "SW1Y 4JH",
    country: "United Kingdom",
  },
} as const;
export const DISPLAY_NAME = "Ada Lovelace";

/** A server whose every URL is where it really listens: issuer, pages, metadata. */
export async function startProvider(overrides: Partial<Config> = {}) {
  const origin = `http://localhost:${freePort()}`;
  const server = await startServer(
    {
      publicUrl: origin,
      jwtIssuer: origin,
      loginBaseUrl: origin,
      appBaseUrl: origin,
      httpPort: Number(new URL(origin).port),
      ...overrides,
    },
    origin,
  );
  let phones = 0;
  return {
    ...server,
    browser: (headers?: Record<string, string>) => new Browser(server, headers),
    createClient: (owner: { readonly token: string }, body?: Record<string, unknown>) =>
      createClient(server, owner, body),
    codeFlow,
    exchange: (
      client: TestClient,
      flow: Pick<Flow, "code" | "redirectUri" | "verifier">,
      fields?: Parameters,
      how?: "basic" | "post" | "none",
    ) => exchange(server, client, flow, fields, how),
    refresh: (client: TestClient, refreshToken: string, fields?: Parameters) =>
      refresh(server, client, refreshToken, fields),
    postForm: (
      path: string,
      client: TestClient,
      fields: Parameters,
      how?: "basic" | "post" | "none",
    ) => postForm(server, path, client, fields, how),
    /** The owner of a tenant, with every standard claim, address and number verified. */
    async fullUser(): Promise<SignedUp> {
      const user = await server.signUp();
      const { status } = await server.call("PATCH", `/v1/users/${user.userId}`, {
        as: user.token,
        body: {
          display_name: DISPLAY_NAME,
          phone: `+4930${String(1_000_000 + ++phones)}`,
          metadata: { standard_claims: STANDARD_CLAIMS },
        },
      });
      if (status !== 200) throw new Error(`the profile was answered ${status}`);
      const at = server.clock.now();
      await server.deps.db.transaction(async (tx) => {
        await tx
          .update(users)
          .set({ emailVerifiedAt: at, phoneVerifiedAt: at })
          .where(eq(users.id, user.userId));
      });
      return user;
    },
  };
}

export type TestProvider = Awaited<ReturnType<typeof startProvider>>;
