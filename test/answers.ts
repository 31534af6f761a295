/**
 * bun test/answers.ts <file>: fails for a documented answer that no test of a run produced (QEETID_ANSWERS_FILE), so
 * that nothing is promised which nobody has seen. What the kernel answers on every route, and documents on every
 * route, is held by its own tests and the access matrix, not once a route.
 */
import { readFileSync } from "node:fs";
import { startServer } from "./support/server.ts";

const [file] = process.argv.slice(2);
if (file === undefined) {
  console.error("usage: bun test/answers.ts <file that a run wrote>");
  process.exit(2);
}

/** By the kernel: syntax, credential, gate, size, media type, validation, rate, bug. */
const EVERYWHERE = ["400", "401", "403", "413", "415", "422", "429", "500"];

/** Statuses of the published document that this server does not send (contract 00 §15). */
const ONLY_PUBLISHED = [
  "POST /v1/oauth/authorize/decision 302",
  "POST /v1/oauth/logout 302",
  "POST /v1/users/{id}/verify/email/confirm 201",
  "POST /v1/users/{id}/verify/email/start 201",
  "POST /v1/users/{id}/verify/phone/confirm 201",
  "POST /v1/users/{id}/verify/phone/start 201",
];

const seen = new Set(readFileSync(file, "utf8").split("\n"));
const server = await startServer();
const { body: document } = await server.call("GET", "/openapi.json");
await server.stop();

const documented = Object.entries<Record<string, { responses: object }>>(document.paths).flatMap(
  ([path, item]) =>
    Object.entries(item).flatMap(([method, { responses }]) =>
      Object.keys(responses)
        .filter((status) => !EVERYWHERE.includes(status))
        .map((status) => `${method.toUpperCase()} ${path} ${status}`),
    ),
);
const missing = documented.filter((line) => !seen.has(line) && !ONLY_PUBLISHED.includes(line));
for (const line of missing) console.error(`never answered: ${line}`);
console.log(
  `${documented.length - missing.length} of ${documented.length} documented answers seen`,
);
process.exit(missing.length > 0 ? 1 : 0);
