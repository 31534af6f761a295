import { readFileSync } from "node:fs";
import {
  type Command,
  CommandError,
  EXIT,
  type Invocation,
  parseArguments,
  UsageError,
} from "./cli/command.ts";
import { commands } from "./cli/commands.ts";
import { describeFault } from "./cli/faults.ts";
import { commandHelp, overviewHelp } from "./cli/help.ts";
import { createOutput } from "./cli/output.ts";
import { didYouMean } from "./config/nearest.ts";
import { type Config, ConfigError, loadConfig } from "./config.ts";

/** Finds the command that `argv` begins with; the longest path wins. */
function findCommand(argv: readonly string[]): Command | undefined {
  for (const words of [2, 1]) {
    const path = argv.slice(0, words).join(" ");
    const command = commands.find((one) => one.path === path);
    if (command) return command;
  }
  return undefined;
}

async function main(argv: readonly string[]): Promise<number> {
  const command = findCommand(argv);
  if (!command) return withoutCommand(argv);
  const words = command.path.split(" ").length;
  const { argument, own, settings } = parseArguments(command, argv.slice(words));
  if (own.help !== undefined) {
    console.log(commandHelp(command));
    return EXIT.done;
  }
  const config = command.settings && readConfig(settings, own.config);
  const invocation: Invocation = {
    argument,
    flags: own,
    out: createOutput(own.json !== undefined),
    get config() {
      if (!config) throw new Error(`${command.path} declares no settings`);
      return config;
    },
  };
  const run = await command.load();
  return (await run(invocation)) ?? EXIT.done;
}

function readConfig(flags: Record<string, string>, file = process.env.QEETID_CONFIG): Config {
  let tomlText: string | undefined;
  if (file !== undefined && file !== "") {
    try {
      tomlText = readFileSync(file, "utf8");
    } catch (error) {
      throw new ConfigError([
        `--config: can't read ${file}: ${(error as NodeJS.ErrnoException).code}`,
      ]);
    }
  }
  const config = loadConfig({
    flags,
    env: process.env,
    ...(tomlText !== undefined && { tomlText }),
  });
  // The table modules choose their dialect at import, from this variable (db/dialect.ts).
  process.env.DATABASE_URL = config.databaseUrl;
  return config;
}

function withoutCommand(argv: readonly string[]): number {
  const words = argv.filter((word) => !word.startsWith("-"));
  const wantsHelp = argv.length !== words.length || words[0] === "help";
  const [first, second] = words[0] === "help" ? words.slice(1) : words;
  const named = findCommand([first, second].filter((word) => word !== undefined));
  if (wantsHelp && named) {
    console.log(commandHelp(named));
    return EXIT.done;
  }
  const group = commands.some(({ path }) => path.startsWith(`${first} `)) ? first : undefined;
  const isWhole = first === undefined || (group !== undefined && second === undefined);
  if (wantsHelp && isWhole) {
    console.log(overviewHelp(group));
    return EXIT.done;
  }
  if (isWhole) {
    console.error(overviewHelp(group));
    return EXIT.usage;
  }
  const asked = group === undefined ? first : `${first} ${second}`;
  const known = commands.flatMap(({ path }) => [path, path.split(" ")[0]!]);
  throw new UsageError(`unknown command ${JSON.stringify(asked)}${didYouMean(asked, known)}`);
}

/** Prints why it went wrong, and returns the exit code. */
function explain(error: unknown): number {
  if (error instanceof UsageError) {
    console.error(
      `${error.message}\nqeetid --help shows the commands, qeetid <command> --help their flags.`,
    );
    return EXIT.usage;
  }
  if (error instanceof ConfigError) {
    const { problems } = error;
    console.error(
      `The configuration has ${problems.length === 1 ? "a problem" : `${problems.length} problems`}:`,
    );
    for (const problem of problems) console.error(`  - ${problem}`);
    return EXIT.config;
  }
  if (error instanceof CommandError) {
    console.error(error.message);
    return error.exitCode;
  }
  const sentence = error instanceof Error ? describeFault(error) : undefined;
  if (error instanceof Error && sentence !== undefined) {
    console.error(sentence);
    return error.name === "RootKeyError" ? EXIT.config : EXIT.failed;
  }
  // drizzle's message holds parameters; its cause is the driver's own error.
  const cause = error instanceof Error && error.name === "DrizzleQueryError" ? error.cause : error;
  // Not the error itself: the runtime would print lines of the minified program around it.
  console.error(
    `qeetid failed: ${cause instanceof Error ? (cause.stack ?? cause.message) : cause}`,
  );
  return EXIT.failed;
}

// Whoever sets these owns the process; nothing that we start shall inherit them (they preload code into Bun).
delete process.env.BUN_OPTIONS;
delete process.env.BUN_BE_BUN;

// Databases, keys and backups are for the owner alone, also in a directory that others may enter.
process.umask(0o077);

process.exitCode = await main(process.argv.slice(2)).catch(explain);
