import { describe, expect, test } from "bun:test";
import { callApi, emptyDirectory, runProgram, startProgram } from "../support/program.ts";

const isPostgresRun = process.env.QEETID_TEST_POSTGRES !== undefined;
const PASSWORD = "six blue herons";

async function withKey(base: string, path: string, key: string) {
  const answer = await fetch(base + path, { headers: { authorization: `ApiKey ${key}` } });
  // biome-ignore lint/suspicious/noExplicitAny: tests assert on the shape
  return { status: answer.status, body: (await answer.json()) as any };
}

describe.skipIf(isPostgresRun)("admin create", () => {
  test("beside a running server: the key opens the API, the printed password signs in", async () => {
    const server = await startProgram();
    const { exitCode, stdout } = await runProgram(
      ["admin", "create", "--email", "a@b.co", "--tenant", "Acme", "--api-key"],
      { cwd: server.cwd },
    );
    expect(exitCode).toBe(0);
    const created = JSON.parse(stdout);
    expect(created).toMatchObject({
      email: "a@b.co",
      tenant_slug: "acme",
      roles: ["owner"],
      platform_operator: false,
    });
    const users = await withKey(server.base, "/v1/users", created.api_key);
    expect(users).toMatchObject({ status: 200, body: { items: [{ email: "a@b.co" }] } });
    const login = await callApi(server.base, "/v1/auth/login", {
      body: { email: "a@b.co", password: created.password },
    });
    expect(login.status).toBe(200);
    await server.stop();
  }, 30_000);

  test("before the first start; the password from stdin is not printed; an address has one account", async () => {
    const cwd = emptyDirectory();
    const argv = ["admin", "create", "--email", "Op@b.co", "--password-stdin"];
    const env = { PLATFORM_ADMINS: "op@b.co" };
    const first = await runProgram(argv, { cwd, env, stdin: `${PASSWORD}\n` });
    expect(first.exitCode).toBe(0);
    expect(JSON.parse(first.stdout)).toMatchObject({ platform_operator: true });
    expect(JSON.parse(first.stdout)).not.toHaveProperty("api_key");
    expect(first.stdout + first.stderr).not.toContain(PASSWORD);
    expect(first.stderr).toContain("platform operator");
    const again = await runProgram(argv, { cwd, env, stdin: PASSWORD });
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toContain("has an account already");
    const server = await startProgram([], { cwd });
    const login = await callApi(server.base, "/v1/auth/login", {
      body: { email: "op@b.co", password: PASSWORD },
    });
    expect(login.status).toBe(200);
    await server.stop();
  }, 30_000);

  test.each([
    { argv: ["--email", "nobody"], stdin: PASSWORD },
    { argv: ["--email", "a@b.co"], stdin: "password" },
    { argv: ["--email", "a@b.co", "--tenant", ""], stdin: PASSWORD },
  ])("$argv, password $stdin: 2, and nothing is made", async ({ argv, stdin }) => {
    const cwd = emptyDirectory();
    const refused = await runProgram(["admin", "create", "--password-stdin", ...argv], {
      cwd,
      stdin,
    });
    expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
    const status = await runProgram(["migrate", "--status", "--json"], { cwd });
    expect(JSON.parse(status.stdout).applied).toEqual([]);
  });
});

describe.skipIf(isPostgresRun)("seed", () => {
  test("fills a database once, again with --reset, and its audit logs verify", async () => {
    const cwd = emptyDirectory();
    const first = await runProgram(["seed", "--json"], { cwd });
    expect(first.stderr).toBe("");
    expect(first.exitCode).toBe(0);
    for (const { clients } of JSON.parse(first.stdout).workspaces)
      expect(clients).toEqual([
        {
          name: expect.any(String),
          client_id: expect.any(String),
          client_secret: expect.any(String),
          redirect_uri: expect.stringMatching(/^http:/),
        },
        {
          name: expect.any(String),
          client_id: expect.stringMatching(/^qci_/),
          redirect_uri: expect.stringMatching(/^http:/),
        },
        {
          name: "nightly-export",
          client_id: expect.any(String),
          client_secret: expect.any(String),
        },
      ]);
    const again = await runProgram(["seed"], { cwd });
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toContain("--reset");
    expect((await runProgram(["seed", "--reset"], { cwd })).exitCode).toBe(0);
    expect((await runProgram(["audit", "verify"], { cwd })).exitCode).toBe(0);
  }, 60_000);

  test("is refused in production", async () => {
    const cwd = emptyDirectory();
    const { exitCode, stderr } = await runProgram(["seed"], {
      cwd,
      env: { PUBLIC_URL: "https://id.acme.test" },
    });
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain("production");
  });
});
