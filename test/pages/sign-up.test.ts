/** Contract 00 §27: people make themselves an account through a client that lets them; its tenant becomes their home. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { listMessages } from "../../src/platform/mail/service.ts";
import {
  authorizeUrl,
  type Browser,
  callbackOf,
  type Screen,
  startProvider,
  type TestClient,
  type TestProvider,
} from "../support/provider.ts";
import { PASSWORD, type SignedUp } from "../support/server.ts";

let server: TestProvider;
let owner: SignedUp;
let open: TestClient;
let closed: TestClient;
beforeAll(async () => {
  server = await startProvider();
  owner = await server.signUp();
  open = await server.createClient(owner, { name: "Open", self_registration: true });
  closed = await server.createClient(owner, { name: "Closed", require_membership: false });
});
afterAll(() => server.stop());

const has = (screen: Screen, id: string) => screen.forms.some(({ controls }) => id in controls);
let count = 0;
const fresh = () => `newcomer${++count}@example.com`;

/** From the client's request over the sign-in page to the form. */
async function toForm(browser: Browser, client = open): Promise<Screen> {
  const login = await browser.open(authorizeUrl(client));
  const link = /href="(\/signup\?[^"]+)"/.exec(login.body)?.[1];
  if (link === undefined) throw new Error("no link to sign up");
  return browser.visit(link.replaceAll("&amp;", "&"));
}
const fill = (
  browser: Browser,
  form: Screen,
  values: { email: string; password?: string; display_name?: string },
) => browser.submit(form, "signup-submit", { password: PASSWORD, ...values });

test("the account is at home in the client's tenant, signed in, and back in the flow", async () => {
  const browser = server.browser();
  const form = await toForm(browser);
  expect(form.body).toContain("to continue to <strong>Open</strong>");
  const email = fresh();
  const consent = await fill(browser, form, { email, display_name: "  New Comer " });
  expect(has(consent, "consent-allow")).toBe(true);
  expect(consent.body).toContain("New Comer");
  expect(callbackOf(await browser.allow(consent)).code).toBeDefined();
  const users = await server.call("GET", `/v1/users?limit=200`, { as: owner.token });
  const found = users.body.items.find((one: { email: string }) => one.email === email);
  expect(found).toMatchObject({ display_name: "New Comer" });
  const { body } = await server.call("POST", "/v1/auth/login", {
    body: { email, password: PASSWORD },
  });
  expect(body.tenant_id).toBe(owner.tenantId);
  // A member without a role: the tenant's own things are not theirs.
  const refused = await server.call("GET", "/v1/users", { as: body.access_token });
  expect(refused.status).toBe(403);
  const tenants = await server.call("GET", "/v1/tenants", { as: body.access_token });
  expect(tenants.body.items.map(({ id }: { id: string }) => id)).toEqual([owner.tenantId]);
  // The address is still to be proved.
  const mails = (await listMessages(server.deps, 50)).filter(
    ({ recipient }) => recipient === email,
  );
  expect(mails).toHaveLength(1);
});

test("an address in use: no word of whose it is, no session, and its owner is told", async () => {
  const browser = server.browser();
  const form = await toForm(browser);
  const refused = await fill(browser, form, { email: owner.email });
  expect([refused.status, refused.body.includes("No account could be created")]).toEqual([
    422,
    true,
  ]);
  expect(browser.cookies.has("qe_ls")).toBe(false);
  expect(refused.body).not.toContain(PASSWORD);
  expect(refused.forms[0]!.fields.email).toBe(owner.email);
});

test.each([
  { wrong: "no address", values: { email: "someone" }, id: "email-error" },
  { wrong: "short", values: { password: "short" }, id: "password-error" },
  { wrong: "weak", values: { password: "password" }, id: "password-error" },
  { wrong: "long", values: { password: "x".repeat(257) }, id: "password-error" },
  { wrong: "long name", values: { display_name: "x".repeat(201) }, id: "display_name-error" },
])("what is wrong is said at its field: $wrong", async ({ values, id }) => {
  const browser = server.browser();
  const form = await toForm(browser);
  const refused = await fill(browser, form, { email: "a@example.com", ...values });
  expect([refused.status, refused.body.includes(`id="${id}"`)]).toEqual([422, true]);
  expect(refused.forms[0]!.fields.password).toBeFalsy();
});

test("a stale form keeps its fields", async () => {
  const browser = server.browser();
  const form = await toForm(browser);
  browser.cookies.delete("qe_csrf");
  const email = fresh();
  const stale = await fill(browser, form, { email, display_name: "Some One" });
  expect([stale.status, stale.body.includes("open for too long")]).toEqual([422, true]);
  expect(stale.forms[0]!.fields).toMatchObject({ email, display_name: "Some One" });
  expect(has(await fill(browser, stale, { email }), "consent-allow")).toBe(true);
});

describe("not offered", () => {
  const at = (client: TestClient, base = server.base) =>
    `/signup?${new URLSearchParams({ return_to: `${base}/v1/oauth/authorize?client_id=${client.clientId}` })}`;

  test("by a client that does not ask for it, and to who comes through none", async () => {
    const browser = server.browser();
    const login = await browser.open(authorizeUrl(closed));
    expect(login.body).not.toContain("/signup");
    for (const path of ["/signup", at(closed), "/signup?return_to=https%3A%2F%2Fevil.example%2F"]) {
      const screen = await browser.visit(path);
      expect([screen.status, has(screen, "signup-submit")]).toEqual([404, false]);
    }
    const form = await toForm(browser);
    const forged = form.forms[0]!;
    const fields = { ...forged.fields, return_to: `${server.base}/account` };
    const email = fresh();
    const refused = await fill(browser, { ...form, forms: [{ ...forged, fields }] }, { email });
    expect([refused.status, browser.cookies.has("qe_ls")]).toEqual([404, false]);
  });

  test.each(["invite", "closed"] as const)("under SIGNUP_MODE=%s", async (signupMode) => {
    const shut = await startProvider();
    const admin = await shut.signUp();
    const client = await shut.createClient(admin, { self_registration: true });
    Object.assign(shut.deps, { config: { ...shut.deps.config, signupMode } });
    const screen = await shut.browser().visit(at(client, shut.base));
    expect(screen.status).toBe(404);
    expect((await shut.browser().open(authorizeUrl(client))).body).not.toContain("/signup");
    await shut.stop();
  });
});
