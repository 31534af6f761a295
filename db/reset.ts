/** Throws away everything that a database holds. For demonstration data, never in production. */
import { existsSync, rmSync } from "node:fs";
import { dialect } from "./dialect.ts";
import { connect, tableNames } from "./raw.ts";

/** Afterwards the database is as it was before the first migration. Nobody may be using it. */
export async function resetDatabase(url: string): Promise<void> {
  if (dialect === "sqlite") {
    const path = url.replace(/^sqlite:/, "");
    for (const file of [path, `${path}-wal`, `${path}-shm`]) if (existsSync(file)) rmSync(file);
    return;
  }
  const connection = await connect(url);
  try {
    for (const name of await tableNames(connection))
      await connection.values(`drop table if exists "${name}" cascade`);
    await connection.values("drop function if exists refuse_audit_change() cascade");
  } finally {
    await connection.close();
  }
}
