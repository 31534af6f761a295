// bun migrate.ts <url>: migrates, and prints the tags that this process has applied.
import { migrate } from "../../../db/migrate.ts";

console.log(JSON.stringify(await migrate(process.argv[2]!, new Date())));
