// A process that writes rows as fast as it can and prints the id of each one that was acknowledged.
// bun writer.ts <url> [relaxed]
import { writeSync } from "node:fs";
import { openDatabase } from "../../../db/client.ts";
import { tenants } from "../../../db/schema/index.ts";

const db = await openDatabase({ url: process.argv[2]!, durable: process.argv[3] !== "relaxed" });
const createdAt = new Date();
async function writeForEver() {
  for (;;) {
    const id = Bun.randomUUIDv7();
    const row = { id, slug: id, name: id, createdAt, updatedAt: createdAt };
    await db.transaction((tx) => tx.insert(tenants).values(row));
    writeSync(1, `${id}\n`);
  }
}
await Promise.all(Array.from({ length: 16 }, writeForEver));
