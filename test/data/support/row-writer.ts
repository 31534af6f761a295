// bun row-writer.ts <url>: for each line of standard input one transaction of two rows; prints how it ended.
import { openDatabase } from "../../../db/client.ts";
import { faultOf } from "../../../db/errors.ts";
import { instanceFacts, tenants } from "../../../db/schema/index.ts";

const db = await openDatabase({
  url: process.argv[2]!,
  onFatal: (error) => {
    console.log(`fatal ${error.name}`);
    process.exit(1);
  },
});
const at = new Date();
for await (const name of console) {
  if (name === "") continue; // the end of the input
  try {
    if (name === "check") await db.check();
    else if (name === "read") await db.read.$count(tenants);
    else
      await db.transaction(async (tx) => {
        const row = { id: Bun.randomUUIDv7(), slug: name, createdAt: at, updatedAt: at };
        await tx.insert(tenants).values({ ...row, name: "x".repeat(20_000) });
        await tx.insert(instanceFacts).values({ name, value: "", updatedAt: at });
      });
    console.log("done");
  } catch (error) {
    console.log(faultOf(error)?.name ?? String(error));
  }
}
await db.close();
