import { hasFileVariant } from "../config/layers.ts";
import { flagOf, GROUPS, type Group, settingNames, settingOf } from "../config/table.ts";
import { type Command, commonFlags, configFlag, type OwnFlag } from "./command.ts";
import { commands } from "./commands.ts";
import { columns } from "./output.ts";

const EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 wrong usage, 78 configuration.";

/** Help of the whole program, or of the commands below one word (`keys`). */
export function overviewHelp(under?: string): string {
  const shown = commands.filter(({ path }) => !under || path.startsWith(`${under} `));
  const head = under
    ? `Usage: qeetid ${under} <command> [flags]`
    : "qeetid: an identity server in one file\n\nUsage: qeetid <command> [flags]";
  return [
    head,
    "",
    indent(columns(shown.map((command) => [usageOf(command), command.summary]))),
    "",
    `\`qeetid <command> --help\` shows the flags of a command. Settings are flags, environment variables or keys of
a --config file, in that order of precedence; \`qeetid serve --help\` shows all of them.`,
    EXIT_CODES,
  ].join("\n");
}

const usageOf = ({ path, argument }: Command): string =>
  argument ? `${path} ${argument.isOptional ? `[${argument.name}]` : argument.name}` : path;

export function commandHelp(command: Command): string {
  const own = { ...command.flags, ...(command.settings ? configFlag : {}), ...commonFlags };
  const sections = [
    `qeetid ${command.path}: ${command.summary}`,
    `Usage: qeetid ${usageOf(command)} [flags]`,
    ...(command.details ? [command.details] : []),
    `Flags\n${Object.entries(own).map(ownFlagHelp).join("\n")}`,
    ...(command.settings ?? []).map(groupHelp),
  ];
  if (command.settings && command.settings.length < GROUPS.length)
    sections.push("The other settings of `qeetid serve --help` may be given as well.");
  return [...sections, EXIT_CODES].join("\n\n");
}

const ownFlagHelp = ([name, { value, help }]: [string, OwnFlag]): string =>
  `  --${name}${value ? ` ${value}` : ""}\n        ${help}`;

function groupHelp(group: Group): string {
  const rows = settingNames
    .filter((name) => settingOf(name).group === group)
    .map((name) => {
      const { type, help } = settingOf(name);
      const value = type.isSwitch ? "" : ` ${type.placeholder}`;
      const secret = hasFileVariant(name) ? `, or a file: ${name}_FILE` : "";
      return `  --${flagOf(name)}${value}\n        ${help}\n        env ${name}${secret}; default: ${defaultOf(name)}`;
    });
  return `${group}\n${rows.join("\n")}`;
}

/** What happens when nobody sets it, in words. */
export function defaultOf(name: (typeof settingNames)[number]): string {
  const { default: value, absent } = settingOf(name);
  return absent ?? (value === undefined || value === "" ? "none" : value);
}

const indent = (text: string): string => text.replace(/^/gm, "  ");
