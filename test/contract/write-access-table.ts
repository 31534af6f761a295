/** `bun test/contract/write-access-table.ts`: makes src/access-table.json of the two tables beside this file. */
import { join } from "node:path";
import { allRows } from "./rows.ts";

export const accessTable = (): Record<string, string> =>
  Object.fromEntries(Object.entries(allRows).map(([route, { declared }]) => [route, declared]));

export const TABLE_PATH = join(import.meta.dir, "../../src/access-table.json");

if (import.meta.main)
  await Bun.write(TABLE_PATH, `${JSON.stringify(accessTable(), undefined, 2)}\n`);
