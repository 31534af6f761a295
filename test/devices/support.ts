/** A device that has no keyboard, the client that runs on it, and the person who lets it in. */
import { browser } from "../auth/support.ts";
import { ok, type Person } from "../rbac/support.ts";
import {
  type Parameters,
  postForm,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import { type Answer, PASSWORD } from "../support/server.ts";

export const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";
export const SECOND = 1_000;
export const DAY_SECONDS = 86_400;

/** A public client of the device grant, unless `body` says otherwise. */
export const deviceClient = (
  server: TestProvider,
  owner: { readonly token: string },
  body: Record<string, unknown> = {},
): Promise<TestClient> =>
  server.createClient(owner, {
    type: "public",
    name: "Television",
    redirect_uris: [],
    grant_types: [DEVICE_GRANT, "refresh_token"],
    scopes: ["openid", "profile"],
    ...body,
  });

export const startDevice = (
  server: TestProvider,
  client: TestClient,
  fields: Parameters = {},
  how?: "basic" | "post" | "none",
): Promise<Answer> => postForm(server, "/v1/oauth/device_authorization", client, fields, how);

export interface Codes {
  readonly device_code: string;
  readonly user_code: string;
}

export const codes = async (
  server: TestProvider,
  client: TestClient,
  fields: Parameters = {},
): Promise<Codes> => ok(await startDevice(server, client, fields)).body;

export const poll = (
  server: TestProvider,
  client: TestClient,
  { device_code }: Pick<Codes, "device_code">,
  fields: Parameters = {},
  how?: "basic" | "post" | "none",
): Promise<Answer> =>
  postForm(
    server,
    "/v1/oauth/token-code",
    client,
    { grant_type: DEVICE_GRANT, device_code, ...fields },
    how,
  );

/** Polls as a device should: after its interval, however long that has become. */
export function pollLater(
  server: TestProvider,
  client: TestClient,
  given: Pick<Codes, "device_code">,
): Promise<Answer> {
  server.clock.advance(60 * SECOND);
  return poll(server, client, given);
}

/** A browser in which this person is signed in. */
export async function signedIn(server: TestProvider, { email }: Pick<Person, "email">) {
  const person = await browser(server);
  ok(await person.send("POST", "/v1/auth/session", { email, password: PASSWORD }));
  const find = (userCode: string) =>
    person.send("GET", `/v1/oauth/device?user_code=${encodeURIComponent(userCode)}`);
  const decide = (userCode: string, approve = true) =>
    person.send("POST", "/v1/oauth/device/decision", { user_code: userCode, approve });
  return { ...person, find, decide };
}

export type SignedIn = Awaited<ReturnType<typeof signedIn>>;

/** Tokens of a user for a client of the device grant, without a page in between. */
export async function deviceTokens(
  server: TestProvider,
  client: TestClient,
  user: Pick<Person, "email">,
  fields: Parameters = {},
): Promise<{ access_token: string; refresh_token: string; id_token: string }> {
  const given = await codes(server, client, fields);
  ok(await (await signedIn(server, user)).decide(given.user_code));
  return ok(await poll(server, client, given)).body;
}
