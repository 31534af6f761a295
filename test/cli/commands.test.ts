import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Command, parseArguments, UsageError } from "../../src/cli/command.ts";
import { commands } from "../../src/cli/commands.ts";
import { commandHelp, overviewHelp } from "../../src/cli/help.ts";
import { columns } from "../../src/cli/output.ts";
import { systemdUnit } from "../../src/cli/systemd-unit.ts";
import { flagOf, settingNames } from "../../src/config/table.ts";

const command = (path: string): Command => {
  const found = commands.find((one) => one.path === path);
  if (!found) throw new Error(`no command ${path}`);
  return found;
};

function problemsOf(path: string, ...argv: string[]): string[] {
  try {
    parseArguments(command(path), argv);
  } catch (error) {
    if (error instanceof UsageError) return error.message.split("\n");
    throw error;
  }
  return [];
}

describe("arguments", () => {
  test("values after a space and after =, switches, negated switches, an argument anywhere", () => {
    expect(
      parseArguments(command("backup"), [
        "--data-dir",
        "/x",
        "file.bak",
        "--http-port=1",
        "--no-auto-migrate",
        "--no-migrate",
        "--csrf-disabled",
        "--json",
        "--smtp-password-file",
        "/secret",
      ]),
    ).toEqual({
      argument: "file.bak",
      own: { json: "true" },
      settings: {
        "data-dir": "/x",
        "http-port": "1",
        "auto-migrate": "false",
        migrate: "false",
        "csrf-disabled": "true",
        "smtp-password-file": "/secret",
      },
    });
  });

  test("after -- everything is an argument", () => {
    expect(parseArguments(command("backup"), ["--", "--odd-name"]).argument).toBe("--odd-name");
  });

  test("all problems at once", () => {
    expect(problemsOf("admin create", "--emial", "--tenant", "--api-key", "stray")).toEqual([
      "unknown flag --emial (did you mean --email?)",
      "--tenant needs a value",
      "--email EMAIL is missing",
      '"stray" is one argument too many',
    ]);
  });

  test.each([
    ["serve", ["--publc-url", "x"], "unknown flag --publc-url (did you mean --public-url?)"],
    ["serve", ["--no-public-url"], "unknown flag --no-public-url (did you mean --public-url?)"],
    ["serve", ["--http-port"], "--http-port needs a value"],
    ["backup", [], "FILE is missing"],
    [
      "keys export",
      ["-KppayL0juejIBquCs"],
      "unknown flag -KppayL0juejIBquCs; a KID that begins with a dash goes after --",
    ],
    ["version", ["--http-port", "1"], "unknown flag --http-port"],
  ] as [string, string[], string][])("%s %p", (path, argv, problem) => {
    expect(problemsOf(path, ...argv)).toContain(problem);
  });

  test("--help is answered whatever else is missing", () => {
    expect(problemsOf("backup", "--help")).toEqual([]);
    expect(problemsOf("admin create", "-h")).toEqual([]);
  });
});

describe("help", () => {
  test("the overview names every command", () => {
    const help = overviewHelp();
    for (const { path, summary } of commands) {
      expect(help).toContain(`  ${path}`);
      expect(help).toContain(summary);
    }
    expect(overviewHelp("keys")).not.toContain("serve  ");
  });

  test("`serve` shows each setting with its flag, variable and default", () => {
    const help = commandHelp(command("serve"));
    for (const name of settingNames) {
      expect(help).toContain(`  --${flagOf(name)}`);
      expect(help).toMatch(new RegExp(`env ${name}(, or a file: ${name}_FILE)?; default: \\S`));
    }
  });

  test("each command shows its own flags", () => {
    for (const one of commands)
      for (const name of Object.keys(one.flags ?? {}))
        expect(commandHelp(one)).toContain(`  --${name}`);
  });

  test("no own flag hides a setting", () => {
    const taken = new Set(settingNames.map(flagOf));
    for (const one of commands)
      for (const name of Object.keys(one.flags ?? {})) expect(taken.has(name)).toBe(false);
  });
});

