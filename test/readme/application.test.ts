// The README's application, as a newcomer saves and starts it: next to a client that the API has registered.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startIssuer } from "../counterparts/support.ts";
import type { Screen } from "../support/browser.ts";
import { freePort } from "../support/program.ts";

const root = join(import.meta.dir, "../..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const source = /```js\n([\s\S]*?)```/.exec(readme)![1]!;
const dir = mkdtempSync(join(tmpdir(), "application-"));
const here = `http://localhost:${freePort()}`;

let issuer: Awaited<ReturnType<typeof startIssuer>>;
let application: Bun.Subprocess;

beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(async () => {
  application?.kill();
  await issuer.program.stop();
  rmSync(dir, { recursive: true, force: true });
});

const ask = (path: string, headers: Record<string, string> = {}) =>
  fetch(here + path, { redirect: "manual", headers });

async function start(clientId: string, secret: string) {
  symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
  const file = join(dir, "app.mjs");
  const code = source
    .replaceAll("http://localhost:4000", issuer.base)
    .replaceAll("http://localhost:3000", here)
    .replaceAll("listen(3000)", `listen(${new URL(here).port})`);
  writeFileSync(file, code);
  application = Bun.spawn([process.execPath, file], {
    env: { ...process.env, CLIENT_ID: clientId, CLIENT_SECRET: secret },
  });
  for (let tries = 0; tries < 100; tries++) {
    if (await ask("/").catch(() => undefined)) return;
    await Bun.sleep(50);
  }
  throw new Error("the application does not answer");
}

test("the application of the README signs somebody in and out", async () => {
  const ada = await issuer.person();
  const { body } = await issuer.call("POST", "/v1/oidc/clients", {
    as: ada.token,
    body: {
      name: "My app",
      redirect_uris: [`${here}/callback`],
      post_logout_uris: [`${here}/bye`],
    },
  });
  await start(body.client_id, body.client_secret);
  const begin = async () => {
    const { headers } = await ask("/");
    const cookie = headers.get("set-cookie")!.split(";")[0]!;
    return { cookie, address: headers.get("location")! };
  };
  const browser = issuer.browser();
  const callback = async (screen: Screen, button: string) => {
    const { pathname, search } = new URL((await browser.submit(screen, button)).location!);
    return pathname + search;
  };

  const refused = await begin();
  const asked = await browser.signIn(await browser.open(refused.address), ada);
  const denied = await ask(await callback(asked, "consent-deny"), { cookie: refused.cookie });
  expect([denied.status, await denied.text()]).toEqual([400, "access_denied"]);

  const { address, cookie } = await begin();
  const back = await callback(await browser.open(address), "consent-allow");
  expect((await ask(back)).status).toBe(400); // another browser's
  const arrived = await ask(back, { cookie });
  const { user, signOut } = (await arrived.json()) as { user: { email: string }; signOut: string };
  expect(user.email).toBe(ada.email);
  expect((await browser.open(signOut)).location).toBe(`${here}/bye`);
});
