/** Flag over environment over file over default, read into values; every problem collected. */
import { readFileSync } from "node:fs";
import { didYouMean } from "./nearest.ts";
import {
  flagOf,
  type Setting,
  type SettingName,
  settingNames,
  settingOf,
  tomlKeyOf,
  type Values,
} from "./table.ts";

export interface Sources {
  /** Flags by name, without dashes; `no-` is already folded into `false`. */
  readonly flags?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly tomlText?: string;
}

/** A value as written, and where, in the operator's words. */
interface Written {
  readonly text: string;
  readonly where: string;
}

/** Reads all settings. What can't be read is absent from `values` and named in `problems`. */
export function readLayers(sources: Sources): { values: Partial<Values>; problems: string[] } {
  const problems: string[] = [];
  const layers = [
    flagLayer(sources.flags ?? {}),
    envLayer(sources.env ?? {}),
    tomlLayer(sources.tomlText, problems),
  ];
  const values: Partial<Values> = {};
  for (const name of settingNames) {
    const setting = settingOf(name);
    try {
      const written = firstOf(layers, name, setting);
      (values as Record<string, unknown>)[name] = parse(name, setting, written);
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  return { values, problems };
}

type Layer = (name: string, alias?: { env?: string; flag?: string }) => Written | undefined;

const flagLayer =
  (flags: Readonly<Record<string, string>>): Layer =>
  (name, alias) => {
    for (const flag of [flagOf(name), alias?.flag]) {
      const text = flag === undefined ? undefined : flags[flag];
      if (text !== undefined) return { text, where: `--${flag}` };
    }
    return undefined;
  };

const envLayer =
  (env: Readonly<Record<string, string | undefined>>): Layer =>
  (name, alias) => {
    for (const key of [name, alias?.env]) {
      const text = key === undefined ? undefined : env[key];
      // Set and empty is how environment files spell "not set".
      if (text !== undefined && text.trim() !== "") return { text, where: key! };
    }
    return undefined;
  };

function tomlLayer(tomlText: string | undefined, problems: string[]): Layer {
  const table = tomlText === undefined ? {} : parseToml(tomlText, problems);
  const known = new Set(
    settingNames.flatMap((name) =>
      hasFileVariant(name) ? [tomlKeyOf(name), tomlKeyOf(`${name}_FILE`)] : [tomlKeyOf(name)],
    ),
  );
  for (const key of Object.keys(table))
    if (!known.has(key))
      problems.push(`configuration file: unknown setting ${key}${didYouMean(key, known)}`);
  return (name) => {
    const value = table[tomlKeyOf(name)];
    if (value === undefined) return undefined;
    const where = `${tomlKeyOf(name)} in the configuration file`;
    if (Array.isArray(value)) return { text: value.join(","), where };
    if (typeof value === "object") throw new Error(`${where}: must be a value, not a section`);
    return { text: String(value), where };
  };
}

function parseToml(tomlText: string, problems: string[]): Record<string, unknown> {
  try {
    return Bun.TOML.parse(tomlText) as Record<string, unknown>;
  } catch (error) {
    problems.push(`configuration file: not TOML: ${(error as Error).message}`);
    return {};
  }
}

export const hasFileVariant = (name: SettingName): boolean =>
  settingOf(name).isSecret === true && !settingNames.includes(`${name}_FILE` as SettingName);

/** The value of the highest layer that has one, read from its file where the layer names a file instead. */
function firstOf(
  layers: readonly Layer[],
  name: SettingName,
  setting: Setting,
): Written | undefined {
  for (const layer of layers) {
    const direct = layer(name, setting.aliases);
    const file = hasFileVariant(name) ? layer(`${name}_FILE`) : undefined;
    if (direct && file) throw new Error(`${direct.where}: given twice, also by ${file.where}`);
    if (direct) return direct;
    if (file) return { text: readSecret(file), where: file.where };
  }
  return undefined;
}

function readSecret({ text: path, where }: Written): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new Error(`${where}: can't read ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

function parse(name: SettingName, setting: Setting, written: Written | undefined): unknown {
  const text = written?.text ?? setting.default;
  if (text === undefined) return null;
  try {
    return setting.type.parse(text.trim());
  } catch (error) {
    const shown = setting.isSecret ? "" : `, not ${JSON.stringify(text)}`;
    throw new Error(`${written?.where ?? name}: ${(error as Error).message}${shown}`);
  }
}
