import { hasFileVariant } from "../config/layers.ts";
import { didYouMean } from "../config/nearest.ts";
import { flagOf, type Group, settingNames, settingOf } from "../config/table.ts";
import type { Config } from "../config.ts";
import type { Output } from "./output.ts";

/** A flag that one command has and no setting stands behind. */
export interface OwnFlag {
  /** Stands for the value in the help; a flag without one is a switch. */
  readonly value?: string;
  readonly help: string;
  readonly isRequired?: true;
}

export interface Command {
  /** `keys rotate`. */
  readonly path: string;
  /** What it does, in one line that begins with a verb. */
  readonly summary: string;
  readonly details?: string;
  readonly argument?: { readonly name: string; readonly isOptional?: true };
  readonly flags?: Readonly<Record<string, OwnFlag>>;
  /** Groups of settings that the help shows; a command with none (undefined) reads no configuration. */
  readonly settings?: readonly Group[];
  /** Loaded only when it runs: modules of the database decide at import which dialect they speak. */
  readonly load: () => Promise<Run>;
}

export interface Invocation {
  readonly argument: string | undefined;
  /** Own flags by name; a switch that is given is `"true"`. */
  readonly flags: Readonly<Record<string, string>>;
  /** Throws ConfigError. */
  readonly config: Config;
  readonly out: Output;
}

/** Resolves with the exit code; nothing means 0. */
export type Run = (invocation: Invocation) => Promise<number | undefined>;

export const EXIT = { done: 0, failed: 1, usage: 2, config: 78 } as const;

/** What the person at the keyboard did wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What went wrong and what to do about it, in words: exit code 1 unless said otherwise. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  constructor(
    message: string,
    readonly exitCode: number = EXIT.failed,
  ) {
    super(message);
  }
}

/** Flags that every command has. */
export const commonFlags: Readonly<Record<string, OwnFlag>> = {
  json: { help: "Print JSON, for machines." },
  help: { help: "Show this help." },
};

/** Flags of commands that read settings. */
export const configFlag: Readonly<Record<string, OwnFlag>> = {
  config: {
    value: "FILE",
    help: "A TOML file with settings, such as qeetid.toml (QEETID_CONFIG).",
  },
};

export interface ParsedArguments {
  readonly argument: string | undefined;
  readonly own: Record<string, string>;
  readonly settings: Record<string, string>;
}

/** Whether a setting's flag is a switch, by flag name, all spellings. */
const settingFlags: ReadonlyMap<string, { isSwitch: boolean }> = new Map(
  settingNames.flatMap((name) => {
    const { type, aliases } = settingOf(name);
    const spellings = [flagOf(name)];
    if (hasFileVariant(name)) spellings.push(flagOf(`${name}_FILE`));
    if (aliases?.flag) spellings.push(aliases.flag);
    return spellings.map((flag) => [flag, { isSwitch: type.isSwitch === true }] as const);
  }),
);

/** Reads what follows the command's name. Throws UsageError with every problem. */
export function parseArguments(command: Command, argv: readonly string[]): ParsedArguments {
  const own: Record<string, string> = {};
  const settings: Record<string, string> = {};
  const positional: string[] = [];
  const problems: string[] = [];
  const reader = flagReader(command, argv);
  for (let next = reader(); next !== undefined; next = reader()) {
    if (next.kind === "problem") problems.push(next.text);
    else if (next.kind === "argument") positional.push(next.text);
    else (next.kind === "own" ? own : settings)[next.name] = next.text;
  }
  if (own.help === undefined) problems.push(...missing(command, own, positional));
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return { argument: positional[0], own, settings };
}

function* missing(
  { argument, flags = {} }: Command,
  own: Record<string, string>,
  positional: readonly string[],
): Generator<string> {
  for (const [name, flag] of Object.entries(flags))
    if (flag.isRequired && own[name] === undefined) yield `--${name} ${flag.value} is missing`;
  if (argument && !argument.isOptional && positional.length === 0)
    yield `${argument.name} is missing`;
  const surplus = positional[argument ? 1 : 0];
  if (surplus !== undefined) yield `${JSON.stringify(surplus)} is one argument too many`;
}

type Token =
  | { kind: "own"; name: string; text: string }
  | { kind: "setting"; name: string; text: string }
  | { kind: "argument"; text: string }
  | { kind: "problem"; text: string };

/** Yields one flag (with its value) or one argument a call; undefined at the end. */
function flagReader(command: Command, argv: readonly string[]): () => Token | undefined {
  const ownFlags = {
    ...commonFlags,
    ...(command.settings ? configFlag : {}),
    ...command.flags,
  };
  const known = (name: string) => {
    const own = ownFlags[name];
    if (own) return { kind: "own" as const, isSwitch: own.value === undefined };
    const setting = command.settings ? settingFlags.get(name) : undefined;
    return setting && { kind: "setting" as const, isSwitch: setting.isSwitch };
  };
  let at = 0;
  let onlyArguments = false;
  return () => {
    const word = argv[at++];
    if (word === undefined) return undefined;
    if (word === "--" && !onlyArguments) {
      onlyArguments = true;
      return { kind: "argument", text: argv[at++] ?? "" };
    }
    if (onlyArguments || word === "-" || !word.startsWith("-"))
      return { kind: "argument", text: word };
    if (word === "-h") return { kind: "own", name: "help", text: "true" };
    const [, name = "", given] = /^--?([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    const flag = known(name);
    if (flag?.isSwitch) return { kind: flag.kind, name, text: given ?? "true" };
    if (flag) {
      const follows = argv[at];
      if (given !== undefined) return { kind: flag.kind, name, text: given };
      if (follows === undefined || follows.startsWith("--"))
        return { kind: "problem", text: `--${name} needs a value` };
      at += 1;
      return { kind: flag.kind, name, text: follows };
    }
    const negated = name.startsWith("no-") ? known(name.slice(3)) : undefined;
    if (negated?.kind === "setting" && negated.isSwitch && given === undefined)
      return { kind: "setting", name: name.slice(3), text: "false" };
    const candidates = [...Object.keys(ownFlags), ...(command.settings ? settingFlags.keys() : [])];
    const hint = didYouMean(
      `--${name}`,
      candidates.map((one) => `--${one}`),
    );
    const advice = command.argument
      ? `; a ${command.argument.name} that begins with a dash goes after --`
      : "";
    return { kind: "problem", text: `unknown flag ${word}${hint || advice}` };
  };
}
