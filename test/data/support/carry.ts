// bun carry.ts <url> <from> <to>: restores a backup into `url`, in its dialect, and backs that up.
import { backup } from "../../../db/backup.ts";
import { restore } from "../../../db/restore.ts";

const [url, from, to] = process.argv.slice(2) as [string, string, string];
const now = new Date("2026-01-02T03:04:05.678Z");
await restore(url, from, { now });
await backup(url, to, { version: "1.2.3", now });
