import { buildInfo } from "../config/build-info.ts";
import type { Run } from "./command.ts";

export const run: Run = async ({ out }) => {
  const value = { ...buildInfo, bun: Bun.version, platform: `${process.platform}-${process.arch}` };
  out.result(
    `qeetid ${value.version} (${value.commit}), bun ${value.bun}, ${value.platform}`,
    value,
  );
  return undefined;
};
