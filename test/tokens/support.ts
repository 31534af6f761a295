/** Codes without a browser: a hosted session, and what an authorization request would have made of it. */
import { desc, eq } from "drizzle-orm";
import { loginSessions, oauthGrants, oidcRefreshTokens } from "../../db/schema/index.ts";
import { acrOf, issueCode, type NewCode, sidOf } from "../../src/modules/tokens/service.ts";
import { hashToken } from "../../src/platform/crypto/tokens.ts";
import { browser } from "../auth/support.ts";
import { ok } from "../rbac/support.ts";
import {
  challengeOf,
  createClient,
  exchange,
  type Flow,
  randomText,
  type TestClient,
} from "../support/provider.ts";
import type { Answer, SignedUp, TestServer } from "../support/server.ts";

/** RFC 7636, appendix B. */
export const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
export const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/** Signs in on the hosted pages. Answers the id of the session. */
export async function hostedSession(
  server: TestServer,
  { email, password, userId }: Pick<SignedUp, "email" | "password" | "userId">,
): Promise<string> {
  const { send } = await browser(server);
  ok(await send("POST", "/v1/auth/session", { email, password }));
  const [row] = await server.deps.db.read
    .select({ id: loginSessions.id })
    .from(loginSessions)
    .where(eq(loginSessions.userId, userId))
    .orderBy(desc(loginSessions.createdAt))
    .limit(1);
  return row!.id;
}

export interface SignIn {
  readonly client: TestClient;
  readonly userId: string;
  readonly sessionId: string;
}

/** What a user at a client comes to the token endpoint with. */
export async function newCode(
  { deps }: Pick<TestServer, "deps">,
  { client, userId, sessionId }: SignIn,
  over: Partial<NewCode> = {},
): Promise<Pick<Flow, "code" | "redirectUri" | "verifier">> {
  const verifier = randomText();
  const amr = ["pwd"];
  const code = await deps.db.transaction((tx) =>
    issueCode(deps, tx, {
      clientRowId: client.id,
      userId,
      tenantId: client.tenantId,
      scopes: ["openid", "profile"],
      nonce: "n-0S6_WzA2Mj",
      claims: null,
      resources: [],
      dpopJkt: null,
      loginSessionId: sessionId,
      sid: sidOf(deps, sessionId, client.id),
      authTime: deps.clock.now(),
      amr,
      acr: acrOf({ amr, mfaAt: null }),
      redirectUri: client.redirectUri,
      codeChallenge: challengeOf(verifier),
      ...over,
    }),
  );
  return { code, redirectUri: client.redirectUri, verifier };
}

/** Tokens of a fresh code. */
export async function newTokens(
  server: TestServer,
  signIn: SignIn,
  over: Partial<NewCode> = {},
): Promise<Answer["body"]> {
  return ok(await exchange(server, signIn.client, await newCode(server, signIn, over))).body;
}

/** A user with a hosted session, at a client of their own tenant. */
export async function signIn(
  server: TestServer,
  clientBody: Record<string, unknown> = {},
): Promise<SignIn & { readonly user: SignedUp }> {
  const user = await server.signUp();
  const client = await createClient(server, user, clientBody);
  const sessionId = await hostedSession(server, user);
  return { user, client, userId: user.userId, sessionId };
}

export const PUBLIC = { type: "public", scopes: ["openid", "profile", "email", "offline_access"] };

export async function grantRow({ deps }: Pick<TestServer, "deps">, id: string) {
  const [row] = await deps.db.read.select().from(oauthGrants).where(eq(oauthGrants.id, id));
  return row!;
}

export async function refreshRow({ deps }: Pick<TestServer, "deps">, token: string) {
  const [row] = await deps.db.read
    .select()
    .from(oidcRefreshTokens)
    .where(eq(oidcRefreshTokens.tokenHash, hashToken(token)));
  return row!;
}

/** A refusal in OAuth's words, which nobody may keep. */
export function expectOAuthError(answer: Answer, error: string, status = 400): void {
  const { body, headers } = answer;
  if (answer.status !== status || body?.error !== error)
    throw new Error(`expected ${status} ${error}, got ${answer.status}: ${JSON.stringify(body)}`);
  if (headers.get("cache-control") !== "no-store") throw new Error("the refusal may be cached");
}