/** Runs the program from source in a directory and environment of its own. */
function qeetid(argv: string[], env: Record<string, string> = {}) {
  const main = join(import.meta.dir, "../../src/main.ts");
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, main, ...argv], {
    env: { PATH: process.env.PATH ?? "", ...env },
  });
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

describe("exit codes", () => {
  test.each([
    { argv: ["version"], code: 0 },
    { argv: ["--help"], code: 0 },
    { argv: ["help"], code: 0 },
    { argv: ["keys", "--help"], code: 0 },
    { argv: ["help", "keys", "rotate"], code: 0 },
    { argv: ["serve", "-h"], code: 0 },
    { argv: [], code: 2 },
    { argv: ["keys"], code: 2 },
    { argv: ["srve"], code: 2 },
    { argv: ["keys", "rotat"], code: 2 },
    { argv: ["serve", "--nope"], code: 2 },
    { argv: ["serve", "--http-port", "none"], code: 78 },
    { argv: ["serve", "--config", "/nowhere.toml"], code: 78 },
    { argv: ["healthcheck", "--http-port", "1"], code: 1 },
  ])("$argv: $code", ({ argv, code }) => {
    expect(qeetid([...argv]).exitCode).toBe(code);
  });

  test("a configuration error lists all problems on stderr and prints nothing else", () => {
    const { stdout, stderr } = qeetid(["serve", "--http-port", "x"], { LOG_LEVEL: "loud" });
    expect(stdout).toBe("");
    expect(stderr).toContain("The configuration has 2 problems:");
    expect(stderr).toContain('  - --http-port: must be a whole number from 1 to 65535, not "x"');
    expect(stderr).toContain('  - LOG_LEVEL: must be one of debug, info, warn, error, not "loud"');
  });

  test("an unknown command suggests the nearest", () => {
    expect(qeetid(["srve"]).stderr).toContain('unknown command "srve" (did you mean serve?)');
  });

  test("version --json", () => {
    const version = JSON.parse(qeetid(["version", "--json"]).stdout);
    expect(version).toMatchObject({ bun: Bun.version, platform: expect.any(String) });
  });
});

describe("systemd unit", () => {
  const hasSystemd = Bun.which("systemd-analyze") !== null;

  test("clears what would run foreign code, and keeps an executable directory of its own", () => {
    const unit = systemdUnit("/usr/local/bin/qeetid");
    expect(unit).toContain("ExecStart=/usr/local/bin/qeetid serve");
    expect(unit).toContain("UnsetEnvironment=BUN_OPTIONS BUN_BE_BUN NODE_OPTIONS");
    expect(unit).toContain("BUN_TMPDIR=/var/cache/qeetid");
    expect(unit).toContain("CacheDirectory=qeetid");
  });

  test.skipIf(!hasSystemd)("systemd-analyze verify has no complaint", async () => {
    const path = join(process.env.TMPDIR ?? "/tmp", `qeetid-${process.pid}.service`);
    await Bun.write(path, systemdUnit("/bin/true"));
    const { exitCode, stderr } = Bun.spawnSync(["systemd-analyze", "verify", path]);
    expect(stderr.toString()).toBe("");
    expect(exitCode).toBe(0);
  });

  test.skipIf(!hasSystemd)("its exposure is low, by systemd's own measure", async () => {
    const path = join(process.env.TMPDIR ?? "/tmp", `qeetid-${process.pid}.service`);
    await Bun.write(path, systemdUnit("/bin/true"));
    const { stdout } = Bun.spawnSync(["systemd-analyze", "security", "--offline=true", path]);
    const level = Number(/exposure level for \S+: ([\d.]+)/.exec(stdout.toString())?.[1]);
    expect(level).toBeLessThan(2.5);
  });
});

test("columns are as wide as their widest cell", () => {
  expect(
    columns([
      ["a", "b"],
      ["long", "c"],
    ]),
  ).toBe("a     b\nlong  c");
});
