/** A program that runs by itself, as an operator starts it, with what other people's clients need of it. */
import { dialect } from "../../db/dialect.ts";
import type { Site } from "../support/browser.ts";
import { emptyUrl } from "../support/db.ts";
import { startProgram } from "../support/program.ts";
import {
  answerPages,
  Browser,
  createClient as register,
  STANDARD_CLAIMS,
  type TestClient,
} from "../support/provider.ts";
import type { Answer, CallOptions } from "../support/server.ts";

export interface Person {
  readonly email: string;
  readonly password: string;
  readonly userId: string;
  readonly tenantId: string;
  readonly token: string;
}

/** Where the clients of these tests are called back. */
export const CALLBACK = "http://localhost:3000/api/auth/callback";
export const SIGNED_OUT = "http://localhost:3000";
export const PASSWORD = "six blue herons";

/** Starts `qeetid serve` on a fresh database: SQLite, or Postgres where DATABASE_URL says so. */
export async function startIssuer(argv: readonly string[] = []) {
  const limits = ["ip", "tenant", "user", "apikey", "client", "verify", "mail", "sensitive"];
  const program = await startProgram([
    ...limits.map((name) => `--rate-limit-${name}=off`),
    ...(dialect === "postgres" ? [`--database-url=${await emptyUrl()}`] : []),
    "--dynamic-registration",
    ...argv,
  ]);
  const base = `http://localhost:${program.port}`;
  const site: Site = { base, call: (...request) => call(base, ...request) };
  let count = 0;
  return {
    ...site,
    program,
    browser: () => new Browser(site),
    createClient: (owner: Person, body: Record<string, unknown> = {}): Promise<TestClient> =>
      register(site, owner, {
        redirect_uris: [CALLBACK],
        post_logout_uris: [SIGNED_OUT],
        ...body,
      }),
    /** The owner of a personal tenant, with a profile. */
    async person(): Promise<Person> {
      const email = `person${++count}@example.com`;
      const signUp = { email, password: PASSWORD, display_name: "Ada Lovelace" };
      const { status, body } = await site.call("POST", "/v1/auth/signup", { body: signUp });
      if (status !== 201) throw new Error(`sign-up answered ${status}: ${JSON.stringify(body)}`);
      const token = body.access_token;
      await site.call("PATCH", `/v1/users/${body.user_id}`, {
        as: token,
        body: { metadata: { standard_claims: STANDARD_CLAIMS } },
      });
      return {
        email,
        password: PASSWORD,
        userId: body.user_id,
        tenantId: body.tenant_id,
        token,
      };
    },
    stop: () => program.stop(),
  };
}

export type Issuer = Awaited<ReturnType<typeof startIssuer>>;

/** Takes a person through the provider's pages, from the client's link to its callback. */
export async function callbackUrl(browser: Browser, link: URL, user: Person): Promise<URL> {
  const { screen } = await answerPages(browser, await browser.open(link.href), { user });
  if (screen.location === undefined)
    throw new Error(`${screen.visited.join(" → ")} ended at ${screen.status}: ${screen.body}`);
  return new URL(screen.location);
}

/** A person lets a device in, in a browser of their own, as a page's script does (contract 03 §16.2). */
export async function allowDevice(browser: Browser, user: Person, userCode: string): Promise<void> {
  await browser.visit("/healthz"); // seeds the CSRF cookie
  const { email, password } = user;
  await browser.call("POST", "/v1/auth/session", { body: { email, password } });
  const { status, body } = await browser.call("POST", "/v1/oauth/device/decision", {
    body: { user_code: userCode, approve: true },
  });
  if (status !== 200) throw new Error(`the device was answered ${status}: ${JSON.stringify(body)}`);
}

async function call(
  base: string,
  method: string,
  path: string,
  { as, body, headers }: CallOptions = {},
): Promise<Answer> {
  const response = await fetch(base + path, {
    method,
    redirect: "manual",
    headers: {
      ...(as !== undefined && { authorization: /^\w+ /.test(as) ? as : `Bearer ${as}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") ?? false;
  return {
    status: response.status,
    headers: response.headers,
    body: isJson && text !== "" ? JSON.parse(text) : text,
  };
}
