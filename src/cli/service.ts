import { existsSync, mkdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { buildInfo } from "../config/build-info.ts";
import { CommandError, type Run } from "./command.ts";
import { ENVIRONMENT_PATH, systemdUnit, UNIT_NAME, UNIT_PATH } from "./systemd-unit.ts";

const isCompiled = buildInfo.commit !== "source";
const binaryPath = (): string =>
  isCompiled ? realpathSync(process.execPath) : "/usr/local/bin/qeetid";

const ENVIRONMENT = `# Settings of qeetid: NAME=value, one a line; \`qeetid serve --help\` shows all.
# Without PUBLIC_URL it is a development server on http://localhost:4000.
#PUBLIC_URL=https://id.example.com
`;

export const printUnit: Run = async ({ out }) => {
  const unit = systemdUnit(binaryPath());
  out.result(unit.trimEnd(), { path: UNIT_PATH, unit });
  return undefined;
};

export const installService: Run = async ({ out }) => {
  assertSystemd();
  const binary = binaryPath();
  if (!isCompiled)
    throw new CommandError(
      "Only the compiled binary installs itself: ./install.sh install --service",
    );
  // The unit's ProtectHome hides these from the service.
  if (/^\/(home|root|run\/user|tmp)\//.test(binary))
    throw new CommandError(
      `The service could not see ${binary}. Copy it first: install -m 755 ${binary} /usr/local/bin/qeetid, then /usr/local/bin/qeetid service install`,
    );
  if (!existsSync(ENVIRONMENT_PATH)) {
    mkdirSync(dirname(ENVIRONMENT_PATH), { recursive: true, mode: 0o700 });
    writeFileSync(ENVIRONMENT_PATH, ENVIRONMENT, { mode: 0o600 });
  }
  writeFileSync(UNIT_PATH, systemdUnit(binary), { mode: 0o644 });
  systemctl("daemon-reload");
  systemctl("enable", UNIT_NAME);
  systemctl("restart", UNIT_NAME);
  out.result(
    `${UNIT_NAME} runs. Settings: ${ENVIRONMENT_PATH}. Data: /var/lib/qeetid. Log: journalctl -u qeetid`,
    { unit: UNIT_PATH, settings: ENVIRONMENT_PATH, dataDir: "/var/lib/qeetid" },
  );
  return undefined;
};

export const uninstallService: Run = async ({ out }) => {
  assertSystemd();
  if (existsSync(UNIT_PATH)) {
    systemctl("disable", "--now", UNIT_NAME);
    rmSync(UNIT_PATH);
    systemctl("daemon-reload");
  }
  out.result(`${UNIT_NAME} is gone. /var/lib/qeetid and ${ENVIRONMENT_PATH} stay.`, {
    unit: UNIT_PATH,
  });
  return undefined;
};

function assertSystemd(): void {
  if (!existsSync("/run/systemd/system"))
    throw new CommandError(
      "systemd does not run on this machine. `qeetid service print` shows the unit; elsewhere, start `qeetid serve` by what starts services here.",
    );
  if (process.getuid?.() !== 0)
    throw new CommandError("This changes the system: run it as root (sudo).");
}

function systemctl(...words: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(["systemctl", ...words], { stdout: "ignore" });
  if (exitCode !== 0)
    throw new CommandError(
      `systemctl ${words.join(" ")} failed: ${stderr.toString().trim()}\nSee: journalctl -u qeetid -n 50`,
    );
}
